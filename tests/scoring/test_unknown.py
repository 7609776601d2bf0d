"""Laws of the unknown detector: near any class is known, far from all is unknown, by the spread of the classes."""

import numpy as np
import pytest

from inspection.scoring import unknown
from inspection.scoring.unknown import UnknownDetector

CENTRES = np.array([[0.0, 0.0, 0.0], [20.0, 0.0, 0.0], [0.0, 20.0, 0.0]])
SPREAD = np.array([1.0, 1.0, 0.1])


def embeddings(rng, wafers=300):
    labels = rng.integers(0, 3, wafers)
    return CENTRES[labels] + rng.normal(size=(wafers, 3)) * SPREAD, labels


@pytest.fixture
def detector():
    known, labels = embeddings(np.random.default_rng(1))
    return unknown.fit(known, labels, 4)  # the fourth class has no example


def test_a_wafer_is_as_far_as_its_nearest_class(detector):
    assert (detector.distance(CENTRES) < 1).all()
    assert detector.distance(np.array([[10.0, 10.0, 0.0]]))[0] > 50


def test_distance_counts_in_spreads_not_in_units(detector):
    along, across = detector.distance(np.array([[2.0, 0.0, 0.0], [0.0, 0.0, 2.0]]))
    assert across > 10 * along


def test_the_limit_lets_the_quantile_of_known_wafers_pass(detector):
    fresh, _ = embeddings(np.random.default_rng(2), 1000)
    limited = detector.with_limit(fresh, 0.9)
    assert np.mean(limited.distance(fresh) > limited.limit) == pytest.approx(0.1, abs=0.002)
    assert detector.limit == float("inf")


def test_what_is_saved_is_what_is_loaded(detector, tmp_path):
    detector.save(tmp_path / "unknown.npz")
    back = UnknownDetector.load(tmp_path / "unknown.npz")
    assert np.array_equal(back.distance(CENTRES), detector.distance(CENTRES))
    assert back.limit == detector.limit
