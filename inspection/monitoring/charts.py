"""Control charts for counts that cluster: a signature's rate per lot, and the density of defects per wafer.

Defects cluster, so counts vary more than a binomial or Poisson law says. Three-sigma limits widened for that
(Laney's p' and u') still suppose a symmetric law: on negative binomial counts of shape 0.5 to 10 they gave 8 to 40
false alarms per thousand wafers instead of 1.35. Here the limit is a quantile of the clustered law itself, fitted
by moments to a history that is in control.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from inspection.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

ALPHA = 0.00135
"""Chance of a point above its limit while nothing changed (three sigma on one side), when the history is long."""

MIN_HISTORY = 20
"""Fewer points fix no limit. Expect up to 5 false points per thousand with a history of 50, up to 2.5 with 200."""

EWMA_WEIGHT, EWMA_LIMIT = 0.2, 3.0
"""Weight of the newest point, and limit in standard deviations, of the rule that finds small lasting steps."""

Rule = Literal["point", "drift_up", "drift_down"]


@dataclass(frozen=True, slots=True)
class Signal:
    """A chart that says: something changed.

    ``position`` counts the new points from 0; ``value``, ``centre``, ``upper`` are rates or densities.
    """

    chart: str
    position: int
    rule: Rule
    value: float
    centre: float
    upper: float


@dataclass(frozen=True, slots=True, eq=False)
class Chart:
    """New points against limits of the history.

    Attributes
    ----------
    name : str
    centre : float
        Mean rate (or density) of the history.
    value, upper : ndarray of shape (n,), float64
        Each new point and its own limit (points of different size have different limits).
    drift : ndarray of shape (n,), float64
        Exponentially weighted mean of the normal scores, in its own standard deviations; starts anew after a signal
        of drift.
    signals : tuple of Signal
        In order of position.
    """

    name: str
    centre: float
    value: NDArray[np.float64]
    upper: NDArray[np.float64]
    drift: NDArray[np.float64]
    signals: tuple[Signal, ...]


def rate_chart(
    name: str,
    history: tuple[ArrayLike, ArrayLike],
    new: tuple[ArrayLike, ArrayLike],
    *,
    alpha: float = ALPHA,
) -> Chart:
    """Chart of wafers with a signature per lot, against a beta-binomial law.

    Parameters
    ----------
    name : str
        Of the chart, for its signals.
    history, new : (array_like of shape (m,), array_like of shape (m,))
        Wafers with the signature, and wafers inspected (>= 1), lot by lot in the order of time. ``new`` may be empty.
    alpha : float
        Chance of a false alarm per point, in (0, 0.5).

    Raises
    ------
    InputError
        Fewer than ``MIN_HISTORY`` lots of history, or counts that cannot be.

    Notes
    -----
    Mean p = (sum x + 1/2) / (sum n + 1), so that a signature never seen has a rate above zero. With d = x - n p,
    the correlation inside a lot is rho = (m / (m - 1) sum d^2 - sum n p (1 - p)) / sum n (n - 1) p (1 - p), at
    least 0 (binomial).
    """
    from scipy.stats import betabinom, binom  # noqa: PLC0415 - half a second to import

    x, n = _counts(name, *history)
    x_new, n_new = _counts(name, *new)
    _enough(name, len(x))
    if np.any(x > n) or np.any(x_new > n_new):
        raise InputError(f"Cannot draw chart {name}: expected at most as many hits as inspected wafers. Correct the counts.")
    p = (x.sum() + 0.5) / (n.sum() + 1.0)
    pairs = float(np.sum(n * (n - 1.0))) * p * (1.0 - p)
    spread = len(x) / (len(x) - 1.0) * np.sum((x - n * p) ** 2) - n.sum() * p * (1.0 - p)
    rho = float(np.clip(spread / pairs, 0.0, 0.95)) if pairs > 0 else 0.0
    shape = (1.0 - rho) / rho if rho > 1e-6 else None
    law = binom(n_new, p) if shape is None else betabinom(n_new, p * shape, (1.0 - p) * shape)
    return _chart(name, law, x_new, n_new, centre=p, alpha=alpha)


def density_chart(
    name: str,
    history: tuple[ArrayLike, ArrayLike],
    new: tuple[ArrayLike, ArrayLike],
    *,
    alpha: float = ALPHA,
) -> Chart:
    """Chart of defects per inspected area (u'-chart), against a negative binomial law.

    Parameters
    ----------
    name : str
        Of the chart, for its signals.
    history, new : (array_like of shape (m,), array_like of shape (m,))
        Defects, and inspected area in any one unit (> 0), wafer by wafer in the order of time. ``new`` may be empty.
    alpha : float
        Chance of a false alarm per point, in (0, 0.5).

    Raises
    ------
    InputError
        Fewer than ``MIN_HISTORY`` wafers of history, or counts that cannot be.

    Notes
    -----
    Mean mu_i = a_i (sum c + 1/2) / sum a; variance mu_i + mu_i^2 / k, with 1/k = (m / (m - 1) sum (c - mu)^2 - sum
    mu) / sum mu^2, at least 0 (Poisson).
    """
    from scipy.stats import nbinom, poisson  # noqa: PLC0415 - half a second to import

    c, area = _counts(name, *history)
    c_new, area_new = _counts(name, *new)
    _enough(name, len(c))
    u = (c.sum() + 0.5) / area.sum()
    mu, mu_new = u * area, u * area_new
    clustering = (len(c) / (len(c) - 1.0) * np.sum((c - mu) ** 2) - mu.sum()) / np.sum(mu**2)
    k = 1.0 / clustering if clustering > 1e-6 else None
    law = poisson(mu_new) if k is None else nbinom(k, k / (k + mu_new))
    return _chart(name, law, c_new, area_new, centre=u, alpha=alpha)


def _chart(name: str, law: Any, count: NDArray[np.float64], size: NDArray[np.float64], *, centre: float, alpha: float) -> Chart:
    if not 0.0 < alpha < 0.5:
        raise InputError(f"Cannot draw chart {name}: expected alpha between 0 and 0.5, got {alpha}.")
    if len(count) == 0:
        empty = np.zeros(0)
        return Chart(name, float(centre), empty, empty, empty, ())
    value, upper = count / size, law.isf(alpha) / size
    score = _normal_score(law, count)
    signals: list[Signal] = []
    drift = np.zeros(len(count))
    mean = variance = 0.0
    for i in range(len(count)):
        mean = (1.0 - EWMA_WEIGHT) * mean + EWMA_WEIGHT * score[i]
        variance = (1.0 - EWMA_WEIGHT) ** 2 * variance + EWMA_WEIGHT**2
        drift[i] = mean / variance**0.5
        rules: list[Rule] = ["point"] if value[i] > upper[i] else []
        if abs(drift[i]) > EWMA_LIMIT:
            rules.append("drift_up" if drift[i] > 0 else "drift_down")
            mean = variance = 0.0
        signals += [Signal(name, i, r, float(value[i]), float(centre), float(upper[i])) for r in rules]
    return Chart(name, float(centre), value, upper, drift, tuple(signals))


def _normal_score(law: Any, count: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mid-p normal score of each count: mean 0, variance at most about 1, whatever the law and the size; within +-8."""
    from scipy.special import ndtri  # noqa: PLC0415 - half a second to import

    half = 0.5 * law.pmf(count)
    lower, higher = law.cdf(count) - half, law.sf(count) + half  # the smaller tail keeps its digits
    score = np.where(lower < higher, ndtri(np.clip(lower, 0.0, 1.0)), -ndtri(np.clip(higher, 0.0, 1.0)))
    return np.clip(score, -8.0, 8.0)


def _counts(name: str, counts: ArrayLike, sizes: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    x, n = np.asarray(counts, dtype=np.float64), np.asarray(sizes, dtype=np.float64)
    if x.ndim != 1 or x.shape != n.shape:
        raise InputError(f"Cannot draw chart {name}: expected as many counts as sizes, got {x.shape} and {n.shape}.")
    if not (np.all(np.isfinite(x)) and np.all(np.isfinite(n)) and np.all(x >= 0) and np.all(n > 0)):
        raise InputError(f"Cannot draw chart {name}: expected finite counts >= 0 and sizes > 0. Leave such points out.")
    return x, n


def _enough(name: str, points: int) -> None:
    if points < MIN_HISTORY:
        raise InputError(
            f"Cannot draw chart {name}: expected a history of at least {MIN_HISTORY} points, got {points}. Collect more before charting."
        )
