"""Where the strips or tiles of a TIFF page lie and how they are written; every number is held against the file's length."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from inspection.errors import FormatError
from inspection.formats.raster import tiff_tags as tag
from inspection.formats.raster.segments import check_segment
from inspection.formats.raster.stream import check_size, rows_of, truncated
from inspection.formats.raster.tiff_codecs import COMPRESSIONS, NONE, Coding

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from inspection.formats.raster.tiff_tags import Page
    from inspection.params import Ingest

MIN_IS_WHITE, MIN_IS_BLACK, RGB, PALETTE, Y_CB_CR = 0, 1, 2, 3, 6
UNSIGNED, SIGNED, FLOAT, VOID = 1, 2, 3, 4
BITS = {UNSIGNED: (1, 2, 4, 6, 8, 10, 12, 14, 16, 32, 64), SIGNED: (8, 16, 32, 64), FLOAT: (16, 32, 64)}
_PART_BYTES = 2 * 2**20
"""Strips without compression are read in parts of about this size: they may be as long as the file."""


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """The pieces of a page: ``offsets`` and ``counts`` in bytes, of shape (planes, pieces), row after row of the grid.

    A piece whose place and length are 0 is not stored. ``segment`` is the size of a piece; of strips, the last one is shorter.
    """

    shape: tuple[int, int]
    segment: tuple[int, int]
    tiled: bool
    offsets: NDArray[np.int64]
    counts: NDArray[np.int64]
    coding: Coding

    @property
    def is_plain(self) -> bool:
        """Whether the picture lies in one piece, byte for byte."""
        ends = self.offsets[0, :-1] + self.coding.size(*self.segment)
        together = len(self.offsets) == 1 and bool(self.counts.all()) and bool(np.all(self.offsets[0, 1:] == ends))
        return self.coding.is_plain and together and self.segment[1] == self.shape[1] and not self.tiled


def layout_of(page: Page, path: Path, limits: Ingest) -> Layout:
    """How the page's pixels lie in the file.

    Raises
    ------
    FormatError
        ``raster.header``, ``raster.size``, ``raster.row``, ``raster.truncated``, ``raster.compression``, ``raster.photometric``.
    """
    shape = page.number(tag.LENGTH, 0), page.number(tag.WIDTH, 0)
    samples, planar = page.number(tag.SAMPLES, 1), page.number(tag.PLANAR, 1) == 2
    planes = samples if planar else 1
    coding = coding_of(page, path, 1 if planar else samples)
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
    if not len(counts) and len(offsets) == grid == planes == 1 and coding.compression == NONE:
        counts = np.array([coding.size(*segment)])  # left out by old writers
    if len(offsets) != planes * grid or len(counts) != planes * grid:
        raise tag.refused(path, f"{planes * grid} strips or tiles", f"{len(offsets)} places and {len(counts)} lengths")
    _check_places(offsets, counts, path)
    places = offsets.astype(np.int64).reshape(planes, grid), counts.astype(np.int64).reshape(planes, grid)
    layout = Layout(shape, segment, tiled, *places, coding)
    if coding.compression == NONE:
        last = shape[0] - (shape[0] - 1) // segment[0] * segment[0]
        least = np.full(grid, coding.size(*segment))
        least[-1] = least[-1] if tiled else coding.size(last, segment[1])
        if np.any((layout.counts < least) & (layout.counts > 0)):
            raise truncated(path, f"{least[0]} bytes in each strip or tile", int(layout.counts.min()))
    return layout


def in_pieces(layout: Layout, path: Path) -> Layout:
    """The layout in pieces that may be decoded whole: long strips without compression as more and shorter ones.

    Raises
    ------
    FormatError
        ``raster.segment``.
    """
    coding = layout.coding
    if coding.compression == NONE and not layout.tiled:
        layout = _in_parts(layout)
    check_segment(path, layout.shape, coding.dtype, layout.segment, depth=len(layout.offsets) * coding.samples)
    return layout


def _check_places(offsets: NDArray, counts: NDArray, path: Path) -> None:
    """Each piece lies within the file, and all together are no longer than it; those of place and length 0 are not stored."""
    size = path.stat().st_size
    stored = (offsets != 0) | (counts != 0)
    if not stored.any():
        raise truncated(path, "strips or tiles", "none that is stored")
    # As floats: places and lengths of 64 bits would wrap round when they are added.
    begin, length = offsets[stored].astype(np.float64), counts[stored].astype(np.float64)
    ends = begin + length
    if begin.min() < 8 or length.min() < 1 or ends.max() > size or length.sum() > size:
        raise truncated(path, f"all strips or tiles within {size} bytes", f"places up to {ends.max():.0f}")


def _in_parts(layout: Layout) -> Layout:
    """Their rows lie one after the other."""
    (rows, columns), height, coding = layout.shape, layout.segment[0], layout.coding
    depth = min(height, rows_of(columns * coding.samples, coding.dtype, _PART_BYTES))
    if height < rows:  # no part may cross the border between two strips
        depth = next(d for d in range(depth, 0, -1) if height % d == 0)
    first = np.arange(0, height, depth)
    inside = np.arange(layout.offsets.shape[1])[:, None] * height + first[None] < rows
    parts = -(-rows // depth)
    offsets = (layout.offsets[:, :, None] + coding.size(1, columns) * first)[:, inside]
    counts = np.full(parts, coding.size(depth, columns))
    counts[-1] = coding.size(rows - (parts - 1) * depth, columns)
    stored = np.repeat(layout.counts[:, :, None] > 0, len(first), axis=2)[:, inside]
    return replace(layout, segment=(depth, columns), offsets=np.where(stored, offsets, 0), counts=np.where(stored, counts, 0))


def coding_of(page: Page, path: Path, samples: int) -> Coding:
    """How the pixels of a page are written; ``samples`` = values of a pixel in one piece.

    Raises
    ------
    FormatError
        ``raster.header``; ``raster.compression``, ``raster.photometric``: a kind that is not read.
    """
    compression, predictor = page.number(tag.COMPRESSION, NONE), page.number(tag.PREDICTOR, 1)
    photometric = page.number(tag.PHOTOMETRIC, MIN_IS_BLACK)
    if compression not in COMPRESSIONS:
        raise unread("compression", path, f"one of {', '.join(COMPRESSIONS.values())}", f"TIFF compression {compression}")
    bits, sample = page.number(tag.BITS, 1), page.number(tag.SAMPLE_FORMAT, UNSIGNED)
    sample = UNSIGNED if sample == VOID else sample
    depth, fill_order = page.number(tag.DEPTH, 1), page.number(tag.FILL_ORDER, 1)
    if bits not in BITS.get(sample, ()) or depth != 1 or fill_order not in {1, 2} or len(np.unique(page.values(tag.BITS))) > 1:
        raise tag.refused(path, "pixels of 1 to 64 bits, in one layer", f"{bits} bits, sample format {sample}, depth {depth}")
    packed = 0 if bits in {8, 16, 32, 64} else bits
    kind = {UNSIGNED: "u", SIGNED: "i", FLOAT: "f"}[sample]
    stored = np.dtype(bool) if bits == 1 else np.dtype(f"{page.reader.order}{kind}{max(1, 1 << (bits - 1).bit_length() >> 3)}")
    if photometric == MIN_IS_WHITE and stored.kind not in "bu":
        raise unread("photometric", path, "unsigned pixels where white is 0", stored)
    if photometric in {RGB, Y_CB_CR} and (sample, bits) not in {(UNSIGNED, 8), (UNSIGNED, 16)}:
        raise unread("photometric", path, "colour of 8 or 16 bits", f"{bits} bits, sample format {sample}")
    if photometric == PALETTE and (sample != UNSIGNED or bits > 8):
        raise unread("photometric", path, "a palette of at most 256 colours", f"{bits} bits, sample format {sample}")
    coding = Coding(
        compression=compression,
        predictor=1 if COMPRESSIONS[compression] in {"JPEG", "CCITT group 4"} else predictor,
        stored=stored,
        packed=packed,
        reversed_bits=fill_order == 2,
        tables=page.values(tag.JPEG_TABLES).tobytes(),
        white=(1 << bits) - 1,
        samples=samples,
        rgb=photometric == RGB,
    )
    if reason := coding.fault():
        raise unread("compression", path, reason, f"{bits} bits, {COMPRESSIONS[compression]}, predictor {predictor}")
    return coding


def unread(word: str, path: Path, expected: str, got: object) -> FormatError:
    """A TIFF file of a kind that is not read."""
    return FormatError(
        f"raster.{word}",
        where=path.name,
        expected=expected,
        got=got,
        action="Save one wafer per file as a plain grey TIFF: one page, one channel, row 0 at the top.",
    )
