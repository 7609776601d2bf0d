from __future__ import annotations

import re
from datetime import UTC, datetime

import klarf_samples as sample
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inspection.errors import FormatError
from inspection.formats.klarf import klarf1
from inspection.formats.klarf.header import timestamp
from inspection.params import Ingest

LIMITS = Ingest()
XY = [[-2489.5, -1979.75], [7499.625, -1996.5], [-7500.499, 9999.5]]
"""Places of `sample.ROWS`, worked out by hand: index * (5000.5, 4000.25) + offset - (2500, 2000)."""

quick = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def read(tmp_path):
    def reader(content, limits=LIMITS):
        path = tmp_path / "file.000"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return list(klarf1.read(path, limits))

    return reader


def refused(read, content, code, limits=LIMITS):
    with pytest.raises(FormatError) as caught:
        read(content, limits)
    assert caught.value.reason.code == code
    return caught.value.reason


def naive_places(content):
    """Ten lines that know nothing of the reader: constant-width rows, one per line."""
    number = {k: [float(v) for v in re.search(rf"{k} ([^;]+);", content)[1].split()] for k in ("DiePitch", "SampleCenterLocation")}
    names = re.search(r"DefectRecordSpec \d+ ([^;]+);", content)[1].split()
    places = []
    for line in re.search(r"DefectList\s(.*?);", content, re.DOTALL)[1].strip().splitlines():
        cell = dict(zip(names, map(float, line.split()), strict=True))
        places.append([cell[f"{a}INDEX"] * p + cell[f"{a}REL"] - c for a, p, c in zip("XY", *number.values(), strict=True)])
    return np.array(places)


def test_places_are_in_the_wafer_frame(read):
    (wafer,) = read(sample.klarf12())
    assert wafer.map.xy_um == pytest.approx(np.array(XY), abs=1e-9)
    assert wafer.map.pitch_um == (5000.5, 4000.25)
    assert wafer.map.origin_um == (-2500.0, -2000.0)
    assert wafer.map.dies.tolist() == [[0, 0], [1, 0], [-1, 2]]
    assert wafer.notes == ()


def test_identity_comes_from_the_header(read):
    info = read(sample.klarf12())[0].map.info
    assert (info.lot, info.wafer, info.slot, info.product, info.layer) == ("L1", "W0", 1, "product", "M1")
    assert (info.tool, info.chamber, info.recipe, info.diameter_mm) == ("TOOL7", None, "recipe", 200.0)
    assert info.inspected_at == datetime(2024, 2, 3, 4, 5, 6, tzinfo=UTC)


def test_process_tool_and_chamber_come_from_the_equipment_list(read):
    (wafer,) = read(sample.klarf12(extra='ProcessEquipmentIDList 2\n "" "ETCH3:B";\n'))
    assert (wafer.map.info.tool, wafer.map.info.chamber) == ("ETCH3", "B")


def test_attributes_keep_names_and_types(read):
    attributes = read(sample.klarf12())[0].map.attributes
    assert attributes["CLASSNUMBER"].tolist() == [0, 1, 0]
    assert attributes["CLASSNUMBER"].dtype == np.int32
    assert attributes["DSIZE"].dtype == np.float64
    assert attributes["XINDEX"].tolist() == [0, 1, -1]
    assert not {"XREL", "YREL", "IMAGELIST"} & set(attributes)


@quick
@given(st.data())
def test_wrapping_and_spacing_do_not_matter(read, data):
    content = sample.klarf12(wafers=2)
    blank = st.sampled_from([" ", "\n", "\t", "  ", " \r\n ", "\r\n"])
    pieces = re.split(r'("[^"\n]*")|(\s+)', content)
    drawn = "".join(data.draw(blank) if p and p.isspace() else p for p in pieces if p)
    assert all(map(sample.same, read(content), read(drawn)))


