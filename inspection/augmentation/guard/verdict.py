"""From areas under the curve to a verdict: clean, fail, or cannot tell and how many maps are missing. Pure.

Each class has two areas (see ``probe``). *Alone* may reach ``.5 + delta``. *Matched*, where a view is compared with views of the same
wafer, may reach what that comes to when the wafers' own differences, ``EXPLAINED`` times as large as those between views of one wafer,
are taken out: .70 for a delta of .05. A larger one is hidden from a simple probe by the wafers' variety, from a good one perhaps not.

Bounds are one-sided. *Fail* needs the lower bound of a class above its limit, with the error shared out over all classes, looks, tests
and both areas (Bonferroni), so that a clean policy is called a failure in at most ``error`` of all guards. *Clean* needs the upper
bounds of all classes below; since every one of them has to hold, that error is not shared out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from inspection.augmentation.guard.probe import Areas, ProbeResult

Call = Literal["clean", "fail", "cannot tell"]
MOST_MISSING = 1_000_000
EXPLAINED = 4.0
"""How much larger than the spread between views of one wafer the spread between wafers is that a good probe may explain away."""


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
class Interval:
    """An area with its one-sided bounds, and how often permuted labels reach as much."""

    area: float
    low: float
    high: float
    p_value: float


@dataclass(frozen=True, slots=True)
class ClassCall:
    """One class against the rest: both areas, the call, and the base maps still missing for one."""

    alone: Interval
    matched: Interval
    call: Call
    missing: int = 0


def matched_bound(delta: float) -> float:
    """The largest matched area that is no trace: ``Phi(sqrt(1 + EXPLAINED^2) * Phi^-1(.5 + delta))``, both normal with equal spread."""
    from scipy.stats import norm  # noqa: PLC0415  (imported when used)

    return float(norm.cdf(np.hypot(1.0, EXPLAINED) * norm.ppf(0.5 + delta)))


def judge(found: ProbeResult, groups: NDArray[np.integer], limits: Limits) -> list[ClassCall]:
    """Call each class; ``groups``, of shape (bases,), is the lot of each base map."""
    alone = _judge(found.alone, groups, limits, 0.5 + limits.delta)
    matched = _judge(found.matched, groups, limits, matched_bound(limits.delta))
    return [
        ClassCall(a, m, overall([call_a, call_m]), max(missing_a, missing_m))
        for (a, call_a, missing_a), (m, call_m, missing_m) in zip(alone, matched, strict=True)
    ]


def _judge(areas: Areas, groups: NDArray[np.integer], limits: Limits, bound: float) -> list[tuple[Interval, Call, int]]:
    """Interval, call and missing base maps of each class.

    The standard error is the larger of that between lots and that of the null. The null's is larger for a clean policy: every two folds
    have learnt from one another, which the spread between lots does not show.
    """
    from scipy.stats import norm  # noqa: PLC0415  (imported when used)

    bases, classes = areas.by_base.shape
    mean, error = areas.by_base.mean(axis=0), np.maximum(_between_lots(areas.by_base, groups), areas.null.std())
    z_low = float(norm.isf(limits.error / (2 * limits.tests * limits.looks * classes)))
    z_high = float(norm.isf(limits.error))
    calls = []
    for c in range(classes):
        low, high = float(mean[c] - z_low * error[c]), float(mean[c] + z_high * error[c])
        call: Call = "fail" if low > bound else "clean" if high < bound else "cannot tell"
        z, gap = (z_low, mean[c] - bound) if mean[c] > bound else (z_high, bound - mean[c])
        needed = bases * (z * error[c] / max(gap, 1e-6)) ** 2
        missing = 0 if call != "cannot tell" else int(min(max(1, np.ceil(needed) - bases), MOST_MISSING))
        p_value = float((1 + np.count_nonzero(areas.null.ravel() >= mean[c])) / (1 + areas.null.size))
        calls.append((Interval(float(mean[c]), max(0.0, low), min(1.0, high), p_value), call, missing))
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
