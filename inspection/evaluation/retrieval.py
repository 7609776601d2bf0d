"""How well look-alikes are found: the nearest labelled wafers of each judged wafer, and whether they are of its class. Pure.

A neighbour is never of the wafer's own lot: wafers of one lot resemble one another, and finding them again would be no achievement. (With a
reference of training wafers and judged wafers of other lots that holds by itself; it is made sure of all the same.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from inspection.errors import InputError
from inspection.evaluation.confusion import Rate
from inspection.evaluation.intervals import percentiles, resampled_lots

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from inspection.scoring.reference import Reference

AT = (1, 5, 10)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Retrieval:
    """What was found for ``queries`` judged wafers among ``reference`` labelled ones; every interval is 95 %, by lots.

    Attributes
    ----------
    names : k class names
    at : numbers of neighbours, ascending
    recall : for each of ``at``, the share of the wafers with a wafer of their class among so many nearest (Jégou et al. 2011, R@k)
    recall_interval : as many
    average_precision : ndarray of shape (q,)
        Of each wafer, over the ranking of the whole reference; NaN where no other lot has a wafer of its class.
    precision_interval : of the mean average precision
    nearest, classifier : Rate
        Whose nearest neighbour, and whose likeliest class, is right.
    nearest_interval, classifier_interval : of their values
    lead_interval : of the classifier's accuracy less that of the nearest neighbour, in the same resamples
    truth : ndarray of shape (q,), class positions
    hit : ndarray of shape (q,), bool
        Whose nearest neighbour is of its class.
    """

    names: tuple[str, ...]
    reference: int
    at: tuple[int, ...]
    recall: tuple[Rate, ...]
    recall_interval: tuple[tuple[float, float], ...]
    average_precision: NDArray[np.float64]
    precision_interval: tuple[float, float]
    nearest: Rate
    nearest_interval: tuple[float, float]
    classifier: Rate
    classifier_interval: tuple[float, float]
    lead_interval: tuple[float, float]
    truth: NDArray[np.integer]
    hit: NDArray[np.bool_]

    @property
    def mean_average_precision(self) -> float:
        """Over the wafers of which any could be found; NaN for none."""
        return _mean(self.average_precision)

    @property
    def macro_average_precision(self) -> float:
        """Mean over the classes of their mean average precisions: the many normal wafers count as one class."""
        return _mean(np.array([row["mean_average_precision"] for row in self.per_class()]))

    def per_class(self) -> list[dict[str, Any]]:
        """One row per class: ``name wafers nearest`` (Rate: nearest neighbour of the class) ``mean_average_precision`` (NaN: unknown)."""
        rows = []
        for k, name in enumerate(self.names):
            mine = self.truth == k
            found = Rate(int(self.hit[mine].sum()), int(mine.sum()))
            rows.append(
                {"name": name, "wafers": found.trials, "nearest": found, "mean_average_precision": _mean(self.average_precision[mine])}
            )
        return rows

    def metrics(self) -> dict[str, float]:
        """``recall_at_<k> mean_average_precision nearest_accuracy``, each with ``_low _high``; ``macro_average_precision``; never NaN.

        The names begin with ``retrieval_``.
        """
        found = {"nearest_accuracy": self.nearest.value, "mean_average_precision": self.mean_average_precision}
        ends = {"nearest_accuracy": self.nearest_interval, "mean_average_precision": self.precision_interval}
        for k, rate, interval in zip(self.at, self.recall, self.recall_interval, strict=True):
            found[f"recall_at_{k}"], ends[f"recall_at_{k}"] = rate.value, interval
        for name, (low, high) in ends.items():
            found |= {f"{name}_low": low, f"{name}_high": high}
        found["macro_average_precision"] = self.macro_average_precision
        return {f"retrieval_{name}": float(value) for name, value in sorted(found.items()) if np.isfinite(value)}


def retrieve(
    reference: Reference,
    embedding: NDArray[np.floating],
    truth: NDArray[np.integer],
    called: NDArray[np.integer],
    group: NDArray[np.str_],
    names: tuple[str, ...],
    *,
    at: tuple[int, ...] = AT,
    bootstrap: int,
    rng: np.random.Generator,
) -> Retrieval:
    """Look every judged wafer up in ``reference``.

    Parameters
    ----------
    reference : Reference
        Labelled wafers; the model may have learnt from them.
    embedding : ndarray of shape (q, f)
        Of the judged wafers, which it may not have learnt from.
    truth, called : ndarrays of shape (q,)
        Class positions: of the wafer, and the likeliest by the classifier.
    group : ndarray of shape (q,), the lot of each wafer
    names : k class names
    at : numbers of neighbours, ascending, at least 1
    bootstrap : resamples of whole lots
    rng : numpy Generator

    Raises
    ------
    InputError
        Columns of other lengths, or numbers of neighbours that are not ascending from 1.
    """
    q = len(embedding)
    if any(len(column) != q for column in (truth, called, group)) or not at or list(at) != sorted(set(at)) or at[0] < 1:
        raise InputError(
            f"Cannot judge retrieval: expected one true class, called class and lot for each of {q} wafers and ascending numbers of "
            f"neighbours, got {len(truth)}, {len(called)}, {len(group)} and {at}. Pass the columns of one part."
        )
    lots = [str(name) for name in group]
    found = reference.nearest(embedding, at[-1], not_of=lots)
    label = np.append(reference.label, -1)  # row -1: there is no such neighbour
    same = label[found.rows] == np.asarray(truth)[:, None]
    hits = np.stack([same[:, :k].any(axis=1) for k in at], axis=1)
    precision = np.full(q, np.nan)
    for places, distances in reference.distances(embedding, not_of=lots):
        precision[places.start : places.stop] = average_precision(distances, reference.label == np.asarray(truth)[list(places), None])

    right, known = np.asarray(called) == truth, ~np.isnan(precision)
    facts = np.column_stack([hits, same[:, 0], right, np.where(known, precision, 0), known, np.ones(q)]).astype(np.float64)
    drawn = resampled_lots(facts, group, bootstrap, rng)
    one, classifier, precise, counted, wafers = drawn.T[len(at) :]
    return Retrieval(
        names=names,
        reference=len(reference),
        at=at,
        recall=tuple(Rate(int(hits[:, i].sum()), q) for i in range(len(at))),
        recall_interval=tuple(percentiles(drawn[:, i] / wafers) for i in range(len(at))),
        average_precision=precision,
        precision_interval=percentiles(precise[counted > 0] / counted[counted > 0]),
        nearest=Rate(int(same[:, 0].sum()), q),
        nearest_interval=percentiles(one / wafers),
        classifier=Rate(int(right.sum()), q),
        classifier_interval=percentiles(classifier / wafers),
        lead_interval=percentiles((classifier - one) / wafers),
        truth=np.asarray(truth),
        hit=same[:, 0],
    )


def average_precision(distances: NDArray[np.float32], relevant: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Mean over the relevant entries of the precision at their rank, for each row, shape (b,); NaN for a row without any.

    Parameters
    ----------
    distances : ndarray of shape (b, n)
        At least 0; an infinite one is left out of the ranking.
    relevant : ndarray of shape (b, n), bool

    Notes
    -----
    Of equal distances the irrelevant ones come first, so that a tie never flatters. The order of floats that are not negative is that of
    their bits: with relevance as the lowest bit, sorting whole numbers ranks them, an order of magnitude faster than sorting indices.
    """
    ranked = np.isfinite(distances)
    relevant = relevant & ranked
    # + 0 turns -0 into 0, whose bits are the smallest.
    keys = ((np.asarray(distances, np.float32) + np.float32(0)).view(np.uint32) << np.uint32(1)) | relevant
    keys.sort(axis=1)
    rows, places = np.nonzero(keys & np.uint32(1))
    count = np.bincount(rows, minlength=len(keys))
    nth = np.arange(1, len(rows) + 1) - np.repeat(np.cumsum(count) - count, count)  # how many relevant ones so far, in each row
    precision = np.bincount(rows, nth / (places + 1), minlength=len(keys))
    return np.divide(precision, count, out=np.full(len(count), np.nan), where=count > 0)


def _mean(values: NDArray[np.float64]) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")