@quick
@given(st.randoms(use_true_random=False))
def test_case_of_record_names_does_not_matter(read, random):
    keywords = r"\b(FileVersion|WaferID|DefectList|DefectRecordSpec|SummaryList|EndOfFile|DiePitch|SampleSize)\b"
    content = sample.klarf12()
    drawn = re.sub(keywords, lambda m: random.choice((m[0], m[0].upper(), m[0].lower())), content)
    assert sample.same(read(content)[0], read(drawn)[0])


@quick
@given(
    st.lists(
        st.tuples(st.floats(0, 5000), st.floats(0, 4000), st.integers(-40, 40), st.integers(-40, 40)),
        min_size=1,
        max_size=30,
    )
)
def test_places_agree_with_a_naive_parser(read, defects):
    rows = [f"{i} {x!r} {y!r} {a} {b}" for i, (x, y, a, b) in enumerate(defects)]
    content = sample.klarf12(rows, "DEFECTID XREL YREL XINDEX YINDEX")
    assert np.array_equal(read(content)[0].map.xy_um, naive_places(content))


IMAGE_LAYOUTS = {
    "own count": ("1 {c} 2 2 1 0 2 0", "2 {c} 0 0", "3 {c} 1 1 3 0"),
    "no own count": ("1 {c} 2 1 0 2 0", "2 {c} 0", "3 {c} 1 3 0"),
    "left out at zero": ("1 {c} 2 2 1 0 2 0", "2 {c} 0", "3 {c} 1 1 3 0"),
    "no images, own count": ("1 {c} 0 0", "2 {c} 0 0", "3 {c} 0 0"),
    "no images, no list": ("1 {c} 0", "2 {c} 0", "3 {c} 0"),
}


@pytest.mark.parametrize("layout", IMAGE_LAYOUTS)
@pytest.mark.parametrize("wrap", [False, True])
def test_every_layout_of_image_lists_gives_the_same_places(read, layout, wrap):
    cells = ["10.5 20.25 0 0", "4999.125 3.5 1 0", "0.001 3999 -1 2"]
    rows = [form.format(c=c) for form, c in zip(IMAGE_LAYOUTS[layout], cells, strict=True)]
    rows = [r.replace(" ", "\n  ") for r in rows] if wrap else rows
    (wafer,) = read(sample.klarf12(rows, "DEFECTID XREL YREL XINDEX YINDEX IMAGECOUNT IMAGELIST"))
    assert wafer.map.xy_um == pytest.approx(np.array(XY), abs=1e-9)
    assert wafer.map.attributes["DEFECTID"].tolist() == [1, 2, 3]


def test_a_row_cut_short_swallows_no_other_row(read):
    """A count of images without a column for their list is a number like any other: a damaged one must not be taken for a list."""
    rows = ["1 10 20 0 0 7 0", "2 10 20 0 0 0", *(f"{i} 10 20 0 0 7 0" for i in range(3, 9))]
    refused(read, sample.klarf12(rows, "DEFECTID XREL YREL XINDEX YINDEX DSIZE IMAGECOUNT"), "klarf.rows")


def test_columns_behind_the_image_list_are_read(read):
    rows = ["1 10 20 0 0 1 1 7 0 42", "2 10 20 0 0 0 0 43"]
    (wafer,) = read(sample.klarf12(rows, "DEFECTID XREL YREL XINDEX YINDEX IMAGECOUNT IMAGELIST TEST"))
    assert wafer.map.attributes["TEST"].tolist() == [42, 43]


def test_tokens_per_image_come_from_tiff_spec(read):
    rows = ["1 10 20 0 0 2 1 2 3 4 5 6", "2 30 40 0 0 0"]
    names = "DEFECTID XREL YREL XINDEX YINDEX IMAGECOUNT IMAGELIST"
    (wafer,) = read(sample.klarf12(rows, names, extra='TiffSpec 6.1 3 "A" "B" "C";\n'))
    assert wafer.map.attributes["DEFECTID"].tolist() == [1, 2]


