"""From probabilities to what the fab reads: a class, Unknown or Review."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from inspection.wafer.taxonomy import REVIEW, UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Scored:
    """One wafer's outcome.

    ``label`` is the likeliest class and ``probability`` its probability; ``decision`` is a class, ``Unknown`` or ``Review``. A
    combination of patterns that is no class can be the ``label``, too; its ``decision`` is ``Unknown``. ``patterns`` are the probabilities
    of the patterns (None: no class combines any).
    ``unknown_score`` grows with the distance from everything seen in training (None: the bundle has no detector).
    """

    label: str
    decision: str
    probability: float
    probabilities: dict[str, float]
    unknown_score: float | None = None
    patterns: dict[str, float] | None = None


def decide(
    probabilities: NDArray[np.floating],
    thresholds: NDArray[np.floating],
    names: Sequence[str],
    unknown: NDArray[np.bool_] | None = None,
) -> list[str]:
    """The decision for each wafer.

    The likeliest class, when its probability reaches the threshold of that class; otherwise ``Review``. A wafer that the unknown
    detector flags is ``Unknown`` whatever its probabilities. (A less likely class never wins because its own threshold happens to be
    low: thresholds nearest to (0, 1) of rare classes lie at a few percent.)

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
    if len(probabilities) == 0:
        return []
    likeliest = probabilities.argmax(axis=1)
    passed = probabilities.max(axis=1) >= thresholds[likeliest]
    decisions = [names[k] if ok else REVIEW for k, ok in zip(likeliest, passed, strict=True)]
    if unknown is not None:
        decisions = [UNKNOWN if flag else decision for flag, decision in zip(unknown, decisions, strict=True)]
    return decisions
