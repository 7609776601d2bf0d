"""Rows of the line family that are cut, or fit no columns: refused with the row and the reason, or noted, and never lost in silence."""

from __future__ import annotations

import re

import klarf_samples as sample
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inspection.errors import FormatError
from inspection.formats.klarf import klarf1
from inspection.params import Ingest


@pytest.fixture
def read(tmp_path):
    def reader(content):
        path = tmp_path / "file.000"
        path.write_text(content)
        return list(klarf1.read(path, Ingest()))

    return reader


def refused(read, content, code):
    with pytest.raises(FormatError) as caught:
        read(content)
    assert caught.value.reason.code == code
    return caught.value.reason


def outcome(read, content):
    """The one wafer of a file, or the code of its refusal."""
    try:
        (wafer,) = read(content)
    except FormatError as error:
        return error.reason.code
    return wafer


REMARKED = {
    "no images": ("DEFECTID XREL YREL XINDEX YINDEX XSIZE YSIZE DEFECTAREA DSIZE CLASSNUMBER TEST REMARK", "1 1 1 1 0 1"),
    "few columns": ("DEFECTID XREL YREL XINDEX YINDEX REMARK", ""),
    "no defect numbers": ("XREL YREL XINDEX YINDEX REMARK", None),
    "own count": ("DEFECTID XREL YREL XINDEX YINDEX IMAGECOUNT IMAGELIST REMARK", "{n} {n} {images}"),
    "no own count": ("DEFECTID XREL YREL XINDEX YINDEX IMAGECOUNT IMAGELIST REMARK", "{n} {images}"),
    "left out at zero": ("DEFECTID XREL YREL XINDEX YINDEX IMAGECOUNT IMAGELIST REMARK", "{n} {own} {images}"),
}


def remarked(columns, remarks, blank):
    """A file whose last column is text, with its list by itself between line breaks or on one line with all records."""
    names, middle = REMARKED[columns]
    rows = []
    for i, remark in enumerate(remarks, start=1):
        n = i % 3
        cells = (middle or "").format(n=n, own=n or "", images=" ".join(f"{k + 1} 0" for k in range(n)))
        rows.append(" ".join(f"{i if middle is not None else ''} 1{i} 2{i} 0 0 {cells} {remark}".split()))
    text = sample.klarf12(rows, names)
    return text if blank == "\n" else re.sub(r"\s*\n\s*", " ", text).strip()


@pytest.mark.parametrize("blank", ["\n", " "])
@pytest.mark.parametrize("columns", REMARKED)
@pytest.mark.parametrize("cut", [{0}, {3}, {7}, {1, 4}, set(range(8)), {6, 7}])
def test_a_semicolon_in_an_unquoted_text_is_refused_and_loses_no_row(read, columns, blank, cut):
    content = remarked(columns, ["a;b" if i in cut else "c" for i in range(8)], blank)
    with pytest.raises(FormatError, match=r"klarf\.(syntax|rows)") as caught:
        read(content)
    assert caught.value.reason.action


def test_a_cut_that_only_numbers_follow_shows_in_the_summary(read):
    content = remarked("few columns", ["c", "a;b", "7"], " ")
    assert [n for n in read(content)[0].notes if n.startswith("summary: test 1 declares NDEFECT 3, the list holds 2")]


@pytest.mark.parametrize("behind", ["", 'OperatorID "x"; ', "Shift 3; ", "Extra 4 1 2 3 4; ", "Limits 1.5 2.5 3.5; "])
@pytest.mark.parametrize("columns", REMARKED)
@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(remarks=st.lists(st.sampled_from(("small", '"a;b"', '"big; one"', "NA", "7")), min_size=1, max_size=9))
def test_a_file_in_one_line_is_read_with_any_record_behind_its_list(read, columns, behind, remarks):
    content = remarked(columns, remarks, " ")
    (wafer,) = read(content.replace("SummarySpec", behind + "SummarySpec"))
    assert wafer.map.defects == len(remarks)
    assert wafer.notes == ()


