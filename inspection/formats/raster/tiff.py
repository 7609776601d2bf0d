"""Rasters in TIFF and BigTIFF: one grey page in strips or tiles, plain or compressed, read piece by piece."""

from __future__ import annotations

import os
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from inspection.errors import FormatError
from inspection.formats.raster import tiff_tags as tag
from inspection.formats.raster.plain import PlainStream
from inspection.formats.raster.segments import SegmentedStream, check_segment
from inspection.formats.raster.stream import check_size, damaged, truncated
from inspection.formats.raster.tiff_codecs import COMPRESSIONS, NONE, Coding, decode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from inspection.formats.raster.stream import RasterStream
    from inspection.formats.raster.tiff_tags import Page
    from inspection.params import Ingest

MIN_IS_WHITE, MIN_IS_BLACK = 0, 1
UNSIGNED, SIGNED, FLOAT, VOID = 1, 2, 3, 4
BITS = {UNSIGNED: (1, 2, 4, 6, 8, 10, 12, 14, 16, 32, 64), SIGNED: (8, 16, 32, 64), FLOAT: (16, 32, 64)}


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Where the pieces of a page lie: ``offsets`` and ``counts`` in bytes, row after row of the grid."""

    shape: tuple[int, int]
    segment: tuple[int, int]
    tiled: bool
    offsets: NDArray[np.int64]
    counts: NDArray[np.int64]
    coding: Coding


def recognises(head: bytes, path: Path) -> bool:  # noqa: ARG001 - the signature that every format shares
    """Whether ``head`` is the header of a TIFF or BigTIFF file."""
    return tag.header_of(head[:16]) is not None


@contextmanager
def open_stream(path: Path, limits: Ingest) -> Iterator[RasterStream]:
    """Open the one grey page of a TIFF or BigTIFF file.

    Smaller versions of the page and masks, marked as such, are passed over; so are colour pages beside one grey page, with a
    note. Where the file counts from white, it is turned round.

    Raises
    ------
    FormatError
        ``raster.header``, ``raster.truncated``, ``raster.size``, ``raster.row``, ``raster.segment``; ``raster.pages``: several
        grey pages; ``raster.channels``: colour only; ``raster.compression``, ``raster.orientation``: a kind that is not read.
    """
    with path.open("rb", buffering=0) as file:
        page, notes = _grey_page(tag.pages(path, file.fileno()), path)
        layout = _layout(page, path, limits)
        coding = layout.coding
        white = coding.white if page.number(tag.PHOTOMETRIC, MIN_IS_BLACK) == MIN_IS_WHITE else None
        if white is not None and coding.dtype.kind not in "bu":
            raise _unread("photometric", path, "unsigned pixels where white is 0", coding.dtype)
        if _is_plain(layout):
            yield PlainStream(path, file, int(layout.offsets[0]), layout.shape, coding.stored, white=white, notes=notes)
            return

        pieces = _Pieces(path, file.fileno(), layout, white)
        with closing(SegmentedStream(layout.shape, coding.dtype, layout.segment, pieces.decoded, remarks=notes)) as stream:
            yield stream


@dataclass(frozen=True, slots=True)
class _Pieces:
    """The strips or tiles of a page of an open file."""

    path: Path
    descriptor: int
    layout: Layout
    white: int | None

    def decoded(self, row: int, column: int) -> NDArray:
        """One of them; see :data:`~inspection.formats.raster.segments.Decode`."""
        shape, (height, width) = self.layout.shape, self.layout.segment
        place = row * -(-shape[1] // width) + column
        inside = min(height, shape[0] - row * height), min(width, shape[1] - column * width)
        if not self.layout.tiled:
            height = inside[0]
        size = int(self.layout.counts[place])
        data = os.pread(self.descriptor, size, int(self.layout.offsets[place]))
        if len(data) != size:
            raise truncated(self.path, f"{size} bytes in strip or tile {place}", len(data))
        try:
            pixels = decode(data, self.layout.coding, (height, width), inside)
        except (ValueError, RuntimeError, TypeError) as error:  # imagecodecs: each codec has its own RuntimeError
            raise damaged(self.path, f"strip or tile {place} of {height} x {width} pixels", error) from error
        if self.white is None:
            return pixels
        return ~pixels if pixels.dtype.kind == "b" else pixels.dtype.type(self.white) - pixels


def _grey_page(pages: list[Page], path: Path) -> tuple[Page, tuple[str, ...]]:
    """The page that is meant, and what there is to say about the others."""
    pictures = [page for page in pages if page.is_picture]
    grey = [
        page
        for page in pictures
        if page.number(tag.SAMPLES, 1) == 1 and page.number(tag.PHOTOMETRIC, MIN_IS_BLACK) in {MIN_IS_WHITE, MIN_IS_BLACK}
    ]
    if len(grey) > 1:
        raise _unread("pages", path, "one grey page", f"{len(grey)} of {len(pages)}")
    if not grey:
        kinds = sorted({f"{page.number(tag.SAMPLES, 1)} x photometric {page.number(tag.PHOTOMETRIC, 1)}" for page in pictures})
        raise _unread("channels", path, "one channel of grey", "; ".join(kinds[:5]) or "only reduced pages")
    left = len(pictures) - 1
    return grey[0], (f"{left} colour page(s) beside the grey one are left out",) if left else ()


def _layout(page: Page, path: Path, limits: Ingest) -> Layout:
    """How the page's pixels lie, every number of it held against the file's length."""
    shape = page.number(tag.LENGTH, 0), page.number(tag.WIDTH, 0)
    coding = _coding(page, path)
    check_size(path, shape, coding.dtype, limits)
    tiled = tag.TILE_OFFSETS in page
    if tiled:
        segment = page.number(tag.TILE_LENGTH, 0), page.number(tag.TILE_WIDTH, 0)
    else:
        segment = min(page.number(tag.ROWS_PER_STRIP, shape[0]), shape[0]), shape[1]
    if min(segment) < 1:
        raise tag.refused(path, "strips or tiles of at least one pixel", segment)
    grid = -(-shape[0] // segment[0]) * -(-shape[1] // segment[1])
    offsets = page.values(tag.TILE_OFFSETS if tiled else tag.STRIP_OFFSETS)
    counts = page.values(tag.TILE_COUNTS if tiled else tag.STRIP_COUNTS)
    if not len(counts) and len(offsets) == grid == 1 and coding.compression == NONE:
        counts = np.array([coding.size(*segment)])  # left out by old writers
    if len(offsets) != grid or len(counts) != grid:
        raise tag.refused(path, f"{grid} strips or tiles", f"{len(offsets)} places and {len(counts)} lengths")
    size = path.stat().st_size
    # As floats first: places and lengths of 64 bits would wrap round when they are added.
    ends = offsets.astype(np.float64) + counts
    if float(offsets.min()) < 8 or float(counts.min()) < 1 or float(ends.max()) > size or float(counts.sum(dtype=np.float64)) > size:
        raise truncated(path, f"all strips or tiles within {size} bytes", f"places up to {ends.max():.0f}")
    layout = Layout(shape, segment, tiled, offsets.astype(np.int64), counts.astype(np.int64), coding)
    if coding.compression == NONE:
        last = shape[0] - (shape[0] - 1) // segment[0] * segment[0]
        least = np.full(grid, coding.size(*segment))
        least[-1] = least[-1] if tiled else coding.size(last, segment[1])
        if np.any(layout.counts < least):
            raise truncated(path, f"{least[0]} bytes in each strip or tile", int(layout.counts.min()))
    if not _is_plain(layout):
        check_segment(path, shape, coding.dtype, segment)
    return layout


def _is_plain(layout: Layout) -> bool:
    """Whether the picture lies in one piece, byte for byte."""
    coding = layout.coding
    together = bool(np.all(layout.offsets[1:] == layout.offsets[:-1] + coding.size(*layout.segment)))
    return coding.is_plain and together and layout.segment[1] == layout.shape[1] and not layout.tiled


def _coding(page: Page, path: Path) -> Coding:
    compression, predictor = page.number(tag.COMPRESSION, NONE), page.number(tag.PREDICTOR, 1)
    if compression not in COMPRESSIONS:
        raise _unread("compression", path, f"one of {', '.join(COMPRESSIONS.values())}", f"TIFF compression {compression}")
    if page.number(tag.ORIENTATION, 1) != 1:
        raise _unread("orientation", path, "orientation 1: row 0 at the top, column 0 at the left", page.number(tag.ORIENTATION, 1))
    bits, sample = page.number(tag.BITS, 1), page.number(tag.SAMPLE_FORMAT, UNSIGNED)
    sample = UNSIGNED if sample == VOID else sample
    depth, fill_order = page.number(tag.DEPTH, 1), page.number(tag.FILL_ORDER, 1)
    if bits not in BITS.get(sample, ()) or depth != 1 or fill_order not in {1, 2}:
        raise tag.refused(path, "pixels of 1 to 64 bits, in one layer", f"{bits} bits, sample format {sample}, depth {depth}")
    packed = 0 if bits >= 8 and bits in {8, 16, 32, 64} else bits
    kind = {UNSIGNED: "u", SIGNED: "i", FLOAT: "f"}[sample]
    stored = np.dtype(bool) if bits == 1 else np.dtype(f"{page.reader.order}{kind}{max(1, 1 << (bits - 1).bit_length() >> 3)}")
    coding = Coding(
        compression=compression,
        predictor=1 if COMPRESSIONS[compression] == "JPEG" else predictor,
        stored=stored,
        packed=packed,
        reversed_bits=fill_order == 2,
        tables=page.values(tag.JPEG_TABLES).tobytes(),
        white=(1 << bits) - 1,
    )
    if reason := coding.fault():
        raise _unread("compression", path, reason, f"{bits} bits, {COMPRESSIONS[compression]}, predictor {predictor}")
    return coding


def _unread(word: str, path: Path, expected: str, got: object) -> FormatError:
    return FormatError(
        f"raster.{word}",
        where=path.name,
        expected=expected,
        got=got,
        action="Save one wafer per file as a plain grey TIFF: one page, one channel, row 0 at the top.",
    )
