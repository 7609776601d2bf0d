"""Halving a picture without losing a defect: the sum and the maximum of each 2 x 2 block.

For whole numbers the laws are exact. The sum of every level is the sum of the finest one, and the maximum of a pixel is that of
everything below it, so that a lone defect of one pixel is still there on the coarsest level. Floats are summed in 64 bits: the relative
error of a pixel is at most 1e-12 times its level. A pixel that is not a number counts as 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

MIN_LEVELS = 6
COARSEST_PX = 256
"""Levels go on until the longer side is at most this, and there are at least ``MIN_LEVELS`` of them above the finest."""
MAX_LEVELS = 12
"""Beyond it a 32-bit sum of bytes could overflow; 2**20 pixels on a side need no more."""


def shapes_of(shape: tuple[int, int], levels: int | None = None) -> list[tuple[int, int]]:
    """Shapes of level 0 (``shape``), 1, 2 ...: each half the one before, rounded up.

    ``levels`` is how many there are above level 0; None = as many as ``COARSEST_PX`` and ``MIN_LEVELS`` ask for.
    """
    if levels is None:
        levels = min(MAX_LEVELS, max(MIN_LEVELS, int(np.ceil(np.log2(max(*shape, COARSEST_PX) / COARSEST_PX)))))
    shapes = [shape]
    for _ in range(levels):
        rows, cols = shapes[-1]
        shapes.append((-(-rows // 2), -(-cols // 2)))
    return shapes


def accumulator(dtype: np.dtype) -> np.dtype:
    """The type in which pixels of ``dtype`` are summed without overflow: 64-bit integers of 2**52 and more become floats."""
    if dtype.kind == "b" or dtype == np.uint8:
        return np.dtype(np.uint32)
    if dtype.kind == "f" or dtype.itemsize == 8:
        return np.dtype(np.float64)
    return np.dtype(np.uint64 if dtype.kind == "u" else np.int64)


def stored_sum(dtype: np.dtype, level: int, peak: int | None = None) -> np.dtype:
    """The smallest type that holds every sum of ``4**level`` pixels of ``dtype`` (of at most ``peak``)."""
    if dtype.kind == "f" or (dtype.itemsize == 8 and peak is None):
        return np.dtype(np.float64)
    low, high = (0, 1) if dtype.kind == "b" else (int(np.iinfo(dtype).min), int(np.iinfo(dtype).max))
    high = high if peak is None else peak
    held = np.result_type(np.min_scalar_type(high * 4**level), np.min_scalar_type(low * 4**level))
    return np.dtype(held.str)  # one name per type: C has two for 64 bits


def without_nan(pixels: NDArray) -> NDArray:
    """``pixels`` as they are, or a copy in which what is not a number is 0; bool becomes uint8."""
    if pixels.dtype.kind == "b":
        return pixels.view(np.uint8)
    if pixels.dtype.kind == "f" and np.isnan(pixels).any():
        return np.where(np.isnan(pixels), pixels.dtype.type(0), pixels)
    return pixels


def halve_points(place: NDArray[np.int64], sums: NDArray, peaks: NDArray, width: int) -> tuple[NDArray[np.int64], NDArray, NDArray]:
    """The non-zero pixels of the next level from those of this one, by place (``row * width + col``); in rising order."""
    rows, cols = np.divmod(place, width)
    return merge_points((rows >> 1) * -(-width // 2) + (cols >> 1), sums, peaks)


def merge_points(place: NDArray[np.int64], sums: NDArray, peaks: NDArray) -> tuple[NDArray[np.int64], NDArray, NDArray]:
    """Distinct places in rising order, with their sums added and their maxima compared, in the types they have."""
    if not len(place):
        return place, sums, peaks
    order = np.argsort(place)  # not stable, and several times faster for it: neither sum nor maximum asks for an order
    place = place[order]
    first = np.flatnonzero(np.concatenate(([True], place[1:] != place[:-1])))
    return place[first], np.add.reduceat(sums[order], first, dtype=sums.dtype), np.maximum.reduceat(peaks[order], first)
