"""Laws of the decision rule and of calibration."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from inspection.scoring.calibration import HIGHEST, LOWEST, fit_temperature, fit_vector, softmax
from inspection.scoring.decision import DecisionRule

logits = arrays(np.float64, st.tuples(st.integers(0, 20), st.just(4)), elements=st.floats(-20, 20))
limits = arrays(np.float64, 4, elements=st.floats(0, 1))
NAMES = ("a", "b", "c", "d")


@given(logits, limits)
def test_the_likeliest_class_is_called_when_it_passes_its_threshold_else_review(x, limit):
    p = softmax(x)
    for row, decision in zip(p, DecisionRule(NAMES, limit).decide(p), strict=True):
        k = int(row.argmax())
        assert decision == (NAMES[k] if row[k] >= limit[k] else "Review")


@given(logits)
def test_thresholds_of_zero_give_the_likeliest_class(x):
    p = softmax(x)
    assert DecisionRule(NAMES, np.zeros(4)).decide(p) == [NAMES[k] for k in p.argmax(axis=1)]


@given(logits, limits, limits)
def test_a_class_is_called_only_where_it_is_alone_in_the_prediction_set(x, limit, least):
    p = softmax(x)
    rule = DecisionRule(NAMES, limit, least)
    without = DecisionRule(NAMES, limit).decide(p)
    for row, names, decision, plain in zip(p, rule.set_names(p), rule.decide(p), without, strict=True):
        assert set(names) == {n for n, share, bound in zip(NAMES, row, least, strict=True) if share >= bound}
        assert list(names) == sorted(names, key=lambda n: -row[NAMES.index(n)]), "the likeliest first"
        assert decision == (plain if names == (NAMES[int(row.argmax())],) else "Review")


def test_the_detector_overrules_everything():
    p = np.array([[1.0, 0, 0, 0], [1.0, 0, 0, 0]])
    assert DecisionRule(NAMES, np.zeros(4)).decide(p, np.array([True, False])) == ["Unknown", "a"]


@given(logits, st.floats(0.3, 5))
def test_temperature_keeps_the_order_of_the_classes(x, temperature):
    p = softmax(x, temperature)
    assert np.allclose(p.sum(axis=1), 1)
    assert all(p[i, k] == p[i].max() for i, k in enumerate(x.argmax(axis=1)))


def test_temperature_is_found_again():
    rng = np.random.default_rng(0)
    x = rng.normal(0, 2, (20_000, 4))
    labels = drawn(rng, softmax(x, 2.5))
    assert abs(fit_temperature(x, labels) - 2.5) < 0.15
    assert fit_temperature(x[:0], labels[:0]) == 1.0
    assert LOWEST <= fit_temperature(x, x.argmax(axis=1)) <= HIGHEST


def test_scale_and_bias_of_each_class_are_found_again_and_few_wafers_leave_the_temperature():
    rng = np.random.default_rng(1)
    x = rng.normal(0, 2, (30_000, 4))
    scale, bias = np.array([0.5, 1.0, 1.5, 0.8]), np.array([0.0, 1.0, -1.0, 0.0])
    labels = drawn(rng, softmax(x * scale + bias))
    found = softmax(fit_vector(x, labels, 1.0)(x))
    assert np.abs(found - softmax(x * scale + bias)).mean() < 0.01
    temperature = fit_temperature(x, labels)
    np.testing.assert_allclose(fit_vector(x[:0], labels[:0], temperature)(x), x / temperature)
    few = softmax(fit_vector(x[:6], labels[:6], temperature)(x))
    assert np.abs(few - softmax(x, temperature)).max() < 0.25


def drawn(rng, shares):
    return (rng.random((len(shares), 1)) > shares.cumsum(axis=1)).sum(axis=1).clip(max=shares.shape[1] - 1)


@pytest.mark.parametrize("apart", [320.0, 500.0, 5000.0])
def test_classes_too_far_apart_to_tell_a_temperature_keep_their_logits(apart):
    """Every temperature makes all probabilities 1: an arbitrary one would still blur wafers that lie between the classes."""
    labels = np.arange(30) % 3
    assert fit_temperature(apart * np.eye(3)[labels], labels) == pytest.approx(1.0, abs=1e-3)
