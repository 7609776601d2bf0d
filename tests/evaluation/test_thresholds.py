"""Every criterion against all thresholds there are, and the choice within a gap."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspection.evaluation.thresholds import MARGIN, NEUTRAL, cost_matrix, cuts, tune
from inspection.params import Threshold

NORMAL = (True, False, False)
EVERY = np.linspace(0, 1, 97)
"""All scores of the tests are 32nds, so these meet every call that a threshold in [0, 1] can make."""

# Few distinct scores: ties are the hard part.
_row = st.tuples(st.integers(0, 2), st.integers(0, 32), st.integers(0, 32)).map(
    lambda r: (r[0], [min(r[1:]) / 32, (max(r[1:]) - min(r[1:])) / 32, (32 - max(r[1:])) / 32])
)
wafers = st.lists(_row, min_size=4, max_size=30).filter(lambda rows: {t for t, _ in rows} == {0, 1, 2})
certain = settings(deadline=None)


def columns(rows):
    return np.array([t for t, _ in rows]), np.array([p for _, p in rows])


def calls(truth, score, c, threshold):
    """(hits, false calls) of one threshold."""
    called = score >= threshold
    return (called & (truth == c)).sum(), (called & (truth != c)).sum()


def points(truth, score, c):
    """(hits, false calls) of every threshold."""
    return [calls(truth, score, c, t) for t in EVERY]


@certain
@given(wafers)
def test_no_threshold_whatever_lies_nearer_to_the_corner(rows):
    truth, p = columns(rows)
    found = tune(truth, p, 1)
    for c in range(3):
        n, rest = (truth == c).sum(), (truth != c).sum()

        def distance(hits, false_calls, n=n, rest=rest):
            return np.hypot(false_calls / rest, 1 - hits / n)

        best = min(distance(h, f) for h, f in points(truth, p[:, c], c) if h + f)
        assert distance(*calls(truth, p[:, c], c, found.values[c])) == pytest.approx(best)


@certain
@given(wafers)
def test_no_threshold_whatever_has_a_larger_youden_index(rows):
    truth, p = columns(rows)
    found = tune(truth, p, 1, Threshold(criterion="youden"))
    for c in range(3):
        n, rest = (truth == c).sum(), (truth != c).sum()
        hits, false_calls = calls(truth, p[:, c], c, found.values[c])
        assert hits + false_calls > 0
        assert hits / n - false_calls / rest == pytest.approx(max(h / n - f / rest for h, f in points(truth, p[:, c], c) if h + f))


@certain
@given(wafers, st.sampled_from([0.0, 0.1, 0.25, 0.5, 1.0]))
def test_no_threshold_within_the_limit_finds_more_of_the_class(rows, limit):
    truth, p = columns(rows)
    found = tune(truth, p, 1, Threshold(criterion="fpr", max_fpr=limit))
    for c in range(3):
        rest = (truth != c).sum()
        allowed = [(h, -f) for h, f in points(truth, p[:, c], c) if f / rest <= limit]
        hits, false_calls = calls(truth, p[:, c], c, found.values[c])
        if allowed:
            assert (hits, -false_calls) == max(allowed)
        else:  # a wafer of another class scores 1, and no threshold leaves it out
            assert found.values[c] == 1.0
            assert "cannot be kept" in found.status[c]


@certain
@given(wafers, st.sampled_from([0.0, 1.0, 10.0]), st.sampled_from([0.5, 1.0]))
def test_no_threshold_whatever_costs_less(rows, escape, overkill):
    truth, p = columns(rows)
    found = tune(truth, p, 1, Threshold(criterion="cost", escape_cost=escape, overkill_cost=overkill), NORMAL)

    def cost(c, threshold):
        """Wafer by wafer, in words."""
        total = 0.0
        for t, scores in zip(truth, p, strict=True):
            others = [j for j in range(3) if j != c]
            call = c if scores[c] >= threshold else max(others, key=lambda j: (scores[j], -j))
            if call != t:
                total += escape if NORMAL[call] else overkill
        return total

    for c in range(3):
        assert cost(c, found.values[c]) == pytest.approx(min(cost(c, t) for t in EVERY))


@certain
@given(wafers, st.integers(0, 12))
def test_no_lower_threshold_keeps_the_workload(rows, alerts):
    truth, p = columns(rows)
    found = tune(truth, p, 1, Threshold(criterion="workload", alerts_per_day=alerts, wafers_per_day=12), NORMAL)
    assert found.values[0] == NEUTRAL
    assert found.values[1] == found.values[2]
    likeliest, score = p.argmax(axis=1), p.max(axis=1)

    def called(threshold):
        return np.count_nonzero((likeliest > 0) & (score >= threshold))

    kept = [called(t) for t in EVERY if called(t) * 12 <= alerts * len(truth)]
    if kept:
        assert called(found.values[1]) == max(kept)
    else:
        assert found.values[1] == 1.0
        assert "cannot be kept" in found.status[1]


def test_a_workload_leaves_normal_classes_neutral_and_does_not_call_them_tuned():
    truth = np.repeat([0, 1, 2], 20)
    found = tune(truth, np.eye(3)[truth], 5, Threshold(criterion="workload"), NORMAL)
    assert found.tuned == (False, True, True)
    assert found.status[0] == "neutral, as a normal class raises no alert"
    assert not any(found.short)


def test_alerts_of_neutral_classes_count_in_the_workload():
    truth = np.repeat([0, 1, 2], [20, 6, 4])  # class 2 has too few wafers, and alerts at .5
    p = np.zeros((30, 3))
    p[np.arange(30), truth] = np.linspace(0.6, 0.9, 30)
    p[:, 0] += 1 - p.sum(axis=1)
    p[20:26] = [[1 - s, s, 0] for s in (0.55, 0.6, 0.65, 0.7, 0.75, 0.8)]
    found = tune(truth, p, 5, Threshold(criterion="workload", alerts_per_day=7, wafers_per_day=30), NORMAL)
    assert found.values[2] == NEUTRAL
    assert (p[:, 1] >= found.values[1]).sum() == 7 - 4


@certain
@given(wafers, st.sampled_from(["nearest", "youden", "fpr", "cost", "workload"]))
def test_a_threshold_is_never_nearer_to_neutral_within_its_gap(rows, criterion):
    """It lies in [0, 1], off the scores, and no threshold with the same calls is nearer to .5 by more than the margin."""
    truth, p = columns(rows)
    found = tune(truth, p, 1, Threshold(criterion=criterion), NORMAL)
    assert ((found.values >= 0) & (found.values <= 1)).all()
    for c, at in enumerate(found.values):
        score = p.max(axis=1)[p.argmax(axis=1) > 0] if criterion == "workload" else p[:, c]
        if at in (0.0, 1.0) or (criterion == "workload" and c == 0):
            continue
        low, high = max([s for s in score if s < at], default=0.0), min([s for s in score if s >= at], default=1.0)
        assert low < at < high or low == high
        assert abs(at - NEUTRAL) <= abs(np.clip(NEUTRAL, low, high) - NEUTRAL) + MARGIN * (high - low) + 1e-12


@pytest.mark.parametrize(
    ("low", "high", "at"),
    [(0.3, 0.8, 0.5), (0.1, 0.4, 0.385), (0.6, 0.8, 0.61), (0.495, 0.995, 0.52)],
    ids=["in", "below", "above", "edge"],
)
def test_a_clean_gap_is_cut_at_neutral_or_next_to_it(low, high, at):
    truth, score = np.array([1, 1, 0, 0]), np.array([high, 0.999, low, 0.05])
    assert tune(truth, np.column_stack((1 - score, score)), 1).values[1] == pytest.approx(at)


@pytest.mark.parametrize("criterion", ["nearest", "youden", "fpr", "cost"])
def test_thresholds_near_neutral_make_fewest_mistakes_on_new_wafers(criterion):
    """Few validation wafers that are separated cleanly: the ends and the middle of the gap do worse on what comes."""
    rng = np.random.default_rng(7)
    mistakes = np.zeros(4)
    for _ in range(400):
        logit = rng.normal(0, 5, 4040)
        score = 1 / (1 + np.exp(-logit))  # calibrated: a wafer is of the class with this probability
        truth = (rng.random(4040) < score).astype(int)
        seen, new = slice(0, 40), slice(40, None)
        positive, negative = score[seen][truth[seen] == 1], score[seen][truth[seen] == 0]
        if not len(positive) or not len(negative) or positive.min() <= negative.max():
            continue
        by = Threshold(criterion=criterion, max_fpr=0.0, escape_cost=1.0)
        at = tune(truth[seen], np.column_stack((1 - score, score))[seen], 1, by, (True, False)).values[1]
        for i, threshold in enumerate((at, (negative.max() + positive.min()) / 2, np.nextafter(negative.max(), 1), positive.min())):
            mistakes[i] += ((score[new] >= threshold) != truth[new]).sum()
    assert mistakes[0] < mistakes[1:].min()


def test_the_corner_does_not_care_how_rare_a_class_is():
    rng = np.random.default_rng(0)
    hit, miss = rng.beta(5, 2, 50), rng.beta(2, 5, 50)

    def tuned(times):
        score = np.concatenate((hit, np.tile(miss, times)))
        return tune(np.repeat([1, 0], [50, 50 * times]), np.column_stack((1 - score, score)), 1).values[1]

    assert tuned(1) == pytest.approx(tuned(100))


def test_an_escape_that_costs_more_raises_what_a_wafer_needs_to_be_called_normal():
    rng = np.random.default_rng(1)
    score = rng.beta(2, 2, 4000)
    p, truth = np.column_stack((score, 1 - score)), (rng.random(4000) > score).astype(int)
    found = [tune(truth, p, 5, Threshold(criterion="cost", escape_cost=e), (True, False)).values for e in (1.0, 3.0, 10.0)]
    # Calibrated, so that the least cost is known: call it normal where the odds outweigh the costs.
    np.testing.assert_allclose([v[0] for v in found], [1 / 2, 3 / 4, 10 / 11], atol=0.06)
    np.testing.assert_allclose([v[1] for v in found], [1 / 2, 1 / 4, 1 / 11], atol=0.06)


def test_the_cost_matrix_in_words():
    costs = cost_matrix(np.array([True, True, False, False]), 10.0, 1.0)
    assert costs.tolist() == [[0, 0, 1, 1], [0, 0, 1, 1], [10, 10, 0, 1], [10, 10, 1, 0]]


def test_a_class_that_costs_more_to_call_than_to_miss_is_called_never_and_says_so():
    truth, score = np.array([0] * 30 + [1] * 10), np.full(40, 0.6)
    by = Threshold(criterion="cost", escape_cost=1.0)
    found = tune(truth, np.column_stack((1 - score, score)), 5, by, (True, False))
    assert found.values[1] > 0.6
    assert found.status[1] == "tuned on 10 validation wafers; no validation wafer reaches it"


@certain
@given(st.lists(st.integers(0, 8).map(lambda s: s / 8), max_size=20))
def test_cuts_are_all_the_calls_that_thresholds_can_make(scores):
    found = cuts(np.array(scores))
    called = found.sums(np.ones(len(scores)))
    for low, high, count in zip(found.low, found.high, called, strict=True):
        assert {sum(s >= t for s in scores) for t in np.linspace(low, high, 9)[1:]} == {count}
    assert {sum(s >= t for s in scores) for t in np.linspace(0, 1, 33)} == set(called)


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


def test_a_class_with_few_others_stays_neutral_and_says_so():
    found = tune(np.array([0] * 30 + [1] * 4), np.random.default_rng(1).dirichlet(np.ones(2), 34), min_positives=5)
    assert found.status[0] == "neutral: 4 validation wafers of other classes, 5 needed"


@pytest.mark.parametrize("criterion", ["nearest", "youden", "fpr", "cost", "workload"])
@pytest.mark.parametrize("wafers", [0, 20])
def test_a_validation_part_that_tells_nothing_tunes_nothing(criterion, wafers):
    found = tune(np.zeros(wafers, int), np.tile([0.9, 0.1], (wafers, 1)), 5, Threshold(criterion=criterion), (True, False))
    assert found.tuned == (False, False)
    assert (found.values == NEUTRAL).all()


@pytest.mark.parametrize("criterion", ["nearest", "youden", "fpr", "cost", "workload"])
def test_the_rule_is_said_in_words(criterion):
    found = tune(np.zeros(0, int), np.zeros((0, 2)), 5, Threshold(criterion=criterion, max_fpr=0.02, alerts_per_day=7))
    assert {"fpr": "0.02", "workload": "7 alerts", "cost": "10"}.get(criterion, "rate" if criterion == "youden" else "(0, 1)") in found.rule
