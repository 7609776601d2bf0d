"""Known signatures planted in neutral maps: operations that act on a signature's own points only do nothing without one.

Only signatures that look the same from every side on average are planted, so that a class's own turn leaves nothing to be told by. Their
donors are planted, too: with the real wafers of a class its pattern would come into the picture, which is the object and no trace.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from inspection.augmentation.donors import TrainingDonors
from inspection.augmentation.guard.neutral import Bases, product_of
from inspection.simulator import areas, rings
from inspection.simulator.difficulty import EASY
from inspection.simulator.signatures import scene_of
from inspection.wafer.maps import FAIL, NO_DIE, DieMap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.random import Generator
    from numpy.typing import NDArray

    from inspection.augmentation.donors import Donors
    from inspection.wafer.maps import WaferMap

DRAWINGS = (rings.donut, rings.half_moon, rings.sector, areas.cluster_big)


def planted_bases(bases: Bases, rng: Generator) -> tuple[Bases, Donors]:
    """The same maps, each with a signature of its own on its inspected dies, and the donors that belong to them."""
    drawn = rng.integers(len(DRAWINGS), size=len(bases.maps))
    planted = [_plant(base, int(k), rng) for base, k in zip(bases.maps, drawn, strict=True)]
    return replace(bases, maps=planted), PlantedDonors(bases, planted, drawn)


class PlantedDonors:
    """Donors of planted signatures: the class of a wafer, whatever a policy calls it, is the kind of signature that it carries."""

    def __init__(self, neutral: Bases, planted: Sequence[WaferMap], drawn: NDArray[np.integer]) -> None:
        self._kind = {id(wafer): int(k) + 1 for wafer, k in zip(planted, drawn, strict=True)}
        self._planted = planted  # held: an id is one only as long as its object lives
        labels = np.concatenate((np.zeros(len(neutral.maps), np.int64), drawn + 1))
        self._donors = TrainingDonors([*neutral.maps, *planted], labels, frozenset({0}))

    def of(self, label: int, like: WaferMap, rng: Generator) -> WaferMap | None:
        """Another wafer with the kind of signature that ``like`` carries; whatever ``label`` is."""
        return self._donors.of(self._kind.get(id(like), label), like, rng)

    def normal(self, like: WaferMap, rng: Generator) -> WaferMap | None:
        """A neutral map."""
        return self._donors.normal(like, rng)

    def other(self, label: int, like: WaferMap, rng: Generator) -> tuple[WaferMap, int] | None:
        """A wafer with another kind of signature, or none; it lends its label to nobody."""
        found = self._donors.other(self._kind.get(id(like), label), like, rng)
        return None if found is None else (found[0], label)


def _plant(base: WaferMap, kind: int, rng: Generator) -> WaferMap:
    product = product_of(base)
    xy_um = DRAWINGS[kind](scene_of(product, EASY), rng).xy_um
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
