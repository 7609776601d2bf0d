"""What pseudo-labels promise: nothing of validation or test, nothing below the gate, no more than the cap, the surest first."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from inspection.params import PseudoLabels
from inspection.training.pseudo_labels import CLOSED, UNLABELLED, Gate, gate, take

PARTS = np.array(["train", "validation", "test", "dropped", UNLABELLED])
CLASSES = 3


@st.composite
def calls(draw, *, combined=False):
    """Probabilities, parts, and labels known before."""
    n = draw(st.integers(0, 40))
    # Few different values, so that many are equal.
    raw = draw(arrays.arrays(np.float64, (n, CLASSES), elements=st.sampled_from([0.02, 0.1, 0.5, 0.9, 0.95, 0.99])))
    p = raw if combined else raw / raw.sum(axis=1, keepdims=True)
    parts = PARTS[draw(arrays.arrays(np.int8, n, elements=st.integers(0, len(PARTS) - 1)))]
    known = draw(st.integers(1, 20))
    if combined:
        return p, parts, draw(arrays.arrays(np.int8, (known, CLASSES), elements=st.integers(0, 1)))
    return p, parts, draw(arrays.arrays(np.int8, known, elements=st.integers(0, CLASSES - 1)))


settings = st.builds(
    PseudoLabels, rounds=st.just(1), precision=st.sampled_from([0.0, 0.5, 0.9, 1.0]), floor=st.sampled_from([0.0, 0.4, 0.9]),
    cap=st.one_of(st.none(), st.sampled_from([0.5, 1.0, 2.0])),
)  # fmt: skip
thresholds = arrays.arrays(np.float64, CLASSES, elements=st.sampled_from([0.3, 0.5, 0.9, 0.96, CLOSED]))


@given(calls(), thresholds, settings)
def test_only_unlabelled_wafers_at_or_above_their_gate_are_taken_and_no_more_than_the_cap(given_calls, present, params):
    p, parts, known = given_calls
    taken = take(p, parts, Gate(present, np.full(CLASSES, -CLOSED)), known, params)
    assert (parts[taken.rows] == UNLABELLED).all()
    assert np.array_equal(taken.labels, p[taken.rows].argmax(axis=1))
    sure = p.max(axis=1, initial=0)
    assert (sure[taken.rows] >= present[taken.labels]).all()
    assert len(set(taken.rows.tolist())) == len(taken.rows)
    assert len(taken.rows) + sum(taken.left.values()) == len(p), "every wafer is accounted for"
    passed = np.flatnonzero((parts == UNLABELLED) & (sure >= present[p.argmax(axis=1)])) if len(p) else np.array([], int)
    for k in range(CLASSES):
        mine, all_of_it = taken.rows[taken.labels == k], passed[p[passed].argmax(axis=1) == k]
        most = len(all_of_it) if params.cap is None else int(params.cap * max(1, (known == k).sum()))
        assert len(mine) == min(most, len(all_of_it)), "the cap, and nothing but the cap, leaves out"
        left = set(all_of_it.tolist()) - set(mine.tolist())
        assert not left or not len(mine) or sure[list(left)].max() <= sure[mine].min(), "the surest first"


@given(calls(combined=True), thresholds, settings)
def test_a_combination_is_taken_only_when_each_pattern_is_decided(given_calls, present, params):
    p, parts, known = given_calls
    through = Gate(present, 1 - present)
    taken = take(p, parts, through, known, params)
    assert (parts[taken.rows] == UNLABELLED).all()
    chosen = p[taken.rows]
    decided = np.where(taken.labels == 1, chosen >= present, chosen <= 1 - present)
    assert decided.all()
    assert len(taken.rows) + sum(taken.left.values()) == len(p)


@given(calls(), settings, st.randoms(use_true_random=False))
def test_calls_above_the_gate_are_as_right_on_validation_as_asked_for(given_calls, params, random):
    p, _, _ = given_calls
    truth = np.array([random.randrange(CLASSES) for _ in range(len(p))], int)
    through = gate(p, truth, params)
    called = p.argmax(axis=1) if len(p) else np.zeros(0, int)
    for k, threshold in enumerate(through.present):
        above = (called == k) & (p[:, k] >= threshold)
        if threshold == CLOSED:
            # No lower gate would have done either.
            for lower in p[(called == k) & (p[:, k] >= params.floor), k]:
                assert (truth[(called == k) & (p[:, k] >= lower)] == k).mean() < params.precision
        else:
            assert threshold >= params.floor
            assert above.any()
            assert (truth[above] == k).mean() >= params.precision


def test_a_class_that_validation_does_not_show_is_closed():
    p = np.array([[0.99, 0.01], [0.98, 0.02]])
    through = gate(p, np.array([0, 0]), PseudoLabels())
    assert through.present.tolist() == [0.98, CLOSED]
    assert gate(np.zeros((0, 2)), np.zeros(0, int), PseudoLabels()).present.tolist() == [CLOSED, CLOSED]


def test_the_defaults_take_nothing():
    assert PseudoLabels().rounds == 0


def test_parts_must_be_told_for_every_wafer():
    from inspection.errors import LeakageError

    with pytest.raises(LeakageError, match="expected a part for each of 2, got 1"):
        take(np.eye(2), np.array([UNLABELLED]), Gate(np.zeros(2), np.zeros(2)), np.array([0]), PseudoLabels())
