"""All wafers of a lot in one map, in the wafer frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from inspection.wafer.die_grid import die_grid
from inspection.wafer.maps import FAIL, NO_DIE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from inspection.wafer.maps import DefectMap, DieMap

CELLS = 240
"""Cells across the diameter where the dies give none."""
SMOOTHED_RADII = 0.025
"""Standard deviation of the smoothing of a density, in radii: 3.75 mm on a 300 mm wafer."""


@dataclass(frozen=True, slots=True, eq=False)
class Stack:
    """One value per cell; the cells cover a rectangle whose centre is the wafer's.

    Attributes
    ----------
    values : ndarray of shape (rows, cols), float64
        Image frame: row 0 at the top. Defects per cm2 and wafer, or the share of failed dies. NaN = inspected on no wafer.
    wafers : ndarray of shape (rows, cols), int64
        Wafers inspected there.
    cell_um : (float, float)
        Width and height of a cell.
    unit : str
    by_die : bool
        Whether each cell is a die.
    """

    values: NDArray[np.float64]
    wafers: NDArray[np.int64]
    cell_um: tuple[float, float]
    unit: str
    by_die: bool


def stack_points(wafers: Sequence[DefectMap], cells: int = CELLS) -> Stack:
    """Density of the defects of all wafers, each place divided by the wafers inspected there; ``wafers`` has at least one.

    Defects and inspected area are smoothed alike, so that the density does not fall off at the rim (Diggle, Applied Statistics 34, 1985).
    """
    radius_um = max(w.info.radius_um for w in wafers)
    step_um = 2 * radius_um / cells
    along = (np.arange(cells) + 0.5) * step_um - radius_um
    x, y = np.meshgrid(along, -along)
    places = np.column_stack((x.ravel(), y.ravel()))
    counts, seen = np.zeros((cells, cells)), np.zeros((cells, cells), np.int64)
    for wafer in wafers:
        at = np.floor((wafer.xy_um * (1, -1) + radius_um) / step_um).astype(np.int64)
        at = at[((at >= 0) & (at < cells)).all(axis=1)]
        counts += np.bincount(at[:, 1] * cells + at[:, 0], minlength=cells * cells).reshape(cells, cells)
        on_wafer = np.hypot(x, y) <= wafer.info.radius_um
        grid = die_grid(wafer)
        seen += on_wafer if grid is None else on_wafer & grid.holds(places).reshape(cells, cells)
    blur = SMOOTHED_RADII * cells / 2
    smooth, area = (cv2.GaussianBlur(a.astype(np.float64), (0, 0), blur, borderType=cv2.BORDER_CONSTANT) for a in (counts, seen))
    density = np.divide(smooth, area * (step_um * 1e-4) ** 2, out=np.full((cells, cells), np.nan), where=seen > 0)
    return Stack(density, seen, (step_um, step_um), "defects per cm² and wafer", by_die=False)


def one_grid(wafers: Sequence[DieMap]) -> bool:
    """Whether all die maps have the same rows, columns and die size."""
    return len({(w.status.shape, w.die_size_um, w.info.diameter_mm) for w in wafers}) == 1


def stack_dies(wafers: Sequence[DieMap], cells: int = CELLS) -> Stack:
    """Share of the wafers whose die failed; ``wafers`` has at least one.

    Die by die where all wafers have one grid. Where grids differ, place by place: of the wafers with a tested die at a place, how many
    have a failed one there.
    """
    by_die = one_grid(wafers)
    if by_die:
        rows, cols = wafers[0].status.shape
        cell_um = wafers[0].die_size_um
        statuses = [w.status for w in wafers]
    else:
        rows = cols = cells
        side_um = 2.0 * max(w.info.radius_um for w in wafers) / cells
        cell_um = (side_um, side_um)
        along: NDArray[np.float64] = (np.arange(cells, dtype=np.float64) + (0.5 - cells / 2)) * side_um
        statuses = [_status_at(w, along, -along) for w in wafers]
    tested = np.sum([s != NO_DIE for s in statuses], axis=0, dtype=np.int64).reshape(rows, cols)
    failed = np.sum([s == FAIL for s in statuses], axis=0, dtype=np.int64).reshape(rows, cols)
    share = np.divide(failed, tested, out=np.full((rows, cols), np.nan), where=tested > 0)
    return Stack(share, tested, cell_um, "share of wafers whose die failed", by_die=by_die)


def _status_at(wafer: DieMap, x_um: NDArray[np.float64], y_um: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Status of the die at each place of a grid, shape (len(y), len(x)); no die off the map."""
    rows, cols = wafer.status.shape
    width, height = wafer.die_size_um
    col, row = (np.floor(v).astype(np.int64) for v in (x_um / width + cols / 2, rows / 2 - y_um / height))
    framed = np.full((rows + 2, cols + 2), NO_DIE, np.uint8)
    framed[1:-1, 1:-1] = wafer.status
    return framed[np.clip(row + 1, 0, rows + 1)[:, None], np.clip(col + 1, 0, cols + 1)[None, :]]
