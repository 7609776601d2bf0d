"""What a product's own history allows: limits of counts and durations, robust against the odd lot or day in it.

Counts of defects are overdispersed: wafers of one product differ by more than chance, so a Gaussian band is too narrow above
and reaches below zero. The limits are quantiles of a negative binomial (counts) or gamma distribution (durations) whose
centre is the history's median and whose spread comes from its 10 % and 90 % quantiles: up to a tenth of the history may be
excursions without moving the limits much, and a lasting change becomes the new normal once most of the history shows it.

References
----------
Stapper, C. H. (1985), "The effects of wafer to wafer defect density variations on integrated circuit defect and fault
distributions", IBM J. Res. Dev. 29(1): the negative binomial of defect counts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

LONGEST = 60
"""Lots or days of history that count: the newest ones."""
QUANTILES = (0.1, 0.5, 0.9)
"""Of the history: what the limits are made from."""
_SIGMAS = 1.2816
"""The 90 % quantile of a normal distribution: turns a quantile's distance from the median into a standard deviation."""


def count_limits(quantiles: NDArray[np.float64], history: NDArray[np.float64], odds: float) -> tuple[NDArray, NDArray]:
    """The range of a count: each end is passed with probability ``odds``.

    Parameters
    ----------
    quantiles : ndarray of shape (3, ...)
        ``QUANTILES`` of the counts in the history, at least 0.
    history : ndarray of shape (...)
        How many counts these are of; few make the range wider.
    odds : float
        Above 0, below 0.5.

    Returns
    -------
    (ndarray, ndarray)
        Lowest and highest count, of shape (...).
    """
    from scipy.stats import nbinom, poisson  # noqa: PLC0415 - half a second: only where lots or days are checked

    mean, variance = _moments(quantiles, history, least_mean=0.5)
    spread = np.maximum(variance - mean, 1e-9)  # over Poisson's
    dispersed = spread > 1e-6 * mean
    size, share = mean**2 / spread, mean / (mean + spread)
    low, high = (np.where(dispersed, nbinom.ppf(q, size, share), poisson.ppf(q, mean)) for q in (odds, 1 - odds))
    return low, high


def duration_limit(quantiles: NDArray[np.float64], history: NDArray[np.float64], odds: float) -> NDArray:
    """The longest duration: passed with probability ``odds``; parameters as in :func:`count_limits`."""
    from scipy.stats import gamma  # noqa: PLC0415 - as above

    mean, variance = _moments(quantiles, history, least_mean=1e-3)
    # What one in ten of the past durations reached is not unusual, however odd their distribution.
    return np.maximum(gamma.ppf(1 - odds, mean**2 / variance, scale=variance / mean), quantiles[2])


def _moments(quantiles: NDArray[np.float64], history: NDArray[np.float64], least_mean: float) -> tuple[NDArray, NDArray]:
    low, middle, high = quantiles
    mean = np.maximum(middle, least_mean)
    # The quantiles of a short history are themselves uncertain.
    deviation = np.maximum(high - middle, middle - low) / _SIGMAS * (1 + 3 / np.maximum(history, 1))
    # A history without any spread (five identical lots) still promises no more than Poisson's.
    return mean, np.maximum(deviation**2, mean)


@dataclass(frozen=True)
class PastLot:
    """An earlier lot of a product and layer: counts of its wafers in order of their slots, of shape (n,), n > 0, and the slots."""

    defects: NDArray[np.float64]
    slots: frozenset[int]
    _known: dict[int, NDArray[np.float64]] = field(default_factory=dict, compare=False, repr=False)

    def quartiles(self, wafers: int) -> NDArray[np.float64]:
        """:func:`quartile` of every ``wafers`` wafers; all of them where there are fewer.

        So that a short lot is compared with short lots: two wafers differ more than 25.
        """
        if wafers not in self._known:  # one lot is the history of many
            blocks = max(len(self.defects) // wafers, 1)
            self._known[wafers] = np.array([quartile(block) for block in np.array_split(self.defects, blocks)])
        return self._known[wafers]


def quartile(counts: NDArray[np.float64]) -> float:
    """The lower quartile: the level of a lot's background, which no excursion on up to three quarters of its wafers moves.

    Signatures are what the pipeline looks for, and no fault of the lot's files: a mean or median would report them here.
    """
    return float(np.quantile(counts, 0.25))


def odds_of_no_defect(lots: Sequence[PastLot], wafers: int) -> float:
    """Probability that ``wafers`` wafers all have no defect, from the share of such wafers and of such lots."""
    counts = np.concatenate([lot.defects for lot in lots])
    clean = (np.count_nonzero(counts == 0) + 0.5) / (len(counts) + 1)
    return float(max(clean**wafers, np.mean([not lot.defects.any() for lot in lots])))
