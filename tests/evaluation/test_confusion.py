import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, f1_score, precision_score, recall_score

from inspection.errors import InputError, LabelError
from inspection.evaluation.confusion import Rate, confusion, macro_f1, wilson
from inspection.wafer.taxonomy import Taxonomy, WaferClass

TAXONOMY = Taxonomy((WaferClass("Donut"), WaferClass("Normal", normal=True), WaferClass("Ring"), WaferClass("Rare")))
CALLS = (*TAXONOMY.names, "Unknown", "Review")
pairs = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5)), min_size=1, max_size=60)


def matrix(of):
    return confusion(np.array([t for t, _ in of]), [CALLS[c] for _, c in of], TAXONOMY)


@settings(deadline=None)
@given(pairs)
def test_scores_agree_with_scikit_learn(of):
    truth, called = np.array([t for t, _ in of]), np.array([c for _, c in of])
    found, present = matrix(of), np.unique(truth)
    kept = {"labels": present, "average": None, "zero_division": 0}
    np.testing.assert_allclose(found.recall[present], recall_score(truth, called, **kept))
    np.testing.assert_allclose(np.nan_to_num(found.precision[present]), precision_score(truth, called, **kept))
    np.testing.assert_allclose(found.f1[present], f1_score(truth, called, **kept))
    assert found.macro_f1 == pytest.approx(f1_score(truth, called, labels=present, average="macro", zero_division=0))
    assert found.accuracy.value == pytest.approx(float((truth == called).mean()))


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=60))
def test_balanced_accuracy_agrees_with_scikit_learn(of):
    truth = [t for t, _ in of]
    assume(len(set(truth)) > 1)  # scikit-learn warns of a single class
    called = [c if c in truth else truth[0] for _, c in of]  # scikit-learn warns of calls that are no truth
    found = matrix(list(zip(truth, called, strict=True)))
    assert found.balanced_accuracy == pytest.approx(balanced_accuracy_score(truth, called))


@settings(deadline=None)
@given(pairs)
def test_every_wafer_is_counted_once_and_rows_of_shares_sum_to_one(of):
    found = matrix(of)
    assert found.counts.sum() == len(of)
    known = found.support > 0
    np.testing.assert_allclose(found.shares[known].sum(axis=1), 1.0)
    assert np.isnan(found.shares[~known]).all()


def test_escape_and_overkill_leave_unknown_and_review_out():
    calls = ["Normal", "Unknown", "Review", "Ring", "Donut", "Normal", "Donut", "Unknown", "Review"]
    found = confusion(np.array([0, 0, 0, 0, 0, 1, 1, 1, 1]), calls, TAXONOMY)
    assert found.escapes == Rate(1, 5)  # the Ring called instead of Donut is a wrong signature, no escape
    assert found.overkill == Rate(1, 4)
    assert (found.unknown, found.review) == (Rate(2, 9), Rate(2, 9))


def test_a_class_without_wafers_does_not_lower_the_macro_f1():
    assert matrix([(0, 0), (1, 1)]).macro_f1 == 1.0
    assert matrix([(0, 0), (1, 3)]).macro_f1 == 0.5


def test_no_normal_wafers_means_no_overkill_rate():
    found = matrix([(0, 1)])
    assert math.isnan(found.overkill.value)
    assert all(map(math.isnan, found.overkill.interval))
    assert found.escapes.value == 1.0


def test_wilson_interval_equals_published_values():
    low, high = wilson([0, 5, 10, 81], [10, 10, 10, 263])
    # R. G. Newcombe, Statistics in Medicine 17, 1998, table I gives 81 of 263: 0.2553 to 0.3662
    np.testing.assert_allclose(low, [0.0, 0.2366, 0.7225, 0.2553], atol=5e-5)
    np.testing.assert_allclose(high, [0.2775, 0.7634, 1.0, 0.3662], atol=5e-5)


@settings(deadline=None)
@given(st.integers(0, 500), st.integers(0, 500))
def test_wilson_interval_holds_the_share_and_is_the_mirror_of_its_complement(hits, misses):
    n = hits + misses
    low, high = wilson(hits, n)
    assert 0 <= low <= (hits / n if n else 0.5) <= high <= 1
    mirrored = wilson(misses, n)
    assert (1 - mirrored[1], 1 - mirrored[0]) == pytest.approx((float(low), float(high)))


def test_macro_f1_of_many_matrices_is_that_of_each():
    counts = np.random.default_rng(0).integers(0, 9, (7, 3, 5))
    np.testing.assert_allclose(macro_f1(counts), [macro_f1(c) for c in counts])


def test_a_call_outside_the_taxonomy_names_the_known_ones():
    with pytest.raises(LabelError, match=r"Donut, Normal.*got Donat"):
        confusion(np.array([0]), ["Donat"], TAXONOMY)


@pytest.mark.parametrize("truth", [[0], [0, 4], [-1, 0]])
def test_truth_that_does_not_fit_is_refused(truth):
    with pytest.raises(InputError, match="expected 2 classes in 0"):
        confusion(np.array(truth), ["Donut", "Donut"], TAXONOMY)


@settings(deadline=None)
@given(pairs)
def test_every_share_has_the_wilson_interval_of_scipy(of):
    from scipy.stats import binomtest

    found = matrix(of)
    low, high = found.share_intervals
    for i, j in np.ndindex(found.counts.shape):
        if not found.support[i]:
            assert np.isnan([low[i, j], high[i, j]]).all()
            continue
        expected = binomtest(int(found.counts[i, j]), int(found.support[i])).proportion_ci(method="wilson")
        np.testing.assert_allclose((low[i, j], high[i, j]), expected, atol=1e-12)


@settings(deadline=None)
@given(pairs)
def test_escapes_and_overkill_of_the_classes_add_up(of):
    found = matrix(of)
    assert sum(r.hits for r in found.escapes_by_class) == found.escapes.hits
    assert sum(r.trials for r in found.escapes_by_class) == found.escapes.trials
    assert sum(r.hits for r in found.overkill_by_class) == found.overkill.hits
    assert {r.trials for r in found.overkill_by_class} - {0} <= {found.overkill.trials}
    assert found.escapes_by_class[1] == found.overkill_by_class[1] == Rate(0, 0)  # Normal


def test_escapes_and_overkill_by_class_in_words():
    calls = ["Normal", "Normal", "Ring", "Review", "Ring", "Ring", "Donut", "Normal", "Unknown"]
    found = confusion(np.array([0, 0, 0, 2, 2, 1, 1, 1, 1]), calls, TAXONOMY)
    assert found.escapes_by_class == (Rate(2, 3), Rate(0, 0), Rate(0, 2), Rate(0, 0))
    assert found.overkill_by_class == (Rate(1, 4), Rate(0, 0), Rate(1, 4), Rate(0, 4))
