"""Curves and areas against scikit-learn, their intervals against a loop over resampled lots."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

from inspection.evaluation.confusion import Rate, confusion
from inspection.evaluation.curves import areas, areas_under, curves, operating_points, precision_recall, roc
from inspection.scoring.decision import DecisionRule
from inspection.wafer.taxonomy import Taxonomy, WaferClass

# few distinct scores: ties are the hard part of a curve
scored = st.lists(st.tuples(st.booleans(), st.integers(0, 8)), min_size=2, max_size=40).filter(
    lambda s: len({positive for positive, _ in s}) == 2
)
certain = settings(deadline=None)


def columns(of):
    return np.array([p for p, _ in of]), np.array([s / 8 for _, s in of])


def lot_part(seed, wafers=240, lots=9, classes=3):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, wafers)
    score = rng.integers(0, 12, (wafers, classes)) + 4.0 * (truth[:, None] == np.arange(classes))
    return truth, score / score.sum(axis=1, keepdims=True), rng.integers(0, lots, wafers)


@certain
@given(scored)
def test_auc_is_the_share_of_pairs_ranked_right(of):
    positive, score = columns(of)
    ranks = [(a > b) + 0.5 * (a == b) for a in score[positive] for b in score[~positive]]
    assert roc(positive, score).auc == pytest.approx(np.mean(ranks))


@certain
@given(scored)
def test_areas_are_those_of_scikit_learn(of):
    positive, score = columns(of)
    auc, average = areas_under(positive, score)
    assert auc == pytest.approx(roc_auc_score(positive, score), abs=1e-9)
    assert auc == pytest.approx(roc(positive, score).auc, abs=1e-9)
    assert average == pytest.approx(average_precision_score(positive, score), abs=1e-9)
    assert average == pytest.approx(precision_recall(positive, score).average_precision, abs=1e-9)


def test_areas_of_many_wafers_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    positive, score = rng.random(20_000) < 0.03, rng.random(20_000).astype(np.float32)
    score[positive] **= 0.3
    auc, average = areas_under(positive, score)
    assert auc == pytest.approx(roc_auc_score(positive, score), abs=1e-9)
    assert average == pytest.approx(average_precision_score(positive, score), abs=1e-9)


@certain
@given(scored)
def test_every_point_of_the_curves_is_what_its_threshold_calls(of):
    positive, score = columns(of)
    curve, other = roc(positive, score), precision_recall(positive, score)
    calls = [score >= t for t in curve.threshold]
    np.testing.assert_allclose([c[~positive].mean() for c in calls], curve.false_positive)
    np.testing.assert_allclose([c[positive].mean() for c in calls], curve.true_positive)
    np.testing.assert_allclose([positive[c].mean() if c.any() else 1.0 for c in calls], other.precision)
    np.testing.assert_array_equal(other.recall, curve.true_positive)


@certain
@given(scored)
def test_the_precision_recall_curve_is_that_of_scikit_learn(of):
    positive, score = columns(of)
    ours = precision_recall(positive, score)
    precision, recall, threshold = precision_recall_curve(positive, score)
    np.testing.assert_allclose(ours.precision, precision[::-1])
    np.testing.assert_allclose(ours.recall, recall[::-1])
    np.testing.assert_allclose(ours.threshold[1:], threshold[::-1])


def test_intervals_equal_a_loop_over_resampled_lots():
    truth, probabilities, lot = lot_part(1)
    found = areas(truth, probabilities, lot, bootstrap=150, rng=np.random.default_rng(5))
    drawn = np.random.default_rng(5).multinomial(9, np.full(9, 1 / 9), size=150)
    for c in range(3):
        rows = [np.concatenate([np.flatnonzero(lot == g) for g, times in enumerate(d) for _ in range(times)]) for d in drawn]
        for score, interval in ((roc_auc_score, found.auc_interval), (average_precision_score, found.average_precision_interval)):
            loop = np.percentile([score(truth[r] == c, probabilities[r, c]) for r in rows], [2.5, 97.5])
            np.testing.assert_allclose(interval[c], loop, atol=1e-9)


def test_intervals_hold_the_area_and_a_seed_repeats_them_whatever_the_lots_are_called():
    truth, probabilities, lot = lot_part(2)
    found = areas(truth, probabilities, lot, bootstrap=200, rng=np.random.default_rng(0))
    assert (found.auc_interval[:, 0] < found.auc).all()
    assert (found.auc < found.auc_interval[:, 1]).all()
    assert (found.average_precision_interval[:, 0] < found.average_precision).all()
    assert (found.average_precision < found.average_precision_interval[:, 1]).all()
    again = areas(truth, probabilities, np.array([f"lot {g}" for g in lot], object), bootstrap=200, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(found.auc_interval, again.auc_interval)


def test_wafers_that_fail_by_the_lot_widen_the_interval():
    rng = np.random.default_rng(3)
    truth, lot = rng.integers(0, 2, 800), np.repeat(np.arange(32), 25)
    score = np.where(lot % 4 == 0, 1 - truth, truth) * 0.5 + rng.random(800) * 0.4  # whole lots are ranked wrong
    p = np.column_stack((1 - score, score))
    by_lot, by_wafer = (areas(truth, p, g, bootstrap=200, rng=np.random.default_rng(0)).auc_interval[1] for g in (lot, np.arange(800)))
    assert by_lot[1] - by_lot[0] > 2 * (by_wafer[1] - by_wafer[0])


def test_what_cannot_be_known_is_nan():
    truth, probabilities = np.array([0] * 20 + [1] * 10), np.random.default_rng(4).dirichlet(np.ones(3), 30)
    found = areas(truth, probabilities, np.arange(30) // 10, bootstrap=30, rng=np.random.default_rng(0))
    assert np.isfinite(found.auc[:2]).all()
    assert np.isnan([found.auc[2], found.average_precision[2]]).all()
    # Class 1 is one lot; without it there is nothing to rank, and how classes 0 and 1 differ between its lots is not known.
    assert np.isnan(found.auc_interval).all()
    assert np.isnan(found.average_precision_interval).all()
    assert curves(truth, probabilities)[2] is precision_recall(truth == 2, probabilities[:, 2]) is None
    assert np.isnan(areas_under(truth >= 0, probabilities[:, 0])).all()


@pytest.mark.parametrize("lots", [0, 1])
def test_no_wafers_and_a_single_lot_have_no_interval(lots):
    found = areas(np.zeros(lots, int), np.ones((lots, 1)), np.zeros(lots), bootstrap=10, rng=np.random.default_rng(0))
    assert np.isnan(found.auc).all()
    assert np.isnan(found.auc_interval).all()


@certain
@given(st.integers(0, 50), st.floats(0.05, 0.95))
def test_an_operating_point_is_what_the_threshold_calls(seed, threshold):
    taxonomy = Taxonomy((WaferClass("Donut"), WaferClass("Normal", normal=True), WaferClass("Absent")))
    rng = np.random.default_rng(seed)
    truth, probabilities = rng.integers(0, 2, 60), rng.dirichlet(np.ones(3), 60)
    values = np.full(3, threshold)
    matrix = confusion(truth, DecisionRule(taxonomy.names, values).decide(probabilities), taxonomy)
    found = operating_points(truth, probabilities, values, matrix)
    for c, point in enumerate(found):
        called, positive = probabilities[:, c] >= threshold, truth == c
        assert point.recall == Rate(np.count_nonzero(called & positive), np.count_nonzero(positive))
        assert point.false_positive == Rate(np.count_nonzero(called & ~positive), np.count_nonzero(~positive))
        assert point.precision == Rate(np.count_nonzero(called & positive), np.count_nonzero(called))
    assert found[0].escapes == matrix.escapes
    assert sum(p.overkill.hits for p in found) == matrix.overkill.hits
    assert found[1].escapes == found[1].overkill == Rate(0, 0)
    assert found[2].row()["recall"] == {"hits": 0, "trials": 0, "value": None, "low": None, "high": None}
