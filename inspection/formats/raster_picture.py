"""Rasters in PNG and JPEG: pictures small enough to be decoded whole, their size checked before that."""

from __future__ import annotations

import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from inspection.errors import FormatError
from inspection.formats.jpeg_markers import START, Frame, ends, jpeg_frame
from inspection.formats.raster_stream import check_size, damaged, rows_of, truncated

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from inspection.formats.raster_stream import RasterStream
    from inspection.params import Ingest

PNG = b"\x89PNG\r\n\x1a\n"
MAX_BYTES = 192 * 2**20
"""Of a decoded picture, all its channels together."""
PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Values of a pixel in the file, by PNG colour type; 3 is a palette."""
ADAM7 = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
"""First row and column and their steps, of each pass of an interlaced PNG."""
LUMINANCE = (0.114, 0.587, 0.299)
"""Weights of blue, green and red: ITU-R BT.601."""
LOSSY = "JPEG changes values beside every edge: without a threshold in the sidecar, pixels around a defect count as defects"


@dataclass(frozen=True, slots=True, eq=False)
class PictureStream:
    """A decoded picture: ``pixels`` is (rows, columns) or (rows, columns, channels: blue, green, red, opacity)."""

    pixels: NDArray
    weights: tuple[float, ...] | None
    notes: tuple[str, ...]
    transposed: bool = False

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.pixels.shape[0], self.pixels.shape[1]

    @property
    def dtype(self) -> np.dtype:
        """Of the grey pixels."""
        return self.pixels.dtype

    def strips(self) -> Iterator[NDArray]:
        """Strips of the picture in grey; see :class:`~inspection.formats.raster_stream.RasterStream`."""
        step = rows_of(self.shape[1], self.dtype)
        for row in range(0, self.shape[0], step):
            strip = self.pixels[row : row + step]
            if self.weights is not None:
                strip = np.rint(strip[..., :3] @ np.array(self.weights)).astype(self.dtype)
            elif strip.ndim == 3:
                strip = strip[..., 0]
            yield np.ascontiguousarray(strip)


def recognises(head: bytes, path: Path) -> bool:  # noqa: ARG001 - the signature that every format shares
    """Whether ``head`` is the beginning of a PNG or JPEG file."""
    return head.startswith((PNG, START + b"\xff"))


@contextmanager
def open_stream(path: Path, limits: Ingest) -> Iterator[RasterStream]:
    """Decode a PNG or JPEG file. Colour whose channels are equal is grey; other colour becomes its luminance, with a note.

    Raises
    ------
    FormatError
        ``raster.header``, ``raster.truncated``, ``raster.damaged``; ``raster.size``: more than ``MAX_BYTES`` of pixels.
    """
    if (size := path.stat().st_size) > MAX_BYTES + 2**20:
        raise _too_large(path, f"a file of {size} bytes")
    data = path.read_bytes()
    is_png = data.startswith(PNG)
    frame = _png_frame(data, path) if is_png else jpeg_frame(data)
    if frame is None:
        raise damaged(path, "the size of a JPEG picture before its first scan", "none")
    dtype = np.dtype(np.uint16 if frame.bits > 8 else np.uint8)
    check_size(path, (frame.height, frame.width), dtype, limits)
    if frame.height * frame.width * frame.channels * dtype.itemsize > MAX_BYTES:
        raise _too_large(path, f"{frame.height} x {frame.width} pixels in {frame.channels} channel(s) of {frame.bits} bits")
    if is_png:
        _check_png(data, frame, path)
    elif not ends(data):
        raise truncated(path, "the end mark of a JPEG file", "none")
    pixels = _decoded(data, frame, path)
    weights, notes = _grey(pixels)
    yield PictureStream(pixels, weights, notes if is_png else (*notes, LOSSY))


def _decoded(data: bytes, frame: Frame, path: Path) -> NDArray:
    import cv2  # noqa: PLC0415 - only a picture pays for it

    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise damaged(path, "a picture", error) from error
    if pixels is None or pixels.shape[:2] != (frame.height, frame.width):
        raise damaged(path, f"{frame.height} x {frame.width} pixels", "none" if pixels is None else pixels.shape)
    return pixels


def _grey(pixels: NDArray) -> tuple[tuple[float, ...] | None, tuple[str, ...]]:
    """How the channels become one, and what there is to say about it."""
    if pixels.ndim == 2:
        return None, ()
    notes = []
    if pixels.shape[2] == 4 and pixels[..., 3].min() < np.iinfo(pixels.dtype).max:
        notes.append("the picture is transparent in places: its opacity is left out")
    if all(np.array_equal(pixels[..., 0], pixels[..., channel]) for channel in (1, 2)):
        return None, tuple(notes)
    return LUMINANCE, (*notes, "colour is reduced to its luminance")


def _png_frame(data: bytes, path: Path) -> Frame:
    """The size that a PNG file claims. Source: PNG (Third Edition), 11.2.1."""
    if len(data) < 33 or data[12:16] != b"IHDR":
        raise truncated(path, "a PNG header of 33 bytes", len(data))
    width, height = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    bits, colour = data[24], data[25]
    if colour not in PNG_CHANNELS or bits not in {1, 2, 4, 8, 16}:
        raise damaged(path, "a colour type and depth that PNG knows", f"type {colour}, {bits} bits")
    # Palettes may come with opacity, and grey with opacity is decoded to four channels.
    return Frame(height, width, 1 if colour == 0 else 4, bits)


def _check_png(data: bytes, frame: Frame, path: Path) -> None:
    """Every block whole and its checksum right, and exactly as many bytes of pixels as the header claims.

    The decoder would give the upper part of a picture whose header claims fewer rows than it has.
    """
    place, unpack, got, wanted = len(PNG), zlib.decompressobj(), 0, _unfiltered_bytes(data, frame)
    while True:
        length = int.from_bytes(data[place : place + 4], "big")
        kind, end = data[place + 4 : place + 8], place + 8 + length
        if len(data) < end + 4:
            raise truncated(path, f"{end + 4} bytes and the end of a PNG file", len(data))
        if zlib.crc32(memoryview(data)[place + 4 : end]) != int.from_bytes(data[end : end + 4], "big"):
            raise damaged(path, f"the checksum of block {kind!r} at {place}", "another")
        if kind == b"IDAT":
            got += _unpacked_bytes(unpack, data[place + 8 : end], wanted - got, path)
        if kind == b"IEND":
            break
        place = end + 4
    if got != wanted:
        raise damaged(path, f"{wanted} bytes of pixels", got)


def _unfiltered_bytes(data: bytes, frame: Frame) -> int:
    """Bytes of pixels that a PNG file has once it is unpacked: each row begins with the number of its filter."""
    bits, passes = PNG_CHANNELS[data[25]] * data[24], ADAM7 if data[28] else ((0, 0, 1, 1),)
    sides = [(len(range(top, frame.height, down)), len(range(left, frame.width, across))) for top, left, down, across in passes]
    return sum(rows * (1 + -(-columns * bits // 8)) for rows, columns in sides if columns)


def _unpacked_bytes(unpack: zlib._Decompress, data: bytes, left: int, path: Path) -> int:
    """How many bytes ``data`` unfolds to; at most one more than are ``left``."""
    count = 0
    try:
        while data and count <= left:
            count += len(unpack.decompress(data, 2**20))
            data = unpack.unconsumed_tail
    except zlib.error as error:
        raise damaged(path, "pixels packed by deflate", error) from error
    return count


def _too_large(path: Path, got: str) -> FormatError:
    return FormatError(
        "raster.size",
        where=path.name,
        expected=f"a picture of at most {MAX_BYTES >> 20} MiB once it is decoded",
        got=got,
        action="Save large rasters as TIFF in tiles, zarr or .npy: these are read piece by piece.",
    )
