"""Smaller and larger versions of an image's planes: mean, brightest and darkest value of the area below each pixel.

The law of the pyramid for dense images: a pixel is never averaged away. The brightest value of any version is that of the image, and so is
the darkest; the mean is exact but for rounding.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from inspection.wafer.maps import ImageMap

MEAN, BRIGHTEST, DARKEST = range(3)
"""The planes."""


def fitted(shape: tuple[int, int], side_px: int) -> tuple[int, int]:
    """Rows and columns of a version of an image of ``shape`` whose longer side is ``side_px``; at least 1 each."""
    longest = max(shape)
    rows, cols = (max(1, round(n * side_px / longest)) for n in shape)
    return rows, cols


def resized(planes: NDArray[np.uint8], shape: tuple[int, int]) -> NDArray[np.uint8]:
    """The three planes at another size.

    Parameters
    ----------
    planes : ndarray of shape (rows, cols, 1 or 3), uint8
    shape : (int, int)
        New rows and columns, both not above or both not below the old ones.

    Returns
    -------
    ndarray of shape (shape[0], shape[1], 3), uint8
        Smaller: each pixel sums up all pixels that it touches. Larger: pixels are repeated.
    """
    import cv2  # noqa: PLC0415 - maps need none of it

    mean, brightest, darkest = (np.ascontiguousarray(planes[..., k if planes.shape[2] == 3 else 0]) for k in range(3))
    rows, cols = shape
    if rows > planes.shape[0] or cols > planes.shape[1]:
        row, col = (np.arange(new) * old // new for new, old in zip(shape, planes.shape[:2], strict=True))
        return np.stack([plane[row[:, None], col] for plane in (mean, brightest, darkest)], axis=-1)
    return np.stack(
        [
            cv2.resize(mean, (cols, rows), interpolation=cv2.INTER_AREA),
            _extreme(np.maximum, brightest, shape),
            _extreme(np.minimum, darkest, shape),
        ],
        axis=-1,
    )


def drawn_small(image: ImageMap, side_px: int) -> ImageMap:
    """``image`` with planes no larger than a view of ``side_px`` shows; that view stays the same, byte by byte."""
    shape = (image.planes.shape[0], image.planes.shape[1])
    return image if max(shape) <= side_px else replace(image, planes=resized(image.planes, fitted(shape, side_px)))


def _extreme(of: np.ufunc, plane: NDArray[np.uint8], shape: tuple[int, int]) -> NDArray[np.uint8]:
    for axis, new in enumerate(shape):
        plane = np.ascontiguousarray(of.reduceat(plane, _bounds(plane.shape[axis], new), axis=axis).take(range(0, 2 * new, 2), axis=axis))
    return plane


def _bounds(old: int, new: int) -> NDArray[np.intp]:
    """First pixel of each new one and the first behind it, one after the other, as ``reduceat`` takes them; the last end is left out."""
    place = np.arange(new)
    return np.column_stack((place * old // new, -(-(place + 1) * old // new))).ravel()[:-1]
