"""Zones of a wafer: its rings, its sectors, the positions in the reticle; and how many defects each wafer has in each.

The rings cover the wafer once, and so do the sectors and the reticle positions. The inner three borders are those of the zone densities
in ``models.features.zones`` (after Fan, Wang and van der Waal 2016); the last twentieth of the radius is the edge.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import numpy as np

from inspection.errors import InputError
from inspection.wafer.die_grid import die_grid
from inspection.wafer.maps import FAIL, NO_DIE, DefectMap, DieMap, WaferInfo

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from inspection.wafer.maps import WaferMap

RING_EDGES = (0.3, 0.6, 0.85, 0.95)
"""Where each ring ends, in radii; the last one is the edge and ends with the wafer."""
RINGS = ("centre", "inner ring", "middle ring", "outer ring", "edge")
SECTORS = ("right", "upper right", "top", "upper left", "left", "lower left", "bottom, at the notch", "lower right")
"""45 degrees each, anticlockwise; the first is centred on +x."""
MAX_RETICLE = 12
"""Most columns or rows of a reticle field."""
_SAMPLES = 400
"""Places across the diameter at which the inspected area is measured: to about a part in a thousand of a ring."""
_KEPT = 256

Kind = Literal["wafer", "ring", "sector", "reticle"]
Reticle = tuple[int, int]
"""Dies of one exposure field: (columns, rows)."""


@dataclass(frozen=True, slots=True)
class Zone:
    """One zone: what it is a part of, and its name for people."""

    kind: Kind
    name: str


@dataclass(frozen=True, slots=True, eq=False)
class ZoneCounts:
    """Defects and what was inspected, by wafer and zone.

    Attributes
    ----------
    zones : tuple of Zone
        The whole wafer first.
    defects : ndarray of shape (n, z), int64
        Defects of a defect map, failed dies of a die map.
    inspected : ndarray of shape (n, z), float64
        Inspected area, cm2; tested dies of a die map. 0 where a wafer has no such zone: not inspected, or no die grid known.
    """

    zones: tuple[Zone, ...]
    defects: NDArray[np.int64]
    inspected: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.defects)


def zones(reticle: Reticle | None = None) -> tuple[Zone, ...]:
    """The whole wafer, the rings from the centre, the sectors, and the positions of a reticle field of ``reticle`` dies.

    Raises
    ------
    InputError
        A field of fewer than two dies, or of more than ``MAX_RETICLE`` columns or rows.
    """
    if reticle is not None and not (min(reticle) >= 1 and max(reticle) <= MAX_RETICLE and reticle[0] * reticle[1] > 1):
        raise InputError(
            f"Cannot cut a wafer by its reticle: expected a field of 2 dies or more, at most {MAX_RETICLE} columns and rows, got "
            f"{reticle[0]}x{reticle[1]}. Give the columns and rows of dies that one exposure prints, such as 2x3."
        )
    columns, rows = reticle or (0, 0)
    fields = (Zone("reticle", f"column {c + 1}, row {r + 1}") for r in range(rows) for c in range(columns))
    return (Zone("wafer", "whole wafer"), *(Zone("ring", n) for n in RINGS), *(Zone("sector", n) for n in SECTORS), *fields)


def measure(wafers: Iterable[WaferMap], reticle: Reticle | None = None) -> ZoneCounts:
    """Defects and inspected area of every zone.

    Parameters
    ----------
    wafers : iterable of DefectMap or DieMap, all of one kind
    reticle : (columns, rows) of one exposure field, in dies
        Positions are counted from the die that the map calls (0, 0); of a die map, from the lower left of its rectangle. So they mean the
        same on all wafers whose dies are numbered alike, though the field need not begin there.

    Notes
    -----
    A defect beyond the rim counts in the edge; one off all listed dies counts, too, where it lies.
    """
    wanted = zones(reticle)
    defects: list[NDArray[np.int64]] = []
    inspected: list[NDArray[np.float64]] = []
    for wafer in wafers:
        if isinstance(wafer, DieMap):
            failed, tested = _die_counts(wafer, reticle, len(wanted))
            defects.append(failed)
            inspected.append(tested.astype(np.float64))
        else:
            dies = b"" if wafer.dies is None else np.ascontiguousarray(wafer.dies, np.int32).tobytes()
            area = _area_cm2(wafer.info.diameter_mm, wafer.pitch_um, wafer.origin_um, dies, reticle)
            die = None if reticle is None or wafer.pitch_um is None else _die_of(wafer.xy_um, wafer.pitch_um, wafer.origin_um)
            defects.append(_tally(wafer.xy_um, wafer.info.radius_um, die, reticle, len(wanted)))
            inspected.append(area)
    shape = (-1, len(wanted))
    return ZoneCounts(wanted, np.array(defects, np.int64).reshape(shape), np.array(inspected, np.float64).reshape(shape))


def ring_of(xy_um: NDArray[np.float64], radius_um: float) -> NDArray[np.int64]:
    """Number of the ring (0 = centre) of each place of shape (n, 2); a border belongs to the ring outside."""
    return np.searchsorted(RING_EDGES, np.hypot(xy_um[:, 0], xy_um[:, 1]) / radius_um, side="right")


def sector_of(xy_um: NDArray[np.float64]) -> NDArray[np.int64]:
    """Number of the sector of each place of shape (n, 2)."""
    turn = np.arctan2(xy_um[:, 1], xy_um[:, 0]) / (2 * np.pi) * len(SECTORS)
    return np.floor(turn + 0.5).astype(np.int64) % len(SECTORS)


def _tally(
    xy_um: NDArray[np.float64], radius_um: float, die: NDArray[np.int64] | None, reticle: Reticle | None, columns: int
) -> NDArray[np.int64]:
    """How many of the places lie in each zone, shape (columns,)."""
    parts: list[NDArray[np.int64]] = [np.zeros(len(xy_um), np.int64), 1 + ring_of(xy_um, radius_um), 1 + len(RINGS) + sector_of(xy_um)]
    if die is not None and reticle is not None:
        across, up = (np.mod(die, reticle)).T
        parts.append(1 + len(RINGS) + len(SECTORS) + up * reticle[0] + across)
    return np.bincount(np.concatenate(parts), minlength=columns)


def _die_of(xy_um: NDArray[np.float64], pitch_um: Sequence[float], origin_um: Sequence[float] | None) -> NDArray[np.int64] | None:
    return None if origin_um is None else np.floor((xy_um - np.asarray(origin_um)) / np.asarray(pitch_um)).astype(np.int64)


def _die_counts(wafer: DieMap, reticle: Reticle | None, columns: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Failed and tested dies of each zone: a die belongs where its centre lies."""
    rows, cols = wafer.status.shape
    width, height = wafer.die_size_um
    tallies = []
    for chosen in (wafer.status == FAIL, wafer.status != NO_DIE):
        row, col = np.nonzero(chosen)
        centre_um = np.column_stack(((col + 0.5 - cols / 2) * width, (rows / 2 - row - 0.5) * height))
        tallies.append(_tally(centre_um, wafer.info.radius_um, np.column_stack((col, rows - 1 - row)), reticle, columns))
    return tallies[0], tallies[1]


