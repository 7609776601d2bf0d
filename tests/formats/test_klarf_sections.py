"""A wafer that a file speaks of in several places: one inspection where they are parts of it, a refusal where they contradict."""

from __future__ import annotations

import re
from itertools import pairwise

import klarf_samples as sample
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inspection.errors import FormatError
from inspection.formats.klarf import klarf1, klarf18
from inspection.params import Ingest

NAMES = "DEFECTID XREL YREL XINDEX YINDEX DSIZE CLASSNUMBER TEST"
quick = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def read(tmp_path):
    def reader(content, limits=Ingest()):  # noqa: B008 - frozen
        path = tmp_path / "file.000"
        path.write_bytes(content.encode())
        return list((klarf18 if content.startswith("Record") else klarf1).read(path, limits))

    return reader


def row(number, test=1, x=10.5):
    """A defect whose place says its number."""
    return f"{number} {x + number} 20.25 {number % 3 - 1} 0 1.5 {number % 2} {test}"


def lines(*sections, names=NAMES):
    """A file of the line family: sections of (wafer, slot, test, rows, rows of the summary or None, further records)."""
    text = sample.HEADER.format(mark="DOWN")
    for wafer, slot, test, rows, summary, extra in sections:
        text += f'WaferID "{wafer}";\nSlot {slot};\nSampleCenterLocation 2500 2000;\n{extra}InspectionTest {test};\n'
        text += f"SampleTestPlan 3\n {test} 0\n 0 0\n -1 0;\nAreaPerTest 6.0e+7;\n"
        text += f"DefectRecordSpec {len(names.split())} {names} ;\nDefectList\n" + "\n".join(f" {r}" for r in rows) + ";\n"
        if summary is not None:
            text += "SummarySpec 2 TESTNO NDEFECT ;\nSummaryList\n" + "\n".join(f" {r}" for r in summary) + ";\n"
    return text + "EndOfFile;\n"


def nested(*sections):
    """As `lines`, of the nested family; um become nm."""
    record = re.search(r'    Record WaferRecord "W0".*?\n    \}\n', sample.KLARF18, re.DOTALL)[0]
    body = re.search(r"Data 3\n        \{\n(.*?)        \}", record, re.DOTALL)
    made = []
    for wafer, slot, test, rows, summary, extra in sections:
        cells = [r.split() for r in rows]
        in_nm = [f"{n} {float(x) * 1e3:.0f} {float(y) * 1e3:.0f} {a} {b} 1 1 1 1500 {c} {t} 0 N;\n" for n, x, y, a, b, _, c, t in cells]
        text = record.replace(body[0], f"Data {len(rows)}\n        {{\n{''.join(in_nm)}        }}")
        text = text.replace('"W0"', f'"{wafer}"').replace("SlotNumber 1 {1}", f"SlotNumber 1 {{{slot}}} {extra}")
        text = text.replace('TestRecord "1"', f'TestRecord "{test}"').replace("{ 0 0; 1 0; -1 2; }", f"{{ {test} 0; 0 0; -1 0; }}")
        table = "" if summary is None else f"Data {len(summary)} {{ {' '.join(f'{r};' for r in summary)} }}"
        made.append(text.replace("int32 NDEFECT, float DEFDENSITY", "int32 NDEFECT").replace("Data 1 { 1 3 5; }", table))
    return sample.KLARF18.replace(record, "".join(made))


FAMILIES = pytest.mark.parametrize("write", [lines, nested])


def numbers(wafer):
    return wafer.map.attributes["DEFECTID"].tolist()


def said_twice(wafer):
    return [n for n in wafer.notes if n.startswith("wafer twice:")]


@FAMILIES
def test_tests_of_one_wafer_in_two_sections_are_one_inspection(read, write):
    parts = [("W0", 3, t, [row(n, t) for n in (1, 2)], [f"{t} 2"], "") for t in (1, 2)]
    (wafer,) = read(write(*parts))
    assert (wafer.index, wafer.map.info.wafer, wafer.map.info.slot, wafer.map.defects) == (0, "W0", 3, 4)
    assert wafer.map.attributes["TEST"].tolist() == [1, 1, 2, 2]
    assert sorted(map(tuple, wafer.map.dies.tolist())) == [(-1, 0), (0, 0), (1, 0), (2, 0)]
    assert len(said_twice(wafer)) == len(wafer.notes) == 1


@FAMILIES
def test_a_continued_list_is_one_inspection_wherever_its_parts_stand(read, write):
    parts = [("W0", 3, 1, [row(1), row(2)], ["1 2"], ""), ("W9", 4, 1, [row(1)], ["1 1"], ""), ("W0", 3, 1, [row(3)], ["1 1"], "")]
    first, second = read(write(*parts))
    assert (numbers(first), numbers(second)) == ([1, 2, 3], [1])
    assert (first.index, second.index) == (0, 1)
    assert said_twice(first)
    assert second.notes == ()


