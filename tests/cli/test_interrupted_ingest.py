"""An ingest that is killed or interrupted, with all its readers: the same command goes on, and its numbers say what was left."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = 540
"""So many that they are read by several processes."""
pytestmark = pytest.mark.slow
Process = subprocess.Popen[str]


@pytest.fixture(scope="module")
def maps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Good wafers, wafers that cannot be, cut files, and the same bytes twice."""
    folder = tmp_path_factory.mktemp("landed")
    for number in range(FILES):
        column = 40 if number % 50 == 7 else 0  # 40 dies from the centre is off the wafer
        rows = "".join(f" {k} {100 + k} {200 + number} {column} 0\n" for k in range(1, 40)).rstrip()
        text = (
            f"FileVersion 1 2;\nFileTimestamp 01-02-26 04:00:00;\nResultTimestamp 01-02-26 03:04:05;\nLotID L{number // 25};\n"
            f'SampleSize 1 300;\nStepID M1;\nWaferID "{number % 25}";\nOrientationMarkLocation DOWN;\nDiePitch 10000 10000;\n'
            "SampleCenterLocation 5000 5000;\n"
            f"DefectRecordSpec 5 DEFECTID XREL YREL XINDEX YINDEX ;\nDefectList\n{rows};\n"
        )
        (folder / f"{number}.klarf").write_text(text + ("" if number % 50 == 9 else "EndOfFile;\n"))
    for number in range(5):
        (folder / f"again{number}.klarf").write_bytes((folder / f"{number}.klarf").read_bytes())
    for path in folder.iterdir():
        os.utime(path, (1_700_000_000, 1_700_000_000))  # one time for all: which of two versions is newer is no matter of the copy
    return folder


def started(maps: Path, workspace: Path) -> Process:
    """`inspection ingest` as the leader of its own group, as a shell starts it."""
    command = [sys.executable, "-m", "inspection.cli", "ingest", str(maps), "--workspace", str(workspace), "--json"]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


def finished(process: Process) -> dict[str, Any]:
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    answer: dict[str, Any] = json.loads(out)
    parts = [answer[key] for key in ("new", "resumed", "known", "quarantined_files")]
    assert answer["read"] == sum(parts) + len(answer["left"]) == FILES + 5
    return answer


def states(workspace: Path) -> Counter[str]:
    """Files by state; empty while there is no store."""
    try:
        with sqlite3.connect(f"file:{workspace / 'store.sqlite'}?mode=ro", uri=True) as connection:
            return Counter(dict(connection.execute("SELECT state, count(*) FROM files GROUP BY state").fetchall()))
    except sqlite3.Error:
        return Counter()
    finally:
        if "connection" in locals():
            connection.close()


def until(process: Process, workspace: Path, *, claimed: int = 0, settled: int = 0) -> None:
    """Wait until so many files are claimed, or have their outcome."""
    while process.poll() is None:
        found = states(workspace)
        if found.total() >= max(claimed, 1) and found["ingested"] + found["quarantined"] >= settled:
            return
        time.sleep(0.02)
    pytest.fail(f"it ended too early: {process.communicate()}")


def left_of(workspace: Path) -> tuple[dict[str, list[tuple[Any, ...]]], dict[str, bytes]]:
    """Everything that a run leaves, without times."""
    with sqlite3.connect(workspace / "store.sqlite") as connection:
        rows = {
            table: connection.execute(f"SELECT {columns} FROM {table} ORDER BY 1, 2").fetchall()  # noqa: S608
            for table, columns in {
                "files": "sha256, bytes, format, state, wafers",
                "wafers": 'file_sha256, "index", lot, wafer, defects, state, notes',
                "superseded": 'file_sha256, "index", by_file_sha256, by_index',
            }.items()
        }
    connection.close()
    folders = ("archive", "canonical", "quarantine")
    kept = {str(p.relative_to(workspace)): p.read_bytes() for f in folders for p in sorted((workspace / f).rglob("*")) if p.is_file()}
    return rows, kept


def require_same(workspace: Path, clean: Path) -> None:
    """The store and the files of ``workspace`` are those of ``clean``; says which are not."""
    (rows, kept), (rows_of_clean, kept_of_clean) = left_of(workspace), left_of(clean)
    assert rows == rows_of_clean
    assert kept.keys() == kept_of_clean.keys()
    assert [name for name in kept if kept[name] != kept_of_clean[name]] == []


def readers(group: int) -> list[int]:
    """Processes of a group that are still there."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] != "Z":
            found.append(int(entry.name))
    return found


def require_none_left(group: int) -> None:
    end = time.monotonic() + 60
    while readers(group):
        assert time.monotonic() < end, "a reader outlived its parent"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def clean(maps: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    workspace = tmp_path_factory.mktemp("clean") / "space"
    answer = finished(started(maps, workspace))
    assert (answer["new"], answer["resumed"], answer["known"], answer["quarantined_files"]) == (FILES - 22, 0, 5, 22)
    return workspace


@pytest.mark.soak
@pytest.mark.parametrize("moment", [{"claimed": 40}, {"claimed": FILES}, {"settled": 60}, {"settled": 400}], ids=str)
@pytest.mark.parametrize("whom", ["the parent", "the group"])
def test_a_killed_ingest_is_gone_on_with_and_its_numbers_say_so(
    maps: Path, clean: Path, tmp_path: Path, moment: dict[str, int], whom: str
) -> None:
    process = started(maps, tmp_path / "space")
    until(process, tmp_path / "space", **moment)
    os.kill(process.pid, signal.SIGKILL) if whom == "the parent" else os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    require_none_left(process.pid)
    before = states(tmp_path / "space")

    answer = finished(started(maps, tmp_path / "space"))
    settled = before["ingested"] + before["quarantined"]
    assert answer["known"] == settled + 5
    assert answer["resumed"] + answer["new"] + answer["quarantined_files"] == FILES - settled
    assert before["claimed"] - 22 <= answer["resumed"] <= before["claimed"], "those of them that are bad are counted as such"
    require_same(tmp_path / "space", clean)


@pytest.mark.soak
@pytest.mark.parametrize("moment", [{"claimed": 40}, {"claimed": FILES}, {"settled": 60}], ids=str)
def test_ctrl_c_says_what_was_done_and_the_same_command_goes_on(maps: Path, clean: Path, tmp_path: Path, moment: dict[str, int]) -> None:
    process = started(maps, tmp_path / "space")
    until(process, tmp_path / "space", **moment)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the readers get it too
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1, err
    assert "Traceback" not in err
    said = json.loads(out)["error"]
    assert re.match(r"Interrupted after \d+ of 54[05] files were (read|looked at)", said), said
    assert "run the same command again" in said
    require_none_left(process.pid)
    answer = finished(started(maps, tmp_path / "space"))
    assert answer["resumed"] > 0
    require_same(tmp_path / "space", clean)
