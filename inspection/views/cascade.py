"""Level after level of a pyramid in one pass from the top: as soon as rows are complete, they are handed out and halved.

Two ways to the same numbers. `SparseCascade` takes the places of defects and touches only the shards that hold some;
`dense_cascade.DenseCascade` takes all pixels. Neither holds more of a level than one row of shards, whatever the size of the raster.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from inspection.views.reduction import halve_points, merge_points, shapes_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Entries = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]
    """Rows, columns, sums and maxima of the non-zero pixels of some rows of a level."""

OVERVIEW_PX = 2_048
"""Levels whose longer side is at most this are kept in memory: the global view and the choice of tiles come from them."""


class PointSink(Protocol):
    """Where the non-zero pixels of a complete row of shards go."""

    def __call__(self, level: int, rows: NDArray, cols: NDArray, sums: NDArray, peaks: NDArray) -> object:
        """Take them."""


class Totals:
    """What is known of every level in the end: its sum, its maximum, and the pixels of the small ones."""

    def __init__(self, shape: tuple[int, int], levels: int | None, sum_dtype: np.dtype, max_dtype: np.dtype) -> None:
        self.shapes = shapes_of(shape, levels)
        first = next((k for k, s in enumerate(self.shapes) if max(s) <= OVERVIEW_PX), len(self.shapes) - 1)
        self.overview = {
            k: (np.zeros(s, sum_dtype), np.zeros(s, max_dtype)) for k, s in enumerate(self.shapes) if k >= first
        }  # fmt: skip
        self.sums: list[int | float] = [0] * len(self.shapes)
        self.peaks: list[int | float | None] = [None] * len(self.shapes)

    def add(self, level: int, total: float, peak: float) -> None:
        """Count a block of ``level``."""
        self.sums[level] += total
        known = self.peaks[level]
        self.peaks[level] = peak if known is None else max(known, peak)


class SparseCascade:
    """From places of defects.

    Parameters
    ----------
    shape : (int, int)
        Of level 0.
    shard_rows : int
        Rows of a shard; even.
    sink : PointSink
    """

    def __init__(self, shape: tuple[int, int], shard_rows: int, sink: PointSink, *, levels: int | None = None) -> None:
        self.totals = Totals(shape, levels, np.dtype(np.int64), np.dtype(np.int64))
        self._shard_rows, self._sink = shard_rows, sink
        self._waiting: list[list[Entries]] = [[] for _ in self.totals.shapes]
        self._next_row = [0] * len(self.totals.shapes)

    def add(self, rows: NDArray[np.int64], cols: NDArray[np.int64]) -> None:
        """Take defects, one entry each, at or below every row that `complete` was told."""
        if len(rows):
            width = self.totals.shapes[0][1]
            ones = np.ones(len(rows), np.int64)
            self._waiting[0].append(merge_points(rows * width + cols, ones, ones, width))

    def complete(self, rows: int, level: int = 0) -> None:
        """Say that nothing will come above row ``rows`` any more: rows of shards that are full are handed out."""
        height = self.totals.shapes[level][0]
        while (end := min(self._next_row[level] + self._shard_rows, height)) <= rows and self._next_row[level] < height:
            entries, self._waiting[level] = _parted(self._waiting[level], end)
            if level == 0:  # the count of a finest pixel is known only when all its defects have come
                entries = (*entries[:3], entries[2])
            if len(entries[0]):
                self._hand_out(level, entries)
            if level + 1 < len(self.totals.shapes):
                if len(entries[0]):
                    self._waiting[level + 1].append(halve_points(*entries, self.totals.shapes[level][1]))
                self.complete(-(-end // 2), level + 1)
            self._next_row[level] = end

    def _hand_out(self, level: int, entries: Entries) -> None:
        rows, cols, sums, peaks = entries
        self.totals.add(level, int(sums.sum()), int(peaks.max()))
        if level in self.totals.overview:
            whole_sums, whole_peaks = self.totals.overview[level]
            whole_sums[rows, cols], whole_peaks[rows, cols] = sums, peaks
        self._sink(level, rows, cols, sums, peaks)


def _parted(waiting: list[Entries], end: int) -> tuple[Entries, list[Entries]]:
    """Entries above row ``end``, merged, and the others."""
    none = np.empty(0, np.int64)
    above: list[Entries] = []
    below: list[Entries] = []
    for entries in waiting:  # each is sorted by row
        cut = int(np.searchsorted(entries[0], end))
        if cut:
            above.append((entries[0][:cut], entries[1][:cut], entries[2][:cut], entries[3][:cut]))
        if cut < len(entries[0]):
            below.append((entries[0][cut:], entries[1][cut:], entries[2][cut:], entries[3][cut:]))
    if not above:
        return (none, none, none, none), below
    joined = [np.concatenate(column) for column in zip(*above, strict=True)]
    if len(above) == 1:
        return (joined[0], joined[1], joined[2], joined[3]), below
    width = int(joined[1].max()) + 1
    return merge_points(joined[0] * width + joined[1], joined[2], joined[3], width), below
