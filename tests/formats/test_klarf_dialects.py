"""One wafer in every dialect: the same physical place comes out, or a note says what was decided."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime

import klarf_dialects as dialect
import klarf_samples as sample
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inspection.formats import table
from inspection.formats.klarf import klarf1, klarf18, tokens
from inspection.formats.klarf.writer import write_klarf12, write_klarf18
from inspection.params import Ingest

quick = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
thorough = settings(quick, max_examples=100)


@pytest.fixture
def read(tmp_path):
    def reader(content, module=klarf1):
        path = tmp_path / "file.000"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return list(module.read(path, Ingest()))

    return reader


# ---- one wafer, however it is written and held ------------------------------------------------------------------------------------

INFO = {
    "lot": "L1",
    "wafer": "W9",
    "slot": 9,
    "product": "product",
    "layer": "M1",
    "tool": "TOOL 7",
    "recipe": "recipe",
    "diameter_mm": 200,
}


def is_the_wafer(source, truth, tolerance_um):
    """Whether a map has the truth's places, dies, columns, classes and identity, and no note beyond those of its frame and its ends."""
    made = source.map
    assert made.xy_um == pytest.approx(truth.places, abs=tolerance_um)
    corners = np.array(made.origin_um) + made.dies * np.array(made.pitch_um)
    assert corners == pytest.approx(np.array(truth.dies) * truth.die_um + np.array(truth.corner_um), abs=tolerance_um)
    assert made.pitch_um == pytest.approx(truth.die_um, abs=tolerance_um)
    if "XINDEX" in made.attributes:
        named = np.array(made.origin_um) + np.column_stack([made.attributes[n] for n in ("XINDEX", "YINDEX")]) * made.pitch_um
        assert named == pytest.approx(corners[[d for d, _, _ in truth.defects]].reshape(-1, 2), abs=tolerance_um)
    assert made.attributes["DEFECTID"].tolist() == list(range(1, len(truth.defects) + 1))
    assert made.attributes["CLASSNUMBER"].tolist() == truth.classes
    assert made.attributes["DSIZE"] == pytest.approx(1.5 + np.arange(len(truth.defects)))
    assert dict(source.classes) == dialect.CLASSES
    assert {name: getattr(made.info, name) for name in INFO} == INFO
    assert made.info.inspected_at == made.info.written_at == datetime(2024, 2, 3, 4, 5, 6, tzinfo=UTC)
    assert {n.partition(":")[0] for n in source.notes} <= {"turned", "mirrored", "no end", "decimal commas", "die origin"}


@pytest.mark.parametrize("mark", dialect.QUARTERS)
@pytest.mark.parametrize("mirrored", [False, True])
@quick
@given(truth=dialect.wafers, hold=dialect.holds, family=st.sampled_from(("12", "18", "degrees")))
def test_a_wafer_is_the_same_however_the_tool_held_it_and_named_its_dies(read, mark, mirrored, truth, hold, family):
    hold = replace(hold, mark=mark, mirrored=mirrored)
    if family == "12":
        (source,) = read(dialect.klarf12(truth, dialect.Dialect(), hold))
    else:
        (source,) = read(dialect.klarf18(truth, dialect.Dialect18(degrees=family == "degrees"), hold), klarf18)
    is_the_wafer(source, truth, 1e-6 if family == "12" else 2e-3)
    assert sum(n.startswith(("turned", "mirrored")) for n in source.notes) == (mark != "DOWN") + mirrored


@thorough
@given(truth=dialect.wafers, way=dialect.dialects, hold=dialect.holds)
def test_any_dialect_of_the_line_family_is_the_same_wafer(read, truth, way, hold):
    (source,) = read(dialect.klarf12(truth, way, hold))
    is_the_wafer(source, truth, 1e-6)


@thorough
@given(truth=dialect.wafers, way=dialect.dialects18, hold=dialect.holds)
def test_any_dialect_of_the_nested_family_is_the_same_wafer(read, truth, way, hold):
    (source,) = read(dialect.klarf18(truth, way, hold), klarf18)
    is_the_wafer(source, truth, 2e-3)


@quick
@given(truth=dialect.wafers, way=dialect.dialects)
def test_a_record_without_its_end_is_named(read, truth, way):
    (source,) = read(dialect.klarf12(truth, way))
    said = [n for n in source.notes if n.startswith("no end")]
    assert bool(said) == bool(way.unclosed)


# ---- versions, sizes, units ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "mm", "note"),
    [
        ("1 200", 200, None),
        ("1 8", 200, "inches"),
        ("1 12", 300, "inches"),
        ("1 6.0", 150, "inches"),
        ("1 200000", 200, "um"),
        ("1 300000000", 300, "nm"),
        ("2 200 200", 200, None),
        ("2 200 150", 200, "rectangle"),
        ("200", 200, None),
    ],
)
def test_sample_sizes_of_every_unit_become_mm(read, said, mm, note):
    (wafer,) = read(sample.klarf12().replace("SampleSize 1 200", f"SampleSize {said}"))
    assert wafer.map.info.diameter_mm == mm
    assert (note is None and wafer.notes == ()) or (note is not None and any(note in n for n in wafer.notes))


