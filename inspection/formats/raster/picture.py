"""Rasters in PNG and JPEG: decoded whole, their size checked before that; large PNG row by row."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from inspection.errors import FormatError
from inspection.formats.raster import jpeg_markers, png_blocks
from inspection.formats.raster.exif import orientation
from inspection.formats.raster.grey import OPACITY, REDUCED, is_grey, luminance
from inspection.formats.raster.jpeg_markers import LOSSY, START, Frame, ends, jpeg_frame
from inspection.formats.raster.png_blocks import GREY
from inspection.formats.raster.png_blocks import MAGIC as PNG
from inspection.formats.raster.stream import check_size, damaged, rows_of, truncated
from inspection.formats.raster.turned import TURNS, TurnedStream

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

    from numpy.typing import NDArray

    from inspection.formats.raster.png_blocks import Header
    from inspection.formats.raster.png_rows import PngStream
    from inspection.formats.raster.scale import PixelSize
    from inspection.formats.raster.stream import RasterStream
    from inspection.params import Ingest

MAX_BYTES = 96 * 2**20
"""Of a picture that is decoded whole, all its channels together; the decoder holds it twice."""
WHOLE_BYTES = 16 * 2**20
"""PNG up to this size is decoded whole, above it row by row: the loop over its bytes is compiled first."""


@dataclass(frozen=True, slots=True, eq=False)
class PictureStream:
    """A decoded picture: ``pixels`` is (rows, columns) or (rows, columns, channels: red, green, blue); ``colour``: they differ."""

    pixels: NDArray
    colour: bool
    notes: tuple[str, ...]
    transposed: bool = False
    pixel_um: PixelSize | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.pixels.shape[0], self.pixels.shape[1]

    @property
    def dtype(self) -> np.dtype:
        """Of the grey pixels."""
        return self.pixels.dtype

    def strips(self, *, backwards: bool = False) -> Iterator[NDArray]:
        """Strips of the picture in grey; see :class:`~inspection.formats.raster.stream.RasterStream`. ``backwards``: the last one first."""
        step = rows_of(self.shape[1], self.dtype)
        for row in range(0, self.shape[0], step)[:: -1 if backwards else 1]:
            strip = self.pixels[row : row + step]
            if strip.ndim > 2:
                strip = luminance(strip) if self.colour else strip[..., 0]
            yield np.ascontiguousarray(strip)


def recognises(head: bytes, path: Path) -> bool:  # noqa: ARG001 - the signature that every format shares
    """Whether ``head`` is the beginning of a PNG or JPEG file."""
    return head.startswith((PNG, START + b"\xff"))


@contextmanager
def open_stream(path: Path, limits: Ingest) -> Iterator[RasterStream]:
    """Decode a PNG or JPEG file. Colour whose channels are equal is grey; other colour becomes its luminance, with a note.

    Where EXIF says that the pixels do not lie as they are meant, they are given out as they are meant.

    Raises
    ------
    FormatError
        ``raster.header``, ``raster.truncated``, ``raster.damaged``; ``raster.size``: more than ``MAX_BYTES`` of pixels;
        ``raster.orientation``: EXIF names a corner that there is not; ``raster.pages``: an animation.
    """
    with path.open("rb") as file:
        stored: PictureStream | PngStream
        if file.read(len(PNG)) == PNG:
            header = png_blocks.read_header(file, path)
            turns = _turns(png_blocks.exif_of(file, path), path)
            if header.unpacked_bytes > WHOLE_BYTES and not header.interlaced:
                check_size(path, (header.height, header.width), np.dtype(np.uint16 if header.bits > 8 else np.uint8), limits)
                stored = _row_by_row(path, file, header)
            else:
                stored = _png(file, path, header, limits)
        else:
            data = _content(file, path)
            turns = _turns(jpeg_markers.exif_of(data), path)
            stored = _jpeg(data, path, limits)
        yield TurnedStream(stored, *turns) if any(turns) else stored


def _png(file: BinaryIO, path: Path, header: Header, limits: Ingest) -> PictureStream:
    # Palettes may come with opacity, and grey with opacity is decoded to four channels.
    frame = Frame(header.height, header.width, 1 if header.colour == GREY else 4, header.bits)
    data = _content(file, path)
    _check_frame(frame, path, limits)
    for _ in png_blocks.unpacked(file, path, header):
        pass  # all checksums, and all rows: the decoder gives the upper part of a picture that has more
    return _decoded(data, frame, path)


def _jpeg(data: bytes, path: Path, limits: Ingest) -> PictureStream:
    frame = jpeg_frame(data)
    if frame is None:
        raise damaged(path, "the size of a JPEG picture before its first scan", "none")
    _check_frame(frame, path, limits)
    if not ends(data):
        raise truncated(path, "the end mark of a JPEG file", "none")
    return _decoded(data, frame, path, LOSSY)


def _content(file: BinaryIO, path: Path) -> bytes:
    if (size := path.stat().st_size) > MAX_BYTES + 2**20:
        raise _too_large(path, f"a file of {size} bytes")
    file.seek(0)
    return file.read()


def _check_frame(frame: Frame, path: Path, limits: Ingest) -> None:
    dtype = np.dtype(np.uint16 if frame.bits > 8 else np.uint8)
    check_size(path, (frame.height, frame.width), dtype, limits)
    if frame.height * frame.width * frame.channels * dtype.itemsize > MAX_BYTES:
        raise _too_large(path, f"{frame.height} x {frame.width} pixels in {frame.channels} channel(s) of {frame.bits} bits")


def _turns(exif: bytes, path: Path) -> tuple[bool, bool, bool]:
    number = orientation(exif)
    if number not in TURNS:
        raise FormatError(
            "raster.orientation",
            where=path.name,
            expected="an EXIF orientation of 1 to 8, or none",
            got=number,
            action="Save the picture upright and without EXIF; inspection tools write none.",
        )
    return TURNS[number]


def _row_by_row(path: Path, file: BinaryIO, header: Header) -> PngStream:
    """The stream of a large PNG."""
    from inspection.formats.raster.png_rows import PngStream  # noqa: PLC0415 - only a large one pays for the compiler

    return PngStream(path, file, header)


def _decoded(data: bytes, frame: Frame, path: Path, *notes: str) -> PictureStream:
    import cv2  # noqa: PLC0415 - only a picture pays for it

    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise damaged(path, "a picture", error) from error
    if pixels is None or pixels.shape[:2] != (frame.height, frame.width):
        raise damaged(path, f"{frame.height} x {frame.width} pixels", "none" if pixels is None else pixels.shape)
    seen = []
    if pixels.ndim > 2:
        if pixels.shape[2] > 3 and pixels[..., 3].min() < np.iinfo(pixels.dtype).max:
            seen.append(OPACITY)
        pixels = pixels[..., 2::-1]
    colour = pixels.ndim > 2 and not is_grey(pixels)
    return PictureStream(pixels, colour, (*seen, *[REDUCED] * colour, *notes))


def _too_large(path: Path, got: str) -> FormatError:
    return FormatError(
        "raster.size",
        where=path.name,
        expected=f"a picture of at most {MAX_BYTES >> 20} MiB once it is decoded",
        got=got,
        action="Save large rasters as TIFF in tiles, zarr or .npy: these are read piece by piece.",
    )
