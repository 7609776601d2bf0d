"""Per-class operating points: one-vs-rest ROC on the validation part, the threshold nearest to (0, 1). Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

NEUTRAL = 0.5
"""Threshold of a class that has too few validation wafers to tune one."""


@dataclass(frozen=True, slots=True, eq=False)
class Roc:
    """One class against the rest.

    Attributes
    ----------
    false_positive, true_positive : ndarray of shape (m,), both from 0 to 1 and never falling
    threshold : ndarray of shape (m,), falling; the first is +inf (nothing is called so)
    auc : area under the curve, in [0, 1]
    """

    false_positive: NDArray[np.float64]
    true_positive: NDArray[np.float64]
    threshold: NDArray[np.float64]
    auc: float


@dataclass(frozen=True, slots=True, eq=False)
class Thresholds:
    """The thresholds of a candidate, tuned on validation only.

    Attributes
    ----------
    values : ndarray of shape (k,), in [0, 1]
    tuned : k flags; False = kept neutral
    auc : ndarray of shape (k,); NaN where the validation part has no curve for the class
    positives : validation wafers of each class
    required : wafers that a class needs to be tuned
    """

    values: NDArray[np.float64]
    tuned: tuple[bool, ...]
    auc: NDArray[np.float64]
    positives: tuple[int, ...]
    required: int

    @property
    def status(self) -> tuple[str, ...]:
        """One sentence per class: how its threshold came about."""
        return tuple(
            f"tuned on {n} validation wafers" if tuned else f"neutral: {n} validation wafers, {self.required} needed"
            for n, tuned in zip(self.positives, self.tuned, strict=True)
        )


def roc(positive: NDArray[np.bool_], score: NDArray[np.floating]) -> Roc | None:
    """The ROC curve of ``score`` (n,) for ``positive`` (n,); None unless there are positives and negatives."""
    if not positive.any() or positive.all():
        return None
    from sklearn.metrics import auc, roc_curve  # noqa: PLC0415  (imported when used)

    false_positive, true_positive, threshold = roc_curve(positive, score, drop_intermediate=False)
    return Roc(false_positive, true_positive, threshold, float(auc(false_positive, true_positive)))


def curves(truth: NDArray[np.integer], probabilities: NDArray[np.floating]) -> list[Roc | None]:
    """One-vs-rest ROC of each of the k classes of ``probabilities`` (n, k); None for a class without a curve."""
    return [roc(truth == k, probabilities[:, k]) for k in range(probabilities.shape[1])]


def nearest_to_corner(curve: Roc) -> float:
    """The threshold whose point is nearest to (0, 1).

    Every threshold between one score and the next lower one gives the same point of the curve; the middle is taken, so that a wafer
    just outside what validation showed is still called. Between points equally near, the one closest to ``NEUTRAL`` wins.
    """
    threshold = curve.threshold[1:]  # the first, +inf, would call nothing
    distance = np.hypot(curve.false_positive[1:], 1.0 - curve.true_positive[1:])
    below = np.append(threshold[1:], 0.0)
    middle = (threshold + below) / 2
    middle = np.where(middle > below, middle, threshold)
    nearest = np.flatnonzero(distance <= distance.min() + 1e-12)
    return float(np.clip(middle[nearest[np.abs(middle[nearest] - NEUTRAL).argmin()]], 0.0, 1.0))


def tune(truth: NDArray[np.integer], probabilities: NDArray[np.floating], min_positives: int) -> Thresholds:
    """Thresholds from the validation part.

    Parameters
    ----------
    truth : ndarray of shape (n,), class positions
    probabilities : ndarray of shape (n, k), calibrated
    min_positives : validation wafers (and as many of the other classes) that a class needs; below it stays ``NEUTRAL``

    Returns
    -------
    Thresholds
    """
    k = probabilities.shape[1]
    positives = [int(np.count_nonzero(truth == c)) for c in range(k)]
    found: Sequence[Roc | None] = curves(truth, probabilities)
    tuned = [min(n, len(truth) - n) >= max(min_positives, 1) for n in positives]
    values = [nearest_to_corner(c) if ok and c is not None else NEUTRAL for c, ok in zip(found, tuned, strict=True)]
    area = [float("nan") if c is None else c.auc for c in found]
    return Thresholds(np.array(values), tuple(tuned), np.array(area), tuple(positives), min_positives)
