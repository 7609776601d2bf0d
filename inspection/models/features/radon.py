"""Radon transform: how the defects of a wafer add up along straight lines.

``radon_mean_00 .. 19`` and ``radon_std_00 .. 19``: mean and standard deviation over all directions of the line integral at a distance
from the centre, 20 points from the centre to the edge by cubic interpolation; in wafer radii. A scratch gives one direction a high value
(large deviation), a ring gives all directions the same (none).

Directions cover the whole circle, so a line and the one opposite the centre are told apart by their direction alone: the profile is even
and only one half of it is kept, with all 20 points. The set of directions is closed under the symmetries of the square, hence so are all 40
columns.

Source: M.-J. Wu, J.-S. R. Jang, J.-L. Chen, "Wafer map failure pattern recognition and similarity ranking for large-scale data sets", IEEE
Trans. Semicond. Manuf. 28(1), 2015 (there 20 + 20 points from edge to edge, of directions over half a circle).
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numba import njit

from inspection.models.features.planes import PIXEL_R, SIZE_PX

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from inspection.models.features.planes import Planes

POINTS = 20
DIRECTIONS = 60
"""Over half a circle; even, so that a quarter turn maps them onto each other."""
NAMES = (*(f"radon_mean_{k:02d}" for k in range(POINTS)), *(f"radon_std_{k:02d}" for k in range(POINTS)))
INVARIANT = NAMES


def measure(planes: Planes) -> NDArray[np.float32]:
    """Columns `NAMES`, shape (n, 40)."""
    sums = transform(planes.count)
    both = np.concatenate([sums[:, :, SIZE_PX // 2 :], sums[:, :, SIZE_PX // 2 - 1 :: -1]], axis=1)  # from the centre outwards, either side
    to_points = _interpolation()
    profiles = np.concatenate([both.mean(axis=1) @ to_points, both.std(axis=1) @ to_points], axis=1)
    return np.maximum(profiles, 0.0).astype(np.float32)  # a cubic may swing below zero beside a steep flank


def transform(count: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Line integrals of the count plane (0..1), of shape (n, DIRECTIONS, SIZE_PX), in radii.

    Entry (k, b) belongs to the line whose normal points at ``180 / DIRECTIONS * k`` degrees (counter-clockwise from +x) and whose distance
    from the centre is ``(b + 1/2) * PIXEL_R - 1``. A pixel's value is shared by the two lines nearest to its centre; what lies beyond the
    outermost line (corners of the picture) counts to that line.
    """
    line, share = _lines()
    out = np.zeros((len(count), DIRECTIONS, SIZE_PX), np.float32)
    _project(np.ascontiguousarray(count).reshape(len(count), -1), line, share, out)
    return out * np.float32(PIXEL_R / 255.0)


@lru_cache(maxsize=1)
def _lines() -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Lower of the two lines of each pixel and direction, and the share of the upper one; both (SIZE_PX ** 2, DIRECTIONS)."""
    centre = np.arange(SIZE_PX) - (SIZE_PX - 1) / 2
    x, y = (plane.ravel() for plane in np.meshgrid(centre, -centre))
    angle = np.pi * np.arange(DIRECTIONS) / DIRECTIONS
    place = np.outer(x, np.cos(angle)) + np.outer(y, np.sin(angle)) + (SIZE_PX - 1) / 2
    place = np.clip(place, 0.0, SIZE_PX - 1.0)
    lower = np.minimum(np.floor(place), SIZE_PX - 2)
    return lower.astype(np.int64), (place - lower).astype(np.float32)


@lru_cache(maxsize=1)
def _interpolation() -> NDArray[np.float64]:
    """Cubic interpolation of half a profile at POINTS places, as a matrix (SIZE_PX / 2, POINTS)."""
    from scipy.interpolate import CubicSpline  # noqa: PLC0415  (imported when used)

    half = SIZE_PX // 2
    matrix: NDArray[np.float64] = CubicSpline(np.arange(half), np.eye(half))(np.linspace(0, half - 1, POINTS)).T
    return matrix


@njit(nogil=True, cache=True)
def _project(count: Any, line: Any, share: Any, out: Any) -> None:
    for i in range(count.shape[0]):
        for pixel in range(count.shape[1]):
            value = np.float32(count[i, pixel])
            if value == 0:
                continue
            for k in range(line.shape[1]):
                upper = value * share[pixel, k]
                at = line[pixel, k]
                out[i, k, at] += value - upper
                out[i, k, at + 1] += upper