@pytest.mark.parametrize(
    "noise",
    [
        "DefectList\nTiffFileName a.tif;\n",
        'DefectList\nTiffFileName "a b;c.tif";\n',
        "DefectList;\nTiffFileName a.tif;\nDefectList\n",
        "DefectList\nFILENAME a.tif\n",
    ],
)
def test_file_names_between_rows_are_no_rows(read, noise):
    plain = sample.klarf12()
    assert sample.same(read(plain)[0], read(plain.replace("DefectList\n", noise))[0])


def test_a_file_name_between_rows_does_not_end_the_list(read):
    plain = sample.klarf12()
    first, second = f" {sample.ROWS[0]}\n", f" {sample.ROWS[1]}\n"
    broken = plain.replace(first + second, f"{first}TiffFileName b.tif;\n{second}")
    assert sample.same(read(plain)[0], read(broken)[0])


def test_several_lists_are_one_wafer(read):
    plain = sample.klarf12()
    broken = plain.replace(f" {sample.ROWS[1]}\n", f" ;\nTiffFileName x.tif;\nDefectList\n {sample.ROWS[1]}\n")
    assert sample.same(read(plain)[0], read(broken)[0])


def test_rows_that_each_end_with_a_semicolon_are_one_list(read):
    plain = sample.klarf12()
    assert sample.same(read(plain)[0], read(plain.replace(f"{sample.ROWS[0]}\n", f"{sample.ROWS[0]};\n"))[0])


def test_an_empty_list_is_a_wafer_without_defects(read):
    content = re.sub(r"DefectList\n.*?;", "DefectList;", sample.klarf12(), flags=re.DOTALL)
    (wafer,) = read(content)
    assert wafer.map.xy_um.shape == (0, 2)
    assert wafer.notes == ("summary: test 1 declares NDEFECT 3, the list holds 0",)


def test_a_missing_list_counts_as_empty_only_where_the_summary_says_so(read):
    content = re.sub(r"DefectList\n.*?;", "", sample.klarf12(), flags=re.DOTALL)
    refused(read, content, "klarf.no_defect_list")
    assert read(content.replace(" 1 3 5.0;", " 1 0 0;"))[0].map.defects == 0


def test_na_is_nan_and_leaves_the_other_columns_alone(read):
    rows = ["1 10 20 0 0 NA 5", "2 10 20 0 0 3 NA"]
    (wafer,) = read(sample.klarf12(rows, "DEFECTID XREL YREL XINDEX YINDEX DSIZE CLASSNUMBER"))
    assert np.array_equal(wafer.map.attributes["DSIZE"], [np.nan, 3], equal_nan=True)
    assert np.array_equal(wafer.map.attributes["CLASSNUMBER"], [5, np.nan], equal_nan=True)
    assert wafer.map.attributes["DEFECTID"].dtype == np.int32


def test_words_in_a_column_stay_text(read):
    rows = ['1 10 20 0 0 "big one" 5', "2 10 20 0 0 small 6"]
    (wafer,) = read(sample.klarf12(rows, "DEFECTID XREL YREL XINDEX YINDEX REMARK CLASSNUMBER"))
    assert wafer.map.attributes["REMARK"].tolist() == ["big one", "small"]
    assert wafer.map.attributes["CLASSNUMBER"].tolist() == [5, 6]


def test_x_and_y_serve_where_there_is_no_die_offset(read):
    (wafer,) = read(sample.klarf12(["1 2500 2000", "2 0 0"], "DEFECTID X Y"))
    assert wafer.map.xy_um.tolist() == [[0, 0], [-2500, -2000]]


def test_die_indices_turn_with_the_wafer_also_beside_x_and_y(read):
    (wafer,) = read(sample.klarf12(["1 0 0 3 4"], "DEFECTID X Y XINDEX YINDEX", mark="UP"))
    assert (wafer.map.attributes["XINDEX"].tolist(), wafer.map.attributes["YINDEX"].tolist()) == ([-3], [-4])


