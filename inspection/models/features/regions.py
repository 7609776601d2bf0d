"""Geometry of the largest region, twice: of the mask as it is (``region_...``) and of its core (``core_...``).

The core is the mask after a 3 x 3 median: lone defects and lines of one pixel are gone, solid patterns keep their shape. A scratch is seen
in the first, a cluster on noisy ground in the second. Regions are joined over corners (8-connected); of equally large ones the one nearest
to the centre of the wafer is taken, so that a turn of the wafer takes the same.

=========================  ===============================================================================  =========
column                     what                                                                             invariant
=========================  ===============================================================================  =========
``area``                   pixels over those of the inspected area                                          yes
``perimeter``              by bit quads (Duda), in radii                                                    yes
``major``, ``minor``       axes of the ellipse with the same second moments, in radii                       yes
``eccentricity``           of that ellipse, 0 circle .. 1 line                                              yes
``solidity``               area over that of the convex hull                                                yes
``compactness``            4 pi area / perimeter squared, about 1 for a disc                                yes
``holes``                  1 - Euler number (8-connected)                                                   yes
``thickness``              largest inscribed circle's diameter, in radii                                    yes
``distance``               of the centroid from the centre of the wafer, in radii                           yes
``nearest``, ``farthest``  distance of its nearest and farthest pixel from that centre, in radii            yes
``arc``                    share of the 32 directions from that centre in which it lies                     yes
``along_x``, ``along_xy``  eccentricity times cos 2t and sin 2t, t the direction of the major axis          no
=========================  ===============================================================================  =========

All are 0 without a region. "Invariant" does not hold where a second region is as large and as near.

Source: the geometric features of M.-J. Wu, J.-S. R. Jang, J.-L. Chen, IEEE Trans. Semicond. Manuf. 28(1), 2015; bit quads: S. B. Gray,
"Local properties of binary images in two dimensions", IEEE Trans. Computers C-20(5), 1971, and W. K. Pratt, "Digital image processing".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numba import njit

from inspection.models.features.planes import PIXEL_R, SIZE_PX, strip, unstrip

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from inspection.models.features.planes import Planes

DIRECTIONS = 32
_ALIKE = ("area", "perimeter", "major", "minor", "eccentricity", "solidity", "compactness", "holes", "thickness", "distance", "nearest",
          "farthest", "arc")  # fmt: skip
_TURNING = ("along_x", "along_xy")
KINDS = ("region", "core")
NAMES = tuple(f"{kind}_{name}" for kind in KINDS for name in (*_ALIKE, *_TURNING))
INVARIANT = tuple(f"{kind}_{name}" for kind in KINDS for name in _ALIKE)


def measure(planes: Planes) -> NDArray[np.float32]:
    """Columns `NAMES`, shape (n, 30)."""
    inspected = np.maximum((planes.inspected > 0).sum(axis=(1, 2)), 1)
    core = unstrip(cv2.medianBlur(strip(planes.mask), 3), len(planes))
    return np.concatenate([_of_largest(mask, inspected) for mask in (planes.mask, core)], axis=1)


def _of_largest(masks: NDArray[np.uint8], inspected: NDArray[np.int64]) -> NDArray[np.float32]:
    # To the nearest pixel that is not of the mask, so to the nearest that is not of its own region.
    inside = unstrip(cv2.distanceTransform(strip(masks), cv2.DIST_L2, cv2.DIST_MASK_PRECISE), len(masks))
    out = np.zeros((len(masks), len(_ALIKE) + len(_TURNING)), np.float32)
    for i, mask in enumerate(masks):
        region = largest(mask)
        if region is not None:
            out[i] = geometry(region, float(inside[i][region > 0].max()), int(inspected[i]))
    return out


def largest(mask: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """The largest region of ``mask`` (SIZE_PX, SIZE_PX; 0 or 1) as a mask of its own; None for an empty one."""
    regions, labels, table, places = cv2.connectedComponentsWithStats(np.ascontiguousarray(mask), connectivity=8)
    if regions < 2:
        return None
    areas = table[1:, cv2.CC_STAT_AREA]
    away = np.hypot(*(places[1:] - (SIZE_PX - 1) / 2).T).round(6)
    chosen: NDArray[np.bool_] = labels == 1 + int(np.lexsort((away, -areas))[0])
    return chosen.astype(np.uint8)


def geometry(region: NDArray[np.uint8], inscribed_px: float, inspected_px: int) -> tuple[float, ...]:
    """The table above for one region.

    Parameters
    ----------
    region : ndarray of shape (SIZE_PX, SIZE_PX), 0 or 1, with at least one pixel
    inscribed_px : largest distance of a pixel's centre from the nearest centre outside
    inspected_px : pixels of the inspected area
    """
    area, x, y, xx, yy, xy, nearest, farthest, arc, corners = _moments(region)
    quads = bit_quads(np.pad(region, 1))
    perimeter = (quads[1] + (quads[0] + quads[2] + 2 * quads[3]) / np.sqrt(2)) * PIXEL_R
    holes = 1.0 - (quads[0] - quads[2] - 2 * quads[3]) / 4
    # A pixel is a square, not a point: its own second moment is 1/12, which keeps a single one from having no axes.
    xx, yy, xy = xx / area - (x / area) ** 2 + 1 / 12, yy / area - (y / area) ** 2 + 1 / 12, xy / area - x * y / area**2
    root = np.hypot(xx - yy, 2 * xy)
    wide, narrow = (xx + yy + root) / 2, max((xx + yy - root) / 2, 0.0)
    eccentricity = np.sqrt(max(1 - narrow / wide, 0.0))
    hull = cv2.contourArea(cv2.convexHull(corners))
    size = area * PIXEL_R**2
    return (
        area / inspected_px,
        perimeter,
        4 * np.sqrt(wide) * PIXEL_R,
        4 * np.sqrt(narrow) * PIXEL_R,
        eccentricity,
        area / hull,
        4 * np.pi * size / perimeter**2,
        holes,
        (2 * inscribed_px - 1) * PIXEL_R,
        np.hypot(x, y) / area * PIXEL_R,
        nearest * PIXEL_R,
        farthest * PIXEL_R,
        arc / DIRECTIONS,
        eccentricity * (xx - yy) / root if root > 1e-9 else 0.0,
        eccentricity * 2 * xy / root if root > 1e-9 else 0.0,
    )


@njit(nogil=True, cache=True)
def bit_quads(padded: Any) -> Any:
    """Numbers of the 2 x 2 squares of a mask with one, with two adjacent, with three, and with two diagonal pixels set."""
    found = np.zeros(4, np.int64)
    for row in range(padded.shape[0] - 1):
        for col in range(padded.shape[1] - 1):
            a, b = padded[row, col], padded[row, col + 1]
            c, d = padded[row + 1, col], padded[row + 1, col + 1]
            total = a + b + c + d
            if total == 1:
                found[0] += 1
            elif total == 2:
                found[3 if a == d else 1] += 1
            elif total == 3:
                found[2] += 1
    return found


@njit(nogil=True, cache=True)
def _moments(region: Any) -> Any:
    """Area, first and second moments about the wafer's centre (px, y up), nearest and farthest pixel, directions, corners of its rows."""
    area, x, y, xx, yy, xy = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    nearest, farthest = np.inf, 0.0
    seen = np.zeros(DIRECTIONS, np.int64)
    corners = np.zeros((4 * SIZE_PX, 1, 2), np.int32)
    rows = 0
    middle = (SIZE_PX - 1) / 2
    for row in range(SIZE_PX):
        first, last = -1, -1
        for col in range(SIZE_PX):
            if region[row, col] == 0:
                continue
            if first < 0:
                first = col
            last = col
            u, v = col - middle, middle - row
            area += 1
            x += u
            y += v
            xx += u * u
            yy += v * v
            xy += u * v
            distance = np.sqrt(u * u + v * v)
            nearest, farthest = min(nearest, distance), max(farthest, distance)
            seen[int(np.rint(np.arctan2(v, u) / (2 * np.pi) * DIRECTIONS)) % DIRECTIONS] = 1
        if first >= 0:
            for k in range(2):
                corners[4 * rows + 2 * k, 0, 0], corners[4 * rows + 2 * k, 0, 1] = first, row + k
                corners[4 * rows + 2 * k + 1, 0, 0], corners[4 * rows + 2 * k + 1, 0, 1] = last + 1, row + k
            rows += 1
    return area, x, y, xx, yy, xy, nearest, farthest, seen.sum(), corners[: 4 * rows]
