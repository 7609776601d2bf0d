"""Real files and other parsers' samples, from the folder of real data."""

from __future__ import annotations

import re

import klarf_samples as sample
import numpy as np
import pytest

from inspection.errors import FormatError
from inspection.formats import table
from inspection.params import Ingest

DEFECTS = {
    "jklarfreader/klarf12DefectListExample.klarf": [13],
    "jklarfreader/klarf12Example.klarf": [2],
    "jklarfreader/klarfWithImagelist.klarf": [6],
    "jklarfreader/simple12.klarf": [1],
    "jklarfreader/simple18.klarf": [3, 1],
    "jklarfreader/wierdKlarfWithNAs.klarf": [3, 1],
    "klarfkit/CPS3TwithoutReview.001": [16],
    "wafermap-clustering/LARGE_KLARF.000": [22190],
    "wafermap-clustering/QUU_NUU.000": [56, 36, 95],
    "wafermap-clustering/klarf_no_defect.000": [0],
    "wafermap-clustering/saved_QUU_NUU_dbscan.000": [56, 36, 95],
}


@pytest.fixture
def read(shared_data):
    return lambda name: list(table.read(shared_data / "klarf" / name, Ingest()))


def naive_wafers(text):
    """Places per wafer, for files of constant width with one wafer after the other."""
    pitch, center, names, wafers = None, None, None, []
    for record in text.split(";"):
        word, *rest = record.split() or [""]
        if word == "DiePitch":
            pitch = np.array(rest, dtype=float)
        elif word == "SampleCenterLocation":
            center = np.array(rest, dtype=float)
        elif word == "DefectRecordSpec":
            names = rest[1:]
        elif word == "DefectList":
            rows = np.array(rest, dtype=float).reshape(-1, len(names))
            x, y, i, j = (rows[:, names.index(n)] for n in ("XREL", "YREL", "XINDEX", "YINDEX"))
            wafers.append(np.column_stack((i, j)) * pitch + np.column_stack((x, y)) - center)
    return wafers


@pytest.mark.parametrize("name", DEFECTS)
def test_every_real_file_gives_its_wafers(read, name):
    assert [w.map.defects for w in read(name)] == DEFECTS[name]


@pytest.mark.parametrize("name", ["LARGE_KLARF.000", "QUU_NUU.000", "saved_QUU_NUU_dbscan.000"])
def test_real_places_agree_with_a_naive_parser(read, shared_data, name):
    expected = naive_wafers((shared_data / "klarf/wafermap-clustering" / name).read_text())
    found = [w.map.xy_um for w in read(f"wafermap-clustering/{name}")]
    assert len(found) == len(expected)
    assert all(map(np.array_equal, found, expected))


@pytest.mark.parametrize("name", [n for n in DEFECTS if not n.startswith("jklarf")])
def test_real_defects_lie_on_their_wafer(read, name):
    for wafer in read(name):
        assert np.all(np.hypot(*wafer.map.xy_um.T) <= wafer.map.info.radius_um)


def test_the_whole_test_plan_of_the_complus_file_lies_on_its_wafer(read):
    made = read("klarfkit/CPS3TwithoutReview.001")[0].map
    corners = np.concatenate([made.dies + shift for shift in ((0, 0), (0, 1), (1, 0), (1, 1))])
    reach = np.hypot(*(corners * made.pitch_um + made.origin_um).T).max()
    assert made.dies.shape == (4988, 2)
    assert reach == pytest.approx(96_999, abs=1)


def test_the_density_checksum_of_the_complus_file_holds(read):
    assert read("klarfkit/CPS3TwithoutReview.001")[0].notes == ()


def test_a_summary_against_an_empty_list_is_a_note(read):
    (wafer,) = read("wafermap-clustering/klarf_no_defect.000")
    assert wafer.notes == ("summary: test 1 declares NDEFECT 40, the list holds 0",)


@pytest.mark.parametrize(("name", "code"), [("bad12.klarf", "klarf.no_defect_list"), ("bad12DefectList.klarf", "klarf.rows")])
def test_files_broken_on_purpose_are_refused(read, name, code):
    with pytest.raises(FormatError, match=re.escape(code)):
        read(f"jklarfreader/{name}")


def test_not_available_changes_nothing_else(read):
    plain, with_na = read("jklarfreader/simple18.klarf"), read("jklarfreader/wierdKlarfWithNAs.klarf")
    assert np.isnan(with_na[0].map.attributes["DCIRANGE"][2])
    for one, other in zip(plain, with_na, strict=True):
        assert np.array_equal(one.map.xy_um, other.map.xy_um)
        assert sample.identical(one.map.attributes["DEFECTID"], other.map.attributes["DEFECTID"])


def test_a_review_run_keeps_the_places(read):
    before, after = read("wafermap-clustering/QUU_NUU.000"), read("wafermap-clustering/saved_QUU_NUU_dbscan.000")
    assert all(np.array_equal(b.map.xy_um, a.map.xy_um) for b, a in zip(before, after, strict=True))
