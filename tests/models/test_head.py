"""One pattern or combined ones: decided by the labels, and what it makes of logits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from inspection.errors import LabelError
from inspection.models.head import Head, HeadKind
from inspection.scoring.calibration import softmax

LOGITS = arrays(np.float32, st.tuples(st.integers(1, 5), st.integers(1, 6)), elements=st.floats(-300, 300, width=32))


def test_the_labels_decide_the_kind():
    assert Head.of(np.array([0, 2, 1])) == Head.of(np.eye(3)) == Head(3, HeadKind.one_pattern)
    assert Head.of(np.array([[1, 0, 1], [0, 1, 0]])) == Head(3, HeadKind.combined)
    assert Head.of(np.array([[0, 0], [0, 1]])).kind is HeadKind.combined, "no pattern at all is a combination, too"


@pytest.mark.parametrize("labels", [np.full((2, 3), 1 / 3), np.zeros((2, 3, 4)), np.zeros(0)])
def test_labels_that_say_nothing_of_the_kind_are_refused(labels):
    with pytest.raises(LabelError, match="expected class indices"):
        Head.of(labels)


@given(LOGITS)
def test_one_pattern_is_the_softmax_of_calibration(logits):
    np.testing.assert_allclose(Head(logits.shape[1]).probabilities(logits), softmax(logits), rtol=1e-9, atol=1e-12)


@given(LOGITS)
def test_combined_classes_are_judged_each_by_itself(logits):
    head = Head(logits.shape[1], HeadKind.combined)
    found = head.probabilities(logits)
    assert ((found >= 0) & (found <= 1)).all()
    np.testing.assert_allclose(found + head.probabilities(-logits), 1, rtol=1e-12)
    for k in range(logits.shape[1]):
        np.testing.assert_array_equal(Head(1, HeadKind.combined).probabilities(logits[:, [k]]), found[:, [k]])
