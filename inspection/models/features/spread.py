"""Simple counts: how much is defective, in how many regions, and how these are spread.

=======================  ==================================================================================================
column                   what
=======================  ==================================================================================================
``fail_share``           count plane over the inspected area
``mask_share``           pixels of the mask over those inspected
``inspected_share``      inspected area over that of the disc
``regions``              log1p of the number of regions (8-connected)
``lone_share``           share of the regions that are a single pixel
``largest_share``        share of the mask in its largest region
``second_share``         share in the second largest
``region_px``            mean pixels of a region
``neighbour_mean``       mean distance of a region's centroid to the nearest other one, in radii
``neighbour_std``        its standard deviation
``neighbour_index``      that mean over the one expected of as many places at random (Clark and Evans): < 1 clustered, > 1 regular
``mass_distance``        distance of the count plane's centre of mass from the centre of the wafer, in radii
``mass_gyration``        root of its mean squared distance from the centre of the wafer, in radii
=======================  ==================================================================================================

Regions, not pixels, have neighbours: a failed die covers several pixels, and points in touching pixels are one clump. With fewer than two
regions the neighbour columns are 0. All columns are invariant under the symmetries of the square.

Source: P. J. Clark, F. C. Evans, "Distance to nearest neighbor as a measure of spatial relationships in populations", Ecology 35(4), 1954.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numba import njit

from inspection.models.features.planes import PIXEL_R, SIZE_PX

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from inspection.models.features.planes import Planes

NAMES = ("fail_share", "mask_share", "inspected_share", "regions", "lone_share", "largest_share", "second_share", "region_px",
         "neighbour_mean", "neighbour_std", "neighbour_index", "mass_distance", "mass_gyration")  # fmt: skip
INVARIANT = NAMES
DISC_PX = np.pi * (SIZE_PX / 2) ** 2


def measure(planes: Planes) -> NDArray[np.float32]:
    """Columns `NAMES`, shape (n, 13)."""
    count = planes.count.astype(np.float64)
    total = count.sum(axis=(1, 2))
    inspected = planes.inspected.sum(axis=(1, 2), dtype=np.float64)
    seen_px = np.maximum((planes.inspected > 0).sum(axis=(1, 2)), 1)
    middle = np.arange(SIZE_PX) - (SIZE_PX - 1) / 2
    by_col, by_row = count.sum(axis=1), count.sum(axis=2)
    weight = np.maximum(total, 1.0)
    away = np.hypot(by_col @ middle, by_row @ middle) / weight * PIXEL_R
    gyration = np.sqrt((by_col @ middle**2 + by_row @ middle**2) / weight) * PIXEL_R
    regions = np.array([_of_regions(mask, int(px)) for mask, px in zip(planes.mask, seen_px, strict=True)]).reshape(len(planes), -1)
    return np.column_stack(
        [
            np.divide(total, inspected, out=np.zeros_like(total), where=inspected > 0),
            planes.mask.sum(axis=(1, 2)) / seen_px,
            inspected / 255.0 / DISC_PX,
            regions if len(planes) else np.zeros((0, 8)),
            away,
            gyration,
        ]
    ).astype(np.float32)


def _of_regions(mask: NDArray[np.uint8], inspected_px: int) -> tuple[float, ...]:
    """The columns from ``regions`` to ``neighbour_index`` of one mask."""
    found, _, table, places = cv2.connectedComponentsWithStats(np.ascontiguousarray(mask), connectivity=8)
    regions = found - 1
    if regions == 0:
        return (0.0,) * 8
    areas = table[1:, cv2.CC_STAT_AREA]
    whole = float(areas.sum())
    first = int(areas.argmax())
    second = int(np.delete(areas, first).max(initial=0))
    neighbours = (0.0, 0.0, 0.0)
    if regions > 1:
        apart = nearest(np.ascontiguousarray(places[1:]))
        at_random = 0.5 * np.sqrt(inspected_px / regions)
        neighbours = (float(apart.mean()) * PIXEL_R, float(apart.std()) * PIXEL_R, float(apart.mean() / at_random))
    return (np.log1p(regions), float((areas == 1).mean()), areas[first] / whole, second / whole, whole / regions, *neighbours)


@njit(nogil=True, cache=True)
def nearest(places: Any) -> Any:
    """Distance of each place (n, 2), n >= 2, to the nearest other one."""
    n = len(places)
    squared = np.full(n, np.inf)
    for i in range(n):
        for j in range(i + 1, n):
            d = (places[i, 0] - places[j, 0]) ** 2 + (places[i, 1] - places[j, 1]) ** 2
            squared[i], squared[j] = min(squared[i], d), min(squared[j], d)
    return np.sqrt(squared)
