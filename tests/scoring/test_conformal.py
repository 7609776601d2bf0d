"""Laws of prediction sets and conformal limits: what they promise holds on wafers that come like the validation wafers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspection.scoring.conformal import fit_inclusion, needed, pooled, sets, upper_limit

SHARES = np.array([0.7, 0.2, 0.08, 0.02])


def wafers(rng, n):
    """Truth and probabilities of classes of very unequal share, some of them hard to tell."""
    truth = rng.choice(4, n, p=SHARES)
    logits = rng.normal(size=(n, 4)) * 1.5
    logits[np.arange(n), truth] += np.array([4.0, 2.0, 1.5, 1.0])[truth]
    shares = np.exp(logits)
    return truth, shares / shares.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("coverage", [0.8, 0.9, 0.95])
def test_the_set_holds_the_class_as_often_as_promised_for_every_class(coverage):
    """Over many calibrations: the promise is on their mean, and no class pays for another."""
    held = np.zeros(4)
    trials = 60
    for seed in range(trials):
        rng = np.random.default_rng(seed)
        truth, probabilities = wafers(rng, 2_000)
        inclusion = fit_inclusion(probabilities, truth, coverage)
        fresh, seen = wafers(rng, 4_000)
        inside = sets(seen, inclusion.least)[np.arange(4_000), fresh]
        held += [inside[fresh == k].mean() for k in range(4)]
    enough = SHARES * 2_000
    slack = 3 * np.sqrt(coverage * (1 - coverage) * (1 / enough + 1 / (2 * enough)) / trials)
    assert (held / trials >= coverage - slack).all()
    assert (held / trials <= coverage + 1 / enough + slack).all(), "and hardly more often"


def test_few_wafers_promise_nothing_and_rare_classes_share_a_threshold():
    truth, probabilities = wafers(np.random.default_rng(0), 400)
    assert needed(0.95) == 19
    assert needed(0.9) == 9
    assert fit_inclusion(probabilities[:18], truth[:18], 0.95) is None
    found = fit_inclusion(probabilities, truth, 0.95)
    rare = np.bincount(truth, minlength=4) < 19
    assert found.own == tuple(~rare)
    assert len(set(found.least[rare])) <= 1
    gone = np.where(truth == 3, 0, truth)  # a class without a single wafer
    assert fit_inclusion(probabilities, gone, 0.95).least.shape == (4,)


def test_a_class_whose_labels_are_often_wrong_is_not_in_every_set():
    """One wafer in ten of class 1 is surely of class 0; the others are clear."""
    truth = np.repeat([0, 1], 200)
    first = np.where(truth == 0, 0.995, 0.005)
    first[200:220] = 0.999
    probabilities = np.column_stack((first, 1 - first))
    everywhere, floored = (fit_inclusion(probabilities, truth, 0.95, floor) for floor in (0.0, 0.02))
    assert sets(probabilities, everywhere.least)[:200].sum(axis=1).tolist() == [2] * 200
    assert sets(probabilities, floored.least)[:200].sum(axis=1).tolist() == [1] * 200
    assert (floored.least >= 0.02).all()


@given(st.lists(st.integers(0, 60), min_size=1, max_size=12), st.sampled_from([0.8, 0.9, 0.95]))
def test_rare_classes_borrow_from_the_smallest_of_the_others_and_from_no_more_than_they_need(counts, coverage):
    count = np.array(counts)
    flags, rare = pooled(count, coverage), np.array(counts) < needed(coverage)
    assert flags[rare].all()
    borrowed = flags & ~rare
    if count.sum() < needed(coverage):
        assert flags.all()
    elif borrowed.any():
        last = count[borrowed].max()
        assert count[flags].sum() - last < needed(coverage) <= count[flags].sum()
        assert (count[~flags] >= last).all()


@given(st.lists(st.integers(0, 50), max_size=80), st.sampled_from([0.05, 0.1, 0.25]))
def test_the_limit_is_the_smallest_score_that_few_enough_exceed(scores, rate):
    limit = upper_limit(np.array(scores, float), rate)
    if np.isinf(limit):
        assert (len(scores) + 1) * rate < 1
    else:
        assert sum(s > limit for s in scores) <= rate * (len(scores) + 1)
        assert sum(s >= limit for s in scores) > rate * (len(scores) + 1) - 1


def test_a_limit_flags_the_stated_share_of_new_wafers():
    rng = np.random.default_rng(3)
    flagged = [np.mean(rng.gamma(2.0, size=2_000) > upper_limit(rng.gamma(2.0, size=500), 0.05)) for _ in range(100)]
    assert np.mean(flagged) == pytest.approx(0.05, abs=0.004)
