"""Laws of the decision rule, of temperature scaling and of the unknown detector."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from inspection.scoring.calibration import HIGHEST, LOWEST, fit_temperature, softmax
from inspection.scoring.decision import decide
from inspection.scoring.unknown import fit

logits = arrays(np.float64, st.tuples(st.integers(0, 20), st.just(4)), elements=st.floats(-20, 20))
thresholds = arrays(np.float64, 4, elements=st.floats(0, 1))
NAMES = ("a", "b", "c", "d")


@given(logits, thresholds)
def test_the_likeliest_class_is_called_when_it_passes_its_threshold_else_review(x, limit):
    p = softmax(x)
    for row, decision in zip(p, decide(p, limit, NAMES), strict=True):
        k = int(row.argmax())
        assert decision == (NAMES[k] if row[k] >= limit[k] else "Review")


@given(logits)
def test_thresholds_of_zero_give_the_likeliest_class(x):
    p = softmax(x)
    assert decide(p, np.zeros(4), NAMES) == [NAMES[k] for k in p.argmax(axis=1)]


def test_the_detector_overrules_everything():
    p = np.array([[1.0, 0, 0, 0], [1.0, 0, 0, 0]])
    assert decide(p, np.zeros(4), NAMES, np.array([True, False])) == ["Unknown", "a"]


@given(logits, st.floats(0.3, 5))
def test_temperature_keeps_the_order_of_the_classes(x, temperature):
    p = softmax(x, temperature)
    assert np.allclose(p.sum(axis=1), 1)
    assert all(p[i, k] == p[i].max() for i, k in enumerate(x.argmax(axis=1)))


def test_temperature_is_found_again():
    rng = np.random.default_rng(0)
    x = rng.normal(0, 2, (20_000, 4))
    labels = np.array([rng.choice(4, p=p) for p in softmax(x, 2.5)])
    assert abs(fit_temperature(x, labels) - 2.5) < 0.15
    assert fit_temperature(x[:0], labels[:0]) == 1.0
    assert LOWEST <= fit_temperature(x, x.argmax(axis=1)) <= HIGHEST


def test_a_far_pattern_is_farther_than_every_known_one():
    rng = np.random.default_rng(1)
    labels = np.arange(300) % 3
    known = rng.normal(size=(300, 6)) + labels[:, None] * 4.0
    detector = fit(known, labels, 5).with_limit(known, 0.99)
    assert (detector.distance(known) > detector.limit).mean() <= 0.011
    assert (detector.distance(known + 40.0) > detector.limit).all()
