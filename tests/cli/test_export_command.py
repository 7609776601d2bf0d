"""`inspection export`: what was ingested and called goes back to the fab's tools, whole, once, and nowhere else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from inspection import stages
from inspection.errors import InputError, InputNotFoundError
from inspection.formats import table
from inspection.formats.klarf.returned import class_numbers
from inspection.formats.klarf.writer import write_klarf12
from inspection.params import Ingest
from inspection.settings import Workspace
from inspection.stages.place import open_store, params_of
from inspection.store import predictions
from inspection.store.predictions import Prediction
from inspection.wafer.maps import DefectMap, WaferInfo

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
CALLED = {"01": "Donut", "02": "Unknown"}
"""Decision of each wafer; wafer 03 is labelled, 04 is neither."""


def wafer_map(wafer: str, lot: str = "L1", at: datetime = AT, seed: int = 0) -> DefectMap:
    rng = np.random.default_rng([int(wafer), seed])
    xy = np.concatenate([rng.uniform(-90_000, 90_000, (30, 2)), rng.normal(20_000, 500, (10, 2))])
    info = WaferInfo(lot=lot, wafer=wafer, slot=int(wafer), product="P", layer="M1", tool="INSP1", recipe="R", inspected_at=at)
    attributes = {"DSIZE": np.round(rng.uniform(0.1, 9, 40), 3), "CLASSNUMBER": np.arange(40) % 3}
    return DefectMap(info=info, xy_um=np.round(xy, 3), pitch_um=(7_000.5, 9_000.25), origin_um=(-3_500.25, 0.0), attributes=attributes)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Lot L1 of four wafers, wafer 01 delivered twice (the second corrects the first), and lot ../../x of one."""
    folder = tmp_path / "maps"
    folder.mkdir()
    classes = {0: "none", 1: "particle", 2: "residue"}
    for wafer in ("01", "02", "03", "04"):
        write_klarf12(folder / f"{wafer}.klarf", [wafer_map(wafer)], classes=classes)
    write_klarf12(folder / "odd.klarf", [wafer_map("05", "../../x", at=AT.replace(day=9))], classes=classes)
    (folder / "labels.csv").write_text("lot,wafer,label\nL1,03,Grid\n")
    place = Workspace(tmp_path / "workspace")
    place.root.mkdir()
    stages.ingest(place, params_of(place), source=folder)
    newer = folder / "newer"
    newer.mkdir()
    write_klarf12(newer / "01.klarf", [wafer_map("01", seed=1)], classes=classes)
    (newer / "01.klarf").write_text((newer / "01.klarf").read_text().replace("FileTimestamp 03-04-2026", "FileTimestamp 03-05-2026"))
    stages.ingest(place, params_of(place), source=newer)
    with open_store(place) as store, store.write() as connection:
        rows = connection.exec_driver_sql('SELECT file_sha256, "index", wafer, state FROM wafers').all()
        for model, decisions in (("a" * 64, dict.fromkeys(CALLED, "Slice")), ("b" * 64, CALLED)):  # the latest word counts
            made = [
                Prediction(sha, index, model, "c" * 64, "Donut", decisions[wafer], 0.9, {"Donut": 0.9})
                for sha, index, wafer, state in rows
                if wafer in decisions and state == "valid"
            ]
            predictions.insert(connection, made, scored_at=datetime(2026, 3, 6, 1, 2, 3))  # noqa: DTZ001 - as the store keeps it
    return place


def exported(workspace: Workspace, out: Path, **options: object) -> dict:
    return stages.export(workspace, params_of(workspace), out=out, **options)


def read_all(folder: Path) -> dict[str, list]:
    found: dict[str, list] = {}
    for path in sorted(folder.iterdir()):
        (source,) = table.read(path, Ingest())
        found.setdefault(source.map.info.wafer, []).append(source)
    return found


