"""Killed at any moment and run again, ingest gives what an undisturbed run gives."""

import os
import shutil
import signal
import sqlite3
import time
from contextlib import suppress

import numpy as np
import pytest
from line_maps import write_lines

SAMPLE, CAMPAIGN = 4, 200
pytestmark = pytest.mark.slow


def fill(landing, rng):
    """Good files, wafers that cannot be, broken files, the same bytes twice."""
    for number in range(6):
        lines = []
        for wafer in range(int(rng.integers(1, 40))):
            if rng.random() < 0.5:
                xy = rng.normal(0, 30_000, (int(rng.integers(0, 30)), 2))
                lines.append(f"L{number} {wafer} points " + " ".join(f"{x:.1f},{y:.1f}" for x, y in xy))
            else:
                lines.append(f"L{number} {wafer} dies 3 4 " + "".join(map(str, rng.integers(1, 3, 12))))
        if number % 2:
            lines.append(f"L{number} 99 points 9e9,0")
        write_lines(landing / f"lot{number}.maps", lines)
    write_lines(landing / "off.maps", ["L9 1 points 9e9,0", "L9 2 points 0,9e9"])
    write_lines(landing / "fault.maps", ["L9 3 points 1,1", "L9 4 fault index"])
    (landing / "cut.maps").write_text("maps\nL8 1 points 1,1\n")
    shutil.copy(landing / "lot0.maps", landing / "lot0-again.maps")
    (landing / "labels.csv").write_text("lot,wafer,label\nL1,0,Donut\nL3,0,Normal\nL77,1,Normal\n")


def outcome(workspace):
    """Everything that a run leaves, without times."""
    with sqlite3.connect(workspace / "store.sqlite") as connection:
        rows = {
            table: connection.execute(f"SELECT {columns} FROM {table} ORDER BY 1, 2").fetchall()  # noqa: S608
            for table, columns in {
                "files": "sha256, name, bytes, format, state, reason, wafers",
                "wafers": 'file_sha256, "index", source, lot, wafer, slot, kind, defects, label, state, reason, notes',
            }.items()
        }
    connection.close()
    kept = {
        str(path.relative_to(workspace)): path.read_bytes()
        for folder in ("archive", "canonical", "quarantine")
        for path in sorted((workspace / folder).rglob("*"))
        if path.is_file()
    }
    return rows, kept


def campaign(runner, folder, seed):
    """One landing ingested twice: undisturbed, and killed again and again until a last run is let through."""
    rng = np.random.default_rng(seed)
    landing, clean, killed = folder / "in", folder / "clean", folder / "killed"
    landing.mkdir()
    fill(landing, rng)
    runner.start(landing, clean, 0)
    assert runner.status() == 0
    lines = int(clean.with_suffix(".lines").read_text())
    kills = 0
    for attempt in range(6):
        if attempt % 2 == 0:  # at a line of our own: every place between two writes is reached, whatever the machine's load
            runner.start(landing, killed, int(rng.integers(1, lines + 1)))
        else:  # at a moment: also inside a write
            child = runner.start(landing, killed)
            time.sleep(float(rng.uniform(0, 0.2)))
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        ended = runner.status()
        assert ended in {0, -signal.SIGKILL}
        kills += ended != 0
    runner.start(landing, killed)
    assert runner.status() == 0
    return kills, outcome(clean), outcome(killed)


@pytest.mark.parametrize("seed", range(SAMPLE))
def test_a_killed_ingest_run_again_ends_as_an_undisturbed_one(runner, tmp_path, seed):
    kills, clean, killed = campaign(runner, tmp_path, seed)
    assert kills
    assert killed[0] == clean[0]
    assert killed[1].keys() == clean[1].keys()
    assert killed[1] == clean[1]
    states = [row[4] for row in clean[0]["files"]]
    assert sorted(states) == ["ingested"] * 6 + ["quarantined"] * 3


@pytest.mark.soak
@pytest.mark.skipif("INSPECTION_SOAK" not in os.environ, reason="long campaign: set INSPECTION_SOAK=1")
@pytest.mark.parametrize("first", range(SAMPLE, SAMPLE + CAMPAIGN, 20))
def test_many_killed_ingests_run_again_end_as_undisturbed_ones(runner, tmp_path, first):
    for seed in range(first, first + 20):
        folder = tmp_path / str(seed)
        folder.mkdir()
        _, clean, killed = campaign(runner, folder, seed)
        assert killed[0] == clean[0], seed
        assert killed[1].keys() == clean[1].keys(), seed
        assert killed[1] == clean[1], seed
