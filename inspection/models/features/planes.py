"""What every hand-made feature is computed from: the global view, brought to one size, as three planes.

The source is the view and not the map, for three reasons. It exists already, packed, for points, die maps and rasters alike; its cost is
bounded however many defects a wafer has; and a turn of it by a symmetry of the square is the view of the turned wafer, so that what is
said to be invariant is exactly so. What the view cannot tell, distances below a pixel, no feature claims to know.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from inspection.errors import InputError
from inspection.views.renderer import CHANNELS, COUNT_WHITE

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIZE_PX = 64
"""Views of any other size are brought to this one first: the same column means the same on every recipe, and its cost is bounded."""
MARGIN_PX = 16
"""Zeros between the pictures of a `strip`: no operation reaches further."""
PIXEL_R = 2.0 / SIZE_PX
"""Side of a pixel in wafer radii."""
_CODE_SCALE = 255.0 / np.log1p(COUNT_WHITE)
_NUMBER_OF_CODE = np.expm1(np.arange(256) / _CODE_SCALE).astype(np.float32)
"""The renderer's code of a number of points, undone."""


@dataclass(frozen=True, slots=True, eq=False)
class Planes:
    """Three planes of n wafers, each of shape (n, SIZE_PX, SIZE_PX), uint8.

    Attributes
    ----------
    count : 0..255, the view's count channel: failed share of the area (dies), log-coded number of defects (points)
    mask : 0 or 1, where the wafer is defective: see `planes_of`
    inspected : 0..255, the view's inspected share
    """

    count: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    inspected: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.count)


def planes_of(images: NDArray[np.uint8]) -> Planes:
    """The planes of global views.

    A pixel belongs to the mask when it is occupied and holds at least half of what its fullest neighbour holds. A die larger than a pixel
    touches pixels that it covers by a sliver; they would join dies that do not touch. A single point or a die below a pixel's size is
    its own fullest neighbour and stays. Measured on WM-811K (a forest of 100 trees, nine classes, the project's own
    lot-disjoint split): macro-F1 .916 so, .900 with the occupied pixels themselves as the mask.

    Parameters
    ----------
    images : ndarray of shape (n, s, s, 3), uint8
        As ``views.renderer`` draws them, of any size.

    Raises
    ------
    InputError
        Another shape or dtype.
    """
    if images.ndim != 4 or images.shape[1] != images.shape[2] or images.shape[3] != len(CHANNELS) or images.dtype != np.uint8:
        raise InputError(
            f"Cannot compute features: expected uint8 views of shape (n, s, s, {len(CHANNELS)}), got {images.dtype} of shape "
            f"{images.shape}. Pass the global views that `inspection tile` wrote."
        )
    if not len(images):
        return Planes(*(np.zeros((0, SIZE_PX, SIZE_PX), np.uint8) for _ in CHANNELS))
    if images.shape[1] != SIZE_PX:
        images = np.stack([_resized(image) for image in images])
    count, occupied, inspected = (np.ascontiguousarray(images[..., c]) for c in range(3))
    fullest = unstrip(cv2.dilate(strip(count), np.ones((3, 3), np.uint8)), len(count))
    mask = (occupied > 0) & (2 * count.astype(np.int16) >= fullest)
    return Planes(count, mask.astype(np.uint8), inspected)


def strip(planes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pictures (n, SIZE_PX, SIZE_PX) below one another in one, zeros around each: one call of OpenCV works on all of them."""
    padded = np.pad(planes, ((0, 0), (MARGIN_PX, MARGIN_PX), (MARGIN_PX, MARGIN_PX)))
    return padded.reshape(-1, SIZE_PX + 2 * MARGIN_PX)


def unstrip(stripped: NDArray, count: int) -> NDArray:
    """The ``count`` pictures of a `strip`, of shape (count, SIZE_PX, SIZE_PX)."""
    side = SIZE_PX + 2 * MARGIN_PX
    return stripped.reshape(count, side, side)[:, MARGIN_PX:-MARGIN_PX, MARGIN_PX:-MARGIN_PX]


def _resized(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """One view at SIZE_PX; an occupied pixel never becomes empty.

    Smaller: shares of dies are averaged, numbers of points added, as the renderer would have; occupancy is their maximum. A view whose
    inspected plane knows nothing but 0 and 255 is one of points (or of dies that fill whole pixels, which are either full or empty).
    """
    if image.shape[0] < SIZE_PX:
        return cv2.resize(image, (SIZE_PX, SIZE_PX), interpolation=cv2.INTER_NEAREST_EXACT)
    planes = image.astype(np.float32)
    are_points = not np.any((image[..., 2] > 0) & (image[..., 2] < 255))
    if are_points:
        planes[..., 0] = _NUMBER_OF_CODE[image[..., 0]]
    sized = cv2.resize(planes, (SIZE_PX, SIZE_PX), interpolation=cv2.INTER_AREA)
    if are_points:
        sized[..., 0] = np.minimum(np.log1p(sized[..., 0] * (image.shape[0] / SIZE_PX) ** 2) * _CODE_SCALE, 255.0)
    occupied = sized[..., 1] > 1e-3
    sized[..., 0] = np.where(occupied, np.maximum(sized[..., 0], 1.0), 0.0)
    sized[..., 1] = np.where(occupied, 255.0, 0.0)
    return np.rint(sized).astype(np.uint8)
