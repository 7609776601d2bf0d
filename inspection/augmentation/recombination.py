"""New examples of a class from the signatures of its real wafers.

Each operation chooses defects of real wafers of one frame (same product, same dies) and lays them on one of these wafers:
no place is invented, no die added, no count that a real wafer does not have. An operation that cannot be done so (no donor, a signature
that cannot be told from the background, too little of it left) gives None, and the wafer stays as it is. A signature always brings the
clear strip around it along (`signature.near`), as on the real wafer, so that there is no double background where it lies.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from inspection.augmentation.signature import near, places
from inspection.wafer.die_grid import die_grid
from inspection.wafer.maps import FAIL, PASS, DefectMap, DieMap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.random import Generator
    from numpy.typing import NDArray

    from inspection.augmentation.background import Backgrounds
    from inspection.augmentation.donors import Donors
    from inspection.wafer.maps import WaferMap

    Chosen = tuple[WaferMap, NDArray[np.bool_]]
    """A real wafer, and which of its defects are taken."""

SECTORS = (2, 3, 4)
"""Sectors of a mosaic: halves, thirds or quadrants, alternately of either wafer."""
WHOLE_RAD = 2 * np.pi / 3
"""A part that spans less than this about the centre is never cut by a mosaic: it goes where its middle lies."""


@dataclass(frozen=True, slots=True)
class Recombination:
    """What the operations work with: backgrounds, donors, and the least share of a signature that must survive."""

    backgrounds: Backgrounds
    donors: Donors
    survive: float

    def recombine(self, wafer: WaferMap, label: int, rng: Generator) -> WaferMap | None:
        """The signature of ``wafer`` on the background of a normal wafer."""
        del label
        parts = self.backgrounds.separate(wafer)
        donor = self.donors.normal(wafer, rng)
        if parts is None or donor is None:
            return None
        return self._laid(donor, np.ones(donor.defects, bool), [(wafer, parts > 0)])

    def superpose(self, wafer: WaferMap, label: int, rng: Generator) -> WaferMap | None:
        """The signatures of two wafers of the class on the background of the first, with as many defects as a third real signature has.

        Too many points are thinned to that number; die maps, which thinning would riddle, are given up.
        """
        other, third = self.donors.of(label, wafer, rng), self.donors.of(label, wafer, rng)
        if other is None or third is None:
            return None
        parts, theirs, last = (self.backgrounds.separate(one) for one in (wafer, other, third))
        if parts is None or theirs is None or last is None:
            return None
        own, added, witness = parts > 0, theirs > 0, np.count_nonzero(last)
        both = _together([(wafer, own), (other, added)])
        if both > witness:
            if isinstance(wafer, DieMap):
                return None
            own, added = (part & (rng.random(len(part)) < witness / both) for part in (own, added))
            if np.count_nonzero(own) < self.survive * np.count_nonzero(parts):
                return None
        return self._laid(wafer, parts == 0, [(wafer, own), (other, added)])

    def mosaic(self, wafer: WaferMap, label: int, rng: Generator) -> WaferMap | None:
        """Sectors about the centre of two wafers' signatures, alternately, on the background of the first.

        Parts that lie to one side stay whole; only those that reach round the centre (rings, donuts) are cut.
        """
        count, phase = SECTORS[rng.integers(len(SECTORS))], rng.uniform(0, 2 * np.pi)
        other = self.donors.of(label, wafer, rng)
        parts = self.backgrounds.separate(wafer)
        theirs = None if other is None else self.backgrounds.separate(other)
        if other is None or parts is None or theirs is None:
            return None
        kept = _in_sectors(wafer, parts, count, phase, turn=0)
        added = _in_sectors(other, theirs, count, phase, turn=1)
        sizes = np.count_nonzero(parts), np.count_nonzero(theirs)
        if not self.survive * min(sizes) <= _together([(wafer, kept), (other, added)]) <= max(sizes):
            return None
        return self._laid(wafer, parts == 0, [(wafer, kept), (other, added)])

    def union(self, components: Sequence[int], wafer: WaferMap, rng: Generator) -> WaferMap | None:
        """One wafer of each of the ``components`` (class indices) of a combination: their signatures on a normal wafer's background."""
        laid = []
        for component in components:
            one = self.donors.of(component, wafer, rng)
            parts = None if one is None else self.backgrounds.separate(one)
            if one is None or parts is None:
                return None
            laid.append((one, parts > 0))
        ground = self.donors.normal(wafer, rng)
        return None if ground is None else self._laid(ground, np.ones(ground.defects, bool), laid)

    def _laid(self, ground: WaferMap, background: NDArray[np.bool_], signatures: list[Chosen]) -> WaferMap | None:
        """``signatures`` on those defects of ``ground`` that are background and lie clear of them; None where too little is seen there."""
        known = self.backgrounds.of(ground)
        expected = 0.0 if known is None else known.mean(ground)
        laid = []
        for wafer, part in signatures:
            inspected = part & _seen(wafer, ground)
            if np.count_nonzero(inspected) < self.survive * np.count_nonzero(part):
                return None
            laid.append((wafer, inspected))
            if wafer is not ground:
                background = background & ~near(ground, wafer, inspected, expected)
        return compose([(ground, background), *laid])


