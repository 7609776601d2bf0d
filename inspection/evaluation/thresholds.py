"""Per-class operating points, tuned on the validation part alone. Pure.

A threshold matters only by the wafers that it calls, so every criterion chooses among the same few candidates, the `Cuts`: between one
score and the next lower one all thresholds call the same wafers. Which of these thresholds is taken is decided for all criteria alike.

========  ==============================================================================================================================
nearest   the point of the ROC curve nearest to (0, 1)
youden    the largest true less false positive rate (Youden 1950)
fpr       the largest true positive rate with a false positive rate of at most ``max_fpr``; of several the least false positive rate
cost      the least cost, see `cost_matrix`: a wafer is called so from the threshold on, else the likeliest other class
workload  one threshold for all defect classes, the lowest with at most ``alerts_per_day`` alerts among ``wafers_per_day`` validation
          wafers; an alert is a wafer whose likeliest class is a defect, with a probability that reaches the threshold
========  ==============================================================================================================================

**Within a gap.** With few validation wafers there may be a wide gap between the lowest score of a class and the highest of the others.
Validation cannot tell the thresholds in it apart, but the probabilities are calibrated, and a calibrated probability is itself the share
of right calls: the sum of misses and false calls is least at ``NEUTRAL``. So the threshold is the one in the gap nearest to ``NEUTRAL``,
though not nearer to an end than ``MARGIN`` of its width, that rounding may not move a wafer across. ``benchmarks/compare_threshold_gap.py``
compares this with the middle, the lower end and others on new lots.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from inspection.evaluation.curves import areas_under
from inspection.params import Threshold

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

NEUTRAL = 0.5
"""Threshold of a class that has too few validation wafers to tune one."""
MARGIN = 0.05
"""Share of a gap that a threshold keeps from either end."""
_SAME = 1e-9
"""Points that differ by less are equally good: sums of floats differ by their order."""


@dataclass(frozen=True, slots=True, eq=False)
class Thresholds:
    """The thresholds of a candidate, tuned on validation only.

    Attributes
    ----------
    values : ndarray of shape (k,), in [0, 1]
    tuned : k flags; False = kept neutral, for want of wafers or as its note says
    auc : ndarray of shape (k,); NaN where the validation part has no curve for the class
    positives : validation wafers of each class
    required : wafers that a class needs to be tuned, and as many of the other classes
    criterion : what they were tuned for
    notes : k remarks on single thresholds, most of them empty
    """

    values: NDArray[np.float64]
    tuned: tuple[bool, ...]
    auc: NDArray[np.float64]
    positives: tuple[int, ...]
    required: int
    criterion: Threshold = Threshold()  # noqa: RUF009  (frozen)
    notes: tuple[str, ...] = ()

    @property
    def status(self) -> tuple[str, ...]:
        """One sentence per class: how its threshold came about."""
        return tuple(self._said(*one) for one in zip(self.positives, self.tuned, self._notes, strict=True))

    @property
    def short(self) -> tuple[bool, ...]:
        """Which classes stay neutral for want of validation wafers, k flags."""
        return tuple(not tuned and not note for tuned, note in zip(self.tuned, self._notes, strict=True))

    @property
    def _notes(self) -> tuple[str, ...]:
        return self.notes or ("",) * len(self.positives)

    def _said(self, wafers: int, tuned: bool, note: str) -> str:
        if tuned:
            return f"tuned on {wafers} validation wafers" + (f"; {note}" if note else "")
        if note:
            return note
        if wafers < self.required:
            return f"neutral: {wafers} validation wafers, {self.required} needed"
        return f"neutral: {sum(self.positives) - wafers} validation wafers of other classes, {self.required} needed"

    @property
    def rule(self) -> str:
        """The criterion in words, to follow "A threshold is"."""
        of = self.criterion
        return {
            "nearest": "at the point of the class's ROC curve nearest to (0, 1)",
            "youden": "where the class's true positive rate leads its false positive rate by most",
            "fpr": f"where most of the class is found with a false positive rate of at most {of.max_fpr:g}",
            "cost": f"where validation costs least, an escape counting {of.escape_cost:g} and any other mistake {of.overkill_cost:g}",
            "workload": f"as low as {of.alerts_per_day} alerts for {of.wafers_per_day} wafers a day allow, the same for all defect classes",
        }[of.criterion]


@dataclass(frozen=True, slots=True, eq=False)
class Cuts:
    """The calls that thresholds in [0, 1] can make, m of them, the strictest first.

    Every threshold ``t`` with ``low < t <= high`` (the last one: ``low <= t``) calls the same wafers.

    Attributes
    ----------
    low, high : ndarrays of shape (m,)
    first : ndarray of shape (n,), int: the first cut that calls each wafer
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    first: NDArray[np.intp]

    def sums(self, of: NDArray) -> NDArray[np.float64]:
        """Sum of ``of`` (n,) over the wafers that each cut calls, shape (m,)."""
        return np.bincount(self.first, of, minlength=len(self.low)).cumsum()

    def best(self, badness: NDArray[np.float64]) -> float:
        """A threshold of the cut with the least ``badness`` (m,): the one nearest to ``NEUTRAL``, see the module."""
        equal = np.flatnonzero(badness <= badness.min() + _SAME)
        low, high = self.low[equal], self.high[equal]
        margin = MARGIN * (high - low)
        within = np.clip(NEUTRAL, low + margin, high - margin)
        within = np.where(within > low, within, high)  # a gap too narrow for floats
        return float(within[np.abs(within - NEUTRAL).argmin()])


