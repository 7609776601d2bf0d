"""The directory of a TIFF or BigTIFF file: the few tags that say how its pixels lie.

Read here and not by a library: the length of every table is held against the file's before it is read, a table of a million
tiles stays an array, and no maker's private tags are looked into. Source: TIFF 6.0 (Adobe, 1992) and the BigTIFF design.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from inspection.errors import FormatError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

SUBFILE, OLD_SUBFILE, WIDTH, LENGTH, BITS, COMPRESSION, PHOTOMETRIC, FILL_ORDER = 254, 255, 256, 257, 258, 259, 262, 266
STRIP_OFFSETS, ORIENTATION, SAMPLES, ROWS_PER_STRIP, STRIP_COUNTS = 273, 274, 277, 278, 279
PREDICTOR, TILE_WIDTH, TILE_LENGTH, TILE_OFFSETS, TILE_COUNTS, SAMPLE_FORMAT = 317, 322, 323, 324, 325, 339
PLANAR, COLOUR_MAP, EXTRA_SAMPLES, JPEG_TABLES, DEPTH = 284, 320, 338, 347, 32997
DESCRIPTION, X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 270, 282, 283, 296
KNOWN = frozenset(
    {SUBFILE, OLD_SUBFILE, WIDTH, LENGTH, BITS, COMPRESSION, PHOTOMETRIC, FILL_ORDER, STRIP_OFFSETS, ORIENTATION, SAMPLES}
    | {ROWS_PER_STRIP, STRIP_COUNTS, PREDICTOR, TILE_WIDTH, TILE_LENGTH, TILE_OFFSETS, TILE_COUNTS, SAMPLE_FORMAT}
    | {PLANAR, COLOUR_MAP, EXTRA_SAMPLES, JPEG_TABLES, DEPTH, DESCRIPTION, X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT}
)
TYPES = {1: "u1", 3: "u2", 4: "u4", 7: "u1", 8: "i2", 9: "i4", 13: "u4", 16: "u8", 17: "i8", 18: "u8"}
"""The types of whole numbers, and 7 for plain bytes."""
_SIZES = {3: 2, 4: 4, 5: 8, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""Bytes of a value of each type, where it is more than one."""
MAX_PAGES = 1_000
MAX_TAGS = 4_096
MAX_TABLE = 2**26
"""Strips or tiles of a page."""


@dataclass(frozen=True, slots=True)
class Header:
    """How a file counts: ``order`` is ``<`` or ``>``; ``big`` for BigTIFF; ``first`` is the place of the first page."""

    order: str
    big: bool
    first: int


@dataclass(frozen=True, slots=True)
class Page:
    """One page: its tags are read when they are asked for."""

    reader: _Reader
    entries: dict[int, tuple[int, int, bytes]]

    def __contains__(self, tag: int) -> bool:
        return tag in self.entries

    def number(self, tag: int, default: int) -> int:
        """First value of ``tag``, or ``default`` where the page has none."""
        return int(self.reader.values(tag, *self.entries[tag], most=1)[0]) if tag in self.entries else default

    def values(self, tag: int) -> NDArray:
        """All values of ``tag``: whole numbers, in the file's byte order; none where the page lacks it."""
        return self.reader.values(tag, *self.entries[tag]) if tag in self.entries else np.empty(0, np.uint8)

    def content(self, tag: int, most: int) -> tuple[int, bytes]:
        """The type of a tag of any kind, and at most the first ``most`` bytes of it; (0, nothing) where the page lacks it.

        For what a picture can be read without: never raises.
        """
        if tag not in self.entries:
            return 0, b""
        kind, count, inline = self.entries[tag]
        try:
            return kind, self.reader.content(count * _SIZES.get(kind, 1), inline, most)
        except FormatError:
            return 0, b""

    @property
    def is_picture(self) -> bool:
        """False for a smaller version of another page (bit 0) and for a mask (bit 2)."""
        return not self.number(SUBFILE, 0) & 0b101 and self.number(OLD_SUBFILE, 1) != 2


