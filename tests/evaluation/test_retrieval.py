"""Retrieval is counted as scikit-learn and plain loops count it, and never within a lot."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import average_precision_score
from sklearn.neighbors import KNeighborsClassifier

from inspection.errors import InputError
from inspection.evaluation.retrieval import average_precision, retrieve
from inspection.scoring.reference import Reference

NAMES = ("A", "B", "C")


def draw(n, seed, lots, f=6, spread=1.0):
    rng = np.random.default_rng([seed, n])
    label = rng.integers(0, 3, n)
    centres = np.random.default_rng(0).normal(0, 1, (3, f))
    return centres[label] + rng.normal(0, spread, (n, f)), label, np.array([f"lot {g}" for g in rng.integers(0, lots, n)])


def reference_of(vectors, label, group):
    return Reference.of(vectors, label, np.full(len(label), "a" * 64), np.arange(len(label)), group)


@pytest.fixture(scope="module")
def known():
    return reference_of(*draw(400, 1, 20))


def judged(reference, vectors, label, group, called=None, **options):
    called = label if called is None else called
    return retrieve(reference, vectors, label, called, group, NAMES, bootstrap=50, rng=np.random.default_rng(0), **options)


def test_counts_equal_plain_loops_without_the_own_lot(known):
    vectors, label, group = draw(60, 2, 20)  # lots of the same names: their wafers may not help
    result = judged(known, vectors, label, group, at=(1, 3, 7))
    ready = known.vectors.astype(float)
    looked = vectors - known.centre
    cos = (looked @ ready.T) / np.linalg.norm(looked, axis=1)[:, None] / np.linalg.norm(ready, axis=1)
    hits = np.zeros((60, 3), bool)
    precision = []
    for i in range(60):
        others = np.flatnonzero(known.group != group[i])
        order = others[np.argsort(-cos[i, others], kind="stable")]
        hits[i] = [(known.label[order[:k]] == label[i]).any() for k in (1, 3, 7)]
        precision.append(average_precision_score(known.label[others] == label[i], cos[i, others]))
    assert [rate.hits for rate in result.recall] == hits.sum(axis=0).tolist()
    assert result.hit.tolist() == hits[:, 0].tolist()
    assert np.allclose(result.average_precision, precision, atol=1e-5)
    assert result.mean_average_precision == pytest.approx(np.mean(precision), abs=1e-5)
    by_class = [np.mean([p for p, truth in zip(precision, label, strict=True) if truth == k]) for k in range(3)]
    assert result.macro_average_precision == pytest.approx(np.mean(by_class), abs=1e-5)


def test_the_nearest_neighbour_is_scikit_learns_classifier(known):
    vectors, label, _ = draw(200, 3, 20)
    result = judged(known, vectors, label, np.full(200, "another lot"))
    model = KNeighborsClassifier(1, metric="cosine", algorithm="brute").fit(known.vectors.astype(float), known.label)
    assert result.nearest.value == model.score(vectors - known.centre, label)


def test_a_wafer_is_no_neighbour_of_its_own_lot(known):
    """Looked up in themselves, wafers find themselves at once, unless their lot is left out."""
    vectors, label, group = draw(400, 1, 20)
    assert judged(known, vectors, label, np.array([f"other {g}" for g in group])).nearest.value == 1
    assert judged(known, vectors, label, group).nearest.value < 0.95


@settings(deadline=None, max_examples=50)
@given(
    hnp.arrays(np.float32, st.tuples(st.integers(1, 4), st.integers(1, 30)), elements=st.floats(0, 2, width=32), unique=True),
    st.integers(0, 2**30),
)
def test_average_precision_is_scikit_learns(distances, bits):
    relevant = np.random.default_rng(bits).random(distances.shape) < 0.4
    found = average_precision(distances, relevant)
    for row, mine, far in zip(relevant, found, distances, strict=True):
        assert math.isnan(mine) if not row.any() else mine == pytest.approx(average_precision_score(row, -far.astype(float)))


def test_ties_never_flatter_and_what_is_infinite_does_not_count():
    assert average_precision(np.zeros((1, 4), np.float32), np.array([[True, False, False, False]])).tolist() == [0.25]
    far = np.array([[0.5, np.inf, 1.0]], np.float32)
    assert average_precision(far, np.array([[False, True, True]])).tolist() == [0.5]
    assert average_precision(np.array([[-0.0, 0.1]], np.float32), np.array([[True, False]])).tolist() == [1.0]


def test_a_class_that_the_reference_lacks_is_missed_but_has_no_average_precision(known):
    vectors, _, group = draw(10, 5, 4)
    result = retrieve(known, vectors, np.full(10, 3), np.full(10, 3), group, (*NAMES, "D"), bootstrap=20, rng=np.random.default_rng(0))
    assert result.recall[-1].hits == 0
    assert math.isnan(result.mean_average_precision)
    assert "retrieval_mean_average_precision" not in result.metrics()
    assert result.classifier.value == 1


def test_intervals_hold_the_values_and_a_lead_is_paired(known):
    vectors, label, group = draw(300, 6, 30)
    rng = np.random.default_rng(1)
    called = np.where(rng.random(300) < 0.05, (label + 1) % 3, label)
    result = judged(known, vectors, label, group, called)
    for rate, (low, high) in zip(result.recall, result.recall_interval, strict=True):
        assert low <= rate.value <= high
    assert result.precision_interval[0] < result.mean_average_precision < result.precision_interval[1]
    assert result.lead_interval[0] < result.classifier.value - result.nearest.value < result.lead_interval[1]
    assert [r.hits for r in result.recall] == sorted(r.hits for r in result.recall)
    assert {f"retrieval_recall_at_{k}{end}" for k in (1, 5, 10) for end in ("", "_low", "_high")} <= result.metrics().keys()
    assert sum(row["wafers"] for row in result.per_class()) == 300


@pytest.mark.parametrize("n", [0, 1])
def test_no_wafer_and_no_reference_are_answered(n):
    vectors, label, group = draw(n, 7, 3)
    for size in (0, 5):
        result = judged(reference_of(*draw(size, 8, 2)), vectors, label, group)
        assert all(np.isfinite(list(result.metrics().values())))


def test_columns_of_other_lengths_are_refused(known):
    vectors, label, group = draw(4, 9, 2)
    with pytest.raises(InputError, match="columns of one part"):
        judged(known, vectors, label[:3], group)
    with pytest.raises(InputError, match="ascending"):
        judged(known, vectors, label, group, at=(5, 1))
