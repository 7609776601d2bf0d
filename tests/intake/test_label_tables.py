"""Laws of the label table."""

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspection.errors import InputNotFoundError, LabelError
from inspection.intake.labels import Labels, beside, key, read_labels
from inspection.wafer.maps import DieMap, SourceWafer, WaferInfo

KNOWN = ("Normal", "Donut", "Edge-Ring")
NAMES = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=12)


def wafer(lot="", name="", index=0):
    return SourceWafer(index, DieMap(info=WaferInfo(lot=lot, wafer=name), status=np.ones((1, 1), np.uint8)))


def table(folder, text, encoding="utf-8"):
    path = Path(folder) / "labels.csv"
    path.write_bytes(text.encode(encoding))
    return path


@given(rows=st.dictionaries(st.tuples(NAMES, NAMES).map(lambda pair: key(*pair)), st.sampled_from(KNOWN), max_size=20))
def test_every_wafer_of_the_table_gets_its_label_and_no_other(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("labels") / "labels.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["lot", "wafer", "label"])
        writer.writerows([lot, name, label] for (lot, name), label in rows.items())
    labels = read_labels(path, KNOWN)
    assert {at: labels.of("any.klarf", wafer(*at)) for at in rows} == rows
    assert labels.of("any.klarf", wafer("no such lot at all", "1")) is None


def test_header_case_order_further_columns_and_byte_order_mark_do_not_matter(tmp_path):
    labels = read_labels(table(tmp_path, "Label, WAFER ,who,Lot\nDonut,07,me,L1\n\n", "utf-8-sig"), KNOWN)
    assert labels.of("x", wafer("L1", "07")) == "Donut"


@pytest.mark.parametrize(("written", "on_file"), [("7", "07"), ("07", "7"), ("0", "00"), ("W07", "W07")])
def test_leading_zeros_that_a_spreadsheet_drops_do_not_matter(tmp_path, written, on_file):
    labels = read_labels(table(tmp_path, f"lot,wafer,label\nL1,{written},Donut\n"), KNOWN)
    assert labels.of("x", wafer("L1", on_file)) == "Donut"


def test_a_source_is_named_with_its_folder_or_without(tmp_path):
    labels = read_labels(table(tmp_path, "source,index,label\na.npz,1,Donut\nb/c.npz,0,Normal\n"), KNOWN)
    assert labels.of("a.npz", wafer(index=1)) == "Donut"
    assert labels.of("folder/a.npz", wafer(index=1)) == "Donut"
    assert labels.of("a.npz", wafer(index=0)) is None
    assert labels.of("b/c.npz", wafer(index=0)) == "Normal"
    assert labels.of("c.npz", wafer(index=0)) is None


def test_an_empty_label_takes_a_label_away(tmp_path):
    labels = read_labels(table(tmp_path, "lot,wafer,label\nL1,1,\n"), KNOWN)
    assert labels.match("x", 0, "L1", "01") == ("L1", "1")
    assert labels.of("x", wafer("L1", "01")) is None


def test_an_unknown_class_is_an_error_that_lists_the_known_ones(tmp_path):
    with pytest.raises(LabelError, match=r"Donut, Edge-Ring, Normal.*'Doughnut'.*line 3"):
        read_labels(table(tmp_path, "lot,wafer,label\nL1,1,Donut\nL1,2,Doughnut\n"), KNOWN)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected the columns"),
        ("lot,label\nL1,Donut\n", "expected the columns"),
        ("lot,wafer,label\nL1,1\n", "expected 3 columns, got 2"),
        ("source,index,label\na,x,Donut\n", "index counted from 0, got 'x'"),
        ("source,index,label\na,-1,Donut\n", "index counted from 0, got '-1'"),
        ("lot,wafer,label\nL1,1,Donut\nL1,01,Normal\n", "expected one, got Donut and Normal"),
    ],
)
def test_a_table_that_cannot_be_meant_is_refused_with_what_to_do(tmp_path, text, message):
    with pytest.raises(LabelError, match=message):
        read_labels(table(tmp_path, text), KNOWN)


def test_a_line_without_end_is_refused_and_not_read_whole(tmp_path):
    with pytest.raises(LabelError, match="a line of more than"):
        read_labels(table(tmp_path, "lot,wafer,label" + "," * 1_000_000), ["Donut"])


def test_a_table_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "labels.csv").write_bytes(b"lot,wafer,label\nL\xff,1,Donut\n")
    with pytest.raises(LabelError, match="UTF-8"):
        read_labels(tmp_path / "labels.csv", KNOWN)


def test_the_table_lies_beside_the_files(tmp_path):
    assert beside(tmp_path) is None
    path = table(tmp_path, "lot,wafer,label\n")
    (tmp_path / "a.klarf").touch()
    assert beside(tmp_path) == beside(tmp_path / "a.klarf") == path
    with pytest.raises(InputNotFoundError, match="No label table"):
        read_labels(tmp_path / "none.csv", KNOWN)


def test_labels_are_values():
    assert Labels(False, {("L", "1"): "Donut"}, Path("x")).of("s", wafer("L", "1")) == "Donut"