def cuts(score: NDArray[np.floating]) -> Cuts:
    """The cuts of ``score`` (n,), in [0, 1]; the first calls no wafer, but where one scores 1, whom no threshold leaves out."""
    distinct, place = np.unique(np.clip(np.asarray(score, np.float64), 0.0, 1.0), return_inverse=True)
    high, first = distinct[::-1], len(distinct) - 1 - place
    if not len(high) or high[0] < 1:
        high, first = np.append(1.0, high), first + 1
    return Cuts(np.append(high[1:], 0.0), high, first)


def cost_matrix(normal: NDArray[np.bool_], escape_cost: float, overkill_cost: float) -> NDArray[np.float64]:
    """What calling a wafer of class i (row) class j (column) costs, shape (k, k), for the k flags ``normal``.

    A defect called normal costs ``escape_cost``. Every other mistake costs ``overkill_cost``: a normal wafer called a defect, and a defect
    called another one, send an engineer after what is not there. One normal class for another costs nothing.
    """
    costs = np.full((len(normal), len(normal)), float(overkill_cost))
    costs[np.ix_(~normal, normal)] = escape_cost
    costs[np.ix_(normal, normal)] = 0.0
    np.fill_diagonal(costs, 0.0)
    return costs


def tune(
    truth: NDArray[np.integer],
    probabilities: NDArray[np.floating],
    min_positives: int,
    criterion: Threshold | None = None,
    normal: Sequence[bool] | None = None,
) -> Thresholds:
    """Thresholds from the validation part.

    Parameters
    ----------
    truth : ndarray of shape (n,), class positions
    probabilities : ndarray of shape (n, k), calibrated
    min_positives : validation wafers (and as many of the other classes) that a class needs; below it stays ``NEUTRAL``
    criterion : Threshold
        Default: nearest to (0, 1).
    normal : k flags, which classes count as normal; default: none. Read by ``cost`` and ``workload``.

    Returns
    -------
    Thresholds
    """
    k = probabilities.shape[1]
    criterion = criterion or Threshold()
    flags = np.zeros(k, bool) if normal is None else np.array(normal, bool)
    positives = [int(np.count_nonzero(truth == c)) for c in range(k)]
    tuned = [min(n, len(truth) - n) >= max(min_positives, 1) for n in positives]
    found = [(NEUTRAL, "")] * k
    if criterion.criterion == "workload":
        found = _by_workload(probabilities, np.array(tuned, bool), flags, criterion)
        tuned = [ok and not is_normal for ok, is_normal in zip(tuned, flags.tolist(), strict=True)]
    else:
        found = [_of_class(c, truth, probabilities, flags, criterion) if ok else (NEUTRAL, "") for c, ok in enumerate(tuned)]
    values, notes = zip(*found, strict=True)
    auc = np.array([areas_under(truth == c, probabilities[:, c])[0] for c in range(k)])
    return Thresholds(np.array(values), tuple(tuned), auc, tuple(positives), min_positives, criterion, notes)


def _of_class(
    c: int, truth: NDArray[np.integer], probabilities: NDArray[np.floating], normal: NDArray[np.bool_], by: Threshold
) -> tuple[float, str]:
    """Threshold of class ``c`` and a remark."""
    among = cuts(probabilities[:, c])
    positive = truth == c
    if by.criterion == "cost":
        others = probabilities.copy()
        others[:, c] = -1.0
        costs = cost_matrix(normal, by.escape_cost, by.overkill_cost)
        return _noted(among.best(among.sums(costs[truth, c] - costs[truth, others.argmax(axis=1)])), among)
    hits, false_calls = among.sums(positive), among.sums(~positive)
    wafers, rest = int(positive.sum()), int((~positive).sum())
    recall, false_positive = hits / wafers, false_calls / rest
    if by.criterion == "fpr":
        allowed = false_positive <= by.max_fpr
        if not allowed.any():
            at_one = int(false_calls[0])
            return 1.0, f"a false positive rate of {by.max_fpr:g} cannot be kept: {at_one} of {rest} others score 1"
        # Whole numbers, the more hits first and then the fewer false calls.
        return _noted(among.best(np.where(allowed, false_calls - hits * (rest + 1), np.inf)), among)
    badness = np.hypot(false_positive, 1 - recall) if by.criterion == "nearest" else false_positive - recall
    return among.best(np.where(hits + false_calls > 0, badness, np.inf)), ""  # to call nothing is no operating point


def _noted(value: float, among: Cuts) -> tuple[float, str]:
    return value, "" if value <= among.high[among.first.min()] else "no validation wafer reaches it"


def _by_workload(
    probabilities: NDArray[np.floating], tuned: NDArray[np.bool_], normal: NDArray[np.bool_], by: Threshold
) -> list[tuple[float, str]]:
    """Thresholds and remarks of all classes. Defect classes that stay neutral raise their alerts, too."""
    found = [(NEUTRAL, "neutral, as a normal class raises no alert" if is_normal else "") for is_normal in normal]
    if not len(probabilities):
        return found
    likeliest, score = probabilities.argmax(axis=1), probabilities.max(axis=1)
    fixed = np.count_nonzero((~normal & ~tuned)[likeliest] & (score >= NEUTRAL))
    among = cuts(score[(~normal & tuned)[likeliest]])
    alerts = fixed + among.sums(np.ones(len(among.first)))
    allowed = alerts * by.wafers_per_day <= by.alerts_per_day * len(score)
    note = "" if allowed.any() else f"the workload cannot be kept: {int(alerts[0])} of {len(score)} validation wafers alert at 1"
    value = among.best(np.where(allowed, -alerts, np.inf)) if allowed.any() else 1.0
    return [(value, note) if ok and not is_normal else own for own, ok, is_normal in zip(found, tuned, normal, strict=True)]
