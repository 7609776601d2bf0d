"""The table of counted objects: what is written reads back, whatever the classes are called, and what cannot be a truth is refused."""

import csv

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspection.errors import FormatError, InputError
from inspection.evaluation import object_table
from inspection.evaluation.counting import Counted
from inspection.evaluation.object_table import read_objects, write_objects

NAMES = ("background", "dot", "bar")


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n"), min_size=1), min_size=1, max_size=4, unique=True))
def test_what_is_written_reads_back_whatever_the_classes_are_called(tmp_path_factory, names):
    file = tmp_path_factory.mktemp("objects") / "objects.csv"
    k = np.arange(len(names))
    boxes = np.stack([k, k + 0.5, k + 4, k + 4.5], axis=1)
    found = Counted(boxes, k, np.ones(len(names)), tuple(names), background=len(names))
    write_objects(file, found)
    centres, labels = read_objects(file, names)
    assert labels == names
    assert np.array_equal(centres, found.centres)
    with file.open(newline="", encoding="utf-8") as stream:
        assert all(row["label"][0] not in "=+-@\t" for row in csv.DictReader(stream))


@pytest.mark.parametrize(
    "text", ["\ufeffrow,col,label\r\n1,2.5,dot\r\n", 'label,row,more,col\n"dot",1,,2.5\n', "row,col,label\n\n1,2.5,dot"]
)
def test_tables_of_spreadsheets_are_read(tmp_path, text):
    (tmp_path / "t.csv").write_bytes(text.encode())
    centres, labels = read_objects(tmp_path / "t.csv", NAMES[1:])
    assert (centres.tolist(), labels) == ([[1.0, 2.5]], ["dot"])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "truth.columns.*an empty file"),
        (b"row;col;label\n1;2;dot\n", "truth.columns.*row;col;label.*commas"),
        (b"row,col,label\n1,2,d\xff\n", "truth.text.*UTF-8"),
        (b'row,col,label\n1,2,"' + b"x" * 200_000 + b'"\n', "truth.text"),
        (b"row,col,label" + b",x" * 1_000_000 + b"\n", "truth.text.*a line of more than 65,536"),
        (b"row,col,label\n1,2,dot" + b"," * 1_000_000 + b"\n", "truth.text"),
        (b"row,col,label\n1,'2,dot\n", r"truth\.number.*\"'2\".*line 2"),
        (b"row,col,label\n1,inf,dot\n", "truth.label"),
    ],
)
def test_what_is_no_truth_is_refused_in_few_words(tmp_path, content, said):
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(FormatError, match=said) as refused:
        read_objects(tmp_path / "t.csv", NAMES[1:])
    assert len(str(refused.value)) < 500


def test_a_table_larger_than_any_truth_is_refused_unread(tmp_path, monkeypatch):
    monkeypatch.setattr(object_table, "MOST_BYTES", 1_000)
    (tmp_path / "t.csv").write_text("row,col,label\n" + "1,2,dot\n" * 1_000)
    with pytest.raises(InputError, match="at most 0 MiB"):
        read_objects(tmp_path / "t.csv", NAMES[1:])
