"""Names that a spreadsheet would run as formulas are texts in our tables, and read back they are what they were."""

from hypothesis import example, given
from hypothesis import strategies as st

from inspection.formats.spreadsheet import as_text, from_text

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
