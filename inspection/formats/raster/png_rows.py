"""A large grey PNG, row after row: what its writer took away from each pixel is added again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numba
import numpy as np

from inspection.formats.raster.png_blocks import unpacked
from inspection.formats.raster.stream import damaged, rows_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

    from numpy.typing import NDArray

    from inspection.formats.raster.png_blocks import Header


@dataclass(frozen=True, slots=True, eq=False)
class PngStream:
    """A grey picture of 8 or 16 bits, its rows in order; ``file`` is open and buffered."""

    path: Path
    file: BinaryIO
    header: Header
    transposed: bool = False
    notes: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.header.height, self.header.width

    @property
    def dtype(self) -> np.dtype:
        """Of the pixels."""
        return np.dtype(np.uint16 if self.header.bits == 16 else np.uint8)

    def strips(self) -> Iterator[NDArray]:
        """Strips of the picture; see :class:`~inspection.formats.raster.stream.RasterStream`."""
        rows, width = self.shape
        step = min(rows, rows_of(width, self.dtype))
        lines = np.empty((step, 1 + self.header.row_bytes), np.uint8)
        above = np.zeros(self.header.row_bytes, np.uint8)
        buffer, filled = lines.reshape(-1), 0
        for piece in unpacked(self.file, self.path, self.header):
            data = np.frombuffer(piece, np.uint8)
            while len(data):
                taken = min(len(data), len(buffer) - filled)
                buffer[filled : filled + taken] = data[:taken]
                data, filled = data[taken:], filled + taken
                if filled == len(buffer):
                    yield self._strip(lines, above)
                    rows, filled = rows - len(lines), 0
                    lines = lines[: min(step, rows)]
                    buffer = lines.reshape(-1)

    def _strip(self, lines: NDArray[np.uint8], above: NDArray[np.uint8]) -> NDArray:
        bad = _add_again(lines, above, self.dtype.itemsize)
        if bad >= 0:
            raise damaged(self.path, "filters 0 to 4 of the rows", bad)
        above[:] = lines[-1, 1:]
        pixels = np.ascontiguousarray(lines[:, 1:])
        return pixels if self.dtype.itemsize == 1 else pixels.view(">u2").astype(np.uint16)


@numba.njit(cache=True, nogil=True)
def _add_again(lines: NDArray[np.uint8], above: NDArray[np.uint8], step: int) -> int:
    """Undo the filters of rows in place (PNG, 9.2); ``step`` = bytes of a pixel. Gives the first unknown filter, or -1."""
    for row in range(lines.shape[0]):
        line = lines[row, 1:]
        kind = lines[row, 0]
        if kind > 4:
            return int(kind)
        if kind != 0:
            for i in range(len(line)):
                left = int(line[i - step]) if i >= step else 0
                up = int(above[i])
                if kind == 1:
                    guess = left
                elif kind == 2:
                    guess = up
                elif kind == 3:
                    guess = (left + up) >> 1
                else:
                    corner = int(above[i - step]) if i >= step else 0
                    by_left, by_up, by_corner = abs(up - corner), abs(left - corner), abs(left + up - 2 * corner)
                    guess = left if by_left <= by_up and by_left <= by_corner else up if by_up <= by_corner else corner
                line[i] = (int(line[i]) + guess) & 255
        above = line
    return -1
