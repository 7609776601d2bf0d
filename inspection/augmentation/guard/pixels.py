"""Compiled counting over the pixels of one channel. Importing this module imports numba.

Everything that is counted here is a *residual* statistic: which values occur, how neighbours differ and meet, where on the picture it
lies. None of it says what pattern the wafer shows.
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
BANDS = (0.5, 0.85, 0.95, 1.0)
"""Outer radii of the zones, shares of half the side; a last zone holds the corners."""
BLOCK = 8
"""Side of the blocks of JPEG and of most tilings, px."""

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
    *(f"excess of steps at {BLOCK} px blocks, {axis}" for axis in ("columns", "rows")),
    *(f"odd less even {axis}" for axis in ("columns", "rows")),
    *(f"zone to {b}" for b in (*BANDS, "corner")),
    *(f"edge zone, {side}" for side in ("upper right", "upper left", "lower left", "lower right")),
    "first row",
    "last row",
    "first column",
    "last column",
    *(f"moment {m}" for m in ("x", "y", "xx", "yy", "xy")),
    "emptiest inner block",
    "empty inner blocks",
    *(f"median residual {what}" for what in ("mean", "share", "share above 32")),
)
"""Names of what :func:`count_pixels` gives, in order."""


@njit(cache=True, nogil=True)
def zones(side: int) -> NDArray[np.int64]:
    """Zone of each pixel, shape (side, side): index into ``BANDS``, the corners last."""
    found = np.empty((side, side), np.int64)
    half = side / 2
    for i in range(side):
        for j in range(side):
            r = np.sqrt((i + 0.5 - half) ** 2 + (j + 0.5 - half) ** 2) / half
            zone = 0
            for b in BANDS:
                if r > b:
                    zone += 1
            found[i, j] = zone
    return found


@njit(cache=True, nogil=True)
def count_pixels(image: NDArray[np.uint8], smoothed: NDArray[np.uint8], zone: NDArray[np.int64], out: NDArray[np.float32]) -> None:  # noqa: C901, PLR0912, PLR0915 - one pass over the pixels
    """Write the statistics ``NAMES`` of one channel to ``out``; ``smoothed`` is its 3 x 3 median. Images of shape (side, side)."""
    side = image.shape[0]
    pixels = side * side
    half = side / 2
    values = np.zeros(256, np.int64)
    step = np.zeros((2, 7), np.int64)
    curve = np.zeros(6, np.int64)
    met = np.zeros((4, 3, 3), np.int64)
    border = np.zeros((2, BLOCK), np.float64)
    parity = np.zeros((2, 2), np.float64)
    in_zone, zone_size = np.zeros(5), np.zeros(5)
    quadrant = np.zeros(4)
    sx = sy = sxx = syy = sxy = 0.0
    first_row, last_row, first_col, last_col = side, -1, side, -1
    residual = strong = differs = 0.0
    for i in range(side):
        for j in range(side):
            v = np.int64(image[i, j])
            values[v] += 1
            level = _LEVEL[v]
            parity[0, j & 1] += v
            parity[1, i & 1] += v
            z = zone[i, j]
            in_zone[z] += v
            zone_size[z] += 1
            if 2 <= z <= 3:
                quadrant[(0 if j >= half else 1) if i < half else (3 if j >= half else 2)] += v
            if v:
                x, y = (j + 0.5 - half) / half, (half - i - 0.5) / half
                sx += v * x
                sy += v * y
                sxx += v * x * x
                syy += v * y * y
                sxy += v * x * y
                first_row, last_row = min(first_row, i), max(last_row, i)
                first_col, last_col = min(first_col, j), max(last_col, j)
            d = abs(v - np.int64(smoothed[i, j]))
            residual += d
            differs += d > 0
            strong += d > 32
            if j + 1 < side:
                w = np.int64(image[i, j + 1])
                d = abs(v - w)
                step[0, _STEP_BIN[d]] += 1
                border[0, j % BLOCK] += d
                met[0, level, _LEVEL[w]] += 1
            if i + 1 < side:
                w = np.int64(image[i + 1, j])
                d = abs(v - w)
                step[1, _STEP_BIN[d]] += 1
                border[1, i % BLOCK] += d
                met[1, level, _LEVEL[w]] += 1
                if j + 1 < side:
                    w = np.int64(image[i + 1, j + 1])
                    met[2, level, _LEVEL[w]] += 1
                if j > 0:
                    w = np.int64(image[i + 1, j - 1])
                    met[3, level, _LEVEL[w]] += 1
                    if i > 0 and j + 1 < side:
                        around = (
                            np.int64(image[i - 1, j]) + np.int64(image[i + 1, j]) + np.int64(image[i, j - 1]) + np.int64(image[i, j + 1])
                        )
                        curve[_CURVE_BIN[abs(4 * v - around)]] += 1
    at = 0
    out[at] = values[0] / pixels
    at += 1
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
    at += 5
    for k in range(14):
        out[at + k] = step[k // 7, k % 7] / pixels
    at += 14
    for k in range(6):
        out[at + k] = curve[k] / pixels
    at += 6
    for k in range(36):
        out[at + k] = met[k // 9, (k // 3) % 3, k % 3] / pixels
    at += 36
    for axis in range(2):
        whole = border[axis].sum()
        out[at + axis] = border[axis, BLOCK - 1] / whole - 1 / BLOCK if whole else 0.0
        out[at + 2 + axis] = (parity[axis, 1] - parity[axis, 0]) / max(total, 1.0)
    at += 4
    for k in range(5):
        out[at + k] = in_zone[k] / max(zone_size[k], 1.0)
    at += 5
    for k in range(4):
        out[at + k] = quadrant[k] / pixels
    at += 4
    out[at], out[at + 1], out[at + 2], out[at + 3] = first_row, last_row, first_col, last_col
    at += 4
    mass = max(total, 1.0)
    out[at], out[at + 1], out[at + 2], out[at + 3], out[at + 4] = sx / mass, sy / mass, sxx / mass, syy / mass, sxy / mass
    at += 5
    # The inner square of the wafer: what was cut out of it, or never filled.
    low, high = int(side * 0.2) // BLOCK * BLOCK, int(side * 0.8) // BLOCK * BLOCK
    emptiest, empty = 255.0 * BLOCK * BLOCK, 0
    for i in range(low, high, BLOCK // 2):
        for j in range(low, high, BLOCK // 2):
            held = 0
            for a in range(i, min(i + BLOCK, side)):
                for b in range(j, min(j + BLOCK, side)):
                    held += image[a, b]
            emptiest = min(emptiest, held)
            empty += held == 0
    out[at], out[at + 1] = emptiest / (BLOCK * BLOCK), empty
    at += 2
    out[at], out[at + 1], out[at + 2] = residual / pixels, differs / pixels, strong / pixels
