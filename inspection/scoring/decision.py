"""From probabilities to what the fab reads: a class, Unknown or Review. The same rule in evaluation, worker and ``inspection explain``.

In this order:

1. *Unknown*, when the wafer is stranger than the unknown detector's limit, or insists on a combination of patterns that is no class.
2. The likeliest class, when its probability reaches the class's threshold and it is alone in the prediction set.
3. *Review* otherwise: the threshold is missed, or the set holds several classes, another one, or none.

A less likely class never wins because its own threshold happens to be low: those of rare classes lie at a few percent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from inspection.scoring.conformal import sets
from inspection.wafer.taxonomy import REVIEW, UNKNOWN

if TYPE_CHECKING:
    from numpy.typing import NDArray

BETWEEN = "|"
"""Between the classes of a prediction set, where a table names it."""


@dataclass(frozen=True, slots=True)
class Scored:
    """One wafer's outcome.

    ``label`` is the likeliest class and ``probability`` its probability; ``decision`` is a class, ``Unknown`` or ``Review``. A
    combination of patterns that is no class can be the ``label``, too; its ``decision`` is ``Unknown``. ``patterns`` are the probabilities
    of the patterns (None: no class combines any). ``unknown_score`` grows with the distance from everything seen in training (None: the
    bundle has no detector). ``prediction_set``: the classes that the wafer may well be (None: the bundle has no such thresholds).
    ``looks``: how many turns of the wafer the probabilities are the average of.
    """

    label: str
    decision: str
    probability: float
    probabilities: dict[str, float]
    unknown_score: float | None = None
    patterns: dict[str, float] | None = None
    prediction_set: tuple[str, ...] | None = None
    looks: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class DecisionRule:
    """The rule of one model.

    Attributes
    ----------
    names : k class names
    thresholds : ndarray of shape (k,), in [0, 1]
    least : ndarray of shape (k,), or None: from which probability on a class belongs to the prediction set; None = no sets
    """

    names: tuple[str, ...]
    thresholds: NDArray[np.float64]
    least: NDArray[np.float64] | None = None

    def sets(self, probabilities: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Prediction sets (n, k); without ``least`` each holds the likeliest class alone."""
        if self.least is not None:
            return sets(probabilities, self.least)
        return np.arange(len(self.names)) == np.asarray(probabilities).argmax(axis=1)[:, None]

    def decide(self, probabilities: NDArray[np.floating], unknown: NDArray[np.bool_] | None = None) -> list[str]:
        """The decision for each wafer.

        Parameters
        ----------
        probabilities : ndarray of shape (n, k), rows sum to 1
        unknown : ndarray of shape (n,), bool, optional
            Stranger than the limit, or a new combination.

        Returns
        -------
        list of n str
        """
        if len(probabilities) == 0:
            return []
        likeliest, sure = probabilities.argmax(axis=1), self.sure(probabilities)
        passed = (probabilities.max(axis=1) >= self.thresholds[likeliest]) & sure
        decisions = [self.names[k] if ok else REVIEW for k, ok in zip(likeliest, passed, strict=True)]
        if unknown is not None:
            decisions = [UNKNOWN if flag else decision for flag, decision in zip(unknown, decisions, strict=True)]
        return decisions

    def sure(self, probabilities: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Whether the likeliest class is alone in the prediction set, shape (n,)."""
        found = self.sets(probabilities)
        rows = np.arange(len(found))
        alone: NDArray[np.bool_] = (found.sum(axis=1) == 1) & found[rows, np.asarray(probabilities).argmax(axis=1)]
        return alone

    def set_names(self, probabilities: NDArray[np.floating]) -> list[tuple[str, ...]]:
        """Names in each prediction set, the likeliest first."""
        found, order = self.sets(probabilities), np.argsort(-np.asarray(probabilities), axis=1, kind="stable")
        return [tuple(self.names[k] for k in row if inside[k]) for row, inside in zip(order.tolist(), found, strict=True)]
