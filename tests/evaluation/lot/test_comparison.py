import numpy as np
import pytest
from lot_wafers import clean_lot, counted, with_edge_excess
from scipy import stats

from inspection.evaluation.lot.comparison import LEAST_LOTS, compare
from inspection.evaluation.lot.zones import ZoneCounts, measure, zones


def invented(rng, wafers, mean=20.0, shape=3.0):
    """Counts alone, negative binomial with a common factor per lot."""
    n = len(zones())
    rate = mean * rng.gamma(20, 1 / 20) * rng.gamma(shape, 1 / shape, (wafers, 1)) * np.ones((1, n))
    return ZoneCounts(zones(), rng.poisson(rate), np.full((wafers, n), 2.0))


def test_p_values_are_those_of_a_t_test_of_one_lot_against_the_means_of_the_others():
    rng = np.random.default_rng(0)
    lot, *earlier = (invented(rng, 7) for _ in range(10))
    means = [np.log((c.defects + 0.5) / c.inspected).mean(axis=0) for c in (lot, *earlier)]
    for z, result in enumerate(compare(lot, earlier)):
        peer = stats.ttest_ind([means[0][z]], [m[z] for m in means[1:]], equal_var=True)
        assert result.p == pytest.approx(peer.pvalue)
        ends = peer.confidence_interval()
        assert (result.low, result.high) == pytest.approx((np.exp(ends.low), np.exp(ends.high)))
        assert result.ratio == pytest.approx(result.density / result.usual)


def test_q_values_are_those_of_benjamini_and_hochberg():
    rng = np.random.default_rng(1)
    results = compare(invented(rng, 5, mean=60), [invented(rng, 5) for _ in range(6)])
    p = np.array([r.p for r in results])
    by_hand = [min(p[j] * len(p) / (np.sum(p <= p[j])) for j in range(len(p)) if p[j] >= p[i]) for i in range(len(p))]
    assert [r.q for r in results] == pytest.approx(by_hand)


@pytest.mark.parametrize("wafers", [(1, 5), (3, 12), (12, 3)], ids=str)
def test_lots_of_other_sizes_do_not_raise_more_false_alarms(wafers):
    rng = np.random.default_rng(2)
    p = [[r.p for r in compare(invented(rng, wafers[0]), [invented(rng, wafers[1]) for _ in range(7)])] for _ in range(400)]
    alarms = np.mean(np.array(p) < 0.05, axis=0)
    assert alarms.max() < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)


def test_sparse_counts_are_judged_with_caution():
    empty = ZoneCounts(zones(), np.zeros((5, 14), int), np.ones((5, 14)))
    one = ZoneCounts(zones(), np.eye(5, 14, dtype=int), np.ones((5, 14)))
    assert not any(r.stands_out for r in compare(one, [empty] * 8))
    assert all(r.p == 1 and r.ratio == 1 for r in compare(empty, [empty] * 8))


def test_too_few_earlier_lots_give_no_p_value():
    rng = np.random.default_rng(3)
    lot, *earlier = (invented(rng, 4) for _ in range(1 + LEAST_LOTS))
    assert all(r.p is r.q is r.ratio is None and not r.stands_out for r in compare(lot, earlier[1:]))
    assert all(r.p is not None for r in compare(lot, earlier))
    assert all(r.p is r.usual is None for r in compare(lot, []))


def test_a_zone_that_was_not_inspected_is_not_compared():
    rng = np.random.default_rng(4)
    lot, *earlier = (invented(rng, 4) for _ in range(7))
    lot.inspected[:, 3] = 0
    earlier[0].inspected[:, 5] = 0
    results = compare(lot, earlier)
    assert results[3].density is results[3].p is None
    assert (results[5].lots, results[6].lots) == (5, 6)


@pytest.mark.slow
@pytest.mark.parametrize("spread", [0.0, 0.35], ids=["alike", "lots that differ"])
def test_clean_lots_of_the_simulated_fab_raise_no_more_than_the_stated_false_alarms(spread):
    pool = counted(5, lots=60, wafers=4, spread=spread)
    rng = np.random.default_rng(6)
    trials, alarms, p = 150, 0, []
    for _ in range(trials):
        first, *others = rng.choice(len(pool), 9, replace=False)
        results = compare(pool[first], [pool[i] for i in others])
        alarms += any(r.stands_out for r in results)
        p += [r.p for r in results]
    assert alarms / trials <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / trials)
    assert np.mean(np.array(p) < 0.05) < 0.07


@pytest.mark.slow
def test_an_excess_at_the_edge_is_found_and_nothing_is_found_where_nothing_was_planted():
    rng = np.random.default_rng(7)
    earlier = counted(8, lots=10, wafers=6, spread=0.0)
    lot = measure(with_edge_excess(clean_lot(rng, 6), 0.35, rng))
    found = {r.zone.name: r for r in compare(lot, earlier)}
    assert found["edge"].stands_out
    assert found["edge"].low > 1.5
    assert not any(found[name].stands_out for name in ("centre", "inner ring", "middle ring", "outer ring"))