@pytest.mark.parametrize("blank", ["\n", " "])
@pytest.mark.parametrize("columns", REMARKED)
def test_a_list_that_ends_early_at_any_word_is_refused_or_noted(read, columns, blank):
    """A file that was cut and closed again: within a row it fits no rows, between two rows the summary counts more."""
    content = remarked(columns, ["c"] * 5, blank)
    whole = len(read(content)[0].map.xy_um)
    begin, end = content.index("DefectList") + 10, content.index(";", content.index("DefectList"))
    for word in re.finditer(r"\s(?=\S)", content[begin:end]):
        found = outcome(read, content[: begin + word.start()] + content[end:])
        if found != "klarf.rows":
            assert found.map.defects < whole
            assert [n for n in found.notes if n.startswith("summary: test 1 declares NDEFECT 5, the list holds")]


IMAGED = "DEFECTID XREL YREL XINDEX YINDEX IMAGECOUNT IMAGELIST"


@pytest.mark.parametrize(
    ("rows", "expected", "got"),
    [
        (["1 1.5 2.5 0 0 0 0", "2 1.5 2.5 0 0 1 0"], "n times 2 tokens", "row 2 at line 30: IMAGECOUNT is 1, its IMAGELIST says 0"),
        (["1 1.5 2.5 0 0 1 0", "2 1.5 2.5 0 0 1 0"], "n times 2 tokens", "row 1 at line 29: IMAGECOUNT is 1, its IMAGELIST says 0"),
        (["1 1.5 2.5 0 0 1 1 0", "2 1.5 2.5 0 0 1 0"], "n times 2 tokens", "row 2 at line 30: IMAGECOUNT is 1, its IMAGELIST has 1 of 2"),
        (
            ["1 1.5 2.5 0 0 0 0", "2 1.5 2.5 0 0 9 9 1 0"],
            "n times 2 tokens",
            "row 2 at line 30: IMAGECOUNT is 9, its IMAGELIST has 2 of 18",
        ),
        (["1 1.5 2.5 0 0 0 0", "2 1.5 2.5 0 0 -1 0"], "n times 2 tokens", "row 2 at line 30: IMAGECOUNT is -1"),
        (["1 1.5 2.5 0.5 0 0 0", "2 1.5 2.5 0.5 0 0 0"], "7 columns", "row 1 at line 29: XINDEX is 0.5, no whole number"),
        (["1 1.5 2.5 0 0 0 0", "2 1.5 2.5 0 0"], "7 columns", "row 2 at line 30: 5 of at least 7 tokens: `2 1.5 2.5 0 0`"),
        (["1 1.5 2.5 0 0 0 0 2 1.5 2.5 0 0 1 0"], "n times 2 tokens", "row 2 at line 29: IMAGECOUNT is 1, its IMAGELIST says 0"),
    ],
)
def test_rows_that_fit_no_columns_are_told_what_is_wrong_with_them(read, rows, expected, got):
    reason = refused(read, sample.klarf12(rows, IMAGED), "klarf.rows")
    assert expected in reason.expected
    assert got in reason.got


def test_a_row_of_another_width_is_shown(read):
    rows = [*sample.ROWS, "4 10 20 0 0 1 2 2.5 1.5 0 1", sample.ROWS[0]]
    rows = [r if r.startswith("4") else " ".join(r.split()[:9]) for r in rows]
    reason = refused(read, sample.klarf12(rows, " ".join(sample.NAMES.split()[:9])), "klarf.rows")
    assert "row 4 at line 32: 11 of 9 tokens: `4 10 20" in reason.got


def test_lists_with_image_lists_of_two_kinds_are_told_so(read):
    own, bare = ["1 1.5 2.5 0 0 1 1 1 0", "2 1.5 2.5 0 0 0 0"], ["1 1.5 2.5 0 0 1 1 0", "2 1.5 2.5 0 0 0"]
    first, second = sample.klarf12(own, IMAGED, wafers=2).split('WaferID "W1";')
    reason = refused(read, f'{first}WaferID "W1";{second.replace(own[0], bare[0]).replace(own[1], bare[1])}', "klarf.rows")
    assert "in another way" in reason.got
