"""Decoded pixels laid aside on disk, where they are wanted in another order than they come in, or more than once.

The file has no name: it goes with the process that made it, however that ends.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from numpy.typing import NDArray

_BLOCK_BYTES = 4 * 2**20
"""Written at once: pixels that do not lie together are copied first."""


class Spool:
    """Arrays at their places, in bytes, in the temporary folder (TMPDIR); ``put`` and ``take`` may be called from several threads.

    Raises
    ------
    OSError
        ENOSPC among others: the machine's fault, not the raster's.
    """

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - closed by __exit__

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()

    def put(self, place: int, pixels: NDArray) -> None:
        """Lay ``pixels`` of two dimensions at ``place``, row after row."""
        step = max(1, _BLOCK_BYTES // max(1, pixels.shape[1] * pixels.itemsize))
        for row in range(0, len(pixels), step):
            left = np.ascontiguousarray(pixels[row : row + step]).reshape(-1).view(np.uint8).data
            while left:
                written = os.pwrite(self._file.fileno(), left, place)
                left, place = left[written:], place + written

    def take(self, place: int, shape: tuple[int, int], dtype: np.dtype) -> NDArray:
        """The array that was laid at ``place``, or whole rows of it."""
        pixels = np.empty(shape, dtype)
        left = pixels.reshape(-1).view(np.uint8).data
        while left:
            got = os.preadv(self._file.fileno(), [left], place)
            if not got:
                raise OSError("the temporary file became shorter")
            left, place = left[got:], place + got
        return pixels


def from_the_end(strips: Iterator[NDArray]) -> Iterator[NDArray]:
    """The same strips, the last one first."""
    with Spool() as spool:
        laid: list[tuple[int, tuple[Any, ...], np.dtype]] = []
        end = 0
        for strip in strips:
            spool.put(end, strip)
            laid.append((end, strip.shape, strip.dtype))
            end += strip.nbytes
        for place, shape, dtype in reversed(laid):
            yield spool.take(place, (shape[0], shape[1]), dtype)


class _Laid(NamedTuple):
    place: int
    width: int
    dtype: np.dtype


@dataclass(slots=True)
class RowOfPieces:
    """The pieces of one row of a grid, each decoded once, though the row is more than memory may hold.

    Attributes
    ----------
    decode : callable
        See :data:`~inspection.formats.raster.segments.Decode`.
    inside : callable
        Rows and columns of the piece at (row, column) that lie in the picture.
    room : int
        Bytes between the places of two pieces: at least those of one.
    """

    decode: Callable[[int, int], NDArray | None]
    inside: Callable[[int, int], tuple[int, int]]
    room: int
    _spool: Spool = field(init=False, default_factory=Spool)
    _row: int = field(init=False, default=-1)
    _laid: dict[int, _Laid | None] = field(init=False, default_factory=dict)
    _lock: Lock = field(init=False, default_factory=Lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._spool.__exit__(kind, error, trace)

    def rows(self, row: int, column: int, wanted: slice) -> NDArray | None:
        """Some rows of a piece; None = it is not stored. Another ``row`` only once all is done with the last one."""
        with self._lock:
            if row != self._row:
                self._row, self._laid = row, {}
        if column in self._laid:
            laid = self._laid[column]
            if laid is None:
                return None
            begin = laid.place + wanted.start * laid.width * laid.dtype.itemsize
            return self._spool.take(begin, (wanted.stop - wanted.start, laid.width), laid.dtype)
        piece = self.decode(row, column)
        if piece is None:
            self._laid[column] = None
            return None
        height, width = self.inside(row, column)
        piece = piece[:height, :width]
        try:
            self._spool.put(column * self.room, piece)
        except OSError:  # no room on the disk: the piece is decoded again for each of its parts
            return piece[wanted]
        self._laid[column] = _Laid(column * self.room, width, piece.dtype)
        return piece[wanted]
