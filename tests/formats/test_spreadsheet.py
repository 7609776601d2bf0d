"""Names that a spreadsheet would run as formulas are texts in our tables, and read back they are what they were."""

import csv
import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from inspection.formats.spreadsheet import LONGEST_LINE, as_text, from_text, lines_of

NAMES = st.text(st.sampled_from("'=+-@\t\r\nab1 ,"), max_size=6)


@given(NAMES)
@example("=HYPERLINK(0)")
@example("'=1")
def test_no_name_starts_a_formula_and_each_reads_back_as_it_was(name):
    assert as_text(name)[:1] not in set("=+-@\t\r\n")
    assert from_text(as_text(name)) == name


@given(st.text(st.characters(exclude_characters="'=+-@\t\r\n"), max_size=20))
def test_names_that_start_no_formula_stay_as_they_are(name):
    assert as_text(name) == name == from_text(name)


@given(st.lists(st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), max_size=20)))
def test_lines_come_as_they_are(texts):
    lines = [f"{text}\n" for text in texts]
    assert list(lines_of(io.StringIO("".join(lines), newline=""))) == lines


def test_a_line_and_a_table_without_end_are_refused_before_they_fill_the_memory():
    class Endless(io.StringIO):
        """Gives what is asked for, and would give for ever."""

        def readline(self, size=-1):
            assert 0 < size <= LONGEST_LINE + 1
            return "," * size

    with pytest.raises(csv.Error, match="a line of more than"):
        list(lines_of(Endless()))
    with pytest.raises(csv.Error, match="more than 10 characters"):
        list(lines_of(io.StringIO("123\n456\n789\n"), longest=10))