def test_without_dies_the_wafer_is_one_die(read):
    content = sample.klarf12(["1 100000 100000", "2 0 100000"], "DEFECTID XREL YREL")
    refused(read, content, "klarf.columns")
    whole = content.replace("DiePitch 5000.5 4000.25", "DiePitch 200000 200000").replace("Location 2500 2000", "Location 100000 100000")
    (wafer,) = read(whole)
    assert wafer.map.xy_um.tolist() == [[0, 0], [-100_000, 0]]
    assert [n for n in wafer.notes if n.startswith("no XINDEX YINDEX")]


def test_rows_behind_a_summary_are_no_defects(read):
    (wafer,) = read(sample.klarf12().replace(" 1 3 5.0;", " 1 3 5.0;\n 2 0 0;"))
    assert wafer.map.defects == 3


def test_a_decimal_comma_in_a_name_is_no_decimal_comma(read):
    plain, comma = read(sample.klarf12())[0], read(sample.klarf12().replace("none; really", "size 1,5"))[0]
    assert (comma.classes[0], comma.notes, comma.map.xy_um.tolist()) == ("size 1,5", (), plain.map.xy_um.tolist())


def test_a_picture_with_blanks_in_its_name_takes_no_row_with_it(read):
    plain = sample.klarf12()
    for noise in ("TiffFileName my wafer 1.tif;", "TiffFileName my wafer 1.tif", "FILENAME a.tif"):
        broken = plain.replace("DefectList\n", f"DefectList\n{noise}\n")
        assert sample.same(read(plain)[0], read(broken)[0])
    beside = plain.replace("DefectList\n", "DefectList\nFILENAME a.tif ")
    assert sample.same(read(plain)[0], read(beside)[0])


@pytest.mark.parametrize(("mark", "turns"), [("DOWN", 0), ("LEFT", 1), ("UP", 2), ("RIGHT", 3), ("up", 2)])
def test_every_mark_is_brought_down(read, mark, turns):
    (wafer,) = read(sample.klarf12(mark=mark))
    expected = np.array(XY)
    for _ in range(turns):
        expected = np.column_stack((-expected[:, 1], expected[:, 0]))
    assert wafer.map.xy_um == pytest.approx(expected, abs=1e-9)
    assert bool(wafer.notes) == (turns > 0)


@pytest.mark.parametrize("mark", ["DOWN", "LEFT", "UP", "RIGHT"])
@pytest.mark.parametrize("mirrored", ["NO", "YES"])
def test_defects_stay_on_their_die_however_the_wafer_lies(read, mark, mirrored):
    made = read(sample.klarf12(mark=mark, extra=f"CoordinatesMirrored {mirrored};\n"))[0].map
    index = np.column_stack((made.attributes["XINDEX"], made.attributes["YINDEX"]))
    corner = np.array(made.origin_um) + index * np.array(made.pitch_um)
    assert np.all((made.xy_um >= corner) & (made.xy_um <= corner + made.pitch_um))
    assert {tuple(i) for i in index.tolist()} <= {tuple(d) for d in made.dies.tolist()}


def test_wafers_share_the_header_and_keep_their_own_fields(read):
    wafers = read(sample.klarf12(wafers=3))
    assert [w.index for w in wafers] == [0, 1, 2]
    assert [(w.map.info.wafer, w.map.info.slot) for w in wafers] == [("W0", 1), ("W1", 2), ("W2", 3)]
    assert all(np.array_equal(w.map.xy_um, wafers[0].map.xy_um) for w in wafers)


def test_geometry_carries_over_to_the_next_wafer(read):
    first, second = sample.klarf12(wafers=2).split('WaferID "W1";')
    second = re.sub(r"(SampleCenterLocation|DefectRecordSpec|Slot) [^;]*;\n", "", second)
    wafers = read(f'{first}WaferID "W1";{second}')
    assert np.array_equal(wafers[0].map.xy_um, wafers[1].map.xy_um)
    assert wafers[1].map.info.slot is None


