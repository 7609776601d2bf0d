"""Notes by kind: the same cause is one kind whatever its numbers and names."""

from hypothesis import given
from hypothesis import strategies as st

from inspection.intake.notes import MOST_KINDS, OTHER, NotesTally, kind_of


def row(*notes, source="a", index=0):
    return {"notes": list(notes), "source": source, "index": index, "lot": "L", "wafer": "1"}


NOTES = (
    "{0} points repeat another point's place, {1} of them every column",
    "PCR says {0} parts, the file holds {1}",
    "WIR names the wafer '{2}', WRR 'x{2}': the latter counts",
    "no wafer size in the file: {0} mm taken from the extent of the dies",
    "summary: test {0} declares NDEFECT {1}, the list holds 7",
)
FILLED = st.tuples(st.integers(0, 10**9), st.floats(0, 1e9), st.text("ab:,7", max_size=10))


@given(st.sampled_from(NOTES), FILLED, FILLED)
def test_numbers_and_quotations_make_no_other_kind(note, values, others):
    kind = kind_of(note.format(*values))
    assert kind == kind_of(note.format(*others))
    assert len(kind) >= 5
    assert not any(c.isdigit() for c in kind)
    assert [kind_of(other.format(*others)) for other in NOTES].count(kind) == 1


def test_a_name_with_a_digit_stays_whole():
    assert kind_of("BIN1 has no quality: taken as fail") == "BIN1 has no quality"


@given(st.text(max_size=300))
def test_any_note_has_a_short_kind(note):
    assert 0 < len(kind_of(note)) <= 80


def test_a_wafer_counts_once_for_each_kind_and_the_first_one_is_the_example():
    tally = NotesTally()
    tally.add([row("3 points off", "4 points off", "no unit: um assumed", source="b"), row(source="c")])
    tally.add([row("9 points off", source="a", index=2)])
    assert (tally.wafers, dict(tally.kinds)) == (2, {"points off": 2, "no unit": 1})
    assert tally.examples["points off"] == {"source": "a", "index": 2, "lot": "L", "wafer": "1", "note": "9 points off"}


def test_the_number_of_kinds_is_bounded():
    tally = NotesTally()
    letters = [f"{chr(97 + i)}{chr(97 + j)}" for i in range(26) for j in range(26)]
    tally.add(row(f"overlay {name} is not read", source=name) for name in letters)
    assert len(tally.kinds) == len(tally.examples) == MOST_KINDS + 1
    assert tally.kinds[OTHER] == len(letters) - MOST_KINDS
    assert tally.wafers == len(letters)
