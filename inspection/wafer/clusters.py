"""Spatial clusters of a wafer's defects: which of them lie together, whatever pattern they make.

Two defects at most a *threshold* apart belong together, and so does whatever is joined by a chain of such pairs (single
linkage). Groups of at least ``least`` defects are clusters. That is what KLARF's DefectClusterSetup describes (THRESHOLD,
MINSIZE), and for ``least`` up to 3 the very clusters of DBSCAN with ``min_samples = least``. Nothing depends on where the wafer
is turned or how its defects are ordered.

Time and memory grow with the number of defects alone, not with that of close pairs: the defects are sorted into cells in which
any two are close enough, and only cells are joined.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Cells = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]
    """Column and row of each cell (c, 2), the first point of each and the end (c + 1,), points in the order of cells (n, 2)."""

LEAST = 5
"""Defects that make a cluster."""
RANDOM_NEIGHBOURS = 1 / 3
"""Neighbours within the threshold that a defect would have if all lay at random. From about 4.5 on a chain crosses the whole
wafer; at a half, fewer than one random defect in a hundred lies in a cluster of ``LEAST``."""
SHARE_OF_DIAMETER = 1 / 50
"""The threshold on a wafer with few defects: 4 mm on 200 mm."""

_BEHIND = ((1, 0), (0, 1), (1, 1), (1, -1), (2, 0), (0, 2), (2, 1), (2, -1), (1, 2), (1, -2))
"""Steps to the cells that may hold a point within the threshold, one of each opposite two; the nearest first."""
_FEW_PAIRS = 1 << 4
"""Pairs of points up to which two cells are measured at once; with more, the outermost points nearly always decide at a glance."""
_ALL_PAIRS = 1 << 14
"""Pairs of points from which a tree is faster."""
_BLOCK = 1 << 20


def threshold_um(defects: int, diameter_mm: float) -> float:
    """The default threshold, um: a fiftieth of the diameter, less where so many defects would meet by chance."""
    area_um2 = math.pi * (diameter_mm * 500.0) ** 2
    by_chance = math.sqrt(RANDOM_NEIGHBOURS * area_um2 / (math.pi * max(defects, 1)))
    return min(diameter_mm * 1_000.0 * SHARE_OF_DIAMETER, by_chance)


def clusters(xy_um: NDArray[np.float64], threshold_um: float, least: int = LEAST) -> NDArray[np.int32]:
    """The cluster of each defect.

    Parameters
    ----------
    xy_um : ndarray of shape (n, 2)
        Finite places.
    threshold_um : float
        Positive; defects exactly this far apart belong together.
    least : int
        Defects of the smallest cluster.

    Returns
    -------
    ndarray of shape (n,), int32
        1, 2, ... from the largest cluster down (of equal ones, that of the earlier defect first); 0 for a defect in none.
    """
    if not len(xy_um):
        return np.zeros(0, dtype=np.int32)
    order, cells = _cells(np.asarray(xy_um, np.float64), threshold_um)
    group = _joined(cells, threshold_um)
    of_point = np.empty(len(xy_um), dtype=np.int64)
    of_point[order] = np.repeat(group, np.diff(cells[1]))
    sizes = np.bincount(of_point)
    first = np.full(len(sizes), len(xy_um), dtype=np.int64)
    np.minimum.at(first, of_point, np.arange(len(xy_um)))
    numbers = np.zeros(len(sizes), dtype=np.int32)
    ranked = np.lexsort((first, -sizes))
    ranked = ranked[sizes[ranked] >= least]
    numbers[ranked] = np.arange(1, len(ranked) + 1)
    return numbers[of_point]


def _cells(xy_um: NDArray[np.float64], threshold_um: float) -> tuple[NDArray[np.int64], Cells]:
    """Points sorted into squares whose diagonal is the threshold; the order, and the occupied cells."""
    side = threshold_um / math.sqrt(2) * (1 - 1e-9)  # two points of a cell are never further apart than the threshold
    column, row = np.floor((xy_um - xy_um.min(axis=0)) / side).astype(np.int64).T
    order = np.lexsort((row, column))
    column, row = column[order], row[order]
    begins = np.flatnonzero(np.concatenate(([True], (np.diff(column) != 0) | (np.diff(row) != 0))))
    return order, (np.column_stack((column[begins], row[begins])), np.append(begins, len(xy_um)), xy_um[order])


def _joined(cells: Cells, threshold_um: float) -> NDArray[np.integer]:
    """The group of each cell: cells are joined where any two of their points are close enough."""
    from scipy.sparse import coo_array  # noqa: PLC0415 - half a second: only where clusters are asked for
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415 - as above

    places, begins, _ = cells
    counts = np.diff(begins)
    edges: list[NDArray[np.int64]] = []
    group = np.arange(len(places))
    near = _outermost(cells)
    for glance in (True, False):
        for step in _BEHIND:
            pairs = _neighbours(places, step)
            pairs = pairs[group[pairs[:, 0]] != group[pairs[:, 1]]]
            many = counts[pairs[:, 0]] * counts[pairs[:, 1]] > _FEW_PAIRS
            if glance:
                found = [pairs[many][_seen(near, pairs[many], threshold_um)], pairs[~many][_measured(cells, pairs[~many], threshold_um)]]
            else:
                found = [pairs[many][_measured(cells, pairs[many], threshold_um)]]
            if any(map(len, found)):
                edges += found
                one, other = np.concatenate(edges).T
                graph = coo_array((np.ones(len(one), dtype=np.int8), (one, other)), shape=(len(places), len(places)))
                group = connected_components(graph, directed=False)[1]
    return group


def _neighbours(places: NDArray[np.int64], step: tuple[int, int]) -> NDArray[np.int64]:
    """Pairs of occupied cells that lie ``step`` apart, of shape (m, 2)."""
    height = int(places[:, 1].max()) + 5  # a step up from the top row is no cell of the next column
    keys = places[:, 0] * height + places[:, 1] + 2
    wanted = keys + step[0] * height + step[1]
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    found = np.flatnonzero(keys[at] == wanted)
    return np.column_stack((found, at[found]))


def _outermost(cells: Cells) -> NDArray[np.float64]:
    """The leftmost, rightmost, lowest and highest point of each cell, of shape (c, 4, 2)."""
    _, begins, xy = cells
    cell = np.repeat(np.arange(len(begins) - 1), np.diff(begins))
    found = []
    for axis in (0, 1):
        sorted_points = np.lexsort((xy[:, axis], cell))
        found += [xy[sorted_points[begins[:-1]]], xy[sorted_points[begins[1:] - 1]]]
    return np.stack(found, axis=1)


def _seen(near: NDArray[np.float64], pairs: NDArray[np.int64], threshold_um: float) -> NDArray[np.bool_]:
    """Whether the outermost points of two cells are close enough: if so, the cells are joined; if not, nothing is known."""
    close = np.zeros(len(pairs), dtype=np.bool_)
    for one in range(4):
        for other in range(4):
            apart = near[pairs[:, 0], one] - near[pairs[:, 1], other]
            close |= np.hypot(apart[:, 0], apart[:, 1]) <= threshold_um
    return close


def _measured(cells: Cells, pairs: NDArray[np.int64], threshold_um: float) -> NDArray[np.bool_]:
    """Whether any two points of two cells are close enough."""
    from scipy.spatial import KDTree  # noqa: PLC0415 - as above

    _, begins, xy = cells
    counts = np.diff(begins)[pairs]
    work = counts[:, 0] * counts[:, 1]
    close = np.zeros(len(pairs), dtype=np.bool_)
    for block in _blocks(np.flatnonzero(work <= _ALL_PAIRS), work):
        pair, first, second = _products(block, begins[pairs[block]], counts[block])
        apart = xy[first] - xy[second]
        close[pair[np.hypot(apart[:, 0], apart[:, 1]) <= threshold_um]] = True
    for i in np.flatnonzero(work > _ALL_PAIRS):
        one, other = (xy[begins[c] : begins[c + 1]] for c in pairs[i])
        apart_um, _ = KDTree(one).query(other, distance_upper_bound=threshold_um * (1 + 1e-9))
        close[i] = apart_um.min() <= threshold_um
    return close


def _blocks(chosen: NDArray[np.int64], work: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """``chosen`` in parts of about as much work as fits in memory."""
    part = np.cumsum(work[chosen]) // _BLOCK
    for cut in np.split(chosen, np.flatnonzero(np.diff(part)) + 1):
        if len(cut):
            yield cut


def _products(block: NDArray[np.int64], begins: NDArray[np.int64], counts: NDArray[np.int64]) -> tuple[NDArray[np.int64], ...]:
    """Every point of the first cell of a pair with every point of the second: pair, point, point."""
    size = counts[:, 0] * counts[:, 1]
    within = np.arange(size.sum()) - np.repeat(np.cumsum(size) - size, size)
    first, second = np.divmod(within, np.repeat(counts[:, 1], size))
    return np.repeat(block, size), np.repeat(begins[:, 0], size) + first, np.repeat(begins[:, 1], size) + second
