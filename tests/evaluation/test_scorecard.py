"""The scorecard of review tools: its definitions, and what they imply."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, precision_score, recall_score

from inspection.evaluation.confusion import Rate, confusion
from inspection.evaluation.scorecard import scorecard
from inspection.wafer.taxonomy import Taxonomy, WaferClass

TAXONOMY = Taxonomy((WaferClass("Donut"), WaferClass("Normal", normal=True), WaferClass("Ring")))
CALLS = (*TAXONOMY.names, "Unknown", "Review")
pairs = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 4)), min_size=1, max_size=60)
certain = settings(deadline=None)


def card(of):
    return scorecard(confusion(np.array([t for t, _ in of]), [CALLS[c] for _, c in of], TAXONOMY))


@certain
@given(pairs)
def test_accuracy_is_purity_times_classification_rate(of):
    """Whatever is rejected buys purity alone."""
    found = card(of).overall
    if found.purity.trials:
        assert found.accuracy.value == pytest.approx(found.purity.value * found.classification.value)
    assert found.accuracy.hits == found.purity.hits
    assert found.purity.trials == found.classification.hits
    assert found.accuracy.trials == found.classification.trials == len(of)


@certain
@given(pairs)
def test_shares_are_those_of_scikit_learn(of):
    truth, called = np.array([t for t, _ in of]), np.array([c for _, c in of])
    found, classified = card(of), called < 3
    if classified.any():
        assert found.overall.purity.value == pytest.approx(accuracy_score(truth[classified], called[classified]))
    kept = {"labels": range(3), "average": None, "zero_division": np.nan}
    np.testing.assert_allclose([s.purity.value for s in found.classes], precision_score(truth, called, **kept))
    np.testing.assert_allclose([s.accuracy.value for s in found.classes], recall_score(truth, called, **kept))


@certain
@given(pairs)
def test_the_classes_add_up_to_the_whole(of):
    found = card(of)
    for key in ("purity", "accuracy", "classification"):
        rates = [getattr(score, key) for score in found.classes]
        assert Rate(sum(r.hits for r in rates), sum(r.trials for r in rates)) == getattr(found.overall, key)


def test_a_scorecard_in_words():
    """Ten donuts: six called so, one a ring, one normal, two for review. Five normal wafers: four called so, one a donut."""
    of = [(0, 0)] * 6 + [(0, 2), (0, 1)] + [(0, 4)] * 2 + [(1, 1)] * 4 + [(1, 0)]
    found = card(of)
    donut = found.classes[0]
    assert (donut.purity, donut.accuracy, donut.classification) == (Rate(6, 7), Rate(6, 10), Rate(8, 10))
    assert (found.overall.purity, found.overall.accuracy, found.overall.classification) == (Rate(10, 13), Rate(10, 15), Rate(13, 15))
    assert found.classes[2].row()["accuracy"]["value"] is None
    metrics = found.metrics()
    assert metrics["purity_Donut"] == pytest.approx(6 / 7)
    assert metrics["accuracy_of_all"] == pytest.approx(10 / 15)
    assert np.isnan(metrics["classification_rate_Ring"])
