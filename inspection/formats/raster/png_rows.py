"""A large PNG, row after row: what its writer took away from each pixel is added again, and colour is made grey."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numba
import numpy as np

from inspection.formats.raster.grey import OPACITY, REDUCED, is_grey, luminance
from inspection.formats.raster.png_blocks import CHANNELS, COLOUR_ALPHA, GREY, GREY_ALPHA, PALETTE, before_pixels, unpacked
from inspection.formats.raster.spool import from_the_end
from inspection.formats.raster.stream import damaged, rows_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

    from numpy.typing import NDArray

    from inspection.formats.raster.png_blocks import Header
    from inspection.formats.raster.scale import PixelSize


@dataclass(frozen=True, slots=True, eq=False)
class PngStream:
    """A picture whose rows come in order, made grey; ``file`` is open and buffered."""

    path: Path
    file: BinaryIO
    header: Header
    transposed: bool = False
    pixel_um: PixelSize | None = None
    _palette: NDArray[np.uint8] = field(init=False)
    _seen: dict[str, None] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_palette", self._read_palette())

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.header.height, self.header.width

    @property
    def dtype(self) -> np.dtype:
        """Of the pixels."""
        return np.dtype(np.uint16 if self.header.bits == 16 else np.uint8)

    @property
    def notes(self) -> tuple[str, ...]:
        """What of the pixels is left out; complete once the strips were read."""
        return tuple(self._seen)

    def strips(self, *, backwards: bool = False) -> Iterator[NDArray]:
        """Strips of the picture; see :class:`~inspection.formats.raster.stream.RasterStream`.

        ``backwards``: the last one first; they wait on disk for it, because a row is made from the one above it.
        """
        return from_the_end(self._strips()) if backwards else self._strips()

    def _strips(self) -> Iterator[NDArray]:
        rows, width = self.shape
        step = min(rows, rows_of(max(width * self.dtype.itemsize, self.header.row_bytes), np.dtype(np.uint8)))
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

    def _read_palette(self) -> NDArray[np.uint8]:
        """Red, green and blue of each number, black beyond the palette; grey of each number where there is none."""
        count = 1 << min(8, self.header.bits)
        blocks = before_pixels(self.file, self.path, (b"PLTE", b"tRNS"))
        if b"tRNS" in blocks:
            self._seen[OPACITY] = None
        if self.header.colour != PALETTE:
            return np.repeat(np.arange(count, dtype=np.uint8)[:, None] * np.uint8(255 // (count - 1)), 3, axis=1)
        said = np.frombuffer(blocks.get(b"PLTE", b""), np.uint8)
        if not len(said) or len(said) % 3 or len(said) > 3 * count:
            raise damaged(self.path, f"a palette of at most {count} colours", f"{len(said)} bytes")
        return np.concatenate((said, np.zeros(3 * count - len(said), np.uint8))).reshape(count, 3)

    def _strip(self, lines: NDArray[np.uint8], above: NDArray[np.uint8]) -> NDArray:
        header, channels = self.header, CHANNELS[self.header.colour]
        bad = _add_again(lines, above, max(1, channels * header.bits // 8))
        if bad >= 0:
            raise damaged(self.path, "filters 0 to 4 of the rows", bad)
        above[:] = lines[-1, 1:]
        values = np.ascontiguousarray(lines[:, 1:])
        if header.bits < 8:
            places = np.arange(header.width)
            shift = 8 - header.bits - places * header.bits % 8
            values = np.take(values, places * header.bits // 8, axis=1) >> shift.astype(np.uint8) & np.uint8((1 << header.bits) - 1)
        elif header.bits == 16:
            values = values.view(">u2").astype(np.uint16)
        if header.colour == PALETTE or header.bits < 8:
            if header.colour == PALETTE and REDUCED not in self._seen:
                used = self._palette[np.unique(values)]
                self._note(REDUCED, not is_grey(used[None]))
            return luminance(self._palette[None])[0][values]
        if header.colour == GREY:
            return values
        pixels = values.reshape(len(lines), header.width, channels)
        if header.colour in {GREY_ALPHA, COLOUR_ALPHA}:
            self._note(OPACITY, OPACITY not in self._seen and int(pixels[..., -1].min()) < np.iinfo(self.dtype).max)
        if header.colour == GREY_ALPHA:
            return np.ascontiguousarray(pixels[..., 0])
        self._note(REDUCED, REDUCED not in self._seen and not is_grey(pixels))
        return luminance(pixels)

    def _note(self, what: str, seen: bool) -> None:
        if seen:
            self._seen[what] = None


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
