"""Pixels that lie in a file in pieces (strips, tiles, chunks), decoded in order into bands of whole rows.

A band is one row of pieces, or several where they are small. A few threads decode it while the band before it is worked on.
Where one row of pieces is more than ``BAND_BYTES``, it is handed out in parts, and its pieces wait on disk (``spool``) for the next part.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import nullcontext
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from inspection.errors import FormatError
from inspection.formats.raster.spool import RowOfPieces
from inspection.formats.raster.stream import rows_of

if TYPE_CHECKING:
    from pathlib import Path

    from inspection.formats.raster.scale import PixelSize

Decode = Callable[[int, int], NDArray | None]
"""The piece at (row, column) of the grid: an array that covers at least what of it lies in the picture; None = only fill."""

Rows = Callable[[int, int, slice], NDArray | None]
"""Some rows of a piece; at least its columns that lie in the picture."""

SEGMENT_BYTES = 64 * 2**20
"""Most that one piece may hold: it has to be decoded whole."""
BAND_BYTES = 48 * 2**20
MAX_PASSES = 32
TASK_BYTES = 256 * 2**10
"""Smaller pieces are decoded several at a time, so that handing them over costs little."""
THREADS = 4


@dataclass(slots=True, eq=False)
class SegmentedStream:
    """A raster in a grid of equal pieces, the last ones of a row or column cut off by the picture's edge.

    Attributes
    ----------
    segment : (int, int)
        Rows and columns of a piece.
    decode : callable
        Called from several threads at once.
    fill : number
        Of the pixels of a piece that is not stored.
    depth : int
        Values behind each other in a piece: colours, or places of further axes.
    pixel_um : (float, float), optional
        Height and width of a pixel, by the file.
    """

    shape: tuple[int, int]
    dtype: np.dtype
    segment: tuple[int, int]
    decode: Decode
    fill: float | bool = 0
    depth: int = 1
    transposed: bool = False
    remarks: tuple[str, ...] = ()
    pixel_um: PixelSize | None = None
    _pool: ThreadPoolExecutor = field(init=False)
    _absent: int = field(init=False, default=0)
    _lock: Lock = field(init=False, default_factory=Lock)

    def __post_init__(self) -> None:
        threads = min(THREADS, os.cpu_count() or 1, max(1, SEGMENT_BYTES // self._segment_bytes))
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="raster")

    @property
    def notes(self) -> tuple[str, ...]:
        """What is odd about the file; complete once the strips were read."""
        pieces = -(-self.shape[0] // self.segment[0]) * -(-self.shape[1] // self.segment[1])
        absent = (f"{self._absent} of {pieces} chunks are not stored: their pixels are {self.fill}",) if self._absent else ()
        return self.remarks + absent

    def close(self) -> None:
        """Wait for the threads: to be called before the file is closed that they read from."""
        self._pool.shutdown(cancel_futures=True)

    def strips(self, *, backwards: bool = False) -> Iterator[NDArray]:
        """Strips of the picture; see :class:`~inspection.formats.raster.stream.RasterStream`. ``backwards``: the last one first."""
        bands = self._bands()[:: -1 if backwards else 1]
        self._absent = 0
        deepest = max(last - first for first, last in bands)
        buffers = [np.empty((deepest, self.shape[1]), self.dtype) for _ in bands[:2]]
        step = rows_of(self.shape[1], self.dtype)
        aside = RowOfPieces(self.decode, self._inside, self._segment_bytes) if self._in_parts else nullcontext()
        with aside as laid:
            rows_of_piece = self._decoded if laid is None else laid.rows
            pending = self._start(bands[0], buffers[0], rows_of_piece)
            try:
                for number, (first, last) in enumerate(bands):
                    _finish(pending)
                    if number + 1 < len(bands):
                        pending = self._start(bands[number + 1], buffers[(number + 1) % 2], rows_of_piece)
                    band = buffers[number % 2][: last - first]
                    for row in range(0, len(band), step)[:: -1 if backwards else 1]:
                        yield band[row : row + step]
            finally:  # whoever stops in the middle leaves no thread behind that writes to a closed file
                for future in pending:
                    future.cancel()
                wait(pending)

    @property
    def _segment_bytes(self) -> int:
        return self.segment[0] * self.segment[1] * self.depth * self.dtype.itemsize

    @property
    def _in_parts(self) -> bool:
        """Whether one row of pieces is more than a band."""
        return self.segment[0] * self.shape[1] * self.dtype.itemsize > BAND_BYTES

    def _inside(self, row: int, column: int) -> tuple[int, int]:
        """How much of a piece lies in the picture."""
        height, width = self.segment
        return min(height, self.shape[0] - row * height), min(width, self.shape[1] - column * width)

    def _decoded(self, row: int, column: int, wanted: slice) -> NDArray | None:
        piece = self.decode(row, column)
        return None if piece is None else piece[wanted]

    def _bands(self) -> list[tuple[int, int]]:
        """First and last row of each band; none crosses a border between pieces of which it holds only a part."""
        rows, height = self.shape[0], self.segment[0]
        if not self._in_parts:
            depth = height * max(1, rows_of(self.shape[1], self.dtype) // height)
            return [(first, min(first + depth, rows)) for first in range(0, rows, depth)]
        depth = rows_of(self.shape[1], self.dtype, BAND_BYTES)
        return [
            (first, min(first + depth, top + height, rows))
            for top in range(0, rows, height)
            for first in range(top, min(top + height, rows), depth)
        ]

    def _start(self, band: tuple[int, int], buffer: NDArray, rows_of_piece: Rows) -> list[Future[None]]:
        columns = -(-self.shape[1] // self.segment[1])
        low, high = band[0] // self.segment[0] * columns, ((band[1] - 1) // self.segment[0] + 1) * columns
        step = max(1, TASK_BYTES // self._segment_bytes)
        return [
            self._pool.submit(self._paste_all, range(first, min(first + step, high)), columns, band, buffer, rows_of_piece)
            for first in range(low, high, step)
        ]

    def _paste_all(self, places: range, columns: int, band: tuple[int, int], buffer: NDArray, rows_of_piece: Rows) -> None:
        (height, width), (first, last) = self.segment, band
        for row, column in (divmod(place, columns) for place in places):
            top, left = row * height, column * width
            rows = slice(max(top, first), min(top + height, last))
            across = min(width, self.shape[1] - left)
            target = buffer[rows.start - first : rows.stop - first, left : left + across]
            piece = rows_of_piece(row, column, slice(rows.start - top, rows.stop - top))
            if piece is None and rows.start == top:  # counted in the first of its bands only
                with self._lock:
                    self._absent += 1
            target[:] = self.fill if piece is None else piece[:, :across]


def check_segment(
    path: Path, shape: tuple[int, int], dtype: np.dtype, segment: tuple[int, int], *, depth: int = 1, most: int = SEGMENT_BYTES
) -> None:
    """Hold the size of one piece against the ``most`` that may be decoded at once; ``depth`` = values behind each other in a piece.

    Raises
    ------
    FormatError
        ``raster.segment``.
    """
    size = segment[0] * segment[1] * depth * dtype.itemsize
    passes = min(segment[0], shape[0]) * shape[1] * dtype.itemsize / BAND_BYTES
    if min(segment) < 1 or size > most or passes > MAX_PASSES:
        raise FormatError(
            "raster.segment",
            where=path.name,
            expected=f"strips, tiles or chunks of at most {most >> 20} MiB",
            got=f"{segment[0]} x {segment[1]} pixels of {dtype}",
            action="Write the raster with smaller strips, tiles or chunks (512 x 512 suits most readers).",
        )


def _finish(pending: list[Future[None]]) -> None:
    try:
        for future in pending:
            future.result()
    finally:
        for future in pending:
            future.cancel()
