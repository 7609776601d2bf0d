"""Taxonomies whose classes combine patterns: what a combination is, follows from its patterns."""

from hypothesis import given
from hypothesis import strategies as st

from inspection.params import load
from inspection.wafer.taxonomy import JOIN, WaferClass, choose

ENTRIES = load().classes
PATTERNS = ("Center", "Donut", "Edge_Loc", "Edge_Ring", "Loc", "Near_full", "Random", "Scratch")
combinations = st.sets(st.sets(st.sampled_from(PATTERNS), min_size=1).map(lambda s: JOIN.join(p for p in PATTERNS if p in s)), min_size=1)


@given(combinations)
def test_membership_names_each_class_by_its_patterns(names):
    taxonomy = choose({*names, "Normal"}, ENTRIES)
    rows = taxonomy.membership()
    assert len(set(rows)) == len(rows)
    for name, row in zip(taxonomy.names, rows, strict=True):
        held = {pattern for pattern, has in zip(taxonomy.patterns, row, strict=True) if has}
        assert held == (set() if name == "Normal" else set(name.split(JOIN)))
    assert taxonomy.combines == any(JOIN in name for name in names)


def test_a_combination_keeps_what_keeps_all_its_patterns_and_is_as_severe_as_the_worst():
    entries = {
        "A": WaferClass("A", symmetries=frozenset({"flip", "half_turn"}), severity="low"),
        "B": WaferClass("B", symmetries=frozenset({"flip", "rotation"}), severity="high"),
    }
    both, odd = choose(["A+B", "A+C"], entries).classes
    assert both == WaferClass("A+B", symmetries=frozenset({"flip"}), severity="high")
    assert odd == WaferClass("A+C", symmetries=frozenset(), severity="medium")


def test_an_entry_of_its_own_comes_before_what_follows_from_the_patterns():
    own = WaferClass("A+B", severity="low")
    assert choose(["A+B"], {"A+B": own}).classes == (own,)
