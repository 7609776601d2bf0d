"""The main job on a small fab, with the real engines: interrupted, killed, finished, idle, and given one more lot.

All of it happens once, in the fixture ``lived``; the tests, in any order, look at what came out.
"""

from __future__ import annotations

import contextlib
import csv
import json
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
import yaml

from inspection.wafer.taxonomy import REVIEW, UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
LOTS, WAFERS = 16, 8
PATIENCE_S = 600.0
PROMPT_S = 45.0
"""An interrupted run may finish the training step in hand and save; on two busy cores that takes some seconds."""


@dataclass
class Ended:
    """A process that has ended: its code, the JSON objects on its standard output, and what it told a person."""

    code: int
    answer: dict[str, Any]
    told: str
    seconds: float


@dataclass
class Lived:
    """What became of the workspace, step by step."""

    maps: Path
    late: Path
    workspace: Path
    seen: dict[str, Any] = field(default_factory=dict)


def started(*words: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", *map(str, words), "--json"]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(process: subprocess.Popen[str]) -> Ended:
    since = time.monotonic()
    out, told = process.communicate(timeout=PATIENCE_S)
    return Ended(process.returncode, json.loads(out) if out else {}, told, time.monotonic() - since)


def main_job(maps: Path, workspace: Path) -> subprocess.Popen[str]:
    return started("flows", "--input", maps, "--workspace", workspace)


def succeeded(done: Ended) -> dict[str, Any]:
    assert done.code == 0, (done.answer, done.told[-3000:])
    return done.answer


def processes_of(workspace: Path) -> list[str]:
    """Every process that was started for the workspace: all inherit Prefect's home, which lies in it."""
    mark = f"PREFECT_HOME={workspace}".encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it ended while we looked
            if mark in (entry / "environ").read_bytes():
                found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return found


def until(holds: Callable[[], bool], process: subprocess.Popen[str] | None = None) -> None:
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end, "it never came to that"
        assert process is None or process.poll() is None, (process.returncode, process.communicate())
        time.sleep(0.02)


def epochs_trained(workspace: Path) -> int:
    try:
        with np.load(workspace / "data" / "checkpoint" / "state.npz") as kept:
            return int(json.loads(kept["progress"].tobytes())["epoch"])
    except (FileNotFoundError, NotADirectoryError):
        return 0


def small_params() -> dict[str, Any]:
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["tile"]["points"] = {"size_px": 48, "tiles": 2, "tile_px": 24, "tile_mm": 30.0}
    params["train"] |= {"model": "plain_cnn", "width": 8, "epochs": 3, "min_steps": 45, "min_epoch_steps": 1, "batch_size": 16}
    params["guard"] |= {"maps": 100, "looks": 1, "delta": 0.3}  # few maps decide little: only a plain trace would fail
    params["evaluate"] |= {"bootstrap": 20, "test_time_augmentation": False}
    params["baselines"] |= {"trees": 20}
    params["infer"]["batch_sizes"] = [8]
    # So little training makes nobody sure: whatever is called a defect alerts.
    params["alert"] |= {"min_probability": 0.05, "min_wafers": 1, "at_once": ["low", "medium", "high"]}
    return params


def rows(workspace: Path, query: str) -> list[tuple[Any, ...]]:
    with contextlib.closing(sqlite3.connect(f"file:{workspace / 'store.sqlite'}?mode=ro", uri=True)) as store:
        return store.execute(query).fetchall()


def stored(workspace: Path) -> dict[str, Any]:
    """What a run may change: read straight from the store."""
    return {
        "predictions": rows(workspace, 'select file_sha256, "index", model_sha256, decision, scored_at from predictions order by 1, 2, 3'),
        "champions": rows(workspace, "select * from champions"),
        "alerts": rows(workspace, "select id, signature, lot, state from alerts order by id"),
    }


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Lived:
    home = tmp_path_factory.mktemp("fab")
    life = Lived(home / "maps", home / "late", home / "space")
    seen, workspace = life.seen, life.workspace
    seed = ("--wafers", WAFERS, "--seed", 0)
    succeeded(ended(started("inspection.cli", "simulate", life.maps, "--lots", LOTS, *seed)))
    succeeded(ended(started("inspection.cli", "simulate", life.late, "--lots", 1, "--first-lot", LOTS + 1, *seed)))
    workspace.mkdir()
    seen["params"] = yaml.safe_dump(small_params(), sort_keys=False)
    (workspace / "params.yaml").write_text(seen["params"])

    process = main_job(life.maps, workspace)
    until(lambda: epochs_trained(workspace) >= 1, process)
    process.send_signal(signal.SIGINT)
    seen["interrupted"] = ended(process)
    seen["left by the interrupt"] = processes_of(workspace)

    seen["epochs before"] = epochs_trained(workspace)
    process = main_job(life.maps, workspace)
    until(lambda: epochs_trained(workspace) > seen["epochs before"], process)
    process.kill()
    process.communicate(timeout=PATIENCE_S)

    seen["first"] = succeeded(ended(main_job(life.maps, workspace)))
    seen["stored first"] = stored(workspace)
    seen["idle"] = succeeded(ended(main_job(life.maps, workspace)))
    seen["stored idle"] = stored(workspace)

    (path,) = [p for p in life.late.iterdir() if p.is_dir()]
    path.rename(life.maps / path.name)
    life.late = life.maps / path.name
    seen["late"] = succeeded(ended(main_job(life.maps, workspace)))
    seen["stored late"] = stored(workspace)
    seen["left at the end"] = processes_of(workspace)
    return life


def step(answer: dict[str, Any], stage: str) -> dict[str, Any]:
    """The report of the first step of that name."""
    return next(s["result"] for s in answer["steps"] if s["stage"] == stage)


def truth(life: Lived) -> list[dict[str, str]]:
    with (life.maps / "truth.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_an_interrupted_run_ends_promptly_says_so_and_leaves_no_process(lived: Lived) -> None:
    done = lived.seen["interrupted"]
    assert done.code == 1
    assert "Interrupted" in done.answer["error"]
    assert done.seconds < PROMPT_S
    assert "Traceback" not in done.told
    assert lived.seen["left by the interrupt"] == []


def test_training_goes_on_where_the_interrupt_and_the_kill_stopped_it(lived: Lived) -> None:
    assert lived.seen["epochs before"] >= 1
    history = pd.read_csv(lived.workspace / "data" / "history.csv")
    assert history["epoch"].tolist() == [1, 2, 3]
    assert lived.seen["left at the end"] == []


def test_after_interrupt_and_kill_everything_has_happened_exactly_once(lived: Lived) -> None:
    good = [row for row in truth(lived) if not row["bad"]]
    bad = [row for row in truth(lived) if row["bad"]]
    final = step(lived.seen["first"], "status")
    assert final["done"]["files"] == len(good)
    assert final["quarantined"]["files"] == len(bad) > 0
    assert final["waiting"] == dict.fromkeys(("files", "wafers", "judgements", "notifications"), 0)
    assert step(lived.seen["first"], "snapshot")["wafers"] == len(good)
    assert final["champion"]["version"] == "1"
    assert len(lived.seen["stored first"]["champions"]) == 1
    test_part = pd.read_parquet(lived.workspace / "data" / "split.parquet").query("part == 'test'")
    scored = lived.seen["stored first"]["predictions"]
    assert sorted((sha, index) for sha, index, *_ in scored) == sorted(zip(test_part["file_sha256"], test_part["index"], strict=True))


def test_the_users_own_params_serve_the_workspace_and_stay_as_they_are(lived: Lived) -> None:
    assert (lived.workspace / "params.yaml").read_text() == lived.seen["params"]


def test_the_report_and_the_metrics_are_where_the_run_says(lived: Lived) -> None:
    page = Path(step(lived.seen["first"], "register")["report"])
    assert page == lived.workspace / "reports" / "1" / "report.html"
    assert "</html>" in page.read_text()
    metrics = json.loads((lived.workspace / "data" / "metrics.json").read_text())
    assert 0 <= metrics["macro_f1_low"] <= metrics["macro_f1"] <= metrics["macro_f1_high"] <= 1


def test_every_alert_has_its_picture_and_is_told_once(lived: Lived) -> None:
    alerts = step(lived.seen["late"], "alerts")["alerts"]
    assert alerts, "nothing was alerted: choose another seed"
    for alert in alerts:
        assert (lived.workspace / alert["picture"]).read_bytes().startswith(b"\x89PNG")
    first = step(lived.seen["first"], "alerts")
    assert first["deliveries"]["sent"] == 2 * len(first["alerts"]), "log and file, each once"


def test_a_second_run_finds_nothing_to_do_and_changes_nothing(lived: Lived) -> None:
    steps = lived.seen["idle"]["steps"]
    assert [s["stage"] for s in steps if not s["result"].get("idle", s["stage"] == "status")] == []
    assert lived.seen["stored idle"] == lived.seen["stored first"]


def test_a_lot_that_lands_later_without_labels_is_scored_once_by_the_next_run(lived: Lived) -> None:
    before, after = (lived.seen[f"stored {when}"]["predictions"] for when in ("idle", "late"))
    assert set(before) <= set(after)
    added = {(sha, index) for sha, index, *_ in set(after) - set(before)}
    lot = lived.late.name
    landed = rows(lived.workspace, f"select file_sha256, \"index\" from wafers where lot = '{lot}' and state = 'valid'")  # noqa: S608
    assert added == set(landed)
    assert len(added) == len(after) - len(before) >= WAFERS
    assert step(lived.seen["late"], "work")["scored"] == len(added)
    assert lived.seen["stored late"]["champions"] == lived.seen["stored idle"]["champions"]
    assert [s["result"]["idle"] for s in lived.seen["late"]["steps"] if s["stage"] in ("snapshot", "train", "register")] == [True] * 3


def test_quarantine_holds_the_bad_files_byte_for_byte_each_with_its_reason(lived: Lived) -> None:
    expected = {row["file"]: (lived.maps / row["file"]).read_bytes() for row in truth(lived) if row["bad"]}
    found = {}
    for folder in (lived.workspace / "quarantine").iterdir():
        reason = json.loads((folder / "reason.json").read_text())
        assert all(reason[key] for key in ("code", "where", "expected", "got", "action"))
        (path,) = [p for p in folder.iterdir() if p.name != "reason.json"]
        found[reason["name"]] = path.read_bytes()
    late = {name for name in found if name.startswith(lived.late.name)}
    assert {name: content for name, content in found.items() if name not in late} == expected


def test_an_unknown_class_in_labels_csv_exits_with_2_and_lists_the_known_ones(lived: Lived, tmp_path: Path) -> None:
    maps = tmp_path / "maps"
    maps.mkdir()
    row = next(r for r in truth(lived) if not r["bad"])
    (maps / "one.klarf").write_bytes((lived.maps / row["file"]).read_bytes())
    (maps / "labels.csv").write_text(f"lot,wafer,label\n{row['lot']},{row['wafer']},Dount\n")
    done = ended(main_job(maps, tmp_path / "space"))
    assert done.code == done.answer["exit_code"] == 2
    assert done.answer["kind"] == "LabelError"
    assert all(word in done.answer["error"] for word in ("'Dount'", "Donut", "ZigZag", "labels.csv, line 2"))
    assert "Traceback" not in done.told


def wafers_alerted(workspace: Path, lot: str, signature: str) -> list[set[str]]:
    found = rows(workspace, f"select wafers from alerts where lot = '{lot}' and signature = '{signature}'")  # noqa: S608
    return [{wafer["wafer"] for wafer in json.loads(wafers)} for (wafers,) in found]


CLASSIFY = """
    import sys
    from inspection.cli import command_line
    workspace, folder, path, cut, landed = sys.argv[1:]
    for model, source in (("champion", path), ("candidate", path), ("1", path), ("champion", cut)):
        sys.argv = ["inspection", "classify", source, "--model", model, "--out", f"{folder}/{model}.parquet"]
        sys.argv += ["-w", workspace, "--json"]
        try:
            command_line()
        except SystemExit as end:
            assert (end.code or 0) == (1 if source == cut else 0), (model, end.code)
    sys.argv = ["inspection", "explain", "--source", landed, "-w", workspace, "--json"]
    command_line()
"""


def test_classify_and_explain_agree_with_what_the_worker_stored_and_leave_the_store_alone(lived: Lived, tmp_path: Path) -> None:
    path = min(lived.late.glob("*.klarf"))
    cut = tmp_path / "cut.klarf"
    cut.write_bytes(path.read_bytes()[:2000])
    before = (lived.workspace / "store.sqlite").read_bytes()
    # One process for all: most of its time is the start of the network's backend.
    command = [
        sys.executable,
        "-c",
        textwrap.dedent(CLASSIFY),
        *map(str, (lived.workspace, tmp_path, path, cut, f"{lived.late.name}/{path.name}")),
    ]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stderr[-3000:]
    *good, refused, explained = map(json.loads, done.stdout.splitlines())
    assert [answer["wafers"] for answer in good] == [1, 1, 1]
    assert refused["error"].startswith("klarf.")
    assert str(cut) in refused["error"]
    assert (lived.workspace / "store.sqlite").read_bytes() == before

    tables = [pd.read_parquet(tmp_path / f"{model}.parquet") for model in ("champion", "candidate", "1")]
    table = tables[0]
    classes = [name.removeprefix("p_") for name in table.columns if name.startswith("p_")]
    told = ["label", "decision", "prediction_set", "unknown_score", "looks"]
    assert list(table.columns) == ["source", "index", "lot", "wafer", *told, *(f"p_{name}" for name in classes)]
    assert all(other.equals(table) for other in tables[1:])
    (row,) = table.to_dict("records")
    probabilities = {name: row[f"p_{name}"] for name in classes}
    assert sum(probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert row["label"] == max(classes, key=probabilities.__getitem__)
    assert row["decision"] in {*classes, UNKNOWN, REVIEW}
    ((label, decision, kept),) = rows(
        lived.workspace,
        "select p.label, p.decision, p.probabilities from predictions p join wafers w on p.file_sha256 = w.file_sha256 "  # noqa: S608
        f'and p."index" = w."index" where w.source = \'{lived.late.name}/{path.name}\'',
    )
    assert (row["lot"], row["label"], row["decision"]) == (lived.late.name, label, decision)
    assert explained["decision"] == explained["stored"] == explained["called"][-1]["so"] == decision
    alerted = any(row["wafer"] in alert for alert in wafers_alerted(lived.workspace, lived.late.name, decision))
    assert (explained["alerted"][-1]["so"] == "no alert") == (not alerted)
    assert probabilities == pytest.approx(json.loads(kept), abs=1e-4)