@pytest.mark.parametrize("summary", [True, False])
def test_fields_between_list_and_wafer_id_belong_to_the_next_wafer(read, summary):
    early = "ResultTimestamp 02-03-24 09:09:09;\nSampleCenterLocation 0 0;\nSlot 9;\n"
    alone, content = (sample.klarf12(wafers=n) if summary else re.sub(r"Summary\w+[^;]*;\n", "", sample.klarf12(wafers=n)) for n in (1, 2))
    first, second = content.split('WaferID "W1";')
    second = re.sub(r"(SampleCenterLocation|Slot) [^;]*;\n", "", second)
    one, two = read(f'{first}{early}WaferID "W1";{second}')
    assert sample.same(one, read(alone)[0])
    assert (two.map.info.slot, two.map.info.inspected_at.hour, two.map.origin_um) == (9, 9, (0, 0))


def test_fields_behind_the_last_summary_make_no_wafer(read):
    content = sample.klarf12().replace("EndOfFile", 'WaferStatus "S";\nLotID "L1";\nEndOfFile')
    assert sample.same(read(content)[0], read(sample.klarf12())[0])


def test_tests_add_their_dies(read):
    more = "InspectionTest 2;\nSampleTestPlan 2\n 5 5\n 0 0;\nAreaPerTest 1e7;\nDefectRecordSpec"
    (wafer,) = read(sample.klarf12().replace("DefectRecordSpec", more))
    assert wafer.map.dies.tolist() == [[0, 0], [1, 0], [-1, 2], [5, 5]]


def test_a_wrong_density_is_a_note_that_says_how_wrong(read):
    (wafer,) = read(sample.klarf12().replace(" 1 3 5.0;", " 1 3 4.0;"))
    (note,) = [n for n in wafer.notes if "DEFDENSITY" in n]
    assert note.endswith("off by 0.200000")


@pytest.mark.parametrize(
    ("old", "new", "note"),
    [
        ("DieOrigin 0.0 0.0", "DieOrigin 5.0 0.0", "die origin"),
        ("SampleTestPlan 3", "SampleTestPlan 0", "die list: 0 dies declared, 3 listed"),
        ("DefectRecordSpec 13", "DefectRecordSpec 12", "spec: "),
        ("SampleSize 1 200;", "", "no SampleSize"),
        ("OrientationMarkLocation DOWN;", "", "no mark"),
        ("OrientationMarkLocation DOWN", "OrientationMarkLocation NONE", "no mark"),
        ("FileVersion 1 2", "FileVersion 1 8", "version: FileVersion 1 8 is read as 1.2"),
        (' 1 "particle"', ' 1 "particle', "no end: classlookup at line 18"),
        (" 10.5 20.25", " -7000 20.25", "off die: 1 of 3"),
        ("ResultTimestamp 02-03-24 04:05:06", "ResultTimestamp soon", "no time"),
    ],
)
def test_what_is_odd_but_survivable_becomes_a_note(read, old, new, note):
    (wafer,) = read(sample.klarf12().replace(old, new))
    assert [n for n in wafer.notes if n.startswith(note)], wafer.notes


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("EndOfFile;", "", "klarf.truncated"),
        (f" {sample.ROWS[2]}", " 3 0.001", "klarf.rows"),
        ("SampleCenterLocation 2500 2000;", "", "klarf.missing"),
        ("DiePitch 5000.5 4000.25", "DiePitch 0 4000.25", "klarf.number"),
        ("DiePitch 5000.5 4000.25", "DiePitch wide 4000.25", "klarf.number"),
        ("SampleSize 1 200", "SampleSize 1 -200", "klarf.number"),
        (" 0 0\n 1 0\n", " 0 0\n 1\n", "klarf.number"),
        ("OrientationMarkLocation DOWN", "OrientationMarkLocation INSIDE", "klarf.orientation"),
        ("FileVersion 1 2", "FileVersion 2 0", "klarf.version"),
        (" 10.5 20.25", " NA 20.25", "klarf.number"),
        (" 10.5 20.25", " 10,5 20.25", "klarf.number"),
        ("1 1 3 0;\nSummarySpec 3 TESTNO NDEFECT", "1 1 3 0\nSummarySpec 3 TESTNO NDIE", "klarf.truncated"),
        ('LotID "L1"', 'LotID "L1', "klarf.truncated"),
        (" 10.5 20.25", " 1e300 20.25", "klarf.number"),
        (" 10.5 20.25", " soon 20.25", "klarf.number"),
        ("DEFECTID XREL", "XREL XREL", "klarf.syntax"),
        ("EndOfFile;", "EndOfFile;\nFileVersion 1 2;", "klarf.trailing"),
        ("YINDEX", "ROW", "klarf.columns"),
    ],
)
def test_what_cannot_be_read_right_is_refused_with_its_reason(read, old, new, code):
    reason = refused(read, sample.klarf12().replace(old, new), code)
    assert reason.action
    assert len(str(reason)) < 1000