@pytest.mark.parametrize("version", ["1.2", "1.8"])
def test_a_lot_goes_back_with_what_each_wafer_was_called(tmp_path: Path, workspace: Workspace, version: str) -> None:
    result = exported(workspace, tmp_path / "out", lots=["L1"], version=version)
    assert {k: result[k] for k in ("files", "new", "defects", "without_class", "left", "idle")} == {
        "files": 4,
        "new": 4,
        "defects": 160,
        "without_class": 1,
        "left": [],
        "idle": False,
    }
    assert result["classes"] == {"Donut": 1, "Grid": 1, "Unknown": 1}
    assert result["clusters"] >= 4
    numbers = class_numbers(params_of(workspace).classes)
    found = read_all(tmp_path / "out")
    for wafer, called in {**CALLED, "03": "Grid", "04": None}.items():
        (source,) = found[wafer]
        wanted = wafer_map(wafer, seed=int(wafer == "01"))  # the correction, not what it superseded
        assert source.map.info == wanted.info
        assert source.map.xy_um == pytest.approx(wanted.xy_um, abs=6e-4)
        assert source.map.attributes["DSIZE"] == pytest.approx(wanted.attributes["DSIZE"])
        expected = wanted.attributes["CLASSNUMBER"].tolist() if called is None else [numbers[called]] * 40
        assert source.map.attributes["CLASSNUMBER"].tolist() == expected
        assert source.classes.items() >= {0: "none", 1: "particle", 2: "residue"}.items(), "the tool's own names stay"
        assert called is None or source.classes[numbers[called]] == called
        assert np.count_nonzero(source.map.attributes["CLUSTERNUMBER"]) >= 10
    assert found["01"][0].map.info.written_at == datetime(2026, 3, 6, 1, 2, 3, tzinfo=UTC)


def test_the_same_export_again_changes_nothing_and_another_one_only_by_force(tmp_path: Path, workspace: Workspace) -> None:
    out = tmp_path / "out"
    exported(workspace, out, lots=["L1"])
    before = {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in out.iterdir()}
    again = exported(workspace, out, lots=["L1"])
    assert (again["unchanged"], again["new"], again["replaced"], again["idle"]) == (4, 0, 0, True)
    with pytest.raises(InputError, match="--force"):
        exported(workspace, out, since=AT.replace(day=1), first_class=2_000)
    assert {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in out.iterdir()} == before, "all or nothing"
    forced = exported(workspace, out, since=AT.replace(day=1), first_class=2_000, force=True)
    assert (forced["replaced"], forced["unchanged"], forced["new"]) == (3, 1, 1)


def test_a_lot_named_after_a_path_stays_in_its_folder(tmp_path: Path, workspace: Workspace) -> None:
    before = set(tmp_path.iterdir())
    exported(workspace, tmp_path / "out", lots=["../../x"])
    assert set(tmp_path.iterdir()) - before == {tmp_path / "out"}
    (file,) = (tmp_path / "out").iterdir()
    (source,) = table.read(file, Ingest())
    assert source.map.info.lot == "../../x"


def test_time_wafer_and_superseded_versions_choose(tmp_path: Path, workspace: Workspace) -> None:
    assert exported(workspace, tmp_path / "a", since=AT.replace(day=9))["files"] == 1
    assert exported(workspace, tmp_path / "b", lots=["L1"], wafer="02")["classes"] == {"Unknown": 1}
    assert exported(workspace, tmp_path / "c", lots=["L1"], wafer="01", superseded=True)["files"] == 2
    assert exported(workspace, tmp_path / "d", lots=["L1", "../../x"], classes=False)["classes"] == {}
    with pytest.raises(InputNotFoundError, match="Nothing to export"):
        exported(workspace, tmp_path / "e", lots=["L2"])
    assert not (tmp_path / "e").exists()


def test_what_klarf_cannot_hold_is_left_out_and_named(tmp_path: Path, workspace: Workspace) -> None:
    (tmp_path / "points.csv").write_text('lot,wafer,x,y\n"a""b",1,0,0\n')
    stages.ingest(workspace, params_of(workspace), source=tmp_path / "points.csv")
    result = exported(workspace, tmp_path / "out", lots=['a"b', "L1"])
    assert result["files"] == 4
    (line,) = result["left"]
    assert 'a"b' in line
    assert "without quotes" in line


def test_the_landing_folder_is_refused(workspace: Workspace) -> None:
    with pytest.raises(InputError, match="landing"):
        exported(workspace, workspace.landing / "back", lots=["L1"])
    assert not (workspace.landing / "back").exists()


def test_the_command_says_the_same_to_a_person_and_a_program(tmp_path: Path, workspace: Workspace) -> None:
    def run(*words: object) -> subprocess.CompletedProcess[str]:
        env = os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "100"}
        command = [sys.executable, "-m", "inspection.cli", "export", "--workspace", workspace.root, *words]
        return subprocess.run(list(map(str, command)), cwd=tmp_path, env=env, capture_output=True, text=True, check=False, timeout=600)

    done = run("--lot", "L1", "--out", tmp_path / "out", "--version", "1.8", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["files"] == len(list((tmp_path / "out").iterdir())) == 4
    told = run("--since", "2026-03-01", "--out", tmp_path / "other")
    assert told.returncode == 0, told.stderr
    assert {"Donut", "Grid", "Unknown"} <= set(told.stdout.split())
    assert run("--out", tmp_path / "third").returncode == run("--wafer", "1", "--since", "2026-03-01", "--out", "x").returncode == 2
