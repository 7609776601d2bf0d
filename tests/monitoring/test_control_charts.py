"""Laws of the charts: few false alarms on clustered counts, a step is found, limits follow the size of a point."""

from __future__ import annotations

import numpy as np
import pytest

from inspection.errors import InputError
from inspection.monitoring.charts import MIN_HISTORY, Chart, density_chart, rate_chart


def clustered(rng, mean, shape, size):
    """Negative binomial counts: variance = mean + mean^2 / shape."""
    return rng.negative_binomial(shape, shape / (shape + mean), size)


def share(charts: list[Chart], rule: str) -> float:
    hits = sum(s.rule.startswith(rule) for chart in charts for s in chart.signals)
    return hits / sum(len(chart.value) for chart in charts)


# Bounds: the law's own 1.35 per thousand, what a fitted law adds, and the noise of this sample.
@pytest.mark.parametrize(("history", "bound"), [(50, 0.0065), (200, 0.0035)])
@pytest.mark.parametrize("shape", [0.5, 1.0, 3.0])
def test_false_alarms_on_clustered_densities_stay_within_the_stated_bound(history, bound, shape):
    rng = np.random.default_rng(7)
    charts = []
    for _ in range(60):
        area = rng.uniform(0.5, 1.0, history + 200)
        counts = clustered(rng, 40 * area, shape, len(area))
        split = (counts[:history], area[:history]), (counts[history:], area[history:])
        charts.append(density_chart("density", *split))
    assert share(charts, "point") < bound
    assert share(charts, "drift") < 3 * bound


@pytest.mark.parametrize("rate", [0.005, 0.03, 0.15])
@pytest.mark.parametrize("rho", [0.0, 0.1])
def test_false_alarms_on_clustered_rates_stay_within_the_stated_bound(rate, rho):
    rng = np.random.default_rng(8)
    charts = []
    for _ in range(60):
        p = rng.beta(rate * (1 - rho) / rho, (1 - rate) * (1 - rho) / rho, 400) if rho else np.full(400, rate)
        wafers = rng.integers(10, 26, 400)
        hits = rng.binomial(wafers, p)
        charts.append(rate_chart("Donut", (hits[:200], wafers[:200]), (hits[200:], wafers[200:])))
    assert share(charts, "point") < 0.0035
    assert share(charts, "drift") < 0.01


def test_one_wafer_far_off_is_a_point_and_names_its_place():
    rng = np.random.default_rng(3)
    new = clustered(rng, 30, 3.0, 20)
    new[13] = 500
    chart = density_chart("density", (clustered(rng, 30, 3.0, 200), np.ones(200)), (new, np.ones(20)))
    assert any(s.rule == "point" and s.position == 13 and s.value == 500 > s.upper > s.centre for s in chart.signals)


@pytest.mark.parametrize(("factor", "rule"), [(2.0, "drift_up"), (0.4, "drift_down")])
def test_a_lasting_step_of_the_density_is_found_within_thirty_wafers(factor, rule):
    found = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        history = clustered(rng, 40, 3.0, 200)
        chart = density_chart("density", (history, np.ones(200)), (clustered(rng, 40 * factor, 3.0, 30), np.ones(30)))
        found += any(s.rule == rule for s in chart.signals)
    assert found >= 19


def test_a_step_of_a_signature_rate_is_found_within_ten_lots():
    found = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        wafers = np.full(110, 25)
        hits = rng.binomial(25, np.r_[np.full(100, 0.02), np.full(10, 0.12)])
        chart = rate_chart("Donut", (hits[:100], wafers[:100]), (hits[100:], wafers[100:]))
        found += bool(chart.signals)
    assert found >= 19


def test_a_signature_never_seen_has_a_limit_and_half_a_lot_of_it_is_a_signal():
    chart = rate_chart("Ring", (np.zeros(40), np.full(40, 25)), ([0, 12], [25, 25]))
    assert [s.position for s in chart.signals if s.rule == "point"] == [1]
    assert np.all(chart.upper < 0.1)


def test_smaller_points_have_wider_limits():
    history = (np.tile([3, 5, 9, 4], 20), np.ones(80))
    chart = density_chart("density", history, ([1, 1], [0.1, 1.0]))
    assert chart.upper[0] > chart.upper[1]


def test_no_new_point_is_a_chart_without_signals():
    chart = density_chart("density", (np.full(30, 4), np.ones(30)), ([], []))
    assert chart.signals == ()
    assert len(chart.value) == 0


@pytest.mark.parametrize(
    ("history", "new"),
    [
        ((np.ones(MIN_HISTORY - 1), np.full(MIN_HISTORY - 1, 25)), ([], [])),
        ((np.ones(30), np.zeros(30)), ([], [])),
        ((np.ones(30), np.full(30, 25)), ([-1], [25])),
        ((np.ones(30), np.full(30, 25)), ([26], [25])),
        ((np.ones(30), np.full(29, 25)), ([], [])),
        ((np.full(30, np.nan), np.full(30, 25)), ([], [])),
    ],
)
def test_counts_that_cannot_be_are_refused(history, new):
    with pytest.raises(InputError, match="Cannot draw chart Donut"):
        rate_chart("Donut", history, new)
