"""Rasters in BMP (Windows bitmap): uncompressed, decoded whole after its header was held against the file.

Source: the BITMAPFILEHEADER and BITMAPINFOHEADER structures of Microsoft's documentation of GDI.
"""

from __future__ import annotations

import struct
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from inspection.errors import FormatError
from inspection.formats.raster.grey import REDUCED, is_grey
from inspection.formats.raster.picture import MAX_BYTES, PictureStream
from inspection.formats.raster.stream import check_size, damaged, truncated

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from inspection.formats.raster.stream import RasterStream
    from inspection.params import Ingest

MAGIC = b"BM"
_HEADERS = (40, 52, 56, 108, 124)
"""Lengths of the header behind the first 14 bytes, from BITMAPINFOHEADER to version 5."""
_PLAIN, _MASKED = 0, 3
_BITS = (1, 4, 8, 24, 32)


def recognises(head: bytes, path: Path) -> bool:  # noqa: ARG001 - the signature that every format shares
    """Whether ``head`` is the beginning of a BMP file: its mark, and a length of header that there is."""
    return len(head) >= 18 and head.startswith(MAGIC) and int.from_bytes(head[14:18], "little") in _HEADERS


@contextmanager
def open_stream(path: Path, limits: Ingest) -> Iterator[RasterStream]:
    """Decode a BMP file. Colour whose channels are equal is grey; other colour becomes its luminance, with a note.

    Raises
    ------
    FormatError
        ``raster.header``, ``raster.truncated``, ``raster.damaged``; ``raster.size``: more than ``MAX_BYTES`` of pixels;
        ``raster.compression``: run lengths, or a PNG or JPEG inside.
    """
    import cv2  # noqa: PLC0415 - one picture in thousands is a BMP

    with path.open("rb") as file:
        head = file.read(54)
        width, height = _checked(head, path, limits)
        data = head + file.read(MAX_BYTES)
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    if pixels is None or pixels.shape[:2] != (height, width):
        raise damaged(path, f"{height} x {width} pixels", "none" if pixels is None else pixels.shape)
    colour = not is_grey(pixels)
    yield PictureStream(pixels, colour, (REDUCED,) if colour else ())


def _checked(head: bytes, path: Path, limits: Ingest) -> tuple[int, int]:
    """Width and height, after the header was held against the file's length and the limits."""
    if len(head) < 54:
        raise truncated(path, "54 bytes of header", len(head))
    offset, _, width, height, _, bits, coding = struct.unpack("<IIiiHHI", head[10:34])
    height = abs(height)
    if width < 1 or height < 1 or bits not in _BITS:
        raise FormatError(
            "raster.header",
            where=path.name,
            expected=f"at least one pixel of {_BITS} bits",
            got=f"{height} x {width} pixels of {bits} bits",
            action="Save the picture again, as PNG or TIFF.",
        )
    if coding not in {_PLAIN, _MASKED}:
        raise FormatError(
            "raster.compression",
            where=path.name,
            expected="a BMP without compression",
            got=f"compression {coding}",
            action="Save the picture as PNG or TIFF.",
        )
    check_size(path, (height, width), np.dtype(np.uint8), limits)
    stored = (width * bits + 31) // 32 * 4 * height
    if max(stored, 3 * width * height) > MAX_BYTES:
        raise FormatError(
            "raster.size",
            where=path.name,
            expected=f"a picture of at most {MAX_BYTES >> 20} MiB once it is decoded",
            got=f"{height} x {width} pixels",
            action="Save large rasters as TIFF in tiles, zarr or .npy: these are read piece by piece.",
        )
    if path.stat().st_size < offset + stored:
        raise truncated(path, f"{offset + stored} bytes", path.stat().st_size)
    return width, height
