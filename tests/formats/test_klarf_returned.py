"""What goes back to the fab's tools: the same wafer with its class and clusters, for our reader and for another one."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import PurePath

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from inspection.errors import InputError
from inspection.formats import table
from inspection.formats.klarf.returned import FIRST_CLASS, Form, class_numbers, file_name, write
from inspection.formats.klarf.strings import unwritable
from inspection.params import Ingest
from inspection.wafer.clusters import clusters, threshold_um
from inspection.wafer.failed_dies import as_defects
from inspection.wafer.maps import DefectMap, DieMap, SourceWafer, WaferInfo

NUMBERS = class_numbers(["Donut", "Normal"])
VERSIONS = pytest.mark.parametrize("version", ["1.2", "1.8"])
many = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

names = st.text(min_size=1, max_size=12).map(str.strip).filter(lambda t: t not in {"", "NONE", "NA"} and unwritable([t]) is None)
somebody = st.one_of(st.none(), names)
infos = st.builds(
    WaferInfo,
    lot=names,
    wafer=names,
    slot=st.one_of(st.none(), st.integers(0, 25)),
    product=somebody,
    layer=somebody,
    tool=somebody,
    chamber=st.none(),
    recipe=somebody,
    inspected_at=st.one_of(st.none(), st.datetimes(datetime(1990, 1, 1), datetime(2060, 1, 1), timezones=st.just(UTC))),  # noqa: DTZ001
    diameter_mm=st.sampled_from([100.0, 150.0, 200.0, 300.0]),
)
nanometres = st.integers(-140_000_000, 140_000_000).map(lambda nm: nm / 1_000)
die = st.tuples(st.integers(-99, 99), st.integers(-99, 99))
dies = st.lists(die, min_size=1, max_size=5, unique=True).map(lambda listed: np.array(listed, np.int32))


@st.composite
def defect_maps(draw):
    count = draw(st.integers(0, 12))
    pitch = (draw(st.integers(500_000, 300_000_000)) / 1_000, draw(st.integers(500_000, 300_000_000)) / 1_000)
    return DefectMap(
        info=draw(infos),
        xy_um=draw(hnp.arrays(np.float64, (count, 2), elements=nanometres)),
        pitch_um=pitch,
        origin_um=(draw(nanometres), draw(nanometres)),
        dies=draw(st.one_of(st.none(), dies)),
        attributes={
            "DEFECTID": np.arange(count, dtype=np.int32) * 3 + 7,
            "CLASSNUMBER": draw(hnp.arrays(np.int32, count, elements=st.integers(0, 300))),
            "DSIZE": draw(hnp.arrays(np.float64, count, elements=st.integers(0, 10**6).map(lambda nm: nm / 1_000))),
            "CONTRAST": draw(hnp.arrays(np.float64, count, elements=st.floats(-1e9, 1e9))),
            "KILLPROB": draw(hnp.arrays(np.float64, count, elements=st.one_of(st.just(np.nan), st.floats(0, 1)))),
            "REMARK": draw(hnp.arrays("<U5", count, elements=st.text("abc ;{},é", min_size=1, max_size=5))),
        },
    )


die_maps = st.builds(
    DieMap,
    info=infos,
    status=hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.integers(0, 2)),
    pitch_um=st.one_of(st.none(), st.tuples(st.floats(500, 20_000), st.floats(500, 20_000))),
)


def same_map(found: DefectMap, wanted: DefectMap, changed: set[str]) -> None:
    assert found.info == wanted.info
    assert found.xy_um == pytest.approx(wanted.xy_um, abs=6e-4)
    assert found.pitch_um == pytest.approx(wanted.pitch_um, abs=6e-4)
    assert found.origin_um == pytest.approx(wanted.origin_um, abs=6e-4)
    dies = None if wanted.dies is None or not len(wanted.dies) else set(map(tuple, wanted.dies.tolist()))
    assert (None if found.dies is None else set(map(tuple, found.dies.tolist()))) == dies
    for name in wanted.attributes.keys() - changed:
        values = wanted.attributes[name]
        got = found.attributes[name]
        if values.dtype.kind == "f":
            got, values = got.astype(float), values.astype(float)
            assert got == pytest.approx(values, rel=0, abs=6e-4 if name == "DSIZE" else 0, nan_ok=True), name
        elif len(values):
            assert got.tolist() == values.tolist(), name


@VERSIONS
@many
@given(wafer=defect_maps(), called=st.sampled_from(["Donut", "Normal", "Unknown", "Review"]))
def test_a_defect_map_comes_back_with_its_class_and_clusters(tmp_path, version, wafer, called):
    path = tmp_path / "a.klarf"
    tool_classes = {0: "none", 12: "scratch; long", 300: "x"}
    written = write(path, SourceWafer(0, wafer, classes=tool_classes), called, NUMBERS, Form(version))
    (found,) = table.read(path, Ingest())
    same_map(found.map, wafer, {"CLASSNUMBER"})
    assert set(found.map.attributes["CLASSNUMBER"].tolist()) <= {NUMBERS[called]}
    assert found.classes == {**tool_classes, NUMBERS[called]: called}
    expected = clusters(wafer.xy_um, threshold_um(wafer.defects, wafer.info.diameter_mm))
    assert found.map.attributes["CLUSTERNUMBER"].tolist() == expected.tolist()
    assert (written.defects, written.in_clusters) == (wafer.defects, np.count_nonzero(expected))
    assert not found.notes


@VERSIONS
@many
@given(wafer=defect_maps())
def test_without_classes_and_clusters_it_is_the_tools_own_map(tmp_path, version, wafer):
    path = tmp_path / "a.klarf"
    write(path, SourceWafer(0, wafer, classes={1: "one"}), None, NUMBERS, Form(version, clustered=False))
    (found,) = table.read(path, Ingest())
    same_map(found.map, wafer, set())
    assert found.classes == {1: "one"}
    assert "CLUSTERNUMBER" not in found.map.attributes


@VERSIONS
@many
@given(wafer=die_maps)
def test_a_die_map_comes_back_as_its_failed_dies(tmp_path, version, wafer):
    path = tmp_path / "a.klarf"
    write(path, SourceWafer(0, wafer), "Donut", NUMBERS, Form(version))
    (found,) = table.read(path, Ingest())
    same_map(found.map, as_defects(wafer), set())
    assert not [note for note in found.notes if not note.startswith("summary")]


def test_neighbouring_failed_dies_are_one_cluster_and_others_are_not(tmp_path):
    status = np.ones((9, 9), np.uint8)
    status[[0, 1, 2, 3, 4], [0, 1, 2, 3, 4]] = 2
    status[8, [0, 4, 8]] = 2
    written = write(tmp_path / "a", SourceWafer(0, DieMap(info=WaferInfo(lot="L", wafer="1"), status=status)), None, NUMBERS, Form())
    assert (written.defects, written.clusters, written.in_clusters) == (8, 1, 5)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(points=hnp.arrays(np.float64, st.tuples(st.integers(1, 30), st.just(2)), elements=nanometres))
def test_another_reader_finds_the_same_places_classes_and_clusters(tmp_path, points):
    peer = pytest.importorskip("klarf_reader.klarf", reason="klarf-reader is in the extra `dev`")
    info = WaferInfo(lot="L 1", wafer="07", slot=7, layer="M1", tool="INSP1", inspected_at=datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC))
    path = tmp_path / "a.klarf"
    wafer = DefectMap(info=info, xy_um=points, pitch_um=(7_000.5, 9_000.25), origin_um=(-3_000.0, 12.5))
    write(path, SourceWafer(0, wafer), "Donut", NUMBERS, Form(threshold_um=30_000.0, least=2))
    content = peer.Klarf.load_from_file(filepath=path)
    (other,) = content.wafers
    assert (content.lot_id, other.id, other.slot, content.step_id) == ("L 1", "07", 7, "M1")
    assert np.array([d.point for d in other.defects]) == pytest.approx(points, abs=1e-3)
    assert {d.class_number for d in other.defects} == {NUMBERS["Donut"]}
    assert [d.cluster_number for d in other.defects] == clusters(points, 30_000.0, 2).tolist()


def test_the_file_says_how_its_clusters_were_made_and_what_they_are(tmp_path):
    points = np.concatenate([np.zeros((6, 2)), np.full((5, 2), 50_000.0), [[0.0, 90_000.0]]])
    wafer = DefectMap(info=WaferInfo(lot="L", wafer="1"), xy_um=points)
    write(tmp_path / "a", SourceWafer(0, wafer), "Donut", NUMBERS, Form(threshold_um=1_234.5))
    text = (tmp_path / "a").read_text()
    assert "DefectClusterSpec 2 THRESHOLD MINSIZE ;\nDefectClusterSetup 1234.500 5;" in text
    assert re.search(rf"ClusterClassificationList 2\n 1 {NUMBERS['Donut']}\n 2 {NUMBERS['Donut']};", text)


def test_a_tool_without_chamber_goes_back_as_the_inspection_station(tmp_path):
    wafer = DefectMap(info=WaferInfo(lot="L", wafer="1", tool="KLA:2367"), xy_um=np.zeros((1, 2)))
    for version in ("1.2", "1.8"):
        write(tmp_path / "a", SourceWafer(0, wafer), None, NUMBERS, Form(version))
        assert "ProcessEquipmentIDList" not in (tmp_path / "a").read_text()
        (found,) = table.read(tmp_path / "a", Ingest())
        assert (found.map.info.tool, found.map.info.chamber) == ("KLA:2367", None)


def test_columns_of_a_table_get_names_that_klarf_can_hold(tmp_path):
    values = {
        "my size; (um)": np.array([1.5]),
        "MY_SIZE__(UM)": np.array([2.5]),
        "x": np.array([9.0]),
        "2nd": np.array([True]),
        "größe": np.array([3]),
    }
    wafer = DefectMap(info=WaferInfo(lot="L", wafer="1"), xy_um=np.array([[10.0, 20.0]]), attributes=values)
    for version in ("1.2", "1.8"):
        write(tmp_path / "a", SourceWafer(0, wafer), None, NUMBERS, Form(version))
        (found,) = table.read(tmp_path / "a", Ingest())
        assert found.map.xy_um.tolist() == [[10.0, 20.0]]
        got = {n: v.tolist() for n, v in found.map.attributes.items()}
        assert (got["MY_SIZE___UM_"], got["MY_SIZE___UM__2"], got["_2ND"], got["GR_SSE"]) == ([1.5], [2.5], [1], [3])


def test_numbers_stay_when_a_class_is_added_at_the_end():
    assert class_numbers(["A", "B"]).items() <= class_numbers(["A", "B", "C"]).items()
    assert min(class_numbers(["A"]).values()) == FIRST_CLASS


@pytest.mark.parametrize(
    ("source", "called", "says"),
    [
        (SourceWafer(0, DefectMap(info=WaferInfo(lot='a"b'), xy_um=np.zeros((1, 2)))), "Donut", "without quotes"),
        (SourceWafer(0, DefectMap(info=WaferInfo(lot="a\x1bb"), xy_um=np.zeros((1, 2)))), "Donut", "control"),
        (SourceWafer(0, DefectMap(info=WaferInfo(), xy_um=np.zeros((1, 2)))), "Scratch", "taxonomy"),
        (SourceWafer(0, DefectMap(info=WaferInfo(), xy_um=np.zeros((1, 2))), classes={NUMBERS["Donut"]: "own"}), "Donut", "--first-class"),
    ],
)
def test_what_klarf_cannot_say_is_refused_and_leaves_no_file(tmp_path, source, called, says):
    with pytest.raises(InputError, match=says):
        write(tmp_path / "a", source, called, NUMBERS, Form())
    assert list(tmp_path.iterdir()) == []


@given(
    infos.flatmap(
        lambda info: st.builds(WaferInfo, lot=st.text(), wafer=st.text(), layer=st.text(), inspected_at=st.just(info.inspected_at))
    )
)
def test_a_file_name_is_one_plain_name_below_its_folder(info):
    name = file_name(info, "0123abcd-7")
    assert PurePath(name).name == name
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*\.klarf", name)
    assert len(name) < 200


def test_a_lot_called_after_a_path_stays_in_its_folder():
    name = file_name(WaferInfo(lot="../../x", wafer="/etc/passwd", layer="..", inspected_at=datetime(2026, 1, 2, tzinfo=UTC)), "k")
    assert name == "x_etc-passwd_20260102T000000_k.klarf"


@VERSIONS
@pytest.mark.parametrize(
    "name",
    [
        *(f"wafermap-clustering/{n}.000" for n in ("LARGE_KLARF", "QUU_NUU", "klarf_no_defect")),
        *("klarfkit/CPS3TwithoutReview.001", "jklarfreader/simple12.klarf", "jklarfreader/klarfWithImagelist.klarf"),
    ],
)
def test_real_files_come_back_as_they_were(shared_data, tmp_path, name, version):
    for source in table.read(shared_data / "klarf" / name, Ingest()):
        write(tmp_path / "a", source, "Donut", NUMBERS, Form(version))
        (found,) = table.read(tmp_path / "a", Ingest())
        same_map(found.map, source.map, {"CLASSNUMBER", "CLUSTERNUMBER", "IMAGECOUNT"})
        assert found.classes == {**(source.classes or {0: "Unclassified"}), NUMBERS["Donut"]: "Donut"}
        assert found.map.info.tool == source.map.info.tool
