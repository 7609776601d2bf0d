"""Killed at any moment and run again, ingest gives what an undisturbed run gives."""

import os
import shutil
import signal
import sqlite3
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from line_maps import write_lines

from inspection.formats.canonical import read_shard

SAMPLE, CAMPAIGN = 2, 200
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
                "superseded": 'file_sha256, "index", by_file_sha256, by_index',
                "file_times": "sha256, written_at, modified_at",
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


def differing(rows, others):
    """Rows that only one of two runs left: a difference once seen may never come again."""
    return {table: [set(map(str, rows[table])) ^ set(map(str, others[table]))] for table in rows if rows[table] != others[table]}


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
        assert killed[0] == clean[0], (seed, differing(clean[0], killed[0]))
        assert killed[1].keys() == clean[1].keys(), seed
        assert killed[1] == clean[1], seed


def deliver(landing, rng):
    """Three deliveries: versions of the same wafers in any order, re-inspections, wafers that cannot be, cut files."""
    for delivery in "abc":
        for number in range(4):
            lines = []
            for wafer in range(int(rng.integers(1, 6))):
                xy = rng.normal(0, 30_000, (int(rng.integers(0, 30)), 2))
                times = f"{rng.integers(1, 3)}@{rng.integers(1, 20)}"
                lines.append(f"L{number} {wafer}@{times} points " + " ".join(f"{x:.1f},{y:.1f}" for x, y in xy))
            write_lines(landing / delivery / f"lot{number}.maps", lines)
        write_lines(landing / delivery / "off.maps", [f"L9 {delivery} points 9e9,0", "L9 2 points 0,9e9"])
    (landing / "c" / "cut.maps").write_text("maps\nL8 1 points 1,1\n")


def lived(runner, folder, seed, workers):
    """The deliveries lived through undisturbed by one process, and with ``workers`` killed again and again."""
    rng = np.random.default_rng(seed)
    landing, clean, killed = folder / "in", folder / "clean", folder / "killed"
    deliver(landing, rng)
    runner.start(landing, clean, "live", 1, 0)
    assert runner.status() == 0
    lines = int(clean.with_suffix(".lines").read_text())
    kills = 0
    for attempt in range(4):
        if attempt % 2 == 0:
            runner.start(landing, killed, "live", workers, int(rng.integers(1, lines + 1)))
        else:
            child = runner.start(landing, killed, "live", workers, -1)
            time.sleep(float(rng.uniform(0, 0.3 if workers == 1 else 6.0)))
            victims = children(child) if workers > 1 and rng.random() < 0.5 else []
            with suppress(ProcessLookupError):
                os.kill(int(rng.choice(victims)) if victims else child, signal.SIGKILL)
        ended = runner.status()
        assert ended in {0, -signal.SIGKILL}
        kills += ended != 0
    runner.start(landing, killed, "live", workers, -1)
    assert runner.status() == 0
    return kills, clean, killed


def children(parent):
    """The readers that a process has started."""
    try:
        pids = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    except OSError:
        return []
    return [int(pid) for pid in pids if b"spawn_main" in command_of(pid)]


def command_of(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def require_alike(clean, killed, seed=None):
    (rows, kept), (others, left) = outcome(clean), outcome(killed)
    assert others == rows, (seed, differing(rows, others))
    assert left.keys() == kept.keys(), seed
    assert left == kept, seed
    assert {row[4] for row in rows["files"]} <= {"ingested", "quarantined"}
    for name in (name for name in left if name.endswith(".parquet")):
        assert list(read_shard(killed / name)), "a shard that is there can be read"


@pytest.mark.parametrize("seed", range(SAMPLE))
def test_killed_over_versions_and_releases_everything_ends_as_undisturbed(runner, tmp_path, seed):
    kills, clean, killed = lived(runner, tmp_path, seed, 1)
    assert kills
    require_alike(clean, killed)


def test_killed_with_its_readers_everything_ends_as_undisturbed(runner, tmp_path):
    _, clean, killed = lived(runner, tmp_path, 0, 2)
    require_alike(clean, killed)


@pytest.mark.soak
@pytest.mark.skipif("INSPECTION_SOAK" not in os.environ, reason="long campaign: set INSPECTION_SOAK=1")
@pytest.mark.parametrize(("first", "workers"), [(first, workers) for first in range(SAMPLE, SAMPLE + 100, 10) for workers in (1, 2)])
def test_many_lives_with_kills_end_as_undisturbed(runner, tmp_path, first, workers):
    for seed in range(first, first + (10 if workers == 1 else 3)):
        folder = tmp_path / str(seed)
        folder.mkdir()
        _, clean, killed = lived(runner, folder, seed, workers)
        require_alike(clean, killed, seed)
