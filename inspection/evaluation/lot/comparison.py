"""The zones of a lot against those of earlier lots.

**What is compared.** Each wafer has the logarithm of its defect density in a zone, z = log((x + 1/2) / inspected); a lot has the mean of
its wafers, so that a few wafers with a strong signature do not speak for all. The lot's mean is set against the mean of the lots' means.

**How sure.** Wafers vary more than a Poisson law says, and wafers of one lot resemble each other: the lots are the sample, not the defects
and not the wafers. With K earlier lots of n_1 ... n_K wafers, s2 the variance of their means, w2 the variance within them and h the mean of
1 / n_k, the difference of a further lot of n wafers has the variance

    V = (1 + 1/K) s2 + max(1/n - h, 0) w2

(both parts unbiased under a random effect per lot; a lot of more wafers than the others gets no credit for it). The difference over the
root of V follows Student's t law, with K - 1 degrees of freedom when n is like the others, else by Satterthwaite. Where all counts are
small, s2 and w2 are at least those of a Poisson law, which makes the test cautious. Sources: S. R. Searle, G. Casella, C. E. McCulloch,
"Variance Components", 1992, ch. 3; F. E. Satterthwaite, Biometrics Bulletin 2, 1946; it is a prediction interval for one new lot.

**Many zones.** Benjamini and Hochberg (1995) over all zones: of the differences that are named, at most the share ``q`` is expected to be
false. Zones of a wafer rise and fall together, which the method allows (Benjamini and Yekutieli 2001).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from inspection.evaluation.lot.zones import Zone, ZoneCounts

LEAST_LOTS = 5
"""Earlier lots that a comparison needs: with fewer, how lots vary is itself unknown."""
FALSE_DISCOVERIES = 0.05
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class ZoneResult:
    """One zone of the lot.

    Attributes
    ----------
    zone : Zone
    defects : int
        Of all wafers of the lot.
    density : float or None
        Of a typical wafer (geometric mean, with half a defect more on each), per cm2, or per tested die; None = nothing inspected.
    usual : float or None
        The same of the earlier lots.
    lots : int
        Earlier lots that have the zone.
    ratio, low, high : float or None
        ``density / usual`` and its 95 % interval; None = no comparison.
    p, q : float or None
        Two-sided, and adjusted for all zones.
    """

    zone: Zone
    defects: int
    density: float | None
    usual: float | None = None
    lots: int = 0
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    q: float | None = None

    @property
    def stands_out(self) -> bool:
        """Whether the zone differs from earlier lots, the number of zones taken into account."""
        return self.q is not None and self.q <= FALSE_DISCOVERIES


@dataclass(frozen=True, slots=True, eq=False)
class LotMeans:
    """Of each lot and zone: mean of z over its wafers, their sum of squared deviations, and how many wafers; shape (k, z) each."""

    mean: NDArray[np.float64]
    squares: NDArray[np.float64]
    wafers: NDArray[np.int64]


def compare(lot: ZoneCounts, earlier: Sequence[ZoneCounts]) -> list[ZoneResult]:
    """Every zone of ``lot`` against the lots ``earlier``, each with the same zones; no p-value below ``LEAST_LOTS`` of them."""
    mine = _lot_means([lot])
    theirs = _lot_means(earlier) if earlier else None
    tested = [_test(lot, z, mine, theirs) for z in range(len(lot.zones))]
    return _adjusted(tested)


def _lot_means(lots: Sequence[ZoneCounts]) -> LotMeans:
    means, squares, wafers = [], [], []
    for counts in lots:
        seen = counts.inspected > 0
        z = np.log((counts.defects + 0.5) / np.where(seen, counts.inspected, 1.0))
        n = seen.sum(axis=0)
        mean = np.where(seen, z, 0.0).sum(axis=0) / np.maximum(n, 1)
        means.append(mean)
        squares.append(np.where(seen, (z - mean) ** 2, 0.0).sum(axis=0))
        wafers.append(n)
    return LotMeans(np.array(means), np.array(squares), np.array(wafers))


def _test(lot: ZoneCounts, z: int, mine: LotMeans, theirs: LotMeans | None) -> ZoneResult:
    from scipy.stats import t as student  # noqa: PLC0415 - half a second to import

    n = int(mine.wafers[0, z])
    own = float(mine.mean[0, z])
    found = ZoneResult(lot.zones[z], int(lot.defects[:, z].sum()), math.exp(own) if n else None)
    if theirs is None or not n or not (theirs.wafers[:, z] > 0).any():
        return found
    has = theirs.wafers[:, z] > 0
    means, sizes = theirs.mean[has, z], theirs.wafers[has, z]
    usual = float(means.mean())
    found = replace(found, usual=math.exp(usual), lots=len(means))
    if found.lots < LEAST_LOTS:
        return found
    variance, freedom = _variance(means, theirs.squares[has, z], sizes, n, _poisson(lot, z, math.exp(usual)))
    difference, error = own - usual, math.sqrt(variance)
    reach = float(student.ppf(0.5 + CONFIDENCE / 2, freedom)) * error
    p = float(2 * student.sf(abs(difference) / error, freedom))
    ends = (math.exp(difference - reach), math.exp(difference + reach))
    return replace(found, ratio=math.exp(difference), low=ends[0], high=ends[1], p=p)


def _variance(
    means: NDArray[np.float64], squares: NDArray[np.float64], sizes: NDArray[np.int64], n: int, least: float
) -> tuple[float, float]:
    """Variance of the difference and its degrees of freedom; ``least`` is the smallest variance of a wafer's z."""
    lots, rest = len(means), int((sizes - 1).sum())
    h = float(np.mean(1.0 / sizes))
    between = max(float(np.var(means, ddof=1)), least * h)
    within = max(float(squares.sum()) / rest, least) if rest else least
    first, second = (1 + 1 / lots) * between, max(1 / n - h, 0.0) * within
    spread = first**2 / (lots - 1) + (second**2 / rest if rest else 0.0)
    return first + second, (first + second) ** 2 / spread


def _poisson(lot: ZoneCounts, z: int, usual: float) -> float:
    """About the variance of log(x + 1/2) for Poisson counts of the usual density on a wafer like the lot's."""
    inspected = lot.inspected[:, z]
    return 1.0 / (usual * float(inspected[inspected > 0].mean()))  # usual holds the half defect already


def _adjusted(results: list[ZoneResult]) -> list[ZoneResult]:
    from scipy.stats import false_discovery_control  # noqa: PLC0415 - as above

    tested = [i for i, r in enumerate(results) if r.p is not None]
    if not tested:
        return results
    adjusted = false_discovery_control([results[i].p for i in tested])
    out = list(results)
    for i, q in zip(tested, adjusted, strict=True):
        out[i] = replace(results[i], q=float(q))
    return out
