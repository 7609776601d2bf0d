"""imbalanced-learn's report beside the macro-F1: its formulas, and what cannot be known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspection.evaluation.confusion import Confusion
from inspection.evaluation.imbalance import ALPHA, imbalance

NAMES = ("A", "B", "C", "Normal")
COUNTS = st.lists(st.lists(st.integers(0, 40), min_size=6, max_size=6), min_size=4, max_size=4)
"""Of each true class: called A, B, C, Normal, Unknown, Review."""


def matrix(counts):
    return Confusion(NAMES, (False, False, False, True), np.array(counts, np.int64))


@settings(max_examples=60, deadline=None)
@given(counts=COUNTS)
def test_every_score_is_its_formula_for_classes_with_wafers(counts):
    found, known = imbalance(matrix(counts)), matrix(counts).support > 0
    table = np.array(counts, float)
    if known.sum() < 2:
        assert np.isnan(found.specificity).all()
        return
    for c in range(4):
        if not known[c]:
            assert np.isnan([found.specificity[c], found.geometric_mean[c], found.index_balanced_accuracy[c]]).all()
            continue
        others = np.delete(table, c, axis=0)
        recall, specificity = table[c, c] / table[c].sum(), 1 - others[:, c].sum() / others.sum()
        assert found.specificity[c] == pytest.approx(specificity)
        assert found.geometric_mean[c] == pytest.approx(np.sqrt(recall * specificity))
        assert found.index_balanced_accuracy[c] == pytest.approx((1 + ALPHA * (recall - specificity)) * recall * specificity)
    recalls = matrix(counts).recall[known]
    assert found.overall_geometric_mean == pytest.approx(np.prod(recalls) ** (1 / known.sum()), abs=1e-12)


def test_a_class_that_grows_alone_moves_no_score_of_another_but_precision():
    """Ten times as many normal wafers, called in the same shares."""
    counts = np.array([[8, 1, 0, 1, 0, 0], [0, 5, 0, 5, 0, 0], [0, 0, 9, 1, 0, 0], [2, 0, 2, 95, 1, 0]])
    grown = counts * np.array([[1], [1], [1], [10]])
    one, other = imbalance(matrix(counts)), imbalance(matrix(grown))
    assert other.overall_geometric_mean == pytest.approx(one.overall_geometric_mean)
    assert other.specificity[3] == pytest.approx(one.specificity[3])
    assert matrix(grown).precision[0] < matrix(counts).precision[0] - 0.3


def test_one_class_never_hit_makes_the_geometric_mean_zero():
    found = imbalance(matrix([[0, 3, 0, 0, 0, 0], [0, 9, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0], [0, 0, 0, 50, 0, 0]]))
    assert found.overall_geometric_mean == 0.0
    assert found.metrics(NAMES)["geometric_mean_A"] == 0.0


def test_unknown_and_review_are_calls_of_no_class():
    """They lower the recall of the class they belong to, and the specificity of none."""
    asked = imbalance(matrix([[5, 0, 0, 0, 3, 2], [0, 9, 0, 0, 1, 0], [0, 0, 4, 0, 0, 0], [0, 0, 0, 50, 0, 0]]))
    assert asked.specificity.tolist() == [1.0] * 4
    assert asked.geometric_mean[0] == pytest.approx(np.sqrt(0.5))


def test_what_cannot_be_known_is_nan():
    nothing = imbalance(matrix(np.zeros((4, 6), int)))
    assert np.isnan(list(nothing.metrics(NAMES).values())).all()
    alone = np.zeros((4, 6), int)
    alone[3] = [1, 0, 0, 3, 0, 0]
    assert imbalance(matrix(alone)).overall_geometric_mean == 0.75
