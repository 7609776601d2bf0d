"""Rasters in TIFF and BigTIFF: one page in strips or tiles, plain or compressed, grey or made grey, read piece by piece."""

from __future__ import annotations

import os
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from inspection.formats.raster import tiff_tags as tag
from inspection.formats.raster.grey import REDUCED, luminance
from inspection.formats.raster.jpeg_markers import LOSSY
from inspection.formats.raster.levels import full_size
from inspection.formats.raster.plain import PlainStream
from inspection.formats.raster.segments import SegmentedStream
from inspection.formats.raster.stream import damaged, truncated
from inspection.formats.raster.tiff_codecs import JPEG, decode
from inspection.formats.raster.tiff_description import pictures_behind, pixel_size
from inspection.formats.raster.tiff_layout import MIN_IS_BLACK, MIN_IS_WHITE, PALETTE, RGB, Y_CB_CR, in_pieces, layout_of, unread
from inspection.formats.raster.turned import TURNS, TurnedStream

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from inspection.formats.raster.stream import RasterStream
    from inspection.formats.raster.tiff_layout import Layout
    from inspection.formats.raster.tiff_tags import Page
    from inspection.params import Ingest

_ALPHA = {1, 2}


def recognises(head: bytes, path: Path) -> bool:  # noqa: ARG001 - the signature that every format shares
    """Whether ``head`` is the header of a TIFF or BigTIFF file."""
    return tag.header_of(head[:16]) is not None


@contextmanager
def open_stream(path: Path, limits: Ingest) -> Iterator[RasterStream]:
    """Open the one page of a TIFF or BigTIFF file that is meant.

    Smaller versions of the page and masks are passed over, with a note where nothing marks them as such; so are colour pages beside
    one grey page. Colour becomes its luminance, with a note. Where the file counts from white, it is turned round; where it begins at
    another corner (Orientation), the picture is given out as it is meant.

    Raises
    ------
    FormatError
        ``raster.header``, ``raster.truncated``, ``raster.size``, ``raster.row``, ``raster.segment``; ``raster.pages``: several
        pictures; ``raster.channels``, ``raster.compression``, ``raster.photometric``, ``raster.orientation``: a kind that is not read.
    """
    with path.open("rb", buffering=0) as file:
        pages = tag.pages(path, file.fileno())
        page, notes = _page(pages, path)
        layout = layout_of(page, path, limits)
        coding, photometric = layout.coding, page.number(tag.PHOTOMETRIC, MIN_IS_BLACK)
        white = coding.white if photometric == MIN_IS_WHITE else None
        turns = TURNS.get(page.number(tag.ORIENTATION, 1))
        if turns is None:
            raise unread("orientation", path, "an Orientation of 1 to 8", page.number(tag.ORIENTATION, 1))
        pixel_um, said = pixel_size(page, pages[0], layout.shape)
        notes += said
        if layout.is_plain and not any(turns) and photometric != PALETTE:
            yield PlainStream(
                path, file, int(layout.offsets[0, 0]), layout.shape, coding.stored, white=white, notes=notes, pixel_um=pixel_um
            )
            return
        layout = in_pieces(layout, path)
        palette = _palette(page, path) if photometric == PALETTE else None
        pieces = _Pieces(path, file.fileno(), layout, white, palette)
        black = 0 if palette is None else int(palette[0])
        with closing(
            SegmentedStream(
                layout.shape,
                coding.dtype if palette is None else palette.dtype,
                layout.segment,
                pieces.decoded,
                fill=black if white is None else white,
                depth=len(layout.offsets) * coding.samples,
                remarks=(*notes, LOSSY) if coding.compression == JPEG else notes,
                pixel_um=pixel_um,
            )
        ) as stream:
            yield TurnedStream(stream, *turns) if any(turns) else stream


