import math

import numpy as np
import pytest
from scipy import stats

from inspection.evaluation.lot.commonality import (
    HIGH_COUNT,
    Link,
    WaferRecord,
    _by_lots,
    _by_wafers,
    _judged,
    commonality,
    high_counts,
    signatures,
)

TOOLS = ("E1", "E2")


def lots(rng, n, sign, wafers=24, chambers=3, tool_of_lot=None):
    """Lots whose wafers run over tools and chambers; ``sign`` says by (lot, tool, chamber, rng) whether a wafer has the signature."""
    made = []
    for k in range(n):
        for i in range(wafers):
            tool = TOOLS[i * len(TOOLS) // wafers] if tool_of_lot is None else tool_of_lot(k)
            chamber = f"{tool} {'ABC'[i % chambers]}"
            called = "Ring" if sign(k, tool, chamber, rng) else "Normal"
            made.append(WaferRecord(f"L{k}", called, 50, {"tool": tool, "chamber": chamber, "slot": f"slot {i + 1}", "recipe": None}))
    return made


def by_factor(links):
    return {link.factor: link for link in links}


def test_a_bad_chamber_is_found_and_named():
    rng = np.random.default_rng(0)
    made = lots(rng, 8, lambda k, _t, c, r: r.uniform() < (0.7 if c == "E2 B" and k % 2 else 0.02))
    found = by_factor(commonality(made[-24:], made[:-24], ["Normal"], rng))
    assert (found["chamber"].verdict, found["chamber"].value) == ("goes with", "E2 B")
    assert found["chamber"].p_lots <= 0.001
    assert found["chamber"].value_lots >= 3
    assert found["slot"].verdict != "not recorded"
    assert (found["recipe"].verdict, found["recipe"].p) == ("not recorded", None)


def test_lots_that_were_struck_as_a_whole_do_not_make_their_tool_guilty():
    rng = np.random.default_rng(1)
    made = lots(rng, 8, lambda k, _t, _c, r: k in (3, 5, 7) and r.uniform() < 0.9, tool_of_lot=lambda k: TOOLS[k in (2, 3, 5, 7)])
    found = by_factor(commonality(made[-24:], made[:-24], ["Normal"], rng))
    assert found["tool"].p < 1e-6, "wafer by wafer the tool looks guilty"
    assert found["tool"].verdict == "lots alone"


@pytest.mark.parametrize("struck", [1, 2])
def test_fewer_than_three_lots_are_inconclusive(struck):
    rng = np.random.default_rng(2)
    made = lots(rng, 6, lambda k, _t, c, _r: k >= 6 - struck and c == "E1 A")
    found = by_factor(commonality(made[-24:], made[:-24], ["Normal"], rng))
    assert {found[f].verdict for f in ("tool", "chamber", "slot")} == {"inconclusive"}
    assert all(link.p is None and link.lots == struck for link in found.values() if link.factor != "recipe")


def test_signatures_that_go_with_nothing_are_rarely_blamed_though_lots_are_struck_together():
    rng = np.random.default_rng(3)
    alarms = 0
    for _ in range(60):
        rates = rng.gamma(0.5, 0.3, 12).clip(0, 0.8)
        made = lots(rng, 12, lambda k, _t, _c, r, rates=rates: r.uniform() < rates[k], wafers=12)
        alarms += any(link.verdict == "goes with" for link in commonality(made[-12:], made[:-12], ["Normal"], rng))
    assert alarms <= 60 * 0.05 + 2 * math.sqrt(60 * 0.05 * 0.95)


@pytest.mark.parametrize("hits", [(3, 0), (7, 2), (1, 9), (4, 4)])
def test_two_values_give_the_exact_p_value_summed_by_hand(hits):
    sizes, struck = (10, 14), sum(hits)
    law = [math.comb(10, k) * math.comb(14, struck - k) / math.comb(24, struck) if 0 <= struck - k <= 14 else 0.0 for k in range(11)]
    exact = sum(w for w in law if w <= law[hits[0]] * (1 + 1e-7))
    p, method = _by_wafers(np.array(hits), np.array(sizes), np.random.default_rng(0))
    assert (p, method) == (pytest.approx(exact), "Fisher")


def test_more_values_give_pearsons_p_value_and_small_counts_the_exact_one():
    hits, sizes = np.array([12, 20, 30]), np.array([60, 60, 60])
    expected = sizes * hits.sum() / sizes.sum()
    statistic = sum(((o - e) ** 2 / e).sum() for o, e in ((hits, expected), (sizes - hits, sizes - expected)))
    p, method = _by_wafers(hits, sizes, np.random.default_rng(0))
    assert (p, method) == (pytest.approx(stats.chi2.sf(statistic, 2)), "chi-square")

    hits, sizes = np.array([3, 0, 1]), np.array([5, 6, 4])
    share, exact = hits.sum() / sizes.sum(), 0.0

    def far(table):
        return sum((t - n * share) ** 2 / (n * share * (1 - share)) for t, n in zip(table, sizes, strict=True))

    for a in range(5):
        for b in range(5 - a):
            c = 4 - a - b
            ways = math.comb(5, a) * math.comb(6, b) * math.comb(4, c)
            exact += ways / math.comb(15, 4) if far((a, b, c)) >= far(hits) - 1e-9 else 0.0
    p, method = _by_wafers(hits, sizes, np.random.default_rng(0))
    assert method == "random tables"
    assert p == pytest.approx(exact, abs=4 * math.sqrt(exact * (1 - exact) / 9_999) + 2e-4)


def test_within_lots_the_p_value_is_that_of_stratified_tables():
    """Two values: the statistic is that of Mantel and Haenszel without correction, here from its exact law."""
    rng = np.random.default_rng(4)
    lot, value = np.repeat([0, 1, 2], 8), np.tile([0, 1], 12)
    struck = np.zeros(24, bool)
    struck[[0, 2, 4, 8, 10, 16, 18, 17]] = True
    laws = [stats.hypergeom(8, 4, n).pmf(np.arange(5)) for n in (3, 2, 3)]
    total = np.convolve(np.convolve(laws[0], laws[1]), laws[2])
    centre, seen = (total * np.arange(len(total))).sum(), int(struck[value == 0].sum())
    exact = total[np.abs(np.arange(len(total)) - centre) >= abs(seen - centre) - 1e-9].sum()
    assert _by_lots(lot, value, struck, rng) == pytest.approx(exact, abs=0.012)


def test_combined_classes_count_for_each_of_their_patterns_and_review_for_none():
    def called(name):
        return WaferRecord("L", name, 1, {})

    assert signatures(called("Center+Scratch"), ["none"]) == ("Center", "Scratch")
    assert [signatures(called(n), ["none"]) for n in (None, "none", "Review", "Unknown")] == [(), (), (), ("Unknown",)]


def test_without_any_call_the_wafers_with_far_more_defects_are_traced():
    rng = np.random.default_rng(5)
    made = []
    for k in range(6):
        for i in range(12):
            chamber = "ABC"[i % 3]
            defects = int(rng.poisson(50)) * (20 if chamber == "B" and i < 6 else 1)
            made.append(WaferRecord(f"L{k}", None, defects, {"chamber": chamber, "tool": "E1"}))
    assert np.array_equal(high_counts(made), [r.defects > 400 for r in made])
    found = by_factor(commonality(made[-12:], made[:-12], [], rng))
    assert (found["chamber"].signature, found["chamber"].verdict, found["chamber"].value) == (HIGH_COUNT, "goes with", "B")
    assert found["tool"].verdict == "one value"


def test_a_healthy_lot_has_nothing_to_trace_and_the_same_seed_says_the_same():
    made = lots(np.random.default_rng(6), 5, lambda _k, _t, c, r: r.uniform() < (0.5 if c == "E1 A" else 0.1))
    healthy = [WaferRecord("L9", "Normal", 3, {"tool": "E1"})]
    assert commonality(healthy, made, ["Normal"], np.random.default_rng(0)) == []
    first, again = (commonality(made[:24], made[24:], ["Normal"], np.random.default_rng(0)) for _ in range(2))
    assert first == again


def test_links_that_only_wafers_show_are_adjusted_for_all_tests_too():
    """Signatures come lot by lot and go with nothing: wafer by wafer all look guilty, and one in twenty by its lots, by chance."""
    tests = 28
    chance = [Link(f"s{k}", "tool", "inconclusive", value_lots=9, p=1e-6, p_lots=(k + 1) / (tests + 1)) for k in range(tests)]
    assert {link.verdict for link in _judged(chance)} == {"lots alone"}
    real = Link("Ring", "chamber", "inconclusive", value_lots=9, p=1e-6, p_lots=1e-4)
    found = _judged([real, *chance])
    assert [link.signature for link in found if link.verdict == "goes with"] == ["Ring"]
    np.testing.assert_allclose([link.q for link in found], stats.false_discovery_control([link.p_lots for link in found]))
