"""The blocks of a PNG file: its header, and its pixels unpacked piece by piece, every checksum checked on the way.

Source: Portable Network Graphics (PNG) Specification, Third Edition, W3C 2025.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from inspection.errors import FormatError
from inspection.formats.raster.stream import damaged, truncated

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

MAGIC = b"\x89PNG\r\n\x1a\n"
GREY, COLOUR, PALETTE, GREY_ALPHA, COLOUR_ALPHA = 0, 2, 3, 4, 6
CHANNELS = {GREY: 1, COLOUR: 3, PALETTE: 1, GREY_ALPHA: 2, COLOUR_ALPHA: 4}
"""Values of a pixel in the file, by colour type."""
BITS = {GREY: (1, 2, 4, 8, 16), PALETTE: (1, 2, 4, 8), COLOUR: (8, 16), GREY_ALPHA: (8, 16), COLOUR_ALPHA: (8, 16)}
ADAM7 = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
"""First row and column and their steps, of each pass of an interlaced picture."""
PIECE = 2**20
MOST_ENTRIES = 3 * 256
"""Bytes of a palette."""
MOST_EXIF = 64 * 2**10
"""As much as JPEG could hold."""


@dataclass(frozen=True, slots=True)
class Header:
    """Rows and columns, bits of one value, colour type (see ``CHANNELS``), and whether the rows come in seven passes."""

    height: int
    width: int
    bits: int
    colour: int
    interlaced: bool

    @property
    def row_bytes(self) -> int:
        """Of one row, without the number of its filter that stands before it."""
        return _row_bytes(self.width, self)

    @property
    def unpacked_bytes(self) -> int:
        """Of all rows, each with the number of its filter."""
        passes = ADAM7 if self.interlaced else ((0, 0, 1, 1),)
        sides = ((len(range(top, self.height, down)), len(range(left, self.width, across))) for top, left, down, across in passes)
        return sum(rows * (1 + _row_bytes(columns, self)) for rows, columns in sides if columns)


def _row_bytes(columns: int, header: Header) -> int:
    return -(-columns * CHANNELS[header.colour] * header.bits // 8)


def read_header(file: BinaryIO, path: Path) -> Header:
    """The header of an open file.

    Raises
    ------
    FormatError
        ``raster.truncated``, ``raster.damaged``.
    """
    file.seek(0)
    data = file.read(33)
    if len(data) < 33:
        raise truncated(path, "a PNG header of 33 bytes", len(data))
    bits, colour, interlaced = data[24], data[25], data[28]
    if data[12:16] != b"IHDR" or bits not in BITS.get(colour, ()) or interlaced > 1:
        raise damaged(path, "a colour type, depth and order of rows that PNG knows", f"{colour}, {bits}, {interlaced}")
    return Header(int.from_bytes(data[20:24], "big"), int.from_bytes(data[16:20], "big"), bits, colour, interlaced == 1)


def before_pixels(file: BinaryIO, path: Path, kinds: tuple[bytes, ...]) -> dict[bytes, bytes]:
    """Those blocks of ``kinds`` that stand before the pixels; their checksums are checked with all others, by `unpacked`.

    Raises
    ------
    FormatError
        ``raster.truncated``, ``raster.damaged``.
    """
    found: dict[bytes, bytes] = {}
    for kind, length in _blocks(file, path):
        if kind in {b"IDAT", b"IEND"}:
            break
        if kind in kinds:
            if length > MOST_ENTRIES:
                raise damaged(path, f"a block {kind!r} of at most {MOST_ENTRIES} bytes", length)
            found[kind] = _exactly(file, length, path)
    return found


def exif_of(file: BinaryIO, path: Path) -> bytes:
    """The EXIF of the file, or its beginning; empty = there is none. It may stand behind the pixels.

    Raises
    ------
    FormatError
        ``raster.truncated``; ``raster.pages``: the file is an animation, of which each reader shows another picture.
    """
    exif = b""
    for kind, length in _blocks(file, path):  # to the end: a cut file is refused here
        if kind == b"eXIf" and not exif:
            exif = _exactly(file, min(length, MOST_EXIF), path)
        elif kind == b"acTL":
            raise FormatError(
                "raster.pages",
                where=path.name,
                expected="one picture",
                got="an animation",
                action="Save one wafer per file, as a still PNG.",
            )
    return exif


def _blocks(file: BinaryIO, path: Path) -> Iterator[tuple[bytes, int]]:
    """Kind and length of every block up to the end mark; the file stands at the block's content meanwhile."""
    place, kind = len(MAGIC), b""
    while kind != b"IEND":
        file.seek(place)
        head = _exactly(file, 8, path)
        length, kind = int.from_bytes(head[:4], "big"), head[4:]
        yield kind, length
        place += 8 + length + 4


def unpacked(file: BinaryIO, path: Path, header: Header) -> Iterator[bytes]:
    """The bytes of the rows in pieces of at most ``PIECE``: exactly as many as the header claims, up to the file's end mark.

    Raises
    ------
    FormatError
        ``raster.truncated``, ``raster.damaged``: also where there are more rows than the header claims, of which other
        readers give the upper ones.
    """
    unpack, got = zlib.decompressobj(), 0
    for data in _packed(file, path):
        left = data
        while left:
            try:
                piece = unpack.decompress(left, PIECE)
            except zlib.error as error:
                raise damaged(path, "pixels packed by deflate", error) from error
            left = unpack.unconsumed_tail
            got += len(piece)
            if got > header.unpacked_bytes:
                raise damaged(path, f"{header.unpacked_bytes} bytes of pixels", "more")
            yield piece
    if got != header.unpacked_bytes:
        raise damaged(path, f"{header.unpacked_bytes} bytes of pixels", got)


def _packed(file: BinaryIO, path: Path) -> Iterator[bytes]:
    """What the blocks of pixels hold, in pieces of at most ``PIECE``."""
    file.seek(len(MAGIC))
    kind = b""
    while kind != b"IEND":
        place = file.tell()
        head = _exactly(file, 8, path)
        length, kind = int.from_bytes(head[:4], "big"), head[4:]
        checksum = zlib.crc32(kind)
        while length:
            data = _exactly(file, min(length, PIECE), path)
            checksum, length = zlib.crc32(data, checksum), length - len(data)
            if kind == b"IDAT":
                yield data
        if checksum != int.from_bytes(_exactly(file, 4, path), "big"):
            raise damaged(path, f"the checksum of block {kind!r} at {place}", "another")


def _exactly(file: BinaryIO, size: int, path: Path) -> bytes:
    data = file.read(size)
    if len(data) != size:
        raise truncated(path, "blocks up to the end mark of a PNG file", f"{size - len(data)} bytes less")
    return data
