"""From areas under the curve to a verdict: clean, fail, or cannot tell and how many maps are missing. Pure.

One law for every area: *fail* when its lower bound lies above ``.5 + delta``, *clean* when its upper bound lies below, otherwise *cannot
tell*. Bounds are one-sided. The lower one shares its error out over all classes, looks and tests (Bonferroni), so that a clean policy is
called a failure in at most ``error`` of all guards. The upper bounds of all classes have to hold, so that error is not shared out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from inspection.augmentation.guard.probe import Areas

Call = Literal["clean", "fail", "cannot tell"]
MOST_MISSING = 1_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """How sure a call has to be.

    Attributes
    ----------
    delta : how far above one half an area may lie and still be no trace, 0 < delta < .5
    error : share of clean policies that may be called a failure, over the whole guard
    trials : classes x looks x tests that it is shared out over
    """

    delta: float
    error: float = 0.05
    trials: int = 1

    @property
    def bound(self) -> float:
        """The largest area that is no trace."""
        return 0.5 + self.delta


@dataclass(frozen=True, slots=True)
class Interval:
    """An area with its one-sided bounds, and how likely as large a one is by chance."""

    area: float
    low: float
    high: float
    p_value: float


@dataclass(frozen=True, slots=True)
class ClassCall:
    """One class against the rest.

    Attributes
    ----------
    alone : the area of the verdict, picture by picture
    matched : the area on the same wafer; no bound of it is asked for
    call : what follows
    missing : base maps still missing for a call
    network : what the small network saw, where it was asked
    """

    alone: Interval
    matched: float
    call: Call
    missing: int = 0
    network: Interval | None = None


def judge(areas: Areas, groups: NDArray[np.integer], limits: Limits) -> list[tuple[Interval, Call, int]]:
    """Interval, call and missing base maps of each class; ``groups``, of shape (bases,), is the lot of each base map.

    The standard error is the larger of that between lots and that of the null. The null's is larger for a clean policy: every two folds
    have learnt from one another, which the spread between lots does not show.
    """
    from scipy.stats import norm  # noqa: PLC0415  (imported when used)

    bases, classes = areas.by_base.shape
    mean, error = areas.by_base.mean(axis=0), between_lots(areas.by_base, groups)
    if areas.null.size:
        error = np.maximum(error, areas.null.std())
    z_low, z_high = float(norm.isf(limits.error / limits.trials)), float(norm.isf(limits.error))
    calls = []
    for c in range(classes):
        low, high = float(mean[c] - z_low * error[c]), float(mean[c] + z_high * error[c])
        call: Call = "fail" if low > limits.bound else "clean" if high < limits.bound else "cannot tell"
        z, gap = (z_low, mean[c] - limits.bound) if mean[c] > limits.bound else (z_high, limits.bound - mean[c])
        needed = bases * (z * error[c] / max(gap, 1e-6)) ** 2
        missing = 0 if call != "cannot tell" else int(min(max(1, np.ceil(needed) - bases), MOST_MISSING))
        p_value = float(norm.sf((mean[c] - 0.5) / error[c])) if error[c] > 0 else 0.5
        calls.append((Interval(float(mean[c]), max(0.0, low), min(1.0, high), p_value), call, missing))
    return calls


def overall(calls: list[Call]) -> Call:
    """The worst of ``calls``; nothing at all is clean."""
    return "fail" if "fail" in calls else "cannot tell" if "cannot tell" in calls else "clean"


def between_lots(areas: NDArray[np.float64], groups: NDArray[np.integer]) -> NDArray[np.float64]:
    """Standard error of the mean area when whole lots are drawn, shape (classes,); 0 for one lot."""
    lots, lot = np.unique(groups, return_inverse=True)
    if len(lots) < 2:
        return np.zeros(areas.shape[1])
    off = areas - areas.mean(axis=0)
    sums = np.zeros((len(lots), areas.shape[1]))
    np.add.at(sums, lot, off)
    spread: NDArray[np.float64] = np.sqrt(len(lots) / (len(lots) - 1) * (sums**2).sum(axis=0)) / len(areas)
    return spread
