"""What a pyramid's coarse levels are good for: the global view of the whole raster, and where the detail tiles lie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from inspection.views.renderer import code_count
from inspection.views.tiles import CELLS_PER_TILE, fullest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from inspection.views.cascade import Totals
    from inspection.views.pyramid import Built

TILES_ACROSS = 16
"""A tile is about this share of the raster's side: large enough for a texture, small enough to show single defects."""


TILE_INK = (0, 90, 181)
"""Blue: apart from grey for every kind of colour vision."""


@dataclass(frozen=True, slots=True)
class TileWindow:
    """A square window of a level: upper-left pixel, side, and the sum of what is in it. Parts beyond the raster are empty."""

    level: int
    row: int
    col: int
    side: int
    total: float


def global_view(totals: Totals, size_px: int) -> tuple[NDArray, NDArray]:
    """Sums and maxima of the whole raster in a square of ``size_px``, the raster centred in it and not distorted.

    Each pixel of the level that is just finer than asked for falls, whole, where its centre lies: the sum stays exact.
    """
    level = max((k for k, (sums, _) in totals.overview.items() if max(sums.shape) >= 2 * size_px), default=min(totals.overview))
    sums, peaks = totals.overview[level]
    side = max(sums.shape)
    places, starts = [], []
    for n in sums.shape:
        place = np.floor((np.arange(n) + 0.5 + (side - n) / 2) * size_px / side).astype(np.intp)
        distinct, first = np.unique(place, return_index=True)
        places.append(distinct)
        starts.append(first)
    view = []
    for join, pixels in ((np.add, sums), (np.maximum, peaks)):
        joined = join.reduceat(join.reduceat(pixels, starts[0], axis=0), starts[1], axis=1)
        whole = np.zeros((size_px, size_px), joined.dtype)
        whole[np.ix_(*places)] = joined
        view.append(whole)
    return view[0], view[1]


def draw_view(built: Built, sums: NDArray, windows: Sequence[TileWindow], scale: int = 4) -> NDArray[np.uint8]:
    """The global view for people: dark where most lies, the tiles outlined and numbered by rank; (size * scale)**2 RGB."""
    if built.kind == "counts":
        ink = 255 - np.where(sums > 0, 64 + code_count(sums) * 0.75, 0).clip(0, 255)
    else:
        low, high = float(sums.min()), float(sums.max())
        ink = (sums - low) * (255.0 / (high - low)) if high > low else np.full(sums.shape, 255.0)
    grey = np.kron(ink.astype(np.uint8), np.ones((scale, scale), np.uint8))
    picture: NDArray[np.uint8] = cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB)
    rows, cols = built.totals.shapes[0]
    side = max(rows, cols)
    for rank, window in reversed(list(enumerate(windows, 1))):
        left, top, right, low_edge = (
            round((edge * 2**window.level + (side - n) / 2) * len(grey) / side)
            for edge, n in ((window.col, cols), (window.row, rows), (window.col + window.side, cols), (window.row + window.side, rows))
        )
        cv2.rectangle(picture, (left, top), (right, low_edge), TILE_INK, 2)
        cv2.putText(picture, str(rank), (left + 4, top + 18), cv2.FONT_HERSHEY_SIMPLEX, 0.5, TILE_INK, 1, cv2.LINE_AA)
    return picture


def tile_windows(totals: Totals, side_px: int, most: int) -> list[TileWindow]:
    """At most ``most`` windows of ``side_px`` where most lies, the fullest first, on a grid of half their side; deterministic.

    The level is the one on which about ``TILES_ACROSS`` windows lie side by side, so a tile of a small raster is of level 0.
    """
    longest = max(totals.shapes[0])
    wanted = max(0.0, np.log2(max(1.0, longest / (TILES_ACROSS * side_px))))
    level = min(len(totals.shapes) - 1, int(np.ceil(wanted)))
    cell_px = side_px // CELLS_PER_TILE
    held = max((k for k in totals.overview if k <= level + int(np.log2(cell_px))), default=min(totals.overview))
    step = (cell_px << level) >> held  # of the held level, in pixels; a power of two
    sums = totals.overview[held][0]
    grid = [max(CELLS_PER_TILE, -(-n // step)) for n in sums.shape]
    padded = np.zeros((grid[0] * step, grid[1] * step), sums.dtype)
    padded[: sums.shape[0], : sums.shape[1]] = sums
    cells = padded.reshape(grid[0], step, grid[1], step).sum(axis=(1, 3))
    found = fullest(cells, most)
    return [
        TileWindow(level, r * cell_px, c * cell_px, side_px, cells[r : r + CELLS_PER_TILE, c : c + CELLS_PER_TILE].sum().item())
        for r, c in found
    ]
