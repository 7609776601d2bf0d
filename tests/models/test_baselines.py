"""Baselines: deterministic whatever the cores, bounded, stratified, and fitted on what they are given alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspection.errors import InputError
from inspection.models.baselines import SCALES, fit_forest, fit_svm, stratified

NO_TRIAL = np.zeros((0, 6), np.float32), np.zeros(0, np.int64)


def problem(seed, wafers=240, classes=3, apart=2.0):
    rng = np.random.default_rng(seed)
    labels = rng.choice(classes, wafers, p=[0.7, 0.25, 0.05][:classes])
    table = rng.normal(size=(wafers, 6))
    table[np.arange(wafers), labels] += apart
    return (table * [1, 1e3, 1e-3, 1, 1, 1]).astype(np.float32), labels  # columns in units of their own


def fit(method, table, labels, seed=0, **more):
    if method == "forest":
        return fit_forest(table, labels, trees=15, seed=seed, **more)
    return fit_svm(table, labels, NO_TRIAL, rows=200, seed=seed)


@pytest.mark.parametrize("method", ["forest", "svm"])
def test_both_learn_rare_classes_from_columns_of_any_unit(method):
    fitted = fit(method, *problem(0, apart=4.0))
    table, labels = problem(1, apart=4.0)
    called = fitted.predict(table)
    assert min((called[labels == k] == k).mean() for k in range(3)) > 0.6
    assert fitted.predict(table[:0]).shape == (0,)


@pytest.mark.parametrize("method", ["forest", "svm"])
def test_the_same_seed_gives_the_same_calls(method):
    table, labels = problem(0, apart=1.0)
    fresh, _ = problem(1, wafers=2_000)
    np.testing.assert_array_equal(fit(method, table, labels).predict(fresh), fit(method, table, labels).predict(fresh))


def test_the_number_of_workers_changes_nothing():
    table, labels = problem(0, apart=0.5)
    fresh, _ = problem(1, wafers=2_000)
    np.testing.assert_array_equal(*(fit("forest", table, labels, workers=n).predict(fresh) for n in (1, 3)))


def test_a_support_vector_machine_sees_no_more_rows_than_allowed():
    table, labels = problem(0, wafers=400)
    assert fit_svm(table, labels, NO_TRIAL, rows=100, seed=0).rows == 100
    assert fit_svm(table, labels, NO_TRIAL, rows=5_000, seed=0).rows == 400
    assert fit_forest(table, labels, trees=3, seed=0).rows == 400


def test_the_width_of_the_kernel_is_chosen_on_validation_and_the_middle_one_without_any():
    rng = np.random.default_rng(0)
    table = rng.uniform(-1, 1, (1_500, 2)).astype(np.float32)
    labels = (np.sin(9 * table[:, 0]) * np.sin(9 * table[:, 1]) > 0).astype(int)  # a board of small fields needs a narrow kernel
    chosen = fit_svm(table[:1_000], labels[:1_000], (table[1_000:], labels[1_000:]), rows=1_000, seed=0)
    assert f"gamma {max(SCALES):g} /" in chosen.settings
    assert f"gamma {SCALES[1]:g} /" in fit_svm(table, labels, (table[:0], labels[:0]), rows=500, seed=0).settings


@given(st.lists(st.integers(0, 4), min_size=1, max_size=200), st.integers(1, 200), st.integers(0, 2**31))
def test_a_stratified_choice_keeps_every_class_at_its_share(labels, most, seed):
    labels = np.array(labels)
    chosen = stratified(labels, most, np.random.default_rng(seed))
    assert len(chosen) == min(most, len(labels))
    assert (np.diff(chosen) > 0).all()
    classes, counts = np.unique(labels, return_counts=True)
    for k, count in zip(classes, counts, strict=True):
        taken = int((labels[chosen] == k).sum())
        if most >= 2 * len(classes):
            assert taken >= min(2, count)
        if most < len(labels):
            floor = sum(min(2, c) for c in counts)
            assert taken >= min(2, count) * (most >= floor)
            assert taken <= max(count * most / len(labels) + 2, 2)


@pytest.mark.parametrize("method", ["forest", "svm"])
@pytest.mark.parametrize(
    ("table", "labels"),
    [
        (np.zeros((4, 2), np.float32), np.zeros(4, int)),
        (np.zeros((4, 2), np.float32), np.arange(3)),
        (np.full((4, 2), np.nan, np.float32), np.arange(4)),
    ],
)
def test_what_cannot_be_fitted_is_refused(method, table, labels):
    with pytest.raises(InputError, match="at least two classes"):
        fit(method, table, labels)