def test_a_flat_is_a_mark_like_a_notch(read):
    flat = sample.klarf12(mark="LEFT").replace("MarkType NOTCH", "MarkType FLAT")
    assert sample.same(read(sample.klarf12(mark="LEFT"))[0], read(flat)[0])


# ---- DieOrigin -------------------------------------------------------------------------------------------------------------------


def plain(index, origin, center="2500 2000", names="DEFECTID XREL YREL XINDEX YINDEX", tail=""):
    rows = [f"{i + 1} 100 200 {x} {y}{tail}" for i, (x, y) in enumerate(index)]
    text = (
        sample.klarf12(rows, names)
        .replace("DieOrigin 0.0 0.0", f"DieOrigin {origin}")
        .replace("SampleCenterLocation 2500 2000", f"SampleCenterLocation {center}")
    )
    plan = " ".join(f"{x} {y}" for x, y in index)
    return re.sub(r"SampleTestPlan 3[^;]*;", f"SampleTestPlan {len(index)} {plan};", text)


EDGES = [(-19, 0), (18, 0), (0, -24), (0, 23)]
"""Dies at the edge of the 200 mm wafer: any other place of the grid puts some of them off it."""


def test_an_origin_that_the_wafer_rules_out_is_not_used(read):
    (wafer,) = read(plain(EDGES, "60000 0"))
    assert np.array_equal(wafer.map.xy_um, read(plain(EDGES, "0 0"))[0].map.xy_um)
    assert [n for n in wafer.notes if n.startswith("die origin: DieOrigin read as not used, moved by 0 0")]


def test_an_origin_that_the_wafer_needs_is_the_corner_of_die_0_0(read):
    (wafer,) = read(plain(EDGES, "60000.5 -50000.5", center="62500.5 -48000.5"))
    assert wafer.map.xy_um == pytest.approx(read(plain(EDGES, "0 0"))[0].map.xy_um, abs=1e-6)
    assert wafer.map.origin_um == pytest.approx((-2500, -2000))
    assert [n for n in wafer.notes if n.startswith("die origin: DieOrigin read as the corner of die 0 0, moved by 60000.5 -50000.5")]


def test_an_origin_may_be_the_index_of_the_first_die(read):
    (wafer,) = read(plain([(x + 20, y + 30) for x, y in EDGES], "20 30"))
    assert wafer.map.xy_um == pytest.approx(read(plain(EDGES, "0 0"))[0].map.xy_um, abs=1e-6)
    assert [n for n in wafer.notes if "read as the index of the first die" in n]


def test_columns_x_and_y_decide_what_the_origin_means(read):
    names = "DEFECTID XREL YREL XINDEX YINDEX X Y"
    for shift in (0, 300):
        rows = [f"1 100 200 3 4 {3 * 5000.5 + 100 + shift} {4 * 4000.25 + 200 + shift}"]
        (wafer,) = read(sample.klarf12(rows, names).replace("DieOrigin 0.0 0.0", "DieOrigin 300.5 300.5"))
        assert wafer.map.xy_um == pytest.approx(np.array([[3 * 5000.5 - 2400, 4 * 4000.25 - 1800]]) + (300.5 if shift else 0), abs=1e-6)


def test_an_origin_that_nothing_decides_moves_no_defect_and_says_so(read):
    (wafer,) = read(sample.klarf12().replace("DieOrigin 0.0 0.0", "DieOrigin 10.5 0.0"))
    assert np.array_equal(wafer.map.xy_um, read(sample.klarf12())[0].map.xy_um)
    assert [n for n in wafer.notes if "several readings are possible" in n]


# ---- checksums -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "note"),
    [
        ("1 3 5.0 3 3", None),
        ("1 3 5.0 0 0", None),
        ("1 3 5.0 4 3", "summary: test 1 declares NDIE 4, the test plan holds 3"),
        ("1 3 5.0 3 2", "summary: test 1 declares NDEFDIE 2, the list names 3"),
        ("1 4 5.0 3 3", "summary: test 1 declares NDEFECT 4, the list holds 3"),
        ("1 3 5.00001 3 3", None),
    ],
)
def test_the_numbers_of_the_summary_are_checked(read, row, note):
    text = sample.klarf12().replace("SummarySpec 3 TESTNO NDEFECT DEFDENSITY", "SummarySpec 5 TESTNO NDEFECT DEFDENSITY\n NDIE NDEFDIE")
    (wafer,) = read(text.replace(" 1 3 5.0;", f" {row};"))
    assert (note in wafer.notes) if note else wafer.notes == ()


