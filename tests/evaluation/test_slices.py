"""Slices: the numbers are those of their wafers, a plain difference is found, chance is not."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import false_discovery_control, fisher_exact, hypergeom

from inspection.errors import InputError
from inspection.evaluation.confusion import confusion
from inspection.evaluation.differences import by_lots, by_wafers, crossed
from inspection.evaluation.slices import MIN_LOTS, NOT_GIVEN, bands, slices
from inspection.wafer.taxonomy import Taxonomy, WaferClass

TAXONOMY = Taxonomy((WaferClass("Donut"), WaferClass("Normal", normal=True), WaferClass("Scratch")))
NAMES = np.array(TAXONOMY.names, object)
certain = settings(deadline=None)


def part(rng, lots=40, per_lot=25, hard=0.3, lot_effect=0.0):
    """Truth, calls and lots; a Scratch is missed with the share ``hard``, the others with 5 %; lots differ by ``lot_effect``."""
    lot = np.repeat(np.arange(lots), per_lot)
    truth = rng.integers(0, 3, lots * per_lot)
    wrong = np.where(truth == 2, hard, 0.05) + lot_effect * rng.random(lots)[lot]
    called = np.where(rng.random(len(truth)) < wrong, 1 - (truth == 1), truth)
    return truth, called, lot


def sliced(columns, truth, called, lot, seed=0):
    return slices(columns, truth, NAMES[called].tolist(), lot, TAXONOMY, bootstrap=40, rng=np.random.default_rng(seed))


def tables(place, truth):
    return crossed(place, truth, place.max() + 1, truth.max() + 1)


def test_the_numbers_of_a_slice_are_those_of_its_wafers():
    rng = np.random.default_rng(1)
    truth, called, lot = part(rng)
    tool = np.array(["T1", "T2", "T3"], object)[rng.integers(0, 3, len(truth))]
    found = sliced({"tool": tool}, truth, called, lot)
    assert sorted(s.value for s in found) == ["T1", "T2", "T3"]
    for one in found:
        rows = tool == one.value
        matrix = confusion(truth[rows], NAMES[called[rows]].tolist(), TAXONOMY)
        assert (one.wafers, one.lots) == (rows.sum(), len(np.unique(lot[rows])))
        assert (one.accuracy, one.escapes, one.overkill) == (matrix.accuracy, matrix.escapes, matrix.overkill)
        assert one.macro_f1 == matrix.macro_f1
        assert one.macro_interval[0] <= one.macro_f1 <= one.macro_interval[1]
        recall = np.array([(called == truth)[truth == c].mean() for c in range(3)])
        assert one.expected == pytest.approx(recall[truth[rows]].mean())
    assert sum(s.lead * s.wafers for s in found) == pytest.approx(0, abs=1e-9)


def test_a_product_that_is_read_badly_comes_first_and_its_lots_are_found():
    rng = np.random.default_rng(2)
    truth, called, lot = part(rng)
    product = np.where(lot < 8, "bad", np.where(lot < 20, "good", "fair"))
    called = np.where((lot < 8) & (rng.random(len(lot)) < 0.4), (truth + 1) % 3, called)
    tool = np.array(["T1", "T2"])[rng.integers(0, 2, len(lot))]
    found = sliced({"tool": tool, "product": product, "lot": lot.astype(str)}, truth, called, lot)
    first = next(s for s in found if s.unit == "lot")
    assert (first.column, first.value, first.different) == ("product", "bad", True)
    assert first.lead < -0.1
    assert {s.value for s in found if s.column == "lot" and s.different and s.lead < 0} <= {str(i) for i in range(8)}
    assert not any(s.different for s in found if s.column == "tool")
    assert [s.q for s in found if s.unit] == sorted(s.q for s in found if s.unit)


def test_a_slice_with_more_of_a_hard_class_is_not_blamed():
    rng = np.random.default_rng(3)
    truth, called, lot = part(rng, lots=60, hard=0.5)
    where = np.where(rng.random(len(truth)) < np.where(truth == 2, 0.8, 0.2), "many scratches", "few scratches")
    found = {s.value: s for s in sliced({"layer": where}, truth, called, lot)}
    hard, easy = found["many scratches"], found["few scratches"]
    assert hard.accuracy.value < easy.accuracy.value - 0.1  # yes, it is worse
    assert hard.lead == pytest.approx(0, abs=0.03)  # but as expected
    assert not hard.different


@pytest.mark.parametrize("within", [False, True], ids=["slices of whole lots", "slices across lots"])
def test_chance_is_called_a_difference_no_oftener_than_promised(within):
    """Lots that differ much and slices that do not: p-values at or below 5 % in about 5 % of cases."""
    rng = np.random.default_rng(4)
    small = []
    for _ in range(150):
        truth, called, lot = part(rng, lots=24, per_lot=10, lot_effect=0.5)
        place = rng.integers(0, 2, len(lot)) if within else rng.permutation(np.repeat([0, 1], [8, 16]))[lot]
        small.append(by_lots(place, truth, truth == called, lot, tables(place, truth))[0] <= 0.05)
    assert np.mean(small) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 150)


def test_wafers_taken_for_independent_would_call_lots_that_differ_a_difference():
    """Why lots are the units."""
    rng = np.random.default_rng(5)
    small = []
    for _ in range(60):
        truth, called, lot = part(rng, lots=24, per_lot=25, lot_effect=0.8)
        place = rng.permutation(np.repeat([0, 1], [8, 16]))[lot]
        inside = tables(place, truth)
        small.append(
            [
                by_wafers(place, truth, truth == called, inside)[0] <= 0.05,
                by_lots(place, truth, truth == called, lot, inside)[0] <= 0.05,
            ]
        )
    of_wafers, of_lots = np.mean(small, axis=0)
    assert of_wafers > 0.2
    assert of_lots < 0.15


@certain
@given(st.lists(st.tuples(st.integers(0, 2), st.booleans()), min_size=4, max_size=40))
def test_the_test_of_wafers_is_fishers_where_there_is_one_class(of):
    place, right = np.array([p for p, _ in of]), np.array([r for _, r in of])
    place = np.unique(place, return_inverse=True)[1]
    truth = np.zeros(len(of), int)
    found = by_wafers(place, truth, right, tables(place, truth))
    for s, p in enumerate(found):
        inside = place == s
        table = [[(inside & right).sum(), (inside & ~right).sum()], [(~inside & right).sum(), (~inside & ~right).sum()]]
        assert p == pytest.approx(fisher_exact(table).pvalue, abs=1e-9)


def test_the_test_of_wafers_of_several_classes_is_that_of_shuffled_hits():
    rng = np.random.default_rng(6)
    truth, called, _ = part(rng, lots=6, per_lot=12)
    place, right = np.repeat(np.arange(6), 12), truth == called
    found = by_wafers(place, truth, right, tables(place, truth))
    shuffled = []
    for _ in range(4000):
        drawn = np.empty(len(truth), bool)
        for c in range(3):
            drawn[truth == c] = rng.permutation(right[truth == c])
        shuffled.append(np.bincount(place, drawn, 6))
    for s, hits in enumerate(np.array(shuffled, int).T):
        law = np.bincount(hits, minlength=13) / 4000
        assert found[s] == pytest.approx(law[law <= law[right[place == s].sum()] + 0.004].sum(), abs=0.06)


@certain
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1), st.booleans()), min_size=4, max_size=40), st.integers(2, 5))
def test_copies_of_wafers_are_no_evidence(of, copies):
    """A lot of wafers that share everything counts as one wafer."""
    truth, place, right = (np.array(column) for column in zip(*of, strict=True))
    place[:2] = 0, 1
    once = by_lots(place, truth, right, np.arange(len(of)), tables(place, truth))
    again = [np.repeat(column, copies) for column in (place, truth, right, np.arange(len(of)))]
    np.testing.assert_allclose(by_lots(*again, tables(*again[:2])), once, atol=1e-6)


@pytest.mark.parametrize(("inside", "mistakes", "near"), [(15, 3, 0.15), (40, 9, 0.15), (40, 1, 0.15), (100, 14, 0.3), (100, 4, 0.3)])
def test_the_test_of_lots_is_fishers_where_wafers_are_independent(inside, mistakes, near):
    """One class, each wafer its own lot: the hypergeometric law, whose mean and variance the effective sample has, though not its skew."""
    wafers, wrong = 400, 40
    place = (np.arange(wafers) >= inside).astype(int)
    right = np.ones(wafers, bool)
    right[:mistakes] = right[inside : inside + wrong - mistakes] = False
    found = by_lots(place, np.zeros(wafers, int), right, np.arange(wafers), tables(place, np.zeros(wafers, int)))
    law = hypergeom(wafers, wrong, inside)
    upper = law.sf(mistakes) + law.pmf(mistakes) / 2
    assert found[0] == pytest.approx(2 * min(upper, 1 - upper), rel=near)


def test_no_mistakes_and_nothing_but_mistakes_are_no_difference():
    truth, place = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    assert by_lots(place, truth, truth == 0, np.array([0, 0, 1, 1]), tables(place, truth)).tolist() == [1.0, 1.0]


def test_q_is_benjamini_and_hochberg_over_all_that_is_ranked():
    rng = np.random.default_rng(7)
    truth, called, lot = part(rng)
    columns = {"tool": rng.integers(0, 3, len(lot)).astype(str), "defects": rng.lognormal(4, 1, len(lot)), "lot": lot.astype(str)}
    ranked = [s for s in sliced(columns, truth, called, lot) if s.unit]
    assert len(ranked) == 3 + 4 + 40
    np.testing.assert_allclose([s.q for s in ranked], false_discovery_control([s.p for s in ranked]))


def test_what_cannot_be_ranked_comes_last_and_says_why():
    rng = np.random.default_rng(8)
    truth, called, lot = part(rng, lots=20)
    columns = {
        "product": np.where(lot < MIN_LOTS - 1, "new", "old"),
        "tool": np.where(np.arange(len(lot)) % 50 == 0, "T9", "T1"),
        "site": np.full(len(lot), "here"),
        "layer": np.where(lot % 2 == 0, "M1", "M2"),
    }
    found = sliced(columns, truth, called, lot)
    notes = {s.value: s.note for s in found}
    assert notes["new"] == f"few lots: {MIN_LOTS - 1}, {MIN_LOTS} needed"
    assert notes["old"] == f"few lots outside of it: {MIN_LOTS - 1}, {MIN_LOTS} needed"
    assert notes["T9"] == "few wafers: 10, 15 needed"
    assert notes["here"] == "all wafers: nothing to compare with"
    assert [bool(s.unit) for s in found] == sorted((bool(s.unit) for s in found), reverse=True)
    unranked = found[-1].row()
    assert unranked["p"] is unranked["q"] is None
    assert not unranked["different"]


def test_the_same_seed_gives_the_same_slices_and_no_column_may_be_short():
    rng = np.random.default_rng(9)
    truth, called, lot = part(rng)
    columns = {"defects": rng.lognormal(4, 1, len(lot))}
    assert [s.row() for s in sliced(columns, truth, called, lot)] == [s.row() for s in sliced(columns, truth, called, lot)]
    with pytest.raises(InputError, match=r"1000 entries.*'tool': 3"):
        sliced({"tool": np.zeros(3)}, truth, called, lot)
    assert sliced({"tool": []}, truth[:0], called[:0], lot[:0]) == []


@certain
@given(st.lists(st.one_of(st.integers(0, 9).map(float), st.floats(0, 1e6), st.just(math.nan)), max_size=60), st.integers(1, 5))
def test_every_wafer_is_in_one_band_and_bands_do_not_overlap(values, count):
    band, names = bands(values, count)
    numbers = np.array(values, float)
    known = np.isfinite(numbers)
    assert len(band) == len(values)
    assert set(band.tolist()) == set(range(len(names)))
    assert (NOT_GIVEN in names) == (not known.all())
    used = [numbers[band == b] for b in range(len(names) - (NOT_GIVEN in names))]
    assert len(used) <= max(count, 1)
    assert all(a.max() < b.min() for a, b in pairwise(used))


def test_bands_hold_about_as_many_and_are_named_by_their_ends():
    band, names = bands(np.arange(1, 101))
    assert names == ["1 to 25", "26 to 50", "51 to 75", "76 to 100"]
    assert np.bincount(band).tolist() == [25] * 4
    assert bands([300.0, 200.0, 300.0, math.nan])[1] == ["200", "300", NOT_GIVEN]


def test_a_column_that_says_nothing_of_some_wafers_has_a_slice_of_them():
    truth, called, lot = part(np.random.default_rng(10))
    tool = np.array([None, "", float("nan"), "T1"], object)[np.arange(len(lot)) % 4]
    assert {s.value: s.wafers for s in sliced({"tool": tool}, truth, called, lot)} == {NOT_GIVEN: 750, "T1": 250}
