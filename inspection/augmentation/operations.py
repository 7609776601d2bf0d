"""Operations in source space: what may happen to a wafer before it is drawn.

Symmetries of all classes are orthogonal matrices handed to the renderer (``views.renderer.turn_matrix``), which turns the whole picture.
Those of one class turn its points only, and nuisances act on the points, too: the dies stay, so that they tell nothing of the class.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    from inspection.wafer.maps import DefectMap


def thin(wafer: DefectMap, share: float, rng: Generator) -> DefectMap:
    """Leave each point out with probability ``share`` (0..1), independently."""
    return _with_points(wafer, wafer.xy_um[rng.random(wafer.defects) >= share])


def add_background(wafer: DefectMap, share: float, rng: Generator) -> DefectMap:
    """Add ``Poisson(share * defects)`` points, uniform over the inspected dies (over the disc when none are listed)."""
    extra = int(rng.poisson(share * wafer.defects))
    if extra == 0:
        return wafer
    if wafer.dies is not None and wafer.pitch_um is not None and wafer.origin_um is not None and len(wafer.dies):
        die = wafer.dies[rng.integers(0, len(wafer.dies), extra)]
        points = (die + rng.random((extra, 2))) * wafer.pitch_um + wafer.origin_um
    else:
        radius = wafer.info.radius_um * np.sqrt(rng.random(extra))
        angle = rng.random(extra) * 2 * np.pi
        points = np.column_stack((radius * np.cos(angle), radius * np.sin(angle)))
    return _with_points(wafer, np.concatenate((wafer.xy_um, points)))


def jitter(wafer: DefectMap, sigma_um: float, rng: Generator) -> DefectMap:
    """Move the whole map by one normal offset of ``sigma_um`` along each axis (stage offset): the texture stays as it is."""
    return _with_points(wafer, wafer.xy_um + rng.normal(0.0, sigma_um, 2))


def turn_points(wafer: DefectMap, turn: NDArray[np.float64]) -> DefectMap:
    """Turn the points by an orthogonal (2, 2) matrix and leave the dies where they are.

    A point that leaves the inspected dies is left out: nobody would have seen it.
    """
    turned = wafer.xy_um @ turn.T
    seen = _on_dies(turned, wafer) | ~_on_dies(wafer.xy_um, wafer)
    return _with_points(wafer, turned[seen])


def _on_dies(xy_um: NDArray[np.float64], wafer: DefectMap) -> NDArray[np.bool_]:
    """Which points lie on an inspected die, shape (n,); all of them where no dies are listed."""
    if wafer.dies is None or wafer.pitch_um is None or wafer.origin_um is None or not len(wafer.dies):
        return np.ones(len(xy_um), bool)
    low = wafer.dies.min(axis=0) - 1  # one empty die all around
    grid = np.zeros(wafer.dies.max(axis=0) - low + 2, bool)
    grid[tuple((wafer.dies - low).T)] = True
    place = np.floor((xy_um - wafer.origin_um) / wafer.pitch_um) - low
    inside: NDArray[np.bool_] = grid[tuple(np.clip(place, 0, np.array(grid.shape) - 1).astype(np.int64).T)]
    return inside


def _with_points(wafer: DefectMap, xy_um: NDArray[np.float64]) -> DefectMap:
    # Attributes belong to the points of the file; a changed set of points has none.
    return replace(wafer, xy_um=xy_um, attributes={})