@dataclass(frozen=True, slots=True, eq=False)
class _Pieces:
    """The strips or tiles of a page of an open file."""

    path: Path
    descriptor: int
    layout: Layout
    white: int | None
    palette: NDArray[np.uint8] | None

    def decoded(self, row: int, column: int) -> NDArray | None:
        """One of them in grey; see :data:`~inspection.formats.raster.segments.Decode`."""
        shape, (height, width) = self.layout.shape, self.layout.segment
        place = row * -(-shape[1] // width) + column
        inside = min(height, shape[0] - row * height), min(width, shape[1] - column * width)
        if not self.layout.tiled:
            height = inside[0]
        planes = self.layout.offsets.shape[0]
        colours = planes if planes > 1 else self.layout.coding.samples
        wanted = range(min(planes, 3 if colours > 2 else 1))
        if not any(self.layout.counts[plane, place] for plane in wanted):
            return None
        parts = [self._plane(plane, place, (height, width), inside) for plane in wanted]
        pixels = parts[0] if len(parts) == 1 else np.stack([part[: inside[0], : inside[1]] for part in parts], axis=2)
        if pixels.ndim > 2:
            pixels = luminance(pixels) if pixels.shape[2] > 2 else pixels[..., 0]
        if self.palette is not None:
            return self.palette[pixels.view(np.uint8)]
        if self.white is None:
            return pixels
        return ~pixels if pixels.dtype.kind == "b" else pixels.dtype.type(self.white) - pixels

    def _plane(self, plane: int, place: int, shape: tuple[int, int], inside: tuple[int, int]) -> NDArray:
        size = int(self.layout.counts[plane, place])
        if not size:
            return np.zeros(shape, self.layout.coding.dtype)
        data = os.pread(self.descriptor, size, int(self.layout.offsets[plane, place]))
        if len(data) != size:
            raise truncated(self.path, f"{size} bytes in strip or tile {place}", len(data))
        try:
            return decode(data, self.layout.coding, shape, inside)
        except (ValueError, RuntimeError, TypeError) as error:  # imagecodecs: each codec has its own RuntimeError
            raise damaged(self.path, f"strip or tile {place} of {shape[0]} x {shape[1]} pixels", error) from error


def _page(pages: list[Page], path: Path) -> tuple[Page, tuple[str, ...]]:
    """The page that is meant, and what there is to say about it and the others."""
    pictures = [page for page in pages if page.is_picture]
    grey = [page for page in pictures if _is_grey(page)]
    meant = grey or [page for page in pictures if _is_colour(page)]
    if not meant:
        kinds = sorted({f"{page.number(tag.SAMPLES, 1)} x photometric {page.number(tag.PHOTOMETRIC, 1)}" for page in pictures})
        raise unread("channels", path, "one channel of grey, or colour", "; ".join(kinds[:5]) or "only reduced pages")
    notes = []
    chosen = full_size([(page.number(tag.LENGTH, 0), page.number(tag.WIDTH, 0)) for page in meant])
    if chosen is None:
        raise unread("pages", path, "one picture", f"{len(meant)} of {len(pages)} pages")
    if len(pages) == 1 and (count := pictures_behind(pages[0])) > 1:
        raise unread("pages", path, "one picture", f"{count} behind each other in one page")
    if len(meant) > 1:
        notes.append(f"{len(meant) - 1} pages are taken for smaller versions of the largest one and left out")
    if left := len(pictures) - len(meant):
        notes.append(f"{left} colour page(s) beside the grey one are left out" if grey else f"{left} page(s) of other kinds are left out")
    if not grey:
        notes.append(REDUCED)
    if tag.EXTRA_SAMPLES in meant[chosen]:
        notes.append("opacity and other further channels are left out")
    return meant[chosen], tuple(notes)


def _is_grey(page: Page) -> bool:
    """One channel of grey, with or without opacity."""
    extra = page.values(tag.EXTRA_SAMPLES)
    of_grey = page.number(tag.PHOTOMETRIC, MIN_IS_BLACK) in {MIN_IS_WHITE, MIN_IS_BLACK}
    return of_grey and page.number(tag.SAMPLES, 1) == 1 + len(extra) and len(extra) <= 1 and _ALPHA.issuperset(extra.tolist())


def _is_colour(page: Page) -> bool:
    photometric, samples = page.number(tag.PHOTOMETRIC, MIN_IS_BLACK), page.number(tag.SAMPLES, 1)
    extra = len(page.values(tag.EXTRA_SAMPLES))
    if photometric == PALETTE:
        return samples == 1 and tag.COLOUR_MAP in page
    return samples == 3 + extra and (photometric == RGB or (photometric == Y_CB_CR and page.number(tag.COMPRESSION, 1) == JPEG))


def _palette(page: Page, path: Path) -> NDArray[np.uint8]:
    """Grey of each colour of the page's palette."""
    colours = page.values(tag.COLOUR_MAP)
    count = 1 << page.number(tag.BITS, 1)
    if len(colours) != 3 * count:
        raise tag.refused(path, f"a palette of 3 x {count} numbers", len(colours))
    wide = colours.reshape(3, 1, count).transpose(1, 2, 0).astype(np.uint16)
    # 16 bits each by the book; some writers give 8.
    eight = wide >> 8 if wide.max() > 255 else wide
    return luminance(eight.astype(np.uint8))[0]
