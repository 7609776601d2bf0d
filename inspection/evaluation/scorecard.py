"""The scorecard of automatic defect classification (ADC), in the words in which review tools state it. Pure.

A classifier may reject: here ``Unknown`` and ``Review`` are not classified, and a person looks at these wafers. Three shares, each overall
and by class:

===================  ===================================================================================================================
classification rate  classified, of all wafers (by class: of the wafers of the class, whatever they were classified as). What is left is
                     the rejection rate
purity               classified right, of those classified (by class: of those classified as the class). Others call it precision
accuracy             classified right, of all wafers, rejected ones counting as wrong (by class: of the wafers of the class). Others
                     call it recall
===================  ===================================================================================================================

Overall, accuracy = purity times classification rate: rejecting more can buy purity, never accuracy. Makers do not all use the words
alike (some state accuracy of what is classified, which is purity here), so compare figures by their counts.

References
----------
US patents 8 315 453 and 10 043 264: confidence thresholds for unknown and undecided defects, set for a purity or a rejection rate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from inspection.evaluation.confusion import Rate

if TYPE_CHECKING:
    from inspection.evaluation.confusion import Confusion


@dataclass(frozen=True, slots=True)
class Score:
    """The three shares of one class, or of all wafers (``name`` None); each with its 95 % Wilson interval."""

    name: str | None
    purity: Rate
    accuracy: Rate
    classification: Rate

    def row(self) -> dict[str, Any]:
        """As plain JSON."""
        rates = {"purity": self.purity, "accuracy": self.accuracy, "classification_rate": self.classification}
        return {"class": self.name} | {key: rate.row() for key, rate in rates.items()}


@dataclass(frozen=True, slots=True)
class Scorecard:
    """The shares ``overall`` and of each class, in the order of the taxonomy."""

    overall: Score
    classes: tuple[Score, ...]

    def metrics(self) -> dict[str, float]:
        """``purity accuracy_of_all classification_rate``, and ``purity_<class> classification_rate_<class>``; NaN for nothing to count.

        The accuracy of a class is its recall by decision, which `Evaluation.metrics` has as ``decision_recall_<class>``.
        """
        found = {
            "purity": self.overall.purity.value,
            "accuracy_of_all": self.overall.accuracy.value,
            "classification_rate": self.overall.classification.value,
        }
        for score in self.classes:
            found |= {f"purity_{score.name}": score.purity.value, f"classification_rate_{score.name}": score.classification.value}
        return found


def scorecard(matrix: Confusion) -> Scorecard:
    """The scorecard of ``matrix``, which is to be by decision: without ``Unknown`` and ``Review`` everything is classified."""
    right, wafers = np.diagonal(matrix.counts).tolist(), matrix.support.tolist()
    classified, called = matrix.counts[:, :-2].sum(axis=1).tolist(), matrix.counts[:, :-2].sum(axis=0).tolist()
    classes = [
        Score(name, Rate(right[c], called[c]), Rate(right[c], wafers[c]), Rate(classified[c], wafers[c]))
        for c, name in enumerate(matrix.names)
    ]
    overall = Score(None, Rate(sum(right), sum(classified)), Rate(sum(right), sum(wafers)), Rate(sum(classified), sum(wafers)))
    return Scorecard(overall, tuple(classes))
