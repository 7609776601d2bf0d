"""From a heat map to regions of the wafer: boxes in micrometres, a score each, none of them twice. Pure.

A heat map covers a square ``Window`` of the wafer frame with equal cells, row 0 at the top (``views.renderer``): cell (i, j) of ``rows`` by
``cols`` covers x from ``left + j * side / cols`` to ``left + (j + 1) * side / cols`` and y from ``top - (i + 1) * side / rows`` to
``top - i * side / rows``. Boxes in pixels are (top, left, bottom, right), edges and not centres, so that (0, 0, 1, 1) is the first cell.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from inspection.errors import InputError
from inspection.wafer.maps import FAIL, DefectMap

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from inspection.views.renderer import Window
    from inspection.wafer.maps import WaferMap

LEVEL = 0.05
"""Cells of at least this share of the hottest one are hot. Low: the hottest cell of a signature of 1 000 points is a clot in it."""
EIGHT = np.ones((3, 3), bool)
"""Cells that touch at a corner belong together: a scratch runs aslant."""


@dataclass(frozen=True, eq=False)
class Region:
    """A place of the wafer that speaks for a class.

    Attributes
    ----------
    score : float
        The highest heat in it.
    share : float
        Its part of all positive heat of the map, 0 to 1.
    box_um : (float, float, float, float)
        left, bottom, right, top in the wafer frame.
    peak_um : (float, float)
        Centre of its hottest cell.
    cells : ndarray of shape (rows, cols), bool
        Which cells of the map belong to it.
    """

    score: float
    share: float
    box_um: tuple[float, float, float, float]
    peak_um: tuple[float, float]
    cells: NDArray[np.bool_]


def find_regions(
    heat: NDArray[np.floating], window: Window, *, level: float = LEVEL, iou: float = 0.3, least_share: float = 0.02, most: int = 10
) -> list[Region]:
    """The regions of ``heat`` (rows, cols), the hottest first.

    Cells of at least ``level`` times the hottest one that touch make a region; of two whose boxes overlap by more than ``iou``, the hotter
    one stays. Regions with less than ``least_share`` of the positive heat are left out. A map without positive heat has none.

    Raises
    ------
    InputError
        Heat that is no number somewhere, or a ``level`` outside (0, 1].
    """
    from scipy import ndimage  # noqa: PLC0415 - a tenth of a second, for who asks where only

    if heat.ndim != 2 or not np.isfinite(heat).all() or not 0 < level <= 1:
        raise InputError(
            f"Cannot find regions: expected finite heat of shape (rows, cols) and 0 < level <= 1, got shape {heat.shape}, "
            f"{int((~np.isfinite(heat)).sum())} cells that are no number, level {level}. Check what made the map."
        )
    positive = np.clip(heat, 0.0, None).astype(np.float64)
    top = positive.max(initial=0.0)
    if top <= 0:
        return []
    labelled, count = ndimage.label(positive >= level * top, EIGHT)
    numbers = np.arange(1, count + 1)
    shares = ndimage.sum_labels(positive, labelled, numbers) / positive.sum()
    scores = ndimage.maximum(positive, labelled, numbers)
    peaks = ndimage.maximum_position(positive, labelled, numbers)
    boxes = np.array([[rows.start, cols.start, rows.stop, cols.stop] for rows, cols in ndimage.find_objects(labelled)], np.float64)
    kept = [i for i in suppressed(boxes, np.asarray(scores), iou) if shares[i] >= least_share][:most]
    um = boxes_to_um(boxes, window, heat.shape)
    centres = boxes_to_um(np.array([(r, c, r + 1, c + 1) for r, c in peaks], np.float64), window, heat.shape)
    return [
        Region(
            float(scores[i]),
            float(shares[i]),
            (float(um[i, 0]), float(um[i, 1]), float(um[i, 2]), float(um[i, 3])),
            (float(centres[i, [0, 2]].mean()), float(centres[i, [1, 3]].mean())),
            labelled == i + 1,
        )
        for i in kept
    ]


def overlap(boxes: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Intersection over union of each of ``boxes`` (n, 4) with each of ``others`` (n, 4), or with one (4,): (n,); 0 without area."""
    both = np.clip(np.minimum(boxes[:, 2:], others[..., 2:]) - np.maximum(boxes[:, :2], others[..., :2]), 0, None).prod(axis=1)
    union = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1) + (others[..., 2:] - others[..., :2]).prod(axis=-1) - both
    return np.divide(both, union, out=np.zeros(len(boxes)), where=union > 0)