def test_an_error_names_the_line(read):
    content = sample.klarf12().replace("SampleTestPlan 3\n 0 0", "SampleTestPlan 3\n 0 x")
    assert refused(read, content, "klarf.number").where == f"line {content[: content.index('SampleTestPlan')].count(chr(10)) + 1}"


def test_limits_hold_before_anything_is_given_out(read):
    content = sample.klarf12(wafers=2)
    refused(read, content, "klarf.defects", Ingest(max_defects=2))
    refused(read, content, "klarf.syntax", Ingest(max_wafers=1))
    refused(read, content + " " * (2**20 + 1), "file.size", Ingest(max_file_mb=1))


def test_declared_counts_take_no_memory(read):
    content = sample.klarf12().replace("SampleTestPlan 3", "SampleTestPlan 99999999999999").replace("ClassLookup 2", "ClassLookup 9e99")
    assert read(content)[0].map.defects == 3


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("02-03-24 04:05:06", (2024, 2, 3, 4, 5, 6)),
        ("07-07-77 0:17:07", (1977, 7, 7, 0, 17, 7)),
        ("07-07-2024 21:59:59", (2024, 7, 7, 21, 59, 59)),
        ("07-07-2024 09:59:59 PM", (2024, 7, 7, 21, 59, 59)),
        ("07/07/2024 12:00:01am", (2024, 7, 7, 0, 0, 1)),
        ("07-JUL-24 12:00:01 pm", (2024, 7, 7, 12, 0, 1)),
        ("7-July-2024 1:02:03", (2024, 7, 7, 1, 2, 3)),
        ("25-12-2024 01:02:03", (2024, 12, 25, 1, 2, 3)),
        ("2000-01-30 15:40:57", (2000, 1, 30, 15, 40, 57)),
        ("2000-01-30T15:40:57Z", (2000, 1, 30, 15, 40, 57)),
        ("2000-01-30T15:40:57+02:00", (2000, 1, 30, 13, 40, 57)),
    ],
)
def test_times_of_every_kind_become_utc(text, expected):
    assert timestamp(text.split()) == datetime(*expected, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "soon", "07-XXX-24 01:02:03", "13-13-2024 00:00:00", "02-30-24 00:00:00", "02-03-24 25:00:00"])
def test_what_is_no_time_is_none(text):
    assert timestamp(text.split()) is None


def test_a_mark_behind_the_last_summary_turns_the_wafer_before_it(read):
    mark = "OrientationMarkLocation UP;\n"
    late = sample.klarf12().replace("OrientationMarkLocation DOWN;\n", "").replace("EndOfFile;", mark + "EndOfFile;")
    (expected,) = read(sample.klarf12(mark="UP"))
    (found,) = read(late)
    np.testing.assert_array_equal(found.map.xy_um, expected.map.xy_um)