# ---- write back --------------------------------------------------------------------------------------------------------------------

FILES = (
    "jklarfreader/klarf12DefectListExample.klarf",
    "jklarfreader/simple18.klarf",
    "klarfkit/CPS3TwithoutReview.001",
    "wafermap-clustering/QUU_NUU.000",
)


@pytest.mark.parametrize("write", [write_klarf12, write_klarf18])
@pytest.mark.parametrize("name", FILES)
def test_labels_go_back_into_a_file_that_reads_the_same(shared_data, tmp_path, write, name):
    source = list(table.read(shared_data / "klarf" / name, Ingest()))
    if write is write_klarf18:
        source = [s for s in source if s.map.info.inspected_at == source[0].map.info.inspected_at]
    rng = np.random.default_rng(0)
    classes = dict(source[0].classes) | {901: "our ring; really", 902: "GeoScratch"}
    changed = []
    for s in source:
        labels = rng.choice((901, 902), s.map.defects).astype(np.int32)
        clusters = rng.integers(-1, 9, s.map.defects).astype(np.int32)
        changed.append(replace(s.map, attributes={**s.map.attributes, "CLASSNUMBER": labels, "CLUSTERNUMBER": clusters}))
    write(tmp_path / "back", changed, classes=classes)
    back = list(table.read(tmp_path / "back", Ingest()))
    assert back[0].classes == classes
    for one, other in zip(changed, (b.map for b in back), strict=True):
        assert other.info == one.info
        assert other.xy_um == pytest.approx(one.xy_um, abs=6e-4)
        for column in ("DEFECTID", "XINDEX", "YINDEX", "CLASSNUMBER", "CLUSTERNUMBER", "TEST"):
            assert np.array_equal(other.attributes[column], one.attributes[column]), column


@pytest.mark.parametrize("write", [write_klarf12, write_klarf18])
def test_writing_what_was_read_from_our_own_file_changes_no_byte(tmp_path, read, write):
    (source,) = read(sample.klarf12())
    write(tmp_path / "one", [source.map], classes=source.classes)
    (again,) = table.read(tmp_path / "one", Ingest())
    write(tmp_path / "two", [again.map], classes=again.classes)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@pytest.mark.parametrize("write", [write_klarf12, write_klarf18])
@quick
@given(words=st.lists(st.text("abc ;{}µNA1", max_size=5), min_size=3, max_size=3).filter(lambda w: any("b" in v for v in w)))
def test_text_columns_come_back(tmp_path, read, write, words):
    (source,) = read(sample.klarf12())
    write(tmp_path / "one", [replace(source.map, attributes={**source.map.attributes, "REMARK": np.array(words)})])
    assert next(table.read(tmp_path / "one", Ingest())).map.attributes["REMARK"].tolist() == words


# ---- another reader --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        *(f"wafermap-clustering/{n}.000" for n in ("LARGE_KLARF", "QUU_NUU", "saved_QUU_NUU_dbscan", "klarf_no_defect")),
        "klarfkit/CPS3TwithoutReview.001",
        "jklarfreader/simple12.klarf",
    ],
)
def test_places_agree_with_another_reader(shared_data, name):
    peer = pytest.importorskip("klarf_reader.klarf", reason="klarf-reader is in the extra `dev`")
    path = shared_data / "klarf" / name
    other = peer.Klarf.load_from_file(filepath=path)
    ours = list(table.read(path, Ingest()))
    assert len(other.wafers) == len(ours)
    for one, wafer in zip(ours, other.wafers, strict=True):
        assert one.map.xy_um == pytest.approx(np.array([d.point for d in wafer.defects]).reshape(-1, 2), abs=1e-6)
        assert one.map.attributes["DEFECTID"].tolist() == [d.id for d in wafer.defects]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r", " "])
@quick
@given(data=st.data())
def test_decimal_commas_are_points_wherever_they_stand(newline, data):
    """As one expression over the whole text would have it: blocks and short cuts change nothing."""
    words = ("1,5", "-1,5E-3", ",5", "1,", "1,2,3", "a,5", "5,a", '"1,5; b"', '"x', "7", ";", "name", "+0,25")
    text = newline.join(" ".join(data.draw(st.lists(st.sampled_from(words), max_size=4))) for _ in range(data.draw(st.integers(1, 6))))
    text = "0,5 " + text
    expected = tokens._DECIMAL_COMMA.sub(lambda m: m[0] if m[1] is None else m[1] + b".", text.encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tokens, "_BLOCK", data.draw(st.sampled_from((1, 8, 1 << 16))))
        assert tokens.with_points(text.encode()) == (expected, ["decimal commas: read as points"])
