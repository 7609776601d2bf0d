import pytest

from inspection.errors import InputError
from inspection.evaluation.section import Picture, Section, shown


def section(**more):
    return Section(**{"key": "slices", "title": "Slices", "sentence": "All alike.", **more})


def test_columns_of_words_stand_left_and_numbers_right():
    one = section(columns=("tool", "wafers", "share", "lead"), rows=[("KL-1", 3, "4.0 %", -0.5), (None, 12, "–", None)])
    assert one.words == [True, False, False, False]
    assert one.cells == [["KL-1", "3", "4.0 %", "-0.500"], ["–", "12", "–", "–"]]
    assert section(columns=("tool",)).words == [False]


def test_pictures_stand_in_the_rows_of_their_group():
    pictures = [Picture(caption=c, position=i, group=g) for i, (c, g) in enumerate([("a", "x"), ("b", "x"), ("c", ""), ("d", "x")])]
    assert [(name, [p.caption for p in found]) for name, found in section(pictures=pictures).groups] == [
        ("x", ["a", "b"]), ("", ["c"]), ("x", ["d"]),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("more", "said"),
    [({"key": "Two words"}, "key of lower-case"), ({"columns": ("a", "b"), "rows": [(1,)]}, "expected 2 cells in each row, got 1"),
     ({"figure": b"png"}, "figure has no words")],
)  # fmt: skip
def test_a_section_that_cannot_be_shown_is_refused(more, said):
    with pytest.raises(InputError, match=said):
        section(**more)


def test_a_picture_is_either_bytes_or_a_wafer():
    for both in ({}, {"png": b"x", "position": 3}):
        with pytest.raises(InputError, match="either PNG bytes or a position"):
            Picture(caption="c", **both)


def test_what_is_not_known_is_a_dash():
    assert [shown(v) for v in (None, float("nan"), float("inf"), 0, 0.12345, "x")] == ["–", "–", "–", "0", "0.123", "x"]
