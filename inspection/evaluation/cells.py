"""The confusion matrix as a table of cells that open: their words, and which of their wafers to draw. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from inspection.evaluation import wording
from inspection.evaluation.confusion import column_of

if TYPE_CHECKING:
    from inspection.evaluation.confusion import Confusion
    from inspection.evaluation.evaluation import Evaluation

SHADES = 20
"""Steps of colour between none and all of a row."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of the matrix: ``count`` wafers, ``shade`` in 0..SHADES (share of its row), ``words`` for its title."""

    row: int
    column: int
    count: int
    shade: int
    words: str


def cells(matrix: Confusion) -> list[list[Cell]]:
    """The rows of ``matrix``, all columns. A shade of 0 is kept for cells without wafers."""
    shares, support = np.nan_to_num(matrix.shares), matrix.support
    low, high = matrix.share_intervals
    table = []
    for i, name in enumerate(matrix.names):
        row = []
        for j, call in enumerate(matrix.calls):
            count, share = int(matrix.counts[i, j]), float(shares[i, j])
            between = wording.interval(low[i, j], high[i, j], shares=True)
            words = f"{count} of {support[i]} {name} wafers were called {call}: {wording.percent(share)} (95 % interval {between})"
            row.append(Cell(i, j, count, max(round(share * SHADES), 1) if count else 0, words))
        table.append(row)
    return table


def worst_of_cells(evaluation: Evaluation, most: int) -> list[int]:
    """Up to ``most`` positions in the test part to draw: of every cell the worst wafer, then of every cell the second worst, and so on.

    Worst is what was called most surely among the wrong and ``Unknown`` and ``Review``, and least surely among the right. Wrong calls come
    before right ones of the same rank; cells with few wafers before those with many.
    """
    test, k = evaluation.test, len(evaluation.taxonomy)
    if not len(test):
        return []
    called = column_of(evaluation.decisions, evaluation.taxonomy.names)
    probabilities = np.asarray(test.probabilities, np.float64)
    said = np.where(called < k, probabilities[np.arange(len(test)), np.minimum(called, k - 1)], probabilities.max(axis=1))
    right = called == test.truth
    badness = np.where(right, -said, said)
    cell = test.truth.astype(np.int64) * (k + 2) + called
    order = np.lexsort((np.arange(len(test)), -badness, cell))
    _, start, size = np.unique(cell[order], return_index=True, return_counts=True)
    rank, crowd = np.empty(len(test), np.int64), np.empty(len(test), np.int64)
    rank[order] = np.arange(len(test)) - np.repeat(start, size)
    crowd[order] = np.repeat(size, size)
    chosen = np.lexsort((np.arange(len(test)), crowd, right, rank))
    return [int(i) for i in chosen[:most]]
