"""Killed anywhere: exactly one row per event, at least one message to every sink, all with one key."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import func, select

from inspection.settings import Workspace
from inspection.store.database import Store
from inspection.store.tables import alerts, outbox, predictions

ROOT = Path(__file__).parents[2]
PROGRAM = Path(__file__).with_name("killed_outbox.py")
KEYS = {
    "lot/L1/M1/Grid",
    "lot/L1/M1/Donut",
    "source/archive.npz/Loc",
    "source/archive.npz/Unknown",
}


def campaign(tmp_path, receiver, seed: int) -> int:
    """One seed; returns how often it was killed."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(PROGRAM.parent)])}
    command = [sys.executable, str(PROGRAM), str(tmp_path), str(seed), receiver.url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    kills = int(done.stdout)
    assert kills >= 0, done.stderr

    with Store(f"sqlite:///{tmp_path / 'store.sqlite'}") as store, store.read() as c:
        assert sorted(c.execute(select(alerts.c.key)).scalars()) == sorted(KEYS)
        assert Counter(c.execute(select(outbox.c.sink)).scalars()) == {"log": 4, "file": 4, "webhook": 4}
        assert set(c.execute(select(outbox.c.state)).scalars()) == {"sent"}
        assert c.execute(select(func.count()).where(predictions.c.judged_at.is_(None))).scalar_one() == 0
        pictures = list(c.execute(select(alerts.c.picture)).scalars())
    assert all((tmp_path / name).read_bytes() == b"picture" for name in pictures)

    workspace = Workspace(tmp_path)
    lines = [json.loads(x) for x in (workspace.alerts / "alerts.jsonl").read_text(encoding="utf-8").splitlines() if x]
    assert {x["idempotency_key"] for x in lines} == {f"{key}:log:open" for key in KEYS}
    files = [json.loads(p.read_text(encoding="utf-8")) for p in workspace.alerts.glob("*/alert.json")]
    assert sorted(x["idempotency_key"] for x in files) == sorted(f"{key}:file:open" for key in KEYS)
    posted = {headers["idempotency-key"] for _, headers, _ in receiver.posts}
    assert posted == {f"{key}:webhook:open" for key in KEYS}
    return kills


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_killed_anywhere_each_event_is_one_row_and_reaches_every_sink(tmp_path, receiver, seed):
    assert campaign(tmp_path, receiver, seed) > 0


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(2, 60))
def test_killed_anywhere_soak(tmp_path, receiver, seed):
    campaign(tmp_path, receiver, seed)
