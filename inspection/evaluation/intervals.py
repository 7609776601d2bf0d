"""Intervals that respect lots. Pure.

Wafers of one lot resemble one another: drawing wafers alone would make the interval too narrow, so whole lots are drawn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from inspection.evaluation.confusion import column_of, macro_f1

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_AT_ONCE = 64  # resamples drawn together: bounds the memory


def macro_f1_interval(
    truth: NDArray[np.integer],
    called: Sequence[str],
    group: NDArray,
    names: Sequence[str],
    *,
    bootstrap: int,
    rng: np.random.Generator,
) -> tuple[float, float]:
    """95 % interval of the macro-F1: ``bootstrap`` resamples of whole lots, 2.5 and 97.5 percentiles.

    A class that a resample misses is left out of that resample's mean.

    Parameters
    ----------
    truth : ndarray of shape (n,)
    called : n names
    group : ndarray of shape (n,), the lot of each wafer
    names : k class names
    bootstrap : resamples

    Returns
    -------
    (low, high), or (NaN, NaN) for fewer than two lots: then the spread between lots cannot be known
    """
    scores = _resampled(truth, (called,), group, names, bootstrap, rng)
    return percentiles(scores[:, 0])


def macro_f1_lead_interval(
    truth: NDArray[np.integer],
    ours: Sequence[str],
    theirs: Sequence[str],
    group: NDArray,
    names: Sequence[str],
    *,
    bootstrap: int,
    rng: np.random.Generator,
) -> tuple[float, float]:
    """95 % interval of the macro-F1 of ``ours`` less that of ``theirs`` on the same wafers, both from the same lots in each resample.

    Paired: what makes a lot hard for both does not widen it. Parameters and degenerate cases as `macro_f1_interval`.
    """
    scores = _resampled(truth, (ours, theirs), group, names, bootstrap, rng)
    return percentiles(scores[:, 0] - scores[:, 1])


def _resampled(
    truth: NDArray[np.integer],
    calls: Sequence[Sequence[str]],
    group: NDArray,
    names: Sequence[str],
    bootstrap: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Macro-F1 of each of ``calls`` in each resample of lots, (bootstrap, len(calls)); empty for fewer than two lots."""
    _, lot = np.unique(group, return_inverse=True)
    lots, k = int(lot.max(initial=-1)) + 1, len(names)
    if lots < 2:
        return np.zeros((0, len(calls)))
    places = [(lot * k + truth) * (k + 2) + column_of(called, names) for called in calls]
    by_lot = [np.bincount(place, minlength=lots * k * (k + 2)).reshape(lots, k * (k + 2)).astype(np.float64) for place in places]
    scores = []
    for start in range(0, bootstrap, _AT_ONCE):
        drawn = rng.multinomial(lots, np.full(lots, 1.0 / lots), size=min(_AT_ONCE, bootstrap - start))
        scores.append(np.stack([macro_f1((drawn @ counts).reshape(-1, k, k + 2)) for counts in by_lot], axis=1))
    return np.concatenate(scores)


def resampled_lots(facts: NDArray[np.float64], group: NDArray, bootstrap: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Sums of ``facts`` (n, f) over ``bootstrap`` resamples of whole lots, shape (bootstrap, f); empty for fewer than two lots.

    Parameters
    ----------
    facts : ndarray of shape (n, f)
        What is counted of each wafer.
    group : ndarray of shape (n,), the lot of each wafer
    """
    _, lot = np.unique(group, return_inverse=True)
    lots = int(lot.max(initial=-1)) + 1
    if lots < 2:
        return np.zeros((0, facts.shape[1]))
    by_lot = np.zeros((lots, facts.shape[1]))
    np.add.at(by_lot, lot, facts)
    parts = [min(_AT_ONCE, bootstrap - start) for start in range(0, bootstrap, _AT_ONCE)]
    return np.concatenate([rng.multinomial(lots, np.full(lots, 1.0 / lots), size=size) @ by_lot for size in parts])


def percentiles(scores: NDArray[np.float64]) -> tuple[float, float]:
    """2.5 and 97.5 percentiles, NaN for no scores."""
    if not len(scores):
        return float("nan"), float("nan")
    low, high = np.percentile(scores, [2.5, 97.5])
    return float(low), float(high)
