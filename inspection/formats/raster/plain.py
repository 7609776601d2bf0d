"""Pixels that lie in a file as they are, row after row: of ``.npy``, of raw files and of TIFF without compression."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from inspection.formats.raster.readahead import read_ahead
from inspection.formats.raster.stream import rows_of, truncated

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

    from numpy.typing import NDArray

    from inspection.formats.raster.scale import PixelSize


@dataclass(frozen=True, slots=True, eq=False)
class PlainStream:
    """A raster whose bytes are its pixels.

    Attributes
    ----------
    file : BinaryIO
        Open, unbuffered.
    offset : int
        Where the first pixel lies.
    stored : numpy.dtype
        Of the pixels in the file, in its byte order.
    white : int or None
        The value that means black where the file counts from white: every pixel becomes ``white - pixel``.
    """

    path: Path
    file: BinaryIO
    offset: int
    shape: tuple[int, int]
    stored: np.dtype
    transposed: bool = False
    white: int | None = None
    notes: tuple[str, ...] = ()
    pixel_um: PixelSize | None = None

    @property
    def dtype(self) -> np.dtype:
        """Of the pixels that are given out: native byte order."""
        return self.stored.newbyteorder("=")

    def strips(self) -> Iterator[NDArray]:
        """Strips of the picture; see :class:`~inspection.formats.raster.stream.RasterStream`."""
        height, width = self.shape[::-1] if self.transposed else self.shape
        row_bytes = width * self.stored.itemsize
        rows, read = min(height, rows_of(width, self.stored)), 0
        for piece in read_ahead(self.file, self.offset, height * row_bytes, rows * row_bytes):
            read += len(piece)
            if len(piece) % row_bytes or (len(piece) < rows * row_bytes and read < height * row_bytes):
                raise truncated(self.path, f"{height * row_bytes} bytes of pixels", read)
            strip = piece.view(self.stored).reshape(-1, width)
            if not self.stored.isnative:
                strip = strip.byteswap(inplace=True).view(self.dtype)
            if self.stored.kind == "b":
                np.not_equal(strip.view(np.uint8), 0, out=strip)  # any other byte than 0 and 1 is no bool to NumPy
            if self.white is not None:
                np.subtract(strip.dtype.type(self.white), strip, out=strip)
            yield strip
        if read < height * row_bytes:
            raise truncated(self.path, f"{height * row_bytes} bytes of pixels", read)


def check_length(path: Path, offset: int, shape: tuple[int, int], dtype: np.dtype) -> None:
    """Hold a header against the file's length: pixels from ``offset`` to the end, no more and no less.

    Raises
    ------
    FormatError
        ``raster.truncated``.
    """
    expected, size = offset + shape[0] * shape[1] * dtype.itemsize, path.stat().st_size
    if size != expected:
        raise truncated(path, f"{expected} bytes for {shape[0]} x {shape[1]} of {dtype}", f"{size} bytes")
