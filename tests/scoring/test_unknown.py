"""Laws of the unknown detectors: near any class is known, far from all is unknown, and what is saved is what is loaded."""

import numpy as np
import pytest

from inspection.errors import BundleError
from inspection.params.operation import Unknowns
from inspection.scoring import unknown
from inspection.scoring.unknown import MEASURES, UnknownDetector

CENTRES = np.array([[20.0, 0.0, 0.0], [0.0, 20.0, 0.0], [-20.0, 0.0, 0.0]])
SPREAD = np.array([1.0, 1.0, 0.1])
READOUT = CENTRES.T / 20


def embeddings(seed, wafers=600):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, wafers)
    return CENTRES[labels] + rng.normal(size=(wafers, 3)) * SPREAD, labels


def fitted(kind):
    known, labels = embeddings(1)
    return unknown.fit(kind, known, labels, np.random.default_rng(0))


@pytest.mark.parametrize("kind", MEASURES)
def test_the_limit_lets_the_stated_share_of_known_wafers_pass_and_nothing_new(kind):
    detector = fitted(kind)
    assert not detector.unknown(*(2 * [embeddings(2)[0]])).any(), "until limits are set"
    fresh, _ = embeddings(2, 4_000)
    limited = detector.with_limits(fresh[:2_000], fresh[:2_000] @ READOUT, 0.05)
    assert np.mean(limited.unknown(fresh[2_000:], fresh[2_000:] @ READOUT)) == pytest.approx(0.05, abs=0.02)
    new = np.array([[0.0, -4.0, 5.0]]) + np.random.default_rng(3).normal(size=(50, 3)) * SPREAD
    assert limited.unknown(new, new @ READOUT).all()


def test_a_rate_of_zero_calls_nothing_unknown(tmp_path):
    known, _ = embeddings(2)
    off = fitted("mahalanobis").with_limits(known, known @ READOUT, Unknowns(rate=0.0).rate)
    off.save(tmp_path / "unknown.npz")
    far = np.full((5, 3), 1e6)
    for detector in (off, UnknownDetector.load(tmp_path / "unknown.npz")):
        assert not detector.unknown(far, far @ READOUT).any()


@pytest.mark.parametrize("kind", MEASURES)
def test_what_is_saved_is_what_is_loaded_and_a_wafer_is_as_strange_in_any_company(kind, tmp_path):
    detector = fitted(kind)
    points, _ = embeddings(4, 7)
    limited = detector.with_limits(points, points @ READOUT, 0.2)
    limited.save(tmp_path / "unknown.npz")
    back = UnknownDetector.load(tmp_path / "unknown.npz")
    together = limited.score(points, points @ READOUT)
    assert np.array_equal(back.score(points, points @ READOUT), together)
    assert np.array_equal(back.limits, limited.limits)
    alone = [float(limited.score(p[None], p[None] @ READOUT)[0]) for p in points]
    np.testing.assert_allclose(alone, together, rtol=1e-4, atol=1e-4)
    assert len(limited.score(points[:0], points[:0] @ READOUT)) == 0


def test_mahalanobis_counts_in_spreads_not_in_units_from_the_nearest_class():
    detector = fitted("mahalanobis")
    offs = CENTRES[0] + np.array([[0.0, 0.0, 0.0], [2.0, 0.0, 0.0], [0.0, 0.0, 2.0]])
    at, along, across = detector.score(offs, offs @ READOUT)
    assert at < 1
    assert across > 10 * along


def test_mixture_agrees_with_the_library_that_fitted_it():
    from sklearn.mixture import GaussianMixture

    known, labels = embeddings(1)
    detector = unknown.fit("mixture", known, labels, np.random.default_rng(0))
    m = detector.measure
    reference = GaussianMixture(len(m.weights))
    reference.weights_, reference.means_, reference.precisions_cholesky_ = m.weights, m.means, m.roots
    points, _ = embeddings(5, 40)
    expected = -reference.score_samples((points - m.centre) @ m.basis)
    np.testing.assert_allclose(detector.score(points, points @ READOUT), expected, rtol=1e-4)


def test_a_detector_of_a_bundle_of_version_1_is_read_and_a_foreign_one_is_refused(tmp_path):
    old = fitted("mahalanobis")
    np.savez(tmp_path / "old.npz", means=old.measure.means, whitening=old.measure.whitening, limit=np.array(9.0))
    back = UnknownDetector.load(tmp_path / "old.npz")
    assert np.array_equal(back.limit(CENTRES), [9.0, 9.0, 9.0])
    assert np.array_equal(back.score(CENTRES, CENTRES), old.score(CENTRES, CENTRES))
    for kind, arrays in (("oracle", {}), ("energy", {"known": np.zeros(3)}), ("neighbours", {})):
        np.savez(tmp_path / "bad.npz", kind=np.array(kind), limit=np.array(1.0), **arrays)
        with pytest.raises(BundleError, match=r"bad\.npz"):
            UnknownDetector.load(tmp_path / "bad.npz")


def test_a_rare_class_that_is_spread_wide_is_not_called_unknown_more_often_than_the_others():
    """As on real maps: nine of ten wafers are normal and lie close together, and the covariance is theirs."""

    def drawn(seed, wafers):
        rng = np.random.default_rng(seed)
        labels = (rng.random(wafers) < 0.1).astype(int)
        return np.array([[20.0, 0.0, 0.0], [0.0, 20.0, 0.0]])[labels] + rng.normal(size=(wafers, 3)) * np.where(labels, 3.0, 0.5)[
            :, None
        ], labels

    known, labels = drawn(1, 2_000)
    detector = unknown.fit("mahalanobis", known, labels, np.random.default_rng(0))
    fresh, _ = drawn(2, 3_000)
    limited = detector.with_limits(fresh, fresh, 0.05)
    test, truth = drawn(3, 20_000)
    flags = limited.unknown(test, test)
    assert flags[truth == 1].mean() == pytest.approx(0.05, abs=0.025)
    assert flags[truth == 0].mean() == pytest.approx(0.05, abs=0.015)
    few = detector.with_limits(fresh[:10], fresh[:10], 0.05)
    assert not few.unknown(test, test).any(), "ten wafers promise nothing"
