import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from inspection.evaluation.thresholds import NEUTRAL, curves, nearest_to_corner, roc, tune

# few distinct scores: ties are the hard part of a ROC curve
scored = st.lists(st.tuples(st.booleans(), st.integers(0, 8)), min_size=2, max_size=40).filter(
    lambda s: len({positive for positive, _ in s}) == 2
)


def columns(of):
    return np.array([p for p, _ in of]), np.array([s / 8 for _, s in of])


def point(positive, score, threshold):
    called = score >= threshold
    return called[~positive].mean(), called[positive].mean()


@settings(deadline=None)
@given(scored)
def test_auc_is_the_share_of_pairs_ranked_right(of):
    positive, score = columns(of)
    ranks = [(a > b) + 0.5 * (a == b) for a in score[positive] for b in score[~positive]]
    assert roc(positive, score).auc == pytest.approx(np.mean(ranks))
    assert roc(positive, score).auc == pytest.approx(roc_auc_score(positive, score))


@settings(deadline=None)
@given(scored)
def test_every_point_of_the_curve_is_what_its_threshold_calls(of):
    positive, score = columns(of)
    curve = roc(positive, score)
    found = [point(positive, score, t) for t in curve.threshold]
    np.testing.assert_allclose(found, np.column_stack((curve.false_positive, curve.true_positive)))


@settings(deadline=None)
@given(scored)
def test_no_threshold_whatever_lies_nearer_to_the_corner(of):
    positive, score = columns(of)
    at = nearest_to_corner(roc(positive, score))
    assert 0.0 <= at <= 1.0

    def distance(threshold):
        false_positive, true_positive = point(positive, score, threshold)
        return np.hypot(false_positive, 1 - true_positive)

    every = [distance(t) for t in np.linspace(0, 1, 65)]  # all scores are eighths, so this meets every point but "call nothing"
    assert distance(at) <= min(every) + 1e-12


def test_a_clean_gap_is_cut_in_the_middle():
    positive = np.array([True, True, False, False])
    assert nearest_to_corner(roc(positive, np.array([0.9, 0.8, 0.3, 0.1]))) == pytest.approx(0.55)


def test_the_corner_does_not_care_how_rare_a_class_is():
    rng = np.random.default_rng(0)
    hit, miss = rng.beta(5, 2, 50), rng.beta(2, 5, 50)
    even = nearest_to_corner(roc(np.repeat([True, False], 50), np.concatenate((hit, miss))))
    rare = nearest_to_corner(roc(np.repeat([True, False], [50, 5000]), np.concatenate((hit, np.tile(miss, 100)))))
    assert even == pytest.approx(rare)


def test_a_class_with_few_positives_stays_neutral_and_says_so():
    truth = np.array([0] * 30 + [1] * 4 + [2] * 6)
    probabilities = np.random.default_rng(1).dirichlet(np.ones(4), 40)
    found = tune(truth, probabilities, min_positives=5)
    assert found.tuned == (True, False, True, False)
    assert found.values[1] == found.values[3] == NEUTRAL
    assert np.isfinite(found.auc[:3]).all()
    assert np.isnan(found.auc[3])
    assert found.status[1] == "neutral: 4 validation wafers, 5 needed"
    assert found.status[2] == "tuned on 6 validation wafers"


def test_a_validation_part_of_one_class_tunes_nothing():
    found = tune(np.zeros(20, int), np.tile([0.9, 0.1], (20, 1)), min_positives=5)
    assert found.tuned == (False, False)
    assert curves(np.zeros(20, int), np.tile([0.9, 0.1], (20, 1))) == [None, None]


def test_an_empty_validation_part_tunes_nothing():
    found = tune(np.zeros(0, int), np.zeros((0, 2)), min_positives=1)
    assert found.tuned == (False, False)
    assert (found.values == NEUTRAL).all()