def header_of(head: bytes) -> Header | None:
    """The header in the first 16 bytes of a file; None = it is no TIFF."""
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    if order is None or len(head) < 8:
        return None
    version = struct.unpack_from(order + "H", head, 2)[0]
    if version == 42:
        return Header(order, big=False, first=struct.unpack_from(order + "I", head, 4)[0])
    if version == 43 and len(head) >= 16 and struct.unpack_from(order + "HH", head, 4) == (8, 0):
        return Header(order, big=True, first=struct.unpack_from(order + "Q", head, 8)[0])
    return None


def pages(path: Path, descriptor: int) -> list[Page]:
    """All pages of an open file, in its order.

    Raises
    ------
    FormatError
        ``raster.header``: a directory outside the file or running in a circle, a tag that cannot be;
        ``raster.pages``: more than ``MAX_PAGES``.
    """
    header = header_of(os.pread(descriptor, 16, 0))
    if header is None:
        raise refused(path, "a TIFF header", "none")
    reader = _Reader(path, descriptor, header)
    place, seen, found = header.first, set[int](), list[Page]()
    while place:
        if place in seen:
            raise refused(path, "a chain of pages that ends", "a circle")
        if len(found) == MAX_PAGES:
            raise FormatError(
                "raster.pages",
                where=path.name,
                expected="one page",
                got=f"more than {MAX_PAGES}",
                action="Save one wafer per file.",
            )
        seen.add(place)
        page, place = reader.page(place)
        found.append(page)
    if not found:
        raise refused(path, "a page", "none")
    return found


def refused(path: Path, expected: object, got: object) -> FormatError:
    """A header that cannot be."""
    return FormatError(
        "raster.header",
        where=path.name,
        expected=str(expected),
        got=got,
        action="Transfer the file again, or save it as a plain grey TIFF.",
    )


class _Reader:
    def __init__(self, path: Path, descriptor: int, header: Header) -> None:
        self.path, self.descriptor, self.order = path, descriptor, header.order
        self.size = os.fstat(descriptor).st_size
        # The number of tags, one tag (code, type, count, value or its place), and what fits into it.
        self.count, self.tag, self.place, self.inline = ("Q", "HHQ", "Q", 8) if header.big else ("H", "HHI", "I", 4)

    def page(self, place: int) -> tuple[Page, int]:
        """The page at ``place``, and where the next one lies (0 = there is none)."""
        width = struct.calcsize("=" + self.count)
        number = struct.unpack(self.order + self.count, self._bytes(place, width))[0]
        if not 1 <= number <= MAX_TAGS:
            raise refused(self.path, f"1 to {MAX_TAGS} tags in a page", number)
        step = struct.calcsize("=" + self.tag) + self.inline
        content = self._bytes(place + width, number * step + self.inline)
        entries: dict[int, tuple[int, int, bytes]] = {}
        for start in range(0, number * step, step):
            code, kind, count = struct.unpack_from(self.order + self.tag, content, start)
            if code in KNOWN:
                entries[code] = kind, count, content[start + step - self.inline : start + step]
        return Page(self, entries), struct.unpack(self.order + self.place, content[-self.inline :])[0]

    def values(self, code: int, kind: int, count: int, inline: bytes, *, most: int = MAX_TABLE) -> NDArray:
        """The first ``most`` values of a tag; ``inline`` holds them, or where they lie."""
        if kind not in TYPES or not 1 <= count <= MAX_TABLE:
            raise refused(self.path, f"1 to {MAX_TABLE} whole numbers in tag {code}", f"{count} of type {kind}")
        dtype = np.dtype(self.order + TYPES[kind])
        return np.frombuffer(self.content(count * dtype.itemsize, inline, most * dtype.itemsize), dtype)

    def content(self, size: int, inline: bytes, most: int) -> bytes:
        """At most the first ``most`` of the ``size`` bytes of a tag; ``inline`` holds them, or where they lie."""
        wanted = min(size, most)
        return inline[:wanted] if size <= self.inline else self._bytes(struct.unpack(self.order + self.place, inline)[0], wanted)

    def _bytes(self, place: int, size: int) -> bytes:
        if place + size > self.size:
            raise refused(self.path, f"a directory within the file's {self.size} bytes", f"{size} bytes at {place}")
        return os.pread(self.descriptor, size, place)
