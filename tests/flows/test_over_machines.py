"""Ingest and tile with their work done on a real Dask cluster, a machine of it killed in the middle: the same bytes as in one process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_a_dask_cluster_that_loses_a_machine_leaves_the_same_shards_views_and_numbers(tmp_path: Path) -> None:
    pytest.importorskip("prefect_dask")
    command = [sys.executable, str(Path(__file__).with_name("over_machines.py")), str(tmp_path)]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False, timeout=540)
    assert done.returncode == 0, done.stderr[-3000:]
    answer = json.loads(done.stdout.splitlines()[-1])
    assert (answer["killed"], answer["killed drawing"]) == (1, 1)
    for result in (answer["here"][0], answer["there"][0]):
        del result["seconds"]
    assert answer["there"] == answer["here"]
    assert answer["there"][1]["wafers"] >= 40
    for made in ("canonical", "data/views"):
        near, far = ({p.name: p.read_bytes() for p in (tmp_path / place / made).iterdir()} for place in ("near", "far"))
        assert near == far != {}
    assert {"read over machines", "draw over machines"} <= flow_names(tmp_path / "far")


@pytest.mark.slow
def test_a_cluster_that_is_not_there_is_named(tmp_path: Path) -> None:
    pytest.importorskip("prefect_dask")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "wafer.csv").write_text("x_um,y_um\n1,2\n", encoding="utf-8")
    env = os.environ | {
        "PYTHONPATH": str(ROOT),
        "INSPECTION_DASK_ADDRESS": "tcp://127.0.0.1:9",
        "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "1s",
    }
    command = [sys.executable, "-m", "inspection.cli", "ingest", "in", "--workspace", "ws"]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 1
    assert "INSPECTION_DASK_ADDRESS" in done.stderr
    assert "tcp://127.0.0.1:9" in done.stderr


def flow_names(workspace: Path) -> set[str]:
    import sqlite3

    with sqlite3.connect(workspace / "prefect" / "prefect.db") as database:
        names = {name for (name,) in database.execute("select name from flow")}
    database.close()
    return names
