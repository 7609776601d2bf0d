"""imbalanced-learn's report: the scores that a large class cannot make look good. Pure.

Accuracy rises when a large class is called more often than it is there. Recall and specificity count within the wafers that are of a class
and within those that are not; their geometric mean is high only when both are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from inspection.evaluation.confusion import Confusion

ALPHA = 0.1
"""How much the index of balanced accuracy minds that sensitivity and specificity differ (García et al.; imbalanced-learn's own report)."""


@dataclass(frozen=True, slots=True, eq=False)
class Imbalance:
    """Each class against the rest.

    Attributes
    ----------
    specificity : ndarray of shape (k,)
        Share of the wafers of other classes that were not called so.
    geometric_mean : ndarray of shape (k,)
        Of recall and specificity.
    index_balanced_accuracy : ndarray of shape (k,)
        ``(1 + ALPHA * (recall - specificity)) * recall * specificity``.
    overall_geometric_mean : float
        Of the recalls of all classes with wafers: one class never hit makes it 0.

    All in [0, 1], or NaN: for a class without wafers, for every class where there is one only (specificity is not known then), and overall
    without wafers. ``Unknown`` and ``Review`` are calls of no class.

    References
    ----------
    V. García, R. A. Mollineda, J. S. Sánchez, "Index of balanced accuracy", IbPRIA 2009.
    """

    specificity: NDArray[np.float64]
    geometric_mean: NDArray[np.float64]
    index_balanced_accuracy: NDArray[np.float64]
    overall_geometric_mean: float

    def metrics(self, names: tuple[str, ...]) -> dict[str, float]:
        """``geometric_mean index_balanced_accuracy`` (the mean of the classes') and, per class, ``specificity_ geometric_mean_ iba_``."""
        known = self.index_balanced_accuracy[np.isfinite(self.index_balanced_accuracy)]
        found = {
            "geometric_mean": self.overall_geometric_mean,
            "index_balanced_accuracy": float(known.mean()) if len(known) else float("nan"),
        }
        columns = {"specificity": self.specificity, "geometric_mean": self.geometric_mean, "iba": self.index_balanced_accuracy}
        return found | {f"{key}_{n}": float(v) for key, values in columns.items() for n, v in zip(names, values, strict=True)}


def imbalance(matrix: Confusion) -> Imbalance:
    """imbalanced-learn's report of ``matrix``."""
    from imblearn.metrics import classification_report_imbalanced, geometric_mean_score  # noqa: PLC0415  (imported when used)

    k = len(matrix.names)
    present = np.flatnonzero(matrix.support)
    specificity, geometric_mean, index = (np.full(k, np.nan) for _ in range(3))
    if not len(present):
        return Imbalance(specificity, geometric_mean, index, float("nan"))
    row, column = np.nonzero(matrix.counts)
    # Wafer by wafer: with sample weights, imbalanced-learn 0.14 takes their number for their sum, and specificities leave [0, 1].
    truth, called = (np.repeat(places, matrix.counts[row, column]) for places in (row, column))
    overall = float(geometric_mean_score(truth, called, labels=present, average="multiclass"))
    if len(present) == 1:
        return Imbalance(specificity, geometric_mean, index, overall)
    names = [str(c) for c in present]
    report = classification_report_imbalanced(
        truth, called, labels=present, target_names=names, alpha=ALPHA, output_dict=True, zero_division=0
    )
    for key, values in (("spe", specificity), ("geo", geometric_mean), ("iba", index)):
        values[present] = [report[name][key] for name in names]
    return Imbalance(specificity, geometric_mean, index, overall)
