from __future__ import annotations

import re

import klarf_samples as sample
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inspection.errors import FormatError
from inspection.formats.klarf import klarf1, klarf18
from inspection.params import Ingest

quick = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def read(tmp_path):
    def reader(content, module=klarf18, limits=Ingest()):  # noqa: B008 - frozen
        path = tmp_path / "file.klarf"
        path.write_bytes(content.encode())
        return list(module.read(path, limits))

    return reader


def test_both_families_give_the_same_wafer(read):
    (old,), (new,) = read(sample.klarf12(), klarf1), read(sample.KLARF18)
    assert sample.same(old, new)


@quick
@given(st.data())
def test_wrapping_and_spacing_do_not_matter(read, data):
    blank = st.sampled_from([" ", "\n", "\t", "  ", " \r\n "])
    pieces = re.split(r'("[^"\n]*")|(\s+)', sample.KLARF18)
    drawn = "".join(data.draw(blank) if p and p.isspace() else p for p in pieces if p)
    assert sample.same(read(sample.KLARF18)[0], read(drawn)[0])


def test_lot_fields_may_stand_before_the_wafers(read):
    after = re.search(r'    Field DeviceID.*?Field StepID 1 \{"M1"\}\n', sample.KLARF18, re.DOTALL)[0]
    moved = sample.KLARF18.replace(after, "").replace('"L1"\n  {\n', '"L1"\n  {\n' + after)
    assert sample.same(read(sample.KLARF18)[0], read(moved)[0])


def test_na_is_nan_with_and_without_image_lists(read):
    content = sample.KLARF18.replace("2500000 1500 0 1 0 N;", "NA 1500 0 1 0 N;")
    assert np.isnan(read(content)[0].map.attributes["DEFECTAREA"]).tolist() == [True, False, False]


def test_string_columns_stay_text(read):
    content = sample.KLARF18.replace("ImageList IMAGEINFO", "string REMARK")
    content = re.sub(r"Images \d \{.*\};\n", '"a; b";\n', content).replace(" 0 N;", " 0 N;")
    assert read(content)[0].map.attributes["REMARK"].tolist() == ["N", "a; b", "a; b"]


def test_an_empty_list_is_a_wafer_without_defects(read):
    content = re.sub(r"Data 3\n\s*\{\n.*?\n        \}", "Data 0 { }", sample.KLARF18, flags=re.DOTALL)
    (wafer,) = read(content)
    assert wafer.map.xy_um.shape == (0, 2)


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("EndOfFile;", "", "klarf.truncated"),
        ('FileRecord "1.8"', 'FileRecord "1.9"', "klarf.version"),
        ("Data 3\n", "Data 4\n", "klarf.rows"),
        ("1 10500", "10500", "klarf.rows"),
        ("Field DiePitch 2 {5000500, 4000250}", "", "klarf.missing"),
        ("{5000500, 4000250}", "{5000500}", "klarf.number"),
        ("Field SampleSize 2 {200000000, 0}", "Field SampleSize 2 {0, 0}", "klarf.number"),
        ("    }\n    Field DeviceID", "    Field DeviceID", "klarf.syntax"),
        ("List DefectList", "List DefectLost", "klarf.no_defect_list"),
        ("int32 XREL", "int32 DEFECTID", "klarf.rows"),
        ("Record WaferRecord", "Record WafferRecord", "klarf.wafers"),
    ],
)
def test_what_cannot_be_read_right_is_refused_with_its_reason(read, old, new, code):
    assert old in sample.KLARF18
    with pytest.raises(FormatError) as caught:
        read(sample.KLARF18.replace(old, new))
    assert caught.value.reason.code == code


def test_deep_nesting_is_refused_and_does_not_overflow(read):
    with pytest.raises(FormatError):
        read('Record FileRecord "1.8" ' + "{ Record A " * 100_000 + "EndOfFile;")


def test_limits_hold(read):
    with pytest.raises(FormatError, match=r"klarf\.defects"):
        read(sample.KLARF18, limits=Ingest(max_defects=2))
