import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss

from inspection.errors import InputError
from inspection.evaluation.reliability import calibration, reliability

NAMES = ("a", "b", "c")


def drawn(n, seed=0, sharpened=1.0):
    """Truth drawn from true probabilities; what is said are these to the power of ``sharpened``."""
    rng = np.random.default_rng(seed)
    true = rng.dirichlet((0.6, 0.6, 0.6), n)
    truth = (rng.random((n, 1)) > true.cumsum(axis=1)).sum(axis=1).clip(0, 2)
    said = true**sharpened
    return truth, said / said.sum(axis=1, keepdims=True)


def plain_ece(said, came, bins):
    """Bins of equal counts, written as plainly as can be; for probabilities that differ."""
    pairs = sorted(zip(said, came, strict=True))
    n = len(pairs)
    held = [[pairs[i] for i in range(n) if i * bins // n == b] for b in range(bins)]
    return sum(abs(sum(c for _, c in one) - sum(s for s, _ in one)) for one in held) / n


@pytest.mark.parametrize("n", [7, 15, 200, 1001])
def test_ece_is_that_of_equal_counts_computed_plainly(n):
    truth, p = drawn(n)
    found = calibration(truth, p, NAMES)
    right = p.argmax(axis=1) == truth
    assert found.top.ece == pytest.approx(plain_ece(p.max(axis=1), right, min(15, n)))
    for k in range(3):
        assert found.classes[k].ece == pytest.approx(plain_ece(p[:, k], truth == k, min(15, n)))


def test_brier_scores_are_scikit_learns():
    truth, p = drawn(500)
    found = calibration(truth, p, NAMES)
    for k in range(3):
        assert found.classes[k].brier == pytest.approx(brier_score_loss(truth == k, p[:, k]))
    assert found.brier == pytest.approx(brier_score_loss(truth, p, labels=[0, 1, 2], scale_by_half=False))
    assert found.brier == pytest.approx(sum(c.brier for c in found.classes))


@given(
    st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.5, 0.5000001, 0.9, 1.0]), st.booleans()), min_size=1, max_size=60),
    st.integers(1, 20),
    st.randoms(use_true_random=False),
)
@settings(deadline=None)
def test_the_order_of_wafers_does_not_matter_and_no_wafer_is_lost(pairs, bins, random):
    shuffled = list(pairs)
    random.shuffle(shuffled)
    one, two = (
        reliability(np.array([s for s, _ in given_]), np.array([c for _, c in given_]), "x", bins=bins, rng=np.random.default_rng(0))
        for given_ in (pairs, shuffled)
    )
    np.testing.assert_array_equal(one.count, two.count)
    np.testing.assert_allclose(one.confidence, two.confidence, rtol=1e-12)
    assert (one.ece, one.brier) == pytest.approx((two.ece, two.brier))
    assert one.count.sum() == len(pairs)
    assert (one.count > 0).all()
    assert len(one.count) <= bins
    assert (np.diff(one.confidence) > 0).all()
    assert 0 <= one.ece <= 1
    low, high = one.interval
    assert ((low <= one.accuracy + 1e-12) & (one.accuracy <= high + 1e-12)).all()


def test_true_probabilities_stay_within_chance_and_sharpened_ones_do_not():
    honest = [calibration(*drawn(600, seed), NAMES).top for seed in range(40)]
    assert sum(one.ece > one.chance for one in honest) <= 6  # 2 are expected of 40
    sure = [calibration(*drawn(600, seed, sharpened=3.0), NAMES).top for seed in range(10)]
    assert all(one.ece > one.chance and one.bias > 0.05 for one in sure)


def test_words_follow_the_numbers():
    assert "taken at their word" in calibration(*drawn(3000, 1), NAMES).text
    assert "too sure of itself" in calibration(*drawn(3000, 1, sharpened=3.0), NAMES).text
    assert "not sure enough" in calibration(*drawn(3000, 1, sharpened=0.3), NAMES).text
    assert calibration(np.zeros(0, int), np.zeros((0, 3)), NAMES).text.startswith("No wafers")


def test_the_same_wafers_give_the_same_numbers():
    one, two = (calibration(*drawn(300), NAMES) for _ in range(2))
    assert one.top.chance == two.top.chance
    assert one.text == two.text


@pytest.mark.parametrize(
    "bad", [(np.zeros(3, int), np.ones((3, 2)), 15), (np.zeros(3, int), np.ones((4, 3)), 15), (np.zeros(3, int), np.ones((3, 3)), 0)]
)
def test_what_does_not_fit_is_refused(bad):
    truth, p, bins = bad
    with pytest.raises(InputError, match="Cannot judge the calibration"):
        calibration(truth, p, NAMES, bins=bins)
