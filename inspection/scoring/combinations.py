"""What a wafer shows, pattern by pattern: probabilities of the patterns, and combinations that no training wafer had.

The classes are the combinations seen in training. A pattern's probability is the sum over the classes that have it. Where the network has a
logit z for each pattern (``models.head``), these also say what the wafer shows when every subset of the patterns is allowed: all patterns
with z > 0. Where that subset is no class, its log odds against the best class tell how much the wafer insists on it; beyond a limit,
which validation wafers set, it is called so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from inspection.models.head import pattern_projection
from inspection.wafer.taxonomy import JOIN

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from inspection.wafer.taxonomy import Taxonomy

LEAST_LIMIT = 1.0
"""Log odds that a new combination needs at least: with clear validation wafers none insists on any, and a coin's toss is no finding."""


def pattern_probabilities(probabilities: NDArray[np.floating], taxonomy: Taxonomy) -> NDArray[np.float64]:
    """Probabilities of the classes (n, k) -> of ``taxonomy.patterns`` (n, p): the sum over the classes that have each."""
    return np.asarray(probabilities, np.float64) @ np.array(taxonomy.membership(), np.float64)


class Reading:
    """Combinations read from the logits of a head of patterns.

    Parameters
    ----------
    taxonomy : Taxonomy
    logits : ndarray of shape (n, k)
        Of the classes, before the temperature.

    Attributes
    ----------
    shown : ndarray of shape (n, p), bool
        The likeliest subset of the patterns, class or not.
    insistence : ndarray of shape (n,)
        Its log odds against the likeliest class, before the temperature; 0 where it is a class.
    """

    def __init__(self, taxonomy: Taxonomy, logits: NDArray[np.floating]) -> None:
        membership = np.array(taxonomy.membership(), np.float64)
        self._patterns = taxonomy.patterns
        self._logits = np.asarray(logits, np.float64) @ pattern_projection(taxonomy.membership())
        self.shown: NDArray[np.bool_] = self._logits > 0
        known = (self.shown[:, None, :] == membership[None].astype(bool)).all(axis=2).any(axis=1)
        known |= ~self.shown.any(axis=1)  # no pattern at all is no new combination, though there be no normal class
        best = (self._logits @ membership.T).max(axis=1, initial=-np.inf)
        self.insistence: NDArray[np.float64] = np.where(known, 0.0, np.maximum(self._logits, 0.0).sum(axis=1) - best)

    def limit(self, quantile: float) -> float:
        """The limit of ``insistence`` that these wafers, whose combinations are all classes, set; at least ``LEAST_LIMIT``."""
        return max(LEAST_LIMIT, float(np.quantile(self.insistence, quantile))) if len(self.insistence) else LEAST_LIMIT

    def names(self) -> list[str]:
        """What each wafer shows, its patterns in alphabetical order: ``Center+Edge-Ring+Scratch``."""
        return [combination(p for p, on in zip(self._patterns, row, strict=True) if on) for row in self.shown.tolist()]

    def probabilities(self, temperature: float) -> NDArray[np.float64]:
        """Of each pattern by itself, every subset being allowed; shape (n, p)."""
        return np.exp(-np.logaddexp(0.0, -self._logits / temperature))


def combination(patterns: Iterable[str]) -> str:
    """The name of a combination."""
    return JOIN.join(sorted(patterns))
