"""Where on the wafer the defects are: densities by zone, by radius and by direction.

========================  ==================================================================================================  =========
columns                   what                                                                                                invariant
========================  ==================================================================================================  =========
``zone_...`` (13)         density in the centre and in three rings of four quadrants each, the last ring being the edge band     centre
``ring_..._spread`` (3)   largest less smallest quadrant of a ring                                                               yes
``radius_...`` (10)       density by distance from the centre                                                                    yes
``edge_...`` (3)          share of the edge's directions that are defective; longest defective and longest clean arc             yes
``angle_...`` (4)         strength of the first four harmonics of the mass by direction                                          yes
========================  ==================================================================================================  =========

Density is the count plane over the inspected area, in [0, 1]; where nothing was inspected it is 0. Source: the thirteen zone densities
of M. Fan, Q. Wang, B. van der Waal, "Wafer defect patterns recognition based on OPTICS and multi-label classification", IMCEC 2016, cut
by rings and quadrants, as fabs do, and not by a grid.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from inspection.models.features.planes import PIXEL_R, SIZE_PX

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from inspection.models.features.planes import Planes

RING_EDGES = (0.3, 0.6, 0.85)
"""Where the centre, the inner and the middle ring end, in radii; from the last on it is the edge band."""
RINGS = ("inner", "middle", "edge")
QUADRANTS = ("ne", "nw", "sw", "se")
RADII = 10
DIRECTIONS = 32
"""Sectors of the edge band; the first is centred on +x, so that every symmetry of the square maps them onto each other."""
EDGE_DEFECTIVE = 0.2
"""A direction of the edge is defective when the mask covers this share of its inspected pixels."""
HARMONICS = 4

ZONES = ("zone_centre", *(f"zone_{ring}_{quadrant}" for ring in RINGS for quadrant in QUADRANTS))
_ALIKE = (
    *(f"ring_{ring}_spread" for ring in RINGS),
    *(f"radius_{k}" for k in range(RADII)),
    *("edge_covered", "edge_longest_arc", "edge_longest_gap"),
    *(f"angle_harmonic_{k}" for k in range(1, HARMONICS + 1)),
)
NAMES = (*ZONES, *_ALIKE)
INVARIANT = ("zone_centre", *_ALIKE)


def measure(planes: Planes) -> NDArray[np.float32]:
    """Columns `NAMES`, shape (n, len(NAMES))."""
    n = len(planes)
    zones, radii, directions, edge = (_members()[key] for key in ("zones", "radii", "directions", "edge"))
    count, mask, inspected = (p.reshape(n, -1).astype(np.float32) for p in (planes.count, planes.mask, planes.inspected))
    density = _share(count @ zones, inspected @ zones)
    rings = density[:, 1:].reshape(n, len(RINGS), len(QUADRANTS))
    covered = _share(mask @ edge, (inspected > 0).astype(np.float32) @ edge) > EDGE_DEFECTIVE
    mass = count @ directions
    waves = np.abs(np.fft.rfft(mass, axis=1))
    return np.concatenate(
        [
            density,
            rings.max(axis=2) - rings.min(axis=2),
            _share(count @ radii, inspected @ radii),
            np.stack([covered.mean(axis=1), _longest_run(covered), _longest_run(~covered)], axis=1),
            _share(waves[:, 1 : HARMONICS + 1], np.repeat(waves[:, :1], HARMONICS, axis=1)),
        ],
        axis=1,
    ).astype(np.float32)


def _share(part: NDArray, whole: NDArray) -> NDArray:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def _longest_run(flags: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Longest circular run of True in each row, as a share of the circle."""
    n, k = flags.shape
    run, longest = np.zeros(n, np.int64), np.zeros(n, np.int64)
    for i in range(2 * k):
        run = np.where(flags[:, i % k], run + 1, 0)
        longest = np.maximum(longest, run)
    return np.minimum(longest, k) / k


@lru_cache(maxsize=1)
def _members() -> dict[str, NDArray[np.float32]]:
    """For each kind of part its pixels as 0/1 columns, of shape (SIZE_PX ** 2, parts)."""
    centre = (np.arange(SIZE_PX) + 0.5) * PIXEL_R - 1.0
    x, y = (plane.ravel() for plane in np.meshgrid(centre, -centre))
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    ring = np.searchsorted(RING_EDGES, radius, side="right")
    quadrant = np.where(y > 0, np.where(x > 0, 0, 1), np.where(x < 0, 2, 3))
    zone = np.where(ring == 0, 0, 1 + (ring - 1) * len(QUADRANTS) + quadrant)
    step = np.minimum((radius * RADII).astype(int), RADII - 1)
    direction = np.rint(angle / (2 * np.pi) * DIRECTIONS).astype(int) % DIRECTIONS

    def columns(of: NDArray, parts: int) -> NDArray[np.float32]:
        return (of[:, None] == np.arange(parts)).astype(np.float32)

    sectors = columns(direction, DIRECTIONS)
    return {
        "zones": columns(zone, len(ZONES)),
        "radii": columns(step, RADII),
        "directions": sectors,
        "edge": sectors * (ring == len(RING_EDGES))[:, None],
    }