@FAMILIES
@quick
@given(cuts=st.lists(st.integers(0, 12), max_size=3), data=st.data())
def test_however_a_list_is_cut_into_sections_the_map_is_that_of_the_whole(read, write, cuts, data):
    rows = [row(n, data.draw(st.sampled_from((1, 2)))) for n in range(1, 13)]
    ends = [0, *sorted(cuts), len(rows)]
    tests = [[r.endswith(f" {t}") for r in rows] for t in (1, 2)]
    parts = []
    for a, b in pairwise(ends):
        parts.append(("W0", 3, 1, rows[a:b], [f"{t + 1} {sum(tests[t][a:b])}" for t in (0, 1)], ""))
    (whole,) = read(write(("W0", 3, 1, rows, [f"{t + 1} {sum(tests[t])}" for t in (0, 1)], "")))
    (wafer,) = read(write(*parts))
    assert np.array_equal(wafer.map.xy_um, whole.map.xy_um)
    assert all(sample.identical(wafer.map.attributes[n], v) for n, v in whole.map.attributes.items())
    assert np.array_equal(wafer.map.dies, whole.map.dies)
    assert (wafer.map.info, whole.notes, bool(wafer.notes)) == (whole.map.info, (), len(parts) > 1)


@FAMILIES
def test_a_defect_that_is_said_twice_is_one_defect_and_a_note(read, write):
    parts = [("W0", 3, 1, [row(1), row(2)], ["1 2"], ""), ("W0", 3, 1, [row(2), row(3)], ["1 2"], "")]
    (wafer,) = read(write(*parts))
    assert numbers(wafer) == [1, 2, 3]
    assert "1 defect" in said_twice(wafer)[0]


@FAMILIES
def test_one_defect_at_two_places_is_refused(read, write):
    parts = [("W0", 3, 1, [row(1), row(2)], ["1 2"], ""), ("W0", 3, 1, [row(2, x=90)], ["1 1"], "")]
    with pytest.raises(FormatError) as caught:
        read(write(*parts))
    reason = caught.value.reason
    assert reason.code == "klarf.wafer_twice"
    assert "DEFECTID 2" in reason.got
    assert "W0" in reason.where
    # The same number in another test is another defect.
    parts[1] = ("W0", 3, 2, [row(2, 2, x=90)], ["2 1"], "")
    assert numbers(read(write(*parts))[0]) == [1, 2, 2]


@pytest.mark.parametrize(
    ("old", "new", "name"),
    [
        ("SampleCenterLocation 2500 2000", "SampleCenterLocation 2600 2000", "SampleCenterLocation"),
        ("Slot 3;", "Slot 3;\nOrientationMarkLocation UP;", "OrientationMarkLocation"),
        ("Slot 3;", "Slot 3;\nDiePitch 4000 4000;", "DiePitch"),
        ("Slot 3;", 'Slot 3;\nDeviceID "another";', "DeviceID"),
        ("Slot 3;", "Slot 3;\nSampleSize 1 300;", "SampleSize"),
    ],
)
def test_sections_that_contradict_each_other_are_refused(read, old, new, name):
    whole = lines(("W0", 3, 1, [row(1)], ["1 1"], ""), ("W0", 3, 1, [row(2)], ["1 1"], ""))
    before, old_one, behind = whole.rpartition(old)
    with pytest.raises(FormatError, match=r"klarf\.wafer_twice") as caught:
        read(before + new + behind)
    assert name in caught.value.reason.expected
    assert old_one


@FAMILIES
def test_another_slot_is_another_wafer_and_a_note(read, write):
    first, second = read(write(("?", 3, 1, [row(1)], ["1 1"], ""), ("?", 7, 1, [row(1, x=90)], ["1 1"], "")))
    assert (first.map.info.slot, second.map.info.slot) == (3, 7)
    assert said_twice(first)
    assert said_twice(second)


def test_another_time_lot_or_layer_is_another_inspection(read):
    for other in ("ResultTimestamp 02-03-24 09:09:09;\n", 'StepID "M2";\n', 'LotID "L2";\n'):
        first, second = read(lines(("W0", 3, 1, [row(1)], ["1 1"], ""), ("W0", 3, 1, [row(1, x=90)], ["1 1"], other)))
        assert (numbers(first), numbers(second), first.notes, second.notes) == ([1], [1], (), ())


def test_a_wafer_without_a_name_is_no_part_of_another(read):
    whole = lines(("W0", 3, 1, [row(1)], ["1 1"], ""), ("W9", 7, 1, [row(1, x=90)], ["1 1"], ""))
    first, second = read(whole.replace('WaferID "W9";\n', ""))
    assert (first.map.info.wafer, second.map.info.wafer, second.map.info.slot) == ("W0", "", 7)
    assert [n for n in second.notes if n.startswith("no WaferID:")]


def test_a_name_said_twice_before_its_list_is_said_once(read):
    plain = lines(("W0", 3, 1, [row(1)], ["1 1"], ""))
    assert sample.same(read(plain)[0], read(plain.replace("InspectionTest", 'WaferID "W0";\nInspectionTest'))[0])


