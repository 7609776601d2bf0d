"""One class against the rest: ROC and precision-recall curves, the areas under them with intervals by lot, operating points. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from inspection.evaluation.confusion import Rate
from inspection.evaluation.intervals import percentiles

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from inspection.evaluation.confusion import Confusion

_AT_ONCE = 64  # resamples drawn together: bounds the memory


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
class PrecisionRecall:
    """One class against the rest.

    Attributes
    ----------
    precision : ndarray of shape (m,), in [0, 1]; the first is 1 by convention (nothing is called so)
    recall : ndarray of shape (m,), from 0 to 1, never falling
    threshold : ndarray of shape (m,), falling; the first is +inf
    average_precision : mean of the precisions, each weighted by the recall that its threshold adds; in (0, 1]. Not the area under straight
        lines between the points, which flatters (Davis & Goadrich 2006)
    """

    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    threshold: NDArray[np.float64]
    average_precision: float


@dataclass(frozen=True, slots=True, eq=False)
class Areas:
    """Areas under both curves of each of k classes, with their 95 % intervals by lot; NaN where they cannot be known.

    Attributes
    ----------
    auc, average_precision : ndarrays of shape (k,), in [0, 1]; NaN for a class without wafers, and for one that all wafers are of
    auc_interval, average_precision_interval : ndarrays of shape (k, 2)
        NaN also where the wafers of the class, or the others, are all of one lot: the spread between lots is not known then.
    """

    auc: NDArray[np.float64]
    average_precision: NDArray[np.float64]
    auc_interval: NDArray[np.float64]
    average_precision_interval: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """What a class's threshold did on the test part.

    ``recall`` (true positive rate), ``false_positive`` and ``precision`` are one-vs-rest: a wafer is called so from ``threshold`` on.
    ``escapes`` and ``overkill`` are those of the whole decision at these thresholds, see ``Confusion.escapes_by_class``.
    """

    name: str
    threshold: float
    recall: Rate
    false_positive: Rate
    precision: Rate
    escapes: Rate
    overkill: Rate

    def row(self) -> dict[str, Any]:
        """Plain numbers: name, threshold, and for each rate ``value low high hits trials``; None = nothing to count."""
        rates = {key: getattr(self, key) for key in ("recall", "false_positive", "precision", "escapes", "overkill")}
        return {"class": self.name, "threshold": self.threshold} | {key: rate.row() for key, rate in rates.items()}


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


def precision_recall(positive: NDArray[np.bool_], score: NDArray[np.floating]) -> PrecisionRecall | None:
    """The precision-recall curve of ``score`` (n,) for ``positive`` (n,); None unless there are positives and negatives."""
    found = roc(positive, score)
    if found is None:
        return None
    wafers = int(positive.sum())
    hits, false_calls = found.true_positive * wafers, found.false_positive * (len(positive) - wafers)
    called = hits + false_calls
    precision = np.divide(hits, called, out=np.ones(len(hits)), where=called > 0)
    average = float((np.diff(found.true_positive) * precision[1:]).sum())
    return PrecisionRecall(precision, found.true_positive, found.threshold, average)


def areas_under(positive: NDArray[np.bool_], score: NDArray[np.floating]) -> tuple[float, float]:
    """Area under the ROC curve and average precision; NaN unless there are positives and negatives."""
    if not positive.any() or positive.all():
        return float("nan"), float("nan")
    auc, average = _weighted(positive, score, np.zeros(len(positive), np.intp), np.ones((1, 1)))
    return float(auc[0]), float(average[0])


def areas(
    truth: NDArray[np.integer],
    probabilities: NDArray[np.floating],
    group: NDArray,
    *,
    bootstrap: int,
    rng: np.random.Generator,
) -> Areas:
    """Areas under the curves of each class, with the 2.5 and 97.5 percentiles of ``bootstrap`` resamples of whole lots.

    A resample without a wafer of the class, or of the others, is left out for that class. All classes see the same resamples. Where no
    wafer is ranked wrong, none is in any resample: the interval is (1, 1), and the number of wafers says what that is worth.

    Parameters
    ----------
    truth : ndarray of shape (n,), class positions
    probabilities : ndarray of shape (n, k)
    group : ndarray of shape (n,), the lot of each wafer
    bootstrap : resamples
    rng : numpy Generator
    """
    k = probabilities.shape[1]
    names, lot = np.unique(group, return_inverse=True)
    lots = len(names)
    drawn = rng.multinomial(lots, np.full(lots, 1.0 / lots), size=bootstrap).astype(np.float64) if lots else np.zeros((0, 0))
    points = np.array([areas_under(truth == c, probabilities[:, c]) for c in range(k)]).reshape(k, 2)
    intervals = np.full((2, k, 2), np.nan)
    for c in range(k):
        positive = truth == c
        if min(len(np.unique(lot[positive])), len(np.unique(lot[~positive]))) < 2:
            continue
        parts = [_weighted(positive, probabilities[:, c], lot, drawn[i : i + _AT_ONCE]) for i in range(0, bootstrap, _AT_ONCE)]
        for which, values in enumerate(np.concatenate(parts, axis=1)):
            intervals[which, c] = percentiles(values[~np.isnan(values)])
    return Areas(points[:, 0], points[:, 1], intervals[0], intervals[1])


def _weighted(
    positive: NDArray[np.bool_], score: NDArray[np.floating], lot: NDArray[np.intp], weight: NDArray[np.float64]
) -> NDArray[np.float64]:
    """AUC and average precision, shape (2, b), where each wafer counts by the weight (b, lots) of its lot; NaN for nothing to rank.

    Both change only at the scores of positives. So the other wafers are counted between these, in ``2 m + 1`` bins: below the lowest, equal
    to it, between it and the next ... A sparse matrix of the lots in each bin makes one product of all resamples.
    """
    from scipy.sparse import csr_array  # noqa: PLC0415  (imported when used)

    levels, level = np.unique(score[positive], return_inverse=True)
    others, m, lots = score[~positive], len(levels), weight.shape[1]
    place = np.searchsorted(levels, others, "left") + np.searchsorted(levels, others, "right")

    def counts(row: NDArray[np.intp], column: NDArray[np.intp], rows: int) -> NDArray[np.float64]:
        return csr_array((np.ones(len(row)), (row, column)), shape=(rows, lots)) @ weight.T

    hits, negatives = counts(level, lot[positive], m), counts(place, lot[~positive], 2 * m + 1)
    below, equal = negatives.cumsum(axis=0)[: 2 * m : 2], negatives[1::2]
    wafers, rest = hits.sum(axis=0), negatives.sum(axis=0)
    found = hits[::-1].cumsum(axis=0)[::-1]
    called = found + rest - below
    precision = np.divide(found, called, out=np.zeros_like(called), where=called > 0)
    ranked = (wafers > 0) & (rest > 0)
    sums = np.stack([(hits * (below + equal / 2)).sum(axis=0), (hits * precision).sum(axis=0)])
    of = np.stack([wafers * rest, wafers])
    return np.divide(sums, of, out=np.full(sums.shape, np.nan), where=np.broadcast_to(ranked, sums.shape))


def operating_points(
    truth: NDArray[np.integer], probabilities: NDArray[np.floating], thresholds: NDArray[np.floating], decided: Confusion
) -> list[OperatingPoint]:
    """What each class's threshold does on the test part.

    Parameters
    ----------
    truth : ndarray of shape (n,), class positions
    probabilities : ndarray of shape (n, k)
    thresholds : ndarray of shape (k,); the tuned ones, or .5 for all
    decided : Confusion
        By decision, at the same thresholds.
    """
    return list(_points(truth, probabilities, thresholds, decided))


def _points(
    truth: NDArray[np.integer], probabilities: NDArray[np.floating], thresholds: NDArray[np.floating], decided: Confusion
) -> Iterator[OperatingPoint]:
    for c, (name, escapes, overkill) in enumerate(zip(decided.names, decided.escapes_by_class, decided.overkill_by_class, strict=True)):
        positive, called = truth == c, probabilities[:, c] >= thresholds[c]
        hits, false_calls = int((positive & called).sum()), int((~positive & called).sum())
        wafers = int(positive.sum())
        yield OperatingPoint(
            name, float(thresholds[c]), Rate(hits, wafers), Rate(false_calls, len(truth) - wafers), Rate(hits, hits + false_calls),
            escapes, overkill,
        )  # fmt: skip
