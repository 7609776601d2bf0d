"""Donors: the real wafers of the training part that new examples are made of."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

import numpy as np

from inspection.wafer.maps import NO_DIE, DefectMap

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from numpy.random import Generator
    from numpy.typing import NDArray

    from inspection.wafer.maps import WaferMap


class Donors(Protocol):
    """Random real wafers of the same frame as a given one, never the one given; the same ``rng``, the same wafers."""

    def of(self, label: int, like: WaferMap, rng: Generator) -> WaferMap | None:
        """A wafer of class ``label``; None where there is no other of that frame."""

    def normal(self, like: WaferMap, rng: Generator) -> WaferMap | None:
        """A wafer of a normal class, as above."""

    def other(self, label: int, like: WaferMap, rng: Generator) -> tuple[WaferMap, int] | None:
        """A wafer of another class than ``label``, each class alike, and its class; None as above."""


def frame_of(wafer: WaferMap) -> Hashable:
    """What two wafers must share to lend each other defects: diameter, product, die grid, and of die maps which dies there are.

    Inspections of points may differ in single dies that were left out; what falls there is not seen (`recombination`).
    """
    if isinstance(wafer, DefectMap):
        return "points", wafer.info.diameter_mm, wafer.info.product, wafer.pitch_um, wafer.origin_um, wafer.dies is None
    mask = np.packbits(wafer.status != NO_DIE).tobytes()
    return "dies", wafer.info.diameter_mm, wafer.info.product, wafer.pitch_um, wafer.status.shape, hashlib.sha256(mask).digest()


class TrainingDonors:
    """Donors out of the training part, found by frame and class.

    Parameters
    ----------
    maps : sequence of WaferMap
    labels : ndarray of shape (n,), int
        Their class indices.
    normal : set of int
        The classes that are normal.
    """

    def __init__(self, maps: Sequence[WaferMap], labels: NDArray[np.integer], normal: frozenset[int]) -> None:
        self._maps, self._normal = maps, normal
        self._frame = lru_cache(maxsize=len(maps) + 1)(frame_of)
        self._places: dict[Hashable, dict[int, list[int]]] = {}
        for position, (wafer, label) in enumerate(zip(maps, labels.tolist(), strict=True)):
            self._places.setdefault(self._frame(wafer), {}).setdefault(label, []).append(position)

    def of(self, label: int, like: WaferMap, rng: Generator) -> WaferMap | None:
        """See `Donors.of`."""
        return self._one(self._places.get(self._frame(like), {}).get(label, ()), like, rng)

    def normal(self, like: WaferMap, rng: Generator) -> WaferMap | None:
        """See `Donors.normal`."""
        there = self._places.get(self._frame(like), {})
        return self._one([p for label in sorted(self._normal & there.keys()) for p in there[label]], like, rng)

    def other(self, label: int, like: WaferMap, rng: Generator) -> tuple[WaferMap, int] | None:
        """See `Donors.other`."""
        there = self._places.get(self._frame(like), {})
        others = sorted(there.keys() - {label})
        if not others:
            return None
        chosen = others[rng.integers(len(others))]
        return self._maps[there[chosen][rng.integers(len(there[chosen]))]], chosen

    def _one(self, positions: Sequence[int], like: WaferMap, rng: Generator) -> WaferMap | None:
        """One of ``positions``, never ``like`` itself; the number of draws does not depend on whether it is among them."""
        at = int(rng.integers(max(len(positions), 1)))
        for position in (*positions[at : at + 2], *positions[:1]):
            if self._maps[position] is not like:
                return self._maps[position]
        return None
