"""Many processes read, one writes: the same bytes come out, and a process that dies costs only its file."""

import sqlite3
from multiprocessing import resource_tracker

import numpy as np
import pytest
from line_maps import read_lines, write_lines
from spread_ingest import read_or_die, read_wrongly

from inspection.errors import EngineError
from inspection.intake import quarantine
from inspection.intake.ingest import ingest
from inspection.intake.landing import claim, waiting
from inspection.intake.parsing import Parser
from inspection.intake.workers import processes, read_in_processes
from inspection.params import Ingest, Params
from inspection.settings import Workspace
from inspection.spawned import cores
from inspection.store.database import Store


def fill(landing, files=12):
    rng = np.random.default_rng(0)
    for number in range(files):
        lines = []
        for wafer in range(int(rng.integers(1, 12))):
            xy = rng.normal(0, 30_000, (int(rng.integers(0, 40)), 2))
            lines.append(f"L{number % 3} {wafer} points " + " ".join(f"{x:.1f},{y:.1f}" for x, y in xy))
        write_lines(landing / f"lot{number}.maps", lines + (["L9 99 points 9e9,0"] if number % 4 == 0 else []))
    write_lines(landing / "off.maps", ["L9 1 points 9e9,0"])
    (landing / "cut.maps").write_text("maps\nL8 1 points 1,1\n")


def taken_in(landing, root, count, read=read_lines):
    """Ingest ``landing`` with ``count`` processes, however little it is; the report and all that it leaves."""
    workspace = Workspace(root)
    workspace.root.mkdir(parents=True)
    params = Params()
    with Store(f"sqlite:///{workspace.store}") as store:
        claims = claim(landing, workspace, store, params.ingest, settle_s=0.0)
        report = ingest(claims, workspace, store, params, read, workers=count, worth_bytes=0)
        reasons = {one.name: one.reason["code"] for one in quarantine.list(workspace, store)}
    return report, reasons, outcome(root)


def outcome(root):
    """Rows without times, and every file."""
    with sqlite3.connect(root / "store.sqlite") as connection:
        rows = [
            connection.execute(f"SELECT {columns} FROM {table} ORDER BY 1, 2").fetchall()  # noqa: S608
            for table, columns in {
                "files": "sha256, name, bytes, format, state, reason, wafers",
                "wafers": 'file_sha256, "index", source, lot, wafer, slot, kind, defects, label, state, reason, notes',
            }.items()
        ]
    connection.close()
    folders = ("archive", "canonical", "quarantine")
    return rows, {str(p.relative_to(root)): p.read_bytes() for f in folders for p in sorted((root / f).rglob("*")) if p.is_file()}


@pytest.mark.slow
def test_the_same_bytes_come_out_whatever_the_number_of_processes(landing, tmp_path):
    fill(landing)
    one, *more = (taken_in(landing, tmp_path / f"with{count}", count) for count in (1, 2, 4))
    for other in more:
        assert other[2] == one[2]
        assert (other[0].files, other[0].wafers, other[0].refused_wafers) == (one[0].files, one[0].wafers, one[0].refused_wafers)
    assert (one[0].files, one[0].quarantined_files, one[0].quarantined_wafers) == (12, 2, 4)


@pytest.mark.slow
def test_a_file_that_kills_its_process_is_tried_once_more_alone_and_then_refused(landing, tmp_path):
    fill(landing, 5)
    write_lines(landing / "deadly.maps", ["die"])
    write_lines(landing / "unlucky.maps", [f"die once {tmp_path / 'flag'}"])
    (landing / "unlucky.maps").write_text(f"maps\ndie once {tmp_path / 'flag'}\nend\n")
    report, reasons, (_, files) = taken_in(landing, tmp_path / "space", 2, read_or_die)
    assert reasons.pop("deadly.maps") == "file.deadly"
    assert reasons.pop("unlucky.maps") == "file.no_wafer", "read to its end the second time"
    assert set(reasons) == {"off.maps", "cut.maps"}
    assert report.files == 5
    assert not [name for name in files if ".aside-" in name]


@pytest.mark.slow
def test_a_reader_that_fails_by_itself_quarantines_nothing(landing, workspace, store):
    fill(landing, 3)
    claims = claim(landing, workspace, store, Ingest(), settle_s=0.0)
    with pytest.raises(EngineError, match="never so"):
        ingest(claims, workspace, store, Params(), read_wrongly, workers=2, worth_bytes=0)
    assert quarantine.list(workspace, store) == ()
    assert len(waiting(workspace, store)) == len(claims)
    assert ingest(claims, workspace, store, Params(), read_lines, workers=1).files == 3


@pytest.mark.slow
def test_processes_that_cannot_start_are_an_engine_error(landing, workspace, store, monkeypatch):
    fill(landing, 1)
    claims = claim(landing, workspace, store, Ingest(), settle_s=0.0)
    resource_tracker.ensure_running()  # multiprocessing's own helper: it must not be the first that cannot start
    monkeypatch.setenv("PYTHONHOME", "/nonexistent")  # no interpreter starts with it
    with pytest.raises(EngineError, match="INSPECTION_WORKERS=1"):
        list(read_in_processes(Parser(workspace.canonical, Params(), read_lines), claims, 1))


def test_small_inputs_are_read_in_this_process(landing, workspace, store):
    fill(landing)
    claims = claim(landing, workspace, store, Ingest(), settle_s=0.0)
    assert processes(0, claims) == 1
    assert processes(4, claims, worth_bytes=0) == 4
    assert processes(4, claims[:2], worth_bytes=0) == 2
    assert processes(4, claims * 100) == 4, "many small files are worth it too"
    assert processes(0, claims, worth_bytes=0) == min(len(claims), cores())


def test_nothing_to_read_starts_nothing(workspace, store):
    assert ingest([], workspace, store, Params(), read_lines, workers=4, worth_bytes=0).files == 0
