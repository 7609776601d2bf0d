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

    Entries = tuple[NDArray[np.int64], NDArray, NDArray]
    """Places (``row * width + col``, rising), sums and maxima of the non-zero pixels of some rows of a level."""

OVERVIEW_PX = 2_048
"""Levels whose longer side is at most this are kept in memory: the global view and the choice of tiles come from them."""


class PointSink(Protocol):
    """Where the non-zero pixels of a complete row of shards go."""

    def __call__(self, level: int, place: NDArray[np.int64], sums: NDArray, peaks: NDArray) -> object:
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
    sum_dtype, max_dtype : numpy.dtype
        Hold the sums and maxima of every level.
    shard_rows : int
        Rows of a shard; even.
    sink : PointSink
    """

    def __init__(self, shape: tuple[int, int], sum_dtype: np.dtype, max_dtype: np.dtype, shard_rows: int, sink: PointSink) -> None:
        self.totals = Totals(shape, None, sum_dtype, max_dtype)
        self._types, self._shard_rows, self._sink = (sum_dtype, max_dtype), shard_rows, sink
        self._waiting: list[list[Entries]] = [[] for _ in self.totals.shapes]
        self._next_row = [0] * len(self.totals.shapes)

    def add(self, place: NDArray[np.int64]) -> None:
        """Take the places of defects, one entry each, at or below every row that `complete` was told."""
        if len(place):
            sum_dtype, max_dtype = self._types
            self._waiting[0].append(merge_points(place, np.ones(len(place), sum_dtype), np.ones(len(place), max_dtype)))

    def complete(self, rows: int, level: int = 0) -> None:
        """Say that nothing will come above row ``rows`` any more: rows of shards that are full are handed out."""
        height, width = self.totals.shapes[level]
        while (end := min(self._next_row[level] + self._shard_rows, height)) <= rows and self._next_row[level] < height:
            entries, self._waiting[level] = _parted(self._waiting[level], end * width)
            if entries is not None:
                place, sums, peaks = entries
                if level == 0:  # the count of a finest pixel is known only when all its defects have come
                    peaks = sums.astype(self._types[1], copy=False)
                self._hand_out(level, place, sums, peaks)
                if level + 1 < len(self.totals.shapes):
                    self._waiting[level + 1].append(halve_points(place, sums, peaks, width))
            if level + 1 < len(self.totals.shapes):
                self.complete(-(-end // 2), level + 1)
            self._next_row[level] = end

    def _hand_out(self, level: int, place: NDArray[np.int64], sums: NDArray, peaks: NDArray) -> None:
        self.totals.add(level, int(sums.sum()), int(peaks.max()))
        if level in self.totals.overview:
            whole_sums, whole_peaks = self.totals.overview[level]
            whole_sums.reshape(-1)[place], whole_peaks.reshape(-1)[place] = sums, peaks
        self._sink(level, place, sums, peaks)


def _parted(waiting: list[Entries], end: int) -> tuple[Entries | None, list[Entries]]:
    """Entries before place ``end``, merged (None = there are none), and the others."""
    before: list[Entries] = []
    behind: list[Entries] = []
    for place, sums, peaks in waiting:
        cut = int(np.searchsorted(place, end))
        if cut:
            before.append((place[:cut], sums[:cut], peaks[:cut]))
        if cut < len(place):
            behind.append((place[cut:], sums[cut:], peaks[cut:]))
    if len(before) < 2:
        return (before[0] if before else None), behind
    place, sums, peaks = (np.concatenate(column) for column in zip(*before, strict=True))
    return merge_points(place, sums, peaks), behind
