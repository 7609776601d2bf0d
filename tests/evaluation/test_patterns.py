"""Scores of patterns that combine, against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import accuracy_score, multilabel_confusion_matrix, precision_recall_fscore_support

from inspection.evaluation.evaluation import Part, evaluate
from inspection.evaluation.patterns import pattern_scores
from inspection.params import Evaluate
from inspection.wafer.taxonomy import Taxonomy, WaferClass

NAMES = ("Center", "Loc", "Scratch")
FLAGS = st.integers(1, 30).flatmap(lambda n: st.tuples(arrays(bool, (n, 3)), arrays(bool, (n, 3))))


def scored(truth, said, group=None, bootstrap=200):
    group = np.arange(len(truth)) if group is None else group
    return pattern_scores(truth, said, group, NAMES, bootstrap=bootstrap, rng=np.random.default_rng(0))


@settings(max_examples=60, deadline=None)
@given(FLAGS)
def test_they_are_those_of_scikit_learn(flags):
    truth, said = flags
    found = scored(truth, said, bootstrap=2)
    precision, recall, f1, support = precision_recall_fscore_support(truth, said, zero_division=np.nan)
    np.testing.assert_array_equal(found.counts, multilabel_confusion_matrix(truth, said))
    np.testing.assert_allclose(found.precision, precision)
    np.testing.assert_allclose(found.recall, recall)
    np.testing.assert_allclose(found.f1[support > 0], f1[support > 0])
    assert found.exact.value == accuracy_score(truth, said)
    assert np.isnan(found.f1[support == 0]).all()


def test_the_interval_holds_the_value_and_narrows_with_the_lots():
    rng = np.random.default_rng(1)
    truth = rng.random((4000, 3)) < 0.4
    said = truth ^ (rng.random((4000, 3)) < 0.05)
    few, many = scored(truth[:400], said[:400]), scored(truth, said)
    for one in (few, many):
        assert one.exact_interval[0] < one.exact.value < one.exact_interval[1]
        assert one.macro_interval[0] < one.macro_f1 < one.macro_interval[1]
    assert np.diff(many.exact_interval) < 0.5 * np.diff(few.exact_interval)
    assert np.isnan(scored(truth, said, np.zeros(4000)).exact_interval).all(), "one lot: the spread between lots cannot be known"


def part(truth, classes, shown=None):
    probabilities = np.full((len(truth), classes), 0.01)
    probabilities[np.arange(len(truth)), truth] = 1 - 0.01 * (classes - 1)
    return Part(truth=truth, probabilities=probabilities, group=np.arange(len(truth)).astype(str), shown=shown)


def test_an_evaluation_reports_patterns_only_where_classes_combine_them():
    mixed = Taxonomy(tuple(WaferClass(n, normal=n == "Normal") for n in ("Normal", "Center", "Loc", "Center+Loc")))
    truth = np.arange(40) % 4
    judged = evaluate(part(truth, 4), part(truth, 4), mixed, Evaluate(bootstrap=20), np.random.default_rng(0))
    metrics = judged.metrics()
    assert metrics["exact_match"] == metrics["pattern_macro_f1"] == metrics["pattern_f1_Loc"] == 1.0
    assert metrics["exact_match"] == metrics["accuracy"]
    shown = np.array(mixed.membership(), bool)[truth]
    shown[0] = True
    other = evaluate(part(truth, 4), part(truth, 4, shown), mixed, Evaluate(bootstrap=20), np.random.default_rng(0))
    assert other.metrics()["exact_match"] == pytest.approx(39 / 40), "what a label names counts, class or not"
    single = Taxonomy(mixed.classes[:3])
    plain = evaluate(part(truth % 3, 3), part(truth % 3, 3), single, Evaluate(bootstrap=20), np.random.default_rng(0))
    assert plain.patterns is None
    assert "exact_match" not in plain.metrics()
