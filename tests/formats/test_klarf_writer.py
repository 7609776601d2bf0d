"""KLARF files say what the map said: positions, dies, names, density."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspection.errors import InputError
from inspection.formats.klarf.writer import write_klarf12, write_klarf18
from inspection.formats.table import read
from inspection.params import Ingest
from inspection.wafer.maps import DefectMap, WaferInfo

INFO = WaferInfo(
    lot="L00007",
    wafer="03",
    slot=3,
    product="LOGIC7",
    layer="METAL1",
    tool="ETCH1",
    chamber="B",
    recipe="R-1",
    inspected_at=datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC),
)


def defect_map(xy: np.ndarray, pitch=(7128.5, 9310.25), origin=(-1000.125, 0.0), info=INFO, **attributes) -> DefectMap:
    dies = np.array([(x, y) for y in range(-3, 4) for x in range(-3, 4)], np.int32)
    return DefectMap(info=info, xy_um=xy, pitch_um=pitch, origin_um=origin, dies=dies, attributes=attributes)


def naive12(text: str) -> dict[str, list[str]]:
    """Records by name; good enough for files with neither ';' in strings nor images."""
    records: dict[str, list[str]] = {}
    for record in text.split(";"):
        tokens = record.split()
        if tokens:
            records.setdefault(tokens[0], []).extend(tokens[1:])
    return records


def positions(columns: list[str], rows: np.ndarray, pitch: np.ndarray, centre: np.ndarray) -> np.ndarray:
    index = rows[:, [columns.index("XINDEX"), columns.index("YINDEX")]]
    offset = rows[:, [columns.index("XREL"), columns.index("YREL")]]
    return index * pitch + offset - centre


@pytest.fixture
def points() -> np.ndarray:
    return np.random.default_rng(5).uniform(-100_000, 100_000, size=(400, 2))


def test_klarf12_positions_come_back_to_half_a_nanometre(tmp_path, points):
    write_klarf12(tmp_path / "a.klarf", [defect_map(points)])
    got = naive12((tmp_path / "a.klarf").read_text())
    columns = got["DefectRecordSpec"][1:]
    rows = np.array(got["DefectList"], float).reshape(-1, len(columns))
    back = positions(columns, rows, np.array(got["DiePitch"], float), np.array(got["SampleCenterLocation"], float))
    assert np.abs(back - points).max() < 6e-4
    rel = rows[:, [columns.index("XREL"), columns.index("YREL")]]
    assert (rel >= 0).all()
    assert (rel < np.array(got["DiePitch"], float)).all()


def test_klarf18_positions_come_back_to_half_a_nanometre(tmp_path, points):
    write_klarf18(tmp_path / "a.klarf", [defect_map(points)])
    text = (tmp_path / "a.klarf").read_text()
    found = re.search(r"List DefectList\s*{\s*Columns \d+ {(.*?)}\s*Data (\d+)\s*{(.*?)}", text, re.DOTALL)
    columns = [c.split()[1] for c in found[1].split(",")]
    rows = np.array([r.split() for r in found[3].strip().rstrip(";").split(";")], float)
    assert len(rows) == int(found[2]) == 400
    pitch, centre = (np.array(re.search(name + r" 2 {(.*?)}", text)[1].split(","), float) for name in ("DiePitch", "SampleCenterLocation"))
    assert np.abs(positions(columns, rows, pitch, centre) / 1000 - points).max() < 6e-4
    assert text.rstrip().endswith("EndOfFile;")
    assert text.count("{") == text.count("}")


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.floats(-150_000, 150_000), st.floats(-150_000, 150_000)), max_size=8),
    st.floats(500, 40_000),
    st.floats(-20_000, 20_000),
)
def test_any_place_pitch_and_origin_survive(tmp_path_factory, xy, pitch, origin):
    path = tmp_path_factory.mktemp("klarf") / "a.klarf"
    wanted = np.array(xy, float).reshape(-1, 2)
    write_klarf12(path, [defect_map(wanted, pitch=(pitch, pitch * 0.7), origin=(origin, -origin / 3))])
    got = naive12(path.read_text())
    columns = got["DefectRecordSpec"][1:]
    rows = np.array(got.get("DefectList", []), float).reshape(-1, len(columns))
    back = positions(columns, rows, np.array(got["DiePitch"], float), np.array(got["SampleCenterLocation"], float))
    assert back.shape == wanted.shape
    assert np.abs(back - wanted).max(initial=0) < 6e-4


def test_density_is_defects_over_inspected_area(tmp_path, points):
    write_klarf12(tmp_path / "a.klarf", [defect_map(points)])
    got = naive12((tmp_path / "a.klarf").read_text())
    _, defects, density, dies, defective = map(float, got["SummaryList"])
    area_cm2 = float(got["AreaPerTest"][0]) * 1e-8
    assert (defects, dies) == (400, 49)
    assert density == pytest.approx(defects / area_cm2, rel=1e-6)
    # All 49 dies lie wholly on the wafer.
    assert area_cm2 == pytest.approx(49 * 7128.5 * 9310.25 * 1e-8, rel=1e-9)
    assert 1 <= defective <= 400


def test_header_names_the_wafer(tmp_path, points):
    write_klarf12(tmp_path / "a.klarf", [defect_map(points)], station=("M", "N", "O"), classes={0: "None", 4: "Four"})
    text = (tmp_path / "a.klarf").read_text()
    for line in (
        "FileVersion 1 2;",
        'LotID "L00007";',
        'WaferID "03";',
        "Slot 3;",
        'StepID "METAL1";',
        'DeviceID "LOGIC7";',
        'InspectionStationID "M" "N" "O";',
        "ResultTimestamp 03-04-2026 05:06:07;",
        "SampleSize 1 300;",
        "DieOrigin 0.000000 0.000000;",
        '"ETCH1:B";',
        "SampleTestPlan 49",
        "ClassLookup 2",
    ):
        assert line in text, line
    assert text.endswith("EndOfFile;\n")


def test_attributes_become_columns_under_their_names(tmp_path, points):
    size = np.round(np.linspace(0.1, 9, 400), 3)
    write_klarf12(tmp_path / "a.klarf", [defect_map(points, DSIZE=size, CLASSNUMBER=np.arange(400), TEST=np.ones(400, int))])
    got = naive12((tmp_path / "a.klarf").read_text())
    columns = got["DefectRecordSpec"][1:]
    rows = np.array(got["DefectList"], float).reshape(-1, len(columns))
    np.testing.assert_allclose(rows[:, columns.index("DSIZE")], size)
    np.testing.assert_array_equal(rows[:, columns.index("CLASSNUMBER")], np.arange(400))
    assert columns.count("TEST") == 1


@pytest.mark.parametrize("write", [write_klarf12, write_klarf18])
def test_several_wafers_share_one_file_and_an_empty_one_is_legal(tmp_path, points, write):
    second = defect_map(np.empty((0, 2)), info=replace(INFO, wafer="04", slot=4))
    write(tmp_path / "a.klarf", [defect_map(points), second])
    text = (tmp_path / "a.klarf").read_text()
    assert re.findall(r'Wafer(?:ID|Record) "(\d+)"', text) == ["03", "04"]
    assert text.count("EndOfFile;") == 1
    assert "DefectList;" in text or "Data 0" in text


def test_wafers_of_two_lots_are_refused(tmp_path, points):
    with pytest.raises(InputError, match="one lot"):
        write_klarf12(tmp_path / "a.klarf", [defect_map(points), defect_map(points, info=replace(INFO, lot="other"))])
    with pytest.raises(InputError, match="at least one"):
        write_klarf12(tmp_path / "a.klarf", [])
    with pytest.raises(InputError, match="without quotes"):
        write_klarf12(tmp_path / "a.klarf", [defect_map(points, info=replace(INFO, lot='a"b'))])
    assert list(tmp_path.iterdir()) == []


def test_a_map_without_dies_is_one_die_as_large_as_the_wafer(tmp_path):
    lone = DefectMap(info=INFO, xy_um=np.array([[100.0, -200.0]]))
    write_klarf12(tmp_path / "a.klarf", [lone])
    got = naive12((tmp_path / "a.klarf").read_text())
    assert "SampleTestPlan" not in got
    assert np.array(got["DiePitch"], float).tolist() == [300_000, 300_000]
    assert float(got["AreaPerTest"][0]) == pytest.approx(np.pi * 150_000**2)


@pytest.mark.parametrize("write", [write_klarf12, write_klarf18])
def test_our_own_reader_gives_the_map_back(tmp_path, points, write):
    size = np.round(np.linspace(0.1, 9, 400), 3)
    wanted = defect_map(points, DSIZE=size, CLASSNUMBER=np.arange(400) % 3)
    write(tmp_path / "a.klarf", [wanted, replace(wanted, info=replace(INFO, wafer="04", slot=4, chamber=None))])
    got = [wafer.map for wafer in read(tmp_path / "a.klarf", Ingest())]
    assert got[0].info == INFO
    assert (got[1].info.wafer, got[1].info.tool, got[1].info.chamber) == ("04", "ETCH1", None)
    for m in got:
        np.testing.assert_allclose(m.xy_um, points, atol=6e-4)
        assert m.pitch_um == pytest.approx(wanted.pitch_um)
        assert m.origin_um == pytest.approx(wanted.origin_um)
        assert set(map(tuple, m.dies.tolist())) == set(map(tuple, wanted.dies.tolist()))
        np.testing.assert_allclose(m.attributes["DSIZE"], size)
        np.testing.assert_array_equal(m.attributes["CLASSNUMBER"], np.arange(400) % 3)