def mix(wafer: WaferMap, other: WaferMap, share: float, rng: Generator) -> WaferMap:
    """Each defect of ``wafer`` with probability ``share`` and each of ``other`` with 1 - ``share``: a count between both, on average.

    On a die map each die takes either wafer's status. Both have the same frame.
    """
    if isinstance(wafer, DieMap) and isinstance(other, DieMap):
        return replace(wafer, status=np.where(rng.random(wafer.status.shape) < share, wafer.status, other.status))
    taken = (rng.random(other.defects) >= share) & _seen(other, wafer)
    return compose([(wafer, rng.random(wafer.defects) < share), (other, taken)])


def compose(chosen: Sequence[Chosen]) -> WaferMap:
    """The first wafer with the chosen defects of all instead of its own; its identity and its dies stay."""
    ground = chosen[0][0]
    if isinstance(ground, DefectMap):
        return replace(ground, xy_um=np.concatenate([places(wafer)[taken] for wafer, taken in chosen]), attributes={})
    status = np.where(ground.status == FAIL, np.uint8(PASS), ground.status)
    for wafer, taken in chosen:
        if isinstance(wafer, DieMap):  # as the first: of one frame
            row, col = np.nonzero(wafer.status == FAIL)
            status[row[taken], col[taken]] = FAIL
    return replace(ground, status=status)


def _seen(wafer: WaferMap, ground: WaferMap) -> NDArray[np.bool_]:
    """Which defects of ``wafer`` lie on dies that were inspected on ``ground`` too; shape (defects,)."""
    grid = die_grid(ground) if isinstance(ground, DefectMap) and wafer is not ground else None
    return np.ones(wafer.defects, bool) if grid is None else grid.holds(places(wafer))


def _together(chosen: Sequence[Chosen]) -> int:
    """Defects of all together; dies that fail on both count once."""
    if isinstance(chosen[0][0], DefectMap):
        return int(sum(taken.sum() for _, taken in chosen))
    return compose([(chosen[0][0], chosen[0][1]), *chosen[1:]]).defects


def _in_sectors(wafer: WaferMap, parts: NDArray[np.int32], count: int, phase: float, turn: int) -> NDArray[np.bool_]:
    """Which signature defects lie in every second of ``count`` sectors from ``phase`` on, the ``turn``-th first; shape (defects,)."""
    xy = places(wafer)
    angle = np.arctan2(xy[:, 1], xy[:, 0])
    for part in range(1, int(parts.max()) + 1):
        own = parts == part
        middle = np.angle(np.exp(1j * angle[own]).sum())
        if np.abs(np.angle(np.exp(1j * (angle[own] - middle)))).max() < WHOLE_RAD / 2:
            angle[own] = middle
    sector = ((angle - phase) % (2 * np.pi) * count / (2 * np.pi)).astype(int)
    taken: NDArray[np.bool_] = (parts > 0) & (sector % 2 == turn)
    return taken
