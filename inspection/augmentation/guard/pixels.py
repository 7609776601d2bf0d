"""Compiled counting over the pixels of one channel: its values, and how neighbours differ and meet. Importing this imports numba.

Everything that is counted here and in ``layout`` is a *residual* statistic: it says what pixels are like, not what pattern the wafer shows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit

if TYPE_CHECKING:
    from numpy.typing import NDArray

STEP = np.array([0, 2, 8, 32, 96, 254], np.int64)
"""Upper ends of the bins of the difference of two neighbours; a last bin holds 255 (empty beside full)."""
CURVE = np.array([0, 4, 16, 64, 256], np.int64)
"""Upper ends of the bins of the Laplacian, which lies in 0..1020; the last bin is open."""
_STEP_BIN = np.searchsorted(STEP, np.arange(256)).astype(np.int8)
_CURVE_BIN = np.searchsorted(CURVE, np.arange(4 * 255 + 1)).astype(np.int8)
NEIGHBOURS = ("right", "below", "below-right", "below-left")
LEVELS = ("empty", "middle", "full")
_LEVEL = np.array([0] + [1] * 254 + [2], np.int8)

NAMES = (
    "value 0",
    *(f"value {max(1, 16 * i)}..{min(254, 16 * i + 15)}" for i in range(16)),
    "value 255",
    *(f"value divisible by {d}" for d in (2, 4, 8, 16)),
    "distinct values",
    "mean",
    "standard deviation",
    "mean where not empty",
    "largest value",
    *(f"step {where} to {end}" for where in ("right", "below") for end in (*STEP.tolist(), 255)),
    *(f"Laplacian to {end}" for end in (*CURVE.tolist(), 1020)),
    *(f"{a} with {b} {where}" for where in NEIGHBOURS for a in LEVELS for b in LEVELS),
    *(f"median residual {what}" for what in ("mean", "share", "share above 32")),
)
"""Names of what :func:`count_pixels` gives, in order."""


@njit(cache=True, nogil=True)
def count_pixels(image: NDArray[np.uint8], smoothed: NDArray[np.uint8], out: NDArray[np.float32]) -> None:  # noqa: C901 - one pass over the pixels
    """Write the statistics ``NAMES`` of one channel to ``out``; ``smoothed`` is its 3 x 3 median. Images of shape (side, side)."""
    side = image.shape[0]
    pixels = side * side
    values = np.zeros(256, np.int64)
    step = np.zeros((2, 7), np.int64)
    curve = np.zeros(6, np.int64)
    met = np.zeros((4, 3, 3), np.int64)
    residual = strong = differs = 0.0
    for i in range(side):
        for j in range(side):
            v = np.int64(image[i, j])
            values[v] += 1
            level = _LEVEL[v]
            d = abs(v - np.int64(smoothed[i, j]))
            residual += d
            differs += d > 0
            strong += d > 32
            if j + 1 < side:
                w = np.int64(image[i, j + 1])
                step[0, _STEP_BIN[abs(v - w)]] += 1
                met[0, level, _LEVEL[w]] += 1
            if i + 1 < side:
                w = np.int64(image[i + 1, j])
                step[1, _STEP_BIN[abs(v - w)]] += 1
                met[1, level, _LEVEL[w]] += 1
                if j + 1 < side:
                    met[2, level, _LEVEL[image[i + 1, j + 1]]] += 1
                if j > 0:
                    met[3, level, _LEVEL[image[i + 1, j - 1]]] += 1
                    if i > 0 and j + 1 < side:
                        around = (
                            np.int64(image[i - 1, j]) + np.int64(image[i + 1, j]) + np.int64(image[i, j - 1]) + np.int64(image[i, j + 1])
                        )
                        curve[_CURVE_BIN[abs(4 * v - around)]] += 1
    at = _write_values(values, pixels, out)
    for k in range(14):
        out[at + k] = step[k // 7, k % 7] / pixels
    at += 14
    for k in range(6):
        out[at + k] = curve[k] / pixels
    at += 6
    for k in range(36):
        out[at + k] = met[k // 9, (k // 3) % 3, k % 3] / pixels
    at += 36
    out[at], out[at + 1], out[at + 2] = residual / pixels, differs / pixels, strong / pixels


@njit(cache=True, nogil=True)
def _write_values(values: NDArray[np.int64], pixels: int, out: NDArray[np.float32]) -> int:
    """What the histogram says: the first statistics of ``NAMES``; returns how many."""
    out[0] = values[0] / pixels
    at = 1
    for b in range(16):
        inside = np.int64(0)
        for value in range(max(1, 16 * b), min(254, 16 * b + 15) + 1):
            inside += values[value]
        out[at] = inside / pixels
        at += 1
    out[at] = values[255] / pixels
    at += 1
    for divisor in (2, 4, 8, 16):
        inside = np.int64(0)
        for value in range(divisor, 255, divisor):
            inside += values[value]
        out[at] = inside / pixels
        at += 1
    distinct, total, squares, largest = 0, 0.0, 0.0, 0
    for value in range(256):
        if values[value]:
            distinct += 1
            largest = value
            total += value * values[value]
            squares += value * value * values[value]
    mean = total / pixels
    out[at] = distinct
    out[at + 1] = mean
    out[at + 2] = np.sqrt(max(squares / pixels - mean * mean, 0.0))
    out[at + 3] = total / max(pixels - values[0], 1)
    out[at + 4] = largest
    return at + 5
