"""Known signatures planted in neutral maps: operations that act on a signature's own points only do nothing without one.

Only signatures that look the same from every side on average are planted, so that a class's own turn leaves nothing to be told by.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from inspection.augmentation.guard.neutral import Bases, product_of
from inspection.simulator import areas, rings
from inspection.simulator.difficulty import EASY
from inspection.simulator.signatures import scene_of
from inspection.wafer.maps import FAIL, NO_DIE, DieMap

if TYPE_CHECKING:
    from numpy.random import Generator

    from inspection.wafer.maps import WaferMap

DRAWINGS = (rings.donut, rings.half_moon, rings.sector, areas.cluster_big)


def planted_bases(bases: Bases, rng: Generator) -> Bases:
    """The same maps, each with a signature of its own on its inspected dies."""
    return replace(bases, maps=[_plant(base, rng) for base in bases.maps])


def _plant(base: WaferMap, rng: Generator) -> WaferMap:
    product = product_of(base)
    draw = DRAWINGS[rng.integers(len(DRAWINGS))]
    xy_um = draw(scene_of(product, EASY), rng).xy_um
    if isinstance(base, DieMap):
        return replace(base, status=_failed_at(base, xy_um))
    seen = xy_um[product.on_dies(xy_um, product.dies if base.dies is None else base.dies)]
    return replace(base, xy_um=np.concatenate((base.xy_um, seen)), attributes={})


def _failed_at(base: DieMap, xy_um: np.ndarray) -> np.ndarray:
    """Status with each die failed that holds one of the points."""
    rows, cols = base.status.shape
    width, height = base.die_size_um
    col = np.floor(xy_um[:, 0] / width + cols / 2).astype(int)
    row = np.floor(rows / 2 - xy_um[:, 1] / height).astype(int)
    inside = (row >= 0) & (row < rows) & (col >= 0) & (col < cols)
    status = base.status.copy()
    hit = np.zeros(status.shape, bool)
    hit[row[inside], col[inside]] = True
    status[hit & (status != NO_DIE)] = FAIL
    return status