def suppressed(boxes: NDArray[np.float64], scores: NDArray[np.floating], iou: float) -> list[int]:
    """Non-maximum suppression: which of ``boxes`` (n, 4) stay, the best first.

    Greedy: the best box stays and takes all with it that overlap it by more than ``iou``; then the best of the rest. Equal scores: the
    upper, then the left, then the smaller one first, whatever the order in which they come. Only neighbours are compared (a tree of
    centres), so that the time grows with the boxes that overlap, not with the square of all.

    Parameters
    ----------
    boxes : ndarray of shape (n, 4)
        Two low and two high edges, in any one unit.
    scores : ndarray of shape (n,)
    iou : float
        0 to 1.
    """
    from scipy.spatial import cKDTree  # noqa: PLC0415 - as above

    if not len(boxes):
        return []
    order = np.lexsort((*boxes.T[::-1], -np.asarray(scores, np.float64)))
    best_first = np.asarray(boxes, np.float64)[order]
    low, high = best_first[:, :2], best_first[:, 2:]
    # Boxes that meet have centres at most the widest box apart along both axes.
    near = cKDTree((low + high) / 2).query_pairs((high - low).max(), p=np.inf, output_type="ndarray").reshape(-1, 2)
    better, worse = near.min(axis=1), near.max(axis=1)
    clash = overlap(best_first[better], best_first[worse]) > iou
    better, worse = better[clash], worse[clash]
    by_better = np.argsort(better, kind="stable")
    better, worse = better[by_better], worse[by_better]
    gone = np.zeros(len(boxes), bool)
    first = np.searchsorted(better, np.arange(len(boxes) + 1))
    for place in np.unique(better).tolist():  # all others stand in nobody's way
        if not gone[place]:
            gone[worse[first[place] : first[place + 1]]] = True
    return order[~gone].tolist()


def boxes_to_um(boxes: NDArray[np.floating], window: Window, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Boxes (n, 4) in pixels of a map of ``shape`` over ``window``, in the wafer frame: left, bottom, right, top, um."""
    row_um, col_um = window.side_um / shape[0], window.side_um / shape[1]
    top, left, bottom, right = np.asarray(boxes, np.float64).T
    x = [window.left_um + side * col_um for side in (left, right)]
    y = [window.top_um - side * row_um for side in (top, bottom)]
    return np.column_stack((x[0], y[1], x[1], y[0]))


def cell_of(xy_um: NDArray[np.float64], window: Window, shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Row and column (n, 2) of the cell that each place (n, 2) lies in; places outside count to the border cells, as in the renderer."""
    row = np.floor((window.top_um - xy_um[:, 1]) * (shape[0] / window.side_um))
    col = np.floor((xy_um[:, 0] - window.left_um) * (shape[1] / window.side_um))
    return np.clip(np.column_stack((row, col)), 0, np.array(shape[:2]) - 1).astype(np.int64)


def cells_to_um(shape: tuple[int, ...], window: Window) -> NDArray[np.float64]:
    """Centre of each cell in the wafer frame, shape (rows, cols, 2): x, y."""
    x = window.left_um + (np.arange(shape[1]) + 0.5) * (window.side_um / shape[1])
    y = window.top_um - (np.arange(shape[0]) + 0.5) * (window.side_um / shape[0])
    return np.stack(np.broadcast_arrays(x[None, :], y[:, None]), axis=-1)


def defects_in(cells: NDArray[np.bool_], window: Window, wafer: WaferMap) -> NDArray[np.bool_]:
    """Which defects of ``wafer`` (failed dies, in row order) lie in marked ``cells`` (rows, cols) over ``window``; shape (n,)."""
    place = cell_of(places_of(wafer), window, cells.shape)
    return cells[place[:, 0], place[:, 1]]


def dies_in(cells: NDArray[np.bool_], window: Window, wafer: WaferMap) -> NDArray[np.int64] | None:
    """The dies with a defect in the marked cells, sorted, shape (m, 2); None for a defect map without a die grid.

    Of a defect map (x, y), the index in its grid; of a die map (row, col).
    """
    inside = defects_in(cells, window, wafer)
    return dies_of(wafer, inside)


def dies_of(wafer: WaferMap, which: NDArray[np.bool_]) -> NDArray[np.int64] | None:
    """The dies that have one of the defects ``which`` (n,), as in `dies_in`."""
    if not isinstance(wafer, DefectMap):
        return np.argwhere(wafer.status == FAIL)[which]
    if wafer.pitch_um is None or wafer.origin_um is None:
        return None
    index = np.floor((wafer.xy_um[which] - wafer.origin_um) / wafer.pitch_um).astype(np.int64)
    return np.unique(index, axis=0)


def places_of(wafer: WaferMap) -> NDArray[np.float64]:
    """Where the defects or the failed dies lie, shape (n, 2), um."""
    return wafer.xy_um if isinstance(wafer, DefectMap) else wafer.fail_xy_um
