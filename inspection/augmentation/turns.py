"""Symmetries: which turns a class draws, and how points and die maps take them.

A turn that all classes share turns the whole picture: an orthogonal (2, 2) matrix for the renderer (``views.renderer.turn_matrix``).
That of one class turns its points only: turned dies would give the class away, since without noise in them the edge of the inspected area
shows any turn but a half, and a served wafer is never turned.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from inspection.augmentation.nuisances import with_points
from inspection.views.renderer import turn_matrix
from inspection.wafer.die_grid import die_grid
from inspection.wafer.maps import FAIL, NO_DIE, PASS
from inspection.wafer.taxonomy import generated

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.random import Generator
    from numpy.typing import NDArray

    from inspection.wafer.maps import DefectMap, DieMap
    from inspection.wafer.taxonomy import Symmetry, Taxonomy

_TRIES = 16


def draw_turn(allowed: frozenset[Symmetry], rng: Generator) -> NDArray[np.float64] | None:
    """A turn drawn uniformly from the group that ``allowed`` generates; None for the identity."""
    mirrored = bool("flip" in allowed and rng.random() < 0.5)
    if "rotation" in allowed:
        angle = rng.uniform(0, 2 * np.pi)
    elif "quarter_turn" in allowed:
        angle = rng.integers(0, 4) * np.pi / 2
    elif "half_turn" in allowed:
        angle = rng.integers(0, 2) * np.pi
    else:
        angle = 0.0
    return None if angle == 0.0 and not mirrored else turn_matrix(float(angle), mirrored=mirrored)


def common_turns(taxonomy: Taxonomy) -> list[NDArray[np.float64]]:
    """The symmetries of the square that keep every class's label: what test-time augmentation may average over."""
    shared = frozenset.intersection(*(generated(c.symmetries) for c in taxonomy.classes))
    steps = 4 if "quarter_turn" in shared else 2 if "half_turn" in shared else 1
    mirrors = (False, True) if "flip" in shared else (False,)
    return [turn_matrix(k * 2 * np.pi / steps, mirrored=m) for m in mirrors for k in range(steps)]


def turn_points(wafer: DefectMap, turn: NDArray[np.float64], again: Callable[[], NDArray[np.float64] | None]) -> DefectMap:
    """Turn the points by an orthogonal (2, 2) matrix and leave the dies where they are.

    Parameters
    ----------
    wafer : DefectMap
    turn : ndarray of shape (2, 2)
    again : callable
        Draws another turn of the same group, None = the identity. A point that leaves the inspected dies, where nobody would have seen it,
        is turned by these until it is on one, so that a class that turns has as many points near the edge as one that does not: left
        out, they gave the class away.
    """
    turned = wafer.xy_um @ turn.T
    grid = die_grid(wafer)
    if grid is None:
        return with_points(wafer, turned)
    lost = np.flatnonzero(grid.holds(wafer.xy_um) & ~grid.holds(turned))
    for _ in range(_TRIES):
        if not len(lost):
            break
        other = again()
        turned[lost] = wafer.xy_um[lost] if other is None else wafer.xy_um[lost] @ other.T
        lost = lost[~grid.holds(turned[lost])]
    turned[lost] = wafer.xy_um[lost]
    return with_points(wafer, turned)


def rotate_dies(wafer: DieMap, angle_rad: float) -> DieMap:
    """The failed dies turned counter-clockwise by any angle on the lattice that stays: each die takes the status nearest to where it was.

    A failed die that none took is put to the die nearest to where it goes, so that only what leaves the wafer is lost. A turned lattice is
    seen at a glance: no class may draw this unless all do.
    """
    rows, cols = wafer.status.shape
    width, height = wafer.die_size_um
    cos, sin = np.cos(angle_rad), np.sin(angle_rad)

    def at(row: NDArray[np.intp], col: NDArray[np.intp], sine: float) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.bool_]]:
        """Row and column of each die after a turn by the angle whose cosine and sine are ``cos`` and ``sine``, and whether on the map."""
        x, y = (col + 0.5 - cols / 2) * width, (rows / 2 - row - 0.5) * height
        to_col = np.floor((cos * x - sine * y) / width + cols / 2).astype(np.intp)
        to_row = np.floor(rows / 2 - (sine * x + cos * y) / height).astype(np.intp)
        return to_row, to_col, (to_row >= 0) & (to_row < rows) & (to_col >= 0) & (to_col < cols)

    row, col = np.nonzero(wafer.status != NO_DIE)
    from_row, from_col, within = at(row, col, -sin)
    status = np.where(wafer.status == FAIL, np.uint8(PASS), wafer.status)
    taken = np.zeros(status.shape, bool)
    taken[from_row[within], from_col[within]] = True
    failed = within.copy()
    failed[within] = wafer.status[from_row[within], from_col[within]] == FAIL
    status[row[failed], col[failed]] = FAIL
    row, col = np.nonzero((wafer.status == FAIL) & ~taken)
    to_row, to_col, within = at(row, col, sin)
    to_row, to_col = to_row[within], to_col[within]
    on_die = status[to_row, to_col] != NO_DIE
    status[to_row[on_die], to_col[on_die]] = FAIL
    return replace(wafer, status=status)