@lru_cache(_KEPT)
def _area_cm2(
    diameter_mm: float, pitch_um: tuple[float, float] | None, origin_um: tuple[float, float] | None, dies: bytes, reticle: Reticle | None
) -> NDArray[np.float64]:
    """Inspected area of each zone: the listed dies on the wafer, or all of it where none are listed."""
    radius_um = diameter_mm * 500.0
    step_um = 2 * radius_um / _SAMPLES
    along = (np.arange(_SAMPLES) + 0.5) * step_um - radius_um
    places = np.stack(np.meshgrid(along, along), axis=-1).reshape(-1, 2)
    places = places[np.hypot(*places.T) <= radius_um]
    listed = np.frombuffer(dies, np.int32).reshape(-1, 2) if dies else None
    info = WaferInfo(diameter_mm=diameter_mm)
    grid = die_grid(DefectMap(info=info, xy_um=np.zeros((0, 2)), pitch_um=pitch_um, origin_um=origin_um, dies=listed))
    places = places if grid is None else places[grid.holds(places)]
    die = None if pitch_um is None or reticle is None else _die_of(places, pitch_um, origin_um)
    count = _tally(places, radius_um, die, reticle, len(zones(reticle)))
    area: NDArray[np.float64] = count.astype(np.float64) * (step_um * 1e-4) ** 2
    return area
