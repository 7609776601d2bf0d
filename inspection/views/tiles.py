"""Detail tiles: small windows cut where the defects are, for the texture that the global view blurs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from inspection.errors import InputError
from inspection.views.renderer import ViewSpec, Window, bin_points, draw_windows, render_global, whole_wafer
from inspection.wafer.maps import DefectMap, ImageMap, InspectionMap

if TYPE_CHECKING:
    from numpy.typing import NDArray

EXPECTED = {"map": "a wafer map", "image": "an inspection image"}
CELLS_PER_TILE = 2
"""Tiles start on a grid of half their side, so that neighbours may overlap and no signature is cut at a fixed border."""


def choose_windows(xy_um: NDArray[np.float64], wafer: DefectMap, tiles: int, tile_mm: float) -> list[Window]:
    """At most ``tiles`` windows with points in them, the fullest first; a wafer without defects has none."""
    whole = whole_wafer(wafer)
    cell_um = tile_mm * 1000.0 / CELLS_PER_TILE
    cells = max(CELLS_PER_TILE, int(np.ceil(whole.side_um / cell_um)) + 1)
    margin_um = (cells * cell_um - whole.side_um) / 2  # centred: points on and beyond the edge lie in a window too
    grid = Window(whole.left_um - margin_um, whole.top_um + margin_um, cells * cell_um)
    filled = bin_points(xy_um, grid, cells, clip=True)
    return [Window(grid.left_um + col * cell_um, grid.top_um - row * cell_um, tile_mm * 1000.0) for row, col in fullest(filled, tiles)]


def fullest(cells: NDArray, tiles: int) -> list[tuple[int, int]]:
    """Upper-left cells of at most ``tiles`` windows of ``CELLS_PER_TILE`` cells a side, the fullest first; deterministic.

    Greedy: take the window with most not yet covered (ties: upper, then left), mark its cells as covered, repeat. Windows in which nothing
    is left uncovered are never taken.

    Parameters
    ----------
    cells : ndarray of shape (rows, cols), at least ``CELLS_PER_TILE`` each
        What lies in each cell, >= 0.
    """
    from inspection.views.kernels import take_fullest  # noqa: PLC0415 - loads numba

    chosen = np.zeros((tiles, 2), np.int64)
    taken = take_fullest(cells.copy(), CELLS_PER_TILE, chosen)
    return [(int(row), int(col)) for row, col in chosen[:taken]]


def render_tiles(wafer: InspectionMap, spec: ViewSpec, turn: NDArray[np.float64] | None = None) -> NDArray[np.uint8]:
    """Detail tiles of shape (spec.tiles, tile_px, tile_px, 3), fullest first, zeros after the last; a die map or an image has none."""
    images = np.zeros((spec.tiles, spec.tile_px, spec.tile_px, 3), np.uint8)
    if isinstance(wafer, DefectMap) and spec.tiles:
        xy_um = wafer.xy_um if turn is None else wafer.xy_um @ turn.T
        windows = choose_windows(xy_um, wafer, spec.tiles, spec.tile_mm)
        images[: len(windows)] = draw_windows(wafer, windows, spec.tile_px, turn)
    return images


def render(wafer: InspectionMap, spec: ViewSpec, turn: NDArray[np.float64] | None = None) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """What a model sees of one wafer: the global view (size_px, size_px, 3) and the tiles (tiles, tile_px, tile_px, 3).

    Raises
    ------
    InputError
        An image for a model of wafer maps, or the other way round: their channels mean different things.
    """
    if isinstance(wafer, ImageMap) != (spec.kind == "image"):
        raise InputError(
            f"Cannot draw wafer {wafer.info.lot}/{wafer.info.wafer} for this model: expected {EXPECTED[spec.kind]}, got one of the kind "
            f"{wafer.kind}. Keep images and wafer maps in workspaces of their own."
        )
    return render_global(wafer, spec.size_px, turn), render_tiles(wafer, spec, turn)
