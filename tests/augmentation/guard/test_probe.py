"""Laws of the probe and its verdict: an area is an area, folds keep lots whole, and what can be exchanged cannot be told."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from inspection.augmentation.guard.probe import Areas, area_alone, area_matched, assign_folds, cross_fit
from inspection.augmentation.guard.verdict import Limits, judge, overall

BASES, CLASSES, COPIES, P = 60, 4, 2, 12


def noise(seed, bases=BASES, p=P):
    rng = np.random.default_rng(seed)
    wafers = rng.normal(0, 5, (bases, 1, 1, p))  # wafers differ more than views of one
    return (wafers + rng.normal(0, 1, (bases, CLASSES, COPIES, p))).astype(np.float32)


def fit(statistics, seed=0, permutations=10):
    groups = np.arange(len(statistics)) // 2
    return cross_fit(statistics, groups, folds=5, permutations=permutations, rng=np.random.default_rng(seed))


@given(st.lists(st.integers(0, 12), min_size=2, max_size=60), st.integers(2, 8), st.integers(0, 9))
@settings(deadline=None, max_examples=60)
def test_a_lot_lies_in_one_fold_and_no_fold_is_empty(lots, folds, seed):
    groups = np.array(lots)
    fold = assign_folds(groups, folds, np.random.default_rng(seed))
    for lot in np.unique(groups):
        assert len(np.unique(fold[groups == lot])) == 1
    assert set(fold) == set(range(min(folds, len(np.unique(groups)))))


@pytest.mark.parametrize("seed", range(3))
def test_both_areas_agree_with_an_independent_reference(seed):
    rng = np.random.default_rng(seed)
    scores = np.round(rng.normal(0, 1, (20, 8, 1)), 1).astype(np.float32)  # rounded: there are ties
    signs = np.zeros((20, 8, 1), np.float32)
    signs[:, rng.permutation(8)[:2]] = 1
    each = [roc_auc_score(signs[b, :, 0], scores[b, :, 0]) for b in range(20)]
    assert np.allclose(area_matched(scores, signs > 0)[:, 0], each)
    assert np.isclose(area_alone(scores, signs > 0).mean(), roc_auc_score(signs.ravel(), scores.ravel()))


def test_equal_views_tie_exactly():
    statistics = np.repeat(np.repeat(noise(0)[:, :1, :1], CLASSES, 1), COPIES, 2)
    found = fit(statistics)
    assert np.all(found.matched == 0.5)
    assert np.allclose(found.alone.by_base.mean(axis=0), 0.5)


def test_a_trace_is_found_in_its_class_and_named_by_its_statistic():
    statistics = noise(1)
    statistics[:, 2, :, 7] += 2.0
    found = fit(statistics)
    area = found.matched.mean(axis=0)
    assert area.argmax() == 2
    assert area[2] > 0.8
    assert np.abs(found.effects[:, 2]).argmax() == 7


def test_wafers_that_differ_hide_a_trace_from_views_alone():
    statistics = noise(2, bases=200, p=1)
    statistics[:, 0, :, 0] += 1.5
    found = fit(statistics)
    assert found.matched.mean(axis=0)[0] > 0.8
    assert found.alone.by_base.mean(axis=0)[0] < 0.65


def test_a_class_that_draws_its_views_from_the_same_law_in_another_way_cannot_be_told():
    """The law of symmetries: one class draws anew from the wafers' own law, the others leave the wafer as it is."""
    rng = np.random.default_rng(3)
    areas = []
    for _ in range(8):
        wafers = rng.normal(0, 5, (100, 1, 1, P))
        statistics = np.repeat(np.repeat(wafers, CLASSES, 1), COPIES, 2)
        statistics[:, 1] = rng.normal(0, 5, (100, COPIES, P))
        found = fit(statistics.astype(np.float32), int(rng.integers(100)), permutations=0)
        areas.append((found.matched[:, 1].mean(), found.alone.by_base[:, 1].mean()))
    assert np.abs(np.mean(areas, axis=0) - 0.5).max() < 0.04


def test_the_same_seed_gives_the_same_result():
    one, two = fit(noise(4), 5), fit(noise(4), 5)
    assert np.array_equal(one.matched, two.matched)
    assert np.array_equal(one.alone.null, two.alone.null)


def areas(area, spread, bases=400):
    rng = np.random.default_rng(0)
    values = rng.normal(0, spread, (bases, 2))
    return Areas(values + np.array([area, 0.5]) - values.mean(axis=0), rng.normal(0.5, 0.001, (20, 2)))


@pytest.mark.parametrize(
    ("area", "spread", "call"), [(0.5, 0.1, "clean"), (0.8, 0.1, "fail"), (0.55, 0.1, "cannot tell"), (0.5, 2.0, "cannot tell")]
)
def test_a_call_follows_from_the_interval_and_the_limit(area, spread, call):
    interval, found, missing = judge(areas(area, spread), np.arange(400), Limits(0.05))[0]
    assert found == call
    assert (missing > 0) == (call == "cannot tell")
    assert interval.low <= interval.area <= interval.high


def test_as_many_more_maps_as_are_said_to_be_missing_decide_it():
    missing = judge(areas(0.52, 1.0), np.arange(400), Limits(0.05))[0][2]
    assert judge(areas(0.52, 1.0, 400 + missing), np.arange(400 + missing), Limits(0.05))[0][1] == "clean"


def test_one_lot_of_many_wafers_is_no_more_sure_than_its_lots():
    by_lot = Areas(np.repeat(areas(0.5, 0.3).by_base[:20], 20, axis=0), np.full((2, 2), 0.5))
    single = judge(areas(0.5, 0.3), np.arange(400), Limits(0.05))[0][0]
    assert judge(by_lot, np.repeat(np.arange(20), 20), Limits(0.05))[0][0].high > single.high


def test_more_trials_ask_for_more_proof_of_a_failure_and_for_no_more_of_a_clean_one():
    few, many = (judge(areas(0.52, 0.3), np.arange(400), Limits(0.05, trials=trials))[0][0] for trials in (1, 100))
    assert many.low < few.low
    assert many.high == few.high


def test_the_worst_call_counts():
    assert overall(["clean", "cannot tell", "fail"]) == "fail"
    assert overall(["clean", "cannot tell"]) == "cannot tell"
    assert overall([]) == "clean"
