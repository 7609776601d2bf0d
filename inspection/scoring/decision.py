"""From probabilities to what the fab reads: a class, Unknown or Review."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from inspection.wafer.taxonomy import REVIEW, UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Scored:
    """One wafer's outcome.

    ``label`` is the likeliest class and ``probability`` its probability; ``decision`` is a class, ``Unknown`` or ``Review``;
    ``unknown_score`` grows with the distance from everything seen in training (None: the bundle has no detector).
    """

    label: str
    decision: str
    probability: float
    probabilities: dict[str, float]
    unknown_score: float | None = None


def decide(
    probabilities: NDArray[np.floating],
    thresholds: NDArray[np.floating],
    names: Sequence[str],
    unknown: NDArray[np.bool_] | None = None,
) -> list[str]:
    """The decision for each wafer.

    A class is a candidate when its probability reaches its threshold; the likeliest candidate wins. No candidate: ``Review``.
    A wafer that the unknown detector flags is ``Unknown`` whatever its probabilities.

    Parameters
    ----------
    probabilities : ndarray of shape (n, k), rows sum to 1
    thresholds : ndarray of shape (k,), in [0, 1]
    names : k class names
    unknown : ndarray of shape (n,), bool, optional

    Returns
    -------
    list of n str
    """
    passing = np.where(probabilities >= thresholds[None, :], probabilities, -1.0)
    best = passing.argmax(axis=1) if len(passing) else np.zeros(0, dtype=int)
    decisions = [names[k] if passing[i, k] >= 0 else REVIEW for i, k in enumerate(best)]
    if unknown is not None:
        decisions = [UNKNOWN if flag else decision for flag, decision in zip(unknown, decisions, strict=True)]
    return decisions
