"""From areas under the curve to a verdict: clean, fail, or cannot tell and how many maps are missing. Pure.

Bounds are one-sided. *Fail* needs the lower bound of a class above ``.5 + delta`` with the error shared out over all classes, looks and
tests (Bonferroni), so that a clean policy is called a failure in at most ``error`` of all guards. *Clean* needs the upper bounds of all
classes below it; since every one of them has to hold, that error is shared out over the looks and not over the classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Call = Literal["clean", "fail", "cannot tell"]
MOST_MISSING = 1_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """How sure a call has to be.

    Attributes
    ----------
    delta : how far above one half an area may lie and still be no trace, 0 < delta < .5
    error : share of clean policies that may be called a failure, over the whole guard
    tests, looks : over how many tests and looks at growing data it is shared out
    """

    delta: float
    error: float = 0.05
    tests: int = 1
    looks: int = 1


@dataclass(frozen=True, slots=True)
class ClassCall:
    """One class against the rest: area, its bounds, the call, the base maps still missing for one, the permutation p-value."""

    area: float
    low: float
    high: float
    call: Call
    missing: int
    p_value: float


def judge_areas(areas: NDArray[np.float64], null: NDArray[np.float64], groups: NDArray[np.integer], limits: Limits) -> list[ClassCall]:
    """Call each class.

    Parameters
    ----------
    areas : ndarray of shape (bases, classes), in [0, 1]
        Area under the curve within each base map.
    null : ndarray of shape (permutations, classes)
        Mean areas with permuted labels.
    groups : ndarray of shape (bases,)
        The lot of each base map.

    Notes
    -----
    The standard error is the larger of that between lots and that of the null. The null's is larger for a clean policy: every two folds
    have learnt from one another, which the spread between lots does not show. Fewer than two lots leave the null's.
    """
    from scipy.stats import norm  # noqa: PLC0415  (imported when used)

    bases, classes = areas.shape
    mean, error = areas.mean(axis=0), np.maximum(_between_lots(areas, groups), null.std())
    z_low = float(norm.isf(limits.error / (limits.tests * limits.looks * classes)))
    z_high = float(norm.isf(limits.error / limits.looks))
    bound = 0.5 + limits.delta
    calls = []
    for c in range(classes):
        low, high = float(mean[c] - z_low * error[c]), float(mean[c] + z_high * error[c])
        call: Call = "fail" if low > bound else "clean" if high < bound else "cannot tell"
        z, gap = (z_low, mean[c] - bound) if mean[c] > bound else (z_high, bound - mean[c])
        needed = bases * (z * error[c] / max(gap, 1e-6)) ** 2
        missing = 0 if call != "cannot tell" else int(min(max(1, np.ceil(needed) - bases), MOST_MISSING))
        p_value = float((1 + np.count_nonzero(null.ravel() >= mean[c])) / (1 + null.size))
        calls.append(ClassCall(float(mean[c]), max(0.0, low), min(1.0, high), call, missing, p_value))
    return calls


def overall(calls: list[Call]) -> Call:
    """The worst of ``calls``; nothing at all is clean."""
    return "fail" if "fail" in calls else "cannot tell" if "cannot tell" in calls else "clean"


def _between_lots(areas: NDArray[np.float64], groups: NDArray[np.integer]) -> NDArray[np.float64]:
    """Standard error of the mean area when whole lots are drawn, shape (classes,); 0 for one lot."""
    lots, lot = np.unique(groups, return_inverse=True)
    if len(lots) < 2:
        return np.zeros(areas.shape[1])
    off = areas - areas.mean(axis=0)
    sums = np.zeros((len(lots), areas.shape[1]))
    np.add.at(sums, lot, off)
    spread: NDArray[np.float64] = np.sqrt(len(lots) / (len(lots) - 1) * (sums**2).sum(axis=0)) / len(areas)
    return spread
