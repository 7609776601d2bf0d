import base64
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from inspection.errors import InputError
from inspection.evaluation.evaluation import Part, evaluate
from inspection.evaluation.operating import GRID, codes, edges, packed, ungated
from inspection.params import Evaluate
from inspection.wafer.taxonomy import Taxonomy, WaferClass

NAMES = ("Donut", "Normal", "Ring")
TAXONOMY = Taxonomy(tuple(WaferClass(n, normal=n == "Normal") for n in NAMES))
SHARE = st.floats(0, 1) | st.sampled_from([*GRID.tolist(), np.nextafter(0.5, 0), np.nextafter(0.5, 1), 5e-324])


@given(st.lists(SHARE, min_size=1, max_size=30), SHARE, st.sampled_from([np.float32, np.float64]))
@settings(deadline=None)
def test_no_comparison_with_an_offered_threshold_changes_its_outcome(shares, threshold, kind):
    probability = np.array([*shares, threshold], kind)
    offered = edges(threshold)
    found = codes(probability, threshold)
    assert threshold in offered
    np.testing.assert_array_equal(found[:, None] >= np.arange(len(offered)), probability.astype(np.float64)[:, None] >= offered)


def test_thresholds_are_close_to_one_another_and_fit_into_a_byte_pair():
    assert (GRID[0], GRID[-1]) == (0.0, 1.0)
    assert np.diff(GRID).min() > 0
    assert np.diff(GRID).max() <= 0.0011
    assert len(edges(1 / 3)) == len(GRID) + 1 < 65536


def judged(n=300, seed=0):
    rng = np.random.default_rng(seed)

    def part(n):
        truth = rng.integers(0, 3, n)
        p = np.exp(rng.normal(size=(n, 3)) + 2 * np.eye(3)[truth])
        p = (p / p.sum(axis=1, keepdims=True)).astype(np.float32)
        return Part(truth=truth, probabilities=p, group=rng.integers(0, 5, n), unknown=rng.random(n) < 0.1)

    return evaluate(part(200), part(n), TAXONOMY, Evaluate(bootstrap=5), rng)


def test_calls_without_thresholds_are_those_of_the_rule_with_thresholds_of_zero():
    evaluation = judged()
    free = replace(evaluation.rule, thresholds=np.zeros(3))
    assert list(ungated(evaluation)) == free.decide(evaluation.test.probabilities, evaluation.test.unknown)


def test_what_is_packed_is_what_was_judged():
    evaluation = judged(50)
    who = [(f"L{g}", str(i)) for i, g in enumerate(evaluation.test.group)]
    found = packed(evaluation, ungated(evaluation), who)

    def read(name, kind="<u2"):
        return np.frombuffer(base64.b64decode(found[name]), kind)

    np.testing.assert_array_equal(read("truth"), evaluation.test.truth)
    assert [found["calls"][c] for c in read("decision")] == list(evaluation.decisions)
    assert [(found["lots"][lot], w) for lot, w in zip(read("lot", "<u4"), found["wafers"], strict=True)] == who
    coded = read("codes").reshape(3, 50)
    for c, threshold in enumerate(evaluation.thresholds.values):
        at = int(np.searchsorted(edges(threshold), threshold))
        np.testing.assert_array_equal(coded[c] >= at, evaluation.test.probabilities[:, c].astype(float) >= threshold)


def test_calls_of_another_rule_are_refused():
    evaluation = judged(50)
    who = [("L", str(i)) for i in range(50)]
    calls = list(ungated(evaluation))
    calls[7] = "Unknown" if calls[7] != "Unknown" else "Ring"
    with pytest.raises(InputError, match="the first at 7"):
        packed(evaluation, calls, who)
    with pytest.raises(InputError, match="50 pairs of lot and wafer, got 50 and 49"):
        packed(evaluation, ungated(evaluation), who[1:])


def test_a_review_that_is_not_for_the_threshold_stays_one():
    evaluation = judged(80)
    high = int(np.flatnonzero(np.array(evaluation.decisions) != "Review")[0])
    decisions = list(evaluation.decisions)
    decisions[high] = "Review"
    again = replace(evaluation, decisions=tuple(decisions), test=replace(evaluation.test, decisions=tuple(decisions)))
    assert ungated(again)[high] == "Review"
    packed(again, ungated(again), [("L", str(i)) for i in range(80)])


def test_too_many_wafers_travel_without_the_slider(monkeypatch):
    evaluation = judged(50)
    monkeypatch.setattr("inspection.evaluation.operating.MOST_CODES", 149)
    assert packed(evaluation, ungated(evaluation), [("L", "1")] * 50)["codes"] is None


@given(arrays(np.float64, 12, elements=st.floats(0, 1)))
@settings(deadline=None)
def test_codes_keep_the_order_of_probabilities(probability):
    found = codes(np.sort(probability), 0.25).astype(int)
    assert (np.diff(found) >= 0).all()
