"""Level after level from all pixels of a raster; see ``cascade``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from inspection.views.cascade import Totals
from inspection.views.halving import halve, total_and_peak
from inspection.views.reduction import accumulator

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


class BlockSink(Protocol):
    """Where finished bands go. The arrays may be used again as soon as the returned callable has been called."""

    def __call__(self, level: int, row: int, sums: NDArray, peaks: NDArray) -> Callable[[], None]:
        """Take whole rows of ``level`` from ``row`` on."""


class DenseCascade:
    """From all pixels.

    Parameters
    ----------
    shape : (int, int)
    dtype : numpy.dtype
        Of the pixels.
    band_rows : int
        Rows that are handed out at once; even.
    sink : BlockSink
    """

    def __init__(self, shape: tuple[int, int], dtype: np.dtype, band_rows: int, sink: BlockSink, *, levels: int | None = None) -> None:
        total = accumulator(dtype)
        self.totals = Totals(shape, levels, total, dtype)
        self._band, self._sink = band_rows, sink
        self._filled = [0] * len(self.totals.shapes)
        self._next_row = [0] * len(self.totals.shapes)
        self._turn = [0] * len(self.totals.shapes)
        # Two of each: one is filled while the other is written.
        self._buffers: list[list[tuple[NDArray, NDArray]]] = []
        for level, (height, width) in enumerate(self.totals.shapes):
            size = (min(band_rows, height), width)
            pairs = []
            for _ in range(2):
                peaks = np.empty(size, dtype)
                pairs.append((peaks if level == 0 else np.empty(size, total), peaks))
            self._buffers.append(pairs)
        self._written: list[list[Callable[[], None]]] = [[_nothing, _nothing] for _ in self.totals.shapes]

    def add(self, strip: NDArray) -> None:
        """Take the next rows, of shape (k, width)."""
        done = 0
        while done < len(strip):
            buffer = self._buffers[0][self._turn[0]][0]
            take = min(len(buffer) - self._filled[0], len(strip) - done)
            buffer[self._filled[0] : self._filled[0] + take] = strip[done : done + take]
            done += take
            self._grown(0, take)

    def finish(self) -> None:
        """Hand out what is left when all rows have come."""
        for level in range(len(self.totals.shapes)):
            if self._filled[level]:
                self._hand_out(level)
        for both in self._written:
            for wait in both:
                wait()

    def _grown(self, level: int, rows: int) -> None:
        self._filled[level] += rows
        if self._filled[level] == len(self._buffers[level][0][0]):
            self._hand_out(level)

    def _hand_out(self, level: int) -> None:
        turn, rows, begin = self._turn[level], self._filled[level], self._next_row[level]
        held, highest = self._buffers[level][turn]
        peaks = highest[:rows]
        sums = held[:rows] if level else peaks
        self._written[level][turn] = self._sink(level, begin, sums, peaks)
        self.totals.add(level, *_survey(sums, peaks))
        if level in self.totals.overview:
            whole_sums, whole_peaks = self.totals.overview[level]
            whole_sums[begin : begin + rows], whole_peaks[begin : begin + rows] = sums, peaks
        self._turn[level], self._filled[level], self._next_row[level] = 1 - turn, 0, begin + rows
        self._written[level][1 - turn]()
        if level + 1 < len(self.totals.shapes):
            self._halve_into(level + 1, sums, peaks)

    def _halve_into(self, level: int, sums: NDArray, peaks: NDArray) -> None:
        half = -(-len(sums) // 2)
        out_sums, out_peaks = self._buffers[level][self._turn[level]]
        begin = self._filled[level]
        halve(sums, peaks, out_sums[begin : begin + half], out_peaks[begin : begin + half])
        self._grown(level, half)


def _survey(sums: NDArray, peaks: NDArray) -> tuple[float, float]:
    """Sum and maximum of a block; whole numbers stay whole."""
    wide = {"u": np.uint64, "i": np.int64}.get(sums.dtype.kind, np.float64)
    total, peak = total_and_peak(sums, wide(0))
    if sums is peaks and sums.dtype.kind in "ui" and sums.itemsize == 8:  # pixels so large that a sum of them may wrap round
        total = (int((sums >> 32).sum()) << 32) + int((sums & 0xFFFFFFFF).sum())
    if sums is not peaks:
        _, peak = total_and_peak(peaks, wide(0))
    return (float(total) if wide is np.float64 else int(total)), (float(peak) if peaks.dtype.kind == "f" else int(peak))


def _nothing() -> None:
    """Nothing to wait for."""