@FAMILIES
def test_the_limit_of_defects_counts_all_sections(read, write):
    parts = [("W0", 3, 1, [row(1), row(2)], ["1 2"], ""), ("W0", 3, 1, [row(3), row(4)], ["1 2"], "")]
    assert read(write(*parts), Ingest(max_defects=4))[0].map.defects == 4
    with pytest.raises(FormatError, match=r"klarf\.defects: expected at most 3 defects, got 4"):
        read(write(*parts), Ingest(max_defects=3))


def test_several_lists_of_one_wafer_record_are_one_list(read):
    """A second list of the same name took the place of the first one."""
    table = re.search(r"      List DefectList.*?\n      \}\n", sample.KLARF18, re.DOTALL)[0]
    rows = re.search(r"Data 3\n        \{\n(.*?)        \}", table, re.DOTALL)[1].splitlines(keepends=True)
    parts = [table.replace("".join(rows), "".join(some)).replace("Data 3", f"Data {len(some)}") for some in (rows[:1], rows[1:])]
    assert sample.same(read(sample.KLARF18)[0], read(sample.KLARF18.replace(table, "".join(parts)))[0])


# ---- what a file declares, and what it holds ---------------------------------------------------------------------------------------


def differences(wafer):
    return [n for n in wafer.notes if n.startswith("summary:")]


@FAMILIES
def test_a_list_that_ends_early_or_late_is_noted_for_its_wafer(read, write):
    sections = [(f"W{i}", i, 1, [row(1), row(2)], ["1 2"], "") for i in range(3)]
    assert all(w.notes == () for w in read(write(*sections)))
    for declared in ("1 3", "1 1"):
        sections[1] = (*sections[1][:4], [declared], "")
        assert [bool(differences(w)) for w in read(write(*sections))] == [False, True, False]


@FAMILIES
def test_a_list_that_ends_early_is_noted_for_its_test(read, write):
    rows = [row(1), row(2), row(3, 2)]
    assert read(write(("W0", 3, 1, rows, ["1 2", "2 1"], "")))[0].notes == ()
    (wafer,) = read(write(("W0", 3, 1, rows, ["1 2", "2 4"], "")))
    assert differences(wafer) == ["summary: test 2 declares NDEFECT 4, the list holds 1"]
    (wafer,) = read(write(("W0", 3, 1, [*rows, row(4, 3)], ["1 2", "2 1"], "")))
    assert differences(wafer) == ["summary: 1 defects belong to tests that it has no row for"]


def test_without_a_column_of_tests_their_sum_is_held_against_the_list(read):
    names, rows = NAMES.removesuffix(" TEST"), [row(n).rsplit(" ", 1)[0] for n in (1, 2, 3)]
    assert read(lines(("W0", 3, 1, rows, ["1 2", "2 1"], ""), names=names))[0].notes == ()
    (wafer,) = read(lines(("W0", 3, 1, rows, ["1 2", "2 4"], ""), names=names))
    assert differences(wafer) == ["summary: 2 tests declare NDEFECT 6, the list holds 3"]


@FAMILIES
def test_a_list_that_ends_early_is_noted_for_its_section(read, write):
    parts = [("W0", 3, 1, [row(1), row(2)], ["1 3"], ""), ("W0", 3, 1, [row(3)], ["1 1"], "")]
    (wafer,) = read(write(*parts))
    assert differences(wafer) == ["summary: test 1 declares NDEFECT 3, the list holds 2"]


@FAMILIES
def test_a_summary_speaks_of_all_lists_since_the_one_before(read, write):
    parts = [("W0", 3, t, [row(n, t) for n in (1, 2)], None if t == 1 else ["1 2", "2 2"], "") for t in (1, 2)]
    (wafer,) = read(write(*parts))
    assert wafer.notes == tuple(said_twice(wafer))
    parts[0] = ("W0", 3, 1, [row(1)], None, "")
    (wafer,) = read(write(*parts))
    assert differences(wafer) == ["summary: test 1 declares NDEFECT 2, the list holds 1"]


@FAMILIES
def test_a_list_that_nothing_declares_is_noted(read, write):
    (wafer,) = read(write(("W0", 3, 1, [row(1)], None, "")))
    assert [n.partition(":")[0] for n in wafer.notes] == ["no summary"]


def test_a_nested_list_of_another_length_than_it_declares_is_refused(read):
    for declared in (1, 3):
        with pytest.raises(FormatError, match=r"klarf\.rows"):
            read(nested(("W0", 3, 1, [row(1), row(2)], ["1 2"], "")).replace("Data 2\n", f"Data {declared}\n"))


def test_a_false_count_of_columns_is_noted_by_both_families(read):
    part = ("W0", 3, 1, [row(1)], ["1 1"], "")
    for content in (lines(part).replace("DefectRecordSpec 8", "DefectRecordSpec 9"), nested(part).replace("Columns 13", "Columns 14")):
        (wafer,) = read(content)
        assert [n.partition(":")[0] for n in wafer.notes] == ["spec"]
