"""Compiled measuring of where on the picture a channel's values lie, and how they repeat. Importing this module imports numba."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit

if TYPE_CHECKING:
    from numpy.typing import NDArray

BANDS = (0.5, 0.85, 0.95, 1.0)
"""Outer radii of the zones, shares of half the side; a last zone holds the corners."""
BLOCK = 8
"""Side of the blocks of JPEG and of most tilings, px."""

NAMES = (
    *(f"excess of steps at {BLOCK} px blocks, {axis}" for axis in ("columns", "rows")),
    *(f"odd less even {axis}" for axis in ("columns", "rows", "diagonals")),
    *(f"unevenness of {axis}" for axis in ("rows", "columns")),
    *(f"zone to {b}" for b in (*BANDS, "corner")),
    *(f"edge zone, {side}" for side in ("upper right", "upper left", "lower left", "lower right")),
    *(f"outermost {line}" for line in ("row above", "row below", "column left", "column right")),
    "first row",
    "last row",
    "first column",
    "last column",
    *(f"moment {m}" for m in ("x", "y", "xx", "yy", "xy")),
    "emptiest inner block",
    "empty inner blocks",
    *(f"unlike its {image}" for image in ("mirror image", "flipped image", "half turn", "transpose")),
)
"""Names of what :func:`measure_layout` gives, in order."""

PAIRED = ("both empty", "only the first", "only the second", "mean difference")
"""Names of what :func:`compare_channels` gives, in order."""


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
def measure_layout(image: NDArray[np.uint8], zone: NDArray[np.int64], out: NDArray[np.float32]) -> None:  # noqa: C901, PLR0915 - one pass over the pixels
    """Write the statistics ``NAMES`` of one channel of shape (side, side) to ``out``; ``zone`` as of :func:`zones`."""
    side = image.shape[0]
    half = side / 2
    border = np.zeros((2, BLOCK), np.float64)
    parity = np.zeros((3, 2), np.float64)
    lines = np.zeros((2, side), np.float64)
    in_zone, zone_size = np.zeros(5), np.zeros(5)
    quadrant = np.zeros(4)
    unlike = np.zeros(4)
    sx = sy = sxx = syy = sxy = total = 0.0
    first_row, last_row, first_col, last_col = side, -1, side, -1
    for i in range(side):
        for j in range(side):
            v = np.int64(image[i, j])
            z = zone[i, j]
            zone_size[z] += 1
            unlike[0] += abs(v - np.int64(image[i, side - 1 - j]))
            unlike[1] += abs(v - np.int64(image[side - 1 - i, j]))
            unlike[2] += abs(v - np.int64(image[side - 1 - i, side - 1 - j]))
            unlike[3] += abs(v - np.int64(image[j, i]))
            if j + 1 < side:
                border[0, j % BLOCK] += abs(v - np.int64(image[i, j + 1]))
            if i + 1 < side:
                border[1, i % BLOCK] += abs(v - np.int64(image[i + 1, j]))
            if v:
                total += v
                in_zone[z] += v
                parity[0, j & 1] += v
                parity[1, i & 1] += v
                parity[2, (i + j) & 1] += v
                lines[0, i] += v
                lines[1, j] += v
                if 2 <= z <= 3:
                    quadrant[(0 if j >= half else 1) if i < half else (3 if j >= half else 2)] += v
                x, y = (j + 0.5 - half) / half, (half - i - 0.5) / half
                sx += v * x
                sy += v * y
                sxx += v * x * x
                syy += v * y * y
                sxy += v * x * y
                first_row, last_row = min(first_row, i), max(last_row, i)
                first_col, last_col = min(first_col, j), max(last_col, j)
    mass, pixels = max(total, 1.0), side * side
    for axis in range(2):
        whole = border[axis].sum()
        out[axis] = border[axis, BLOCK - 1] / whole - 1 / BLOCK if whole else 0.0
        rough = 0.0
        for k in range(1, side - 1):
            rough += abs(lines[axis, k - 1] - 2 * lines[axis, k] + lines[axis, k + 1])
        out[5 + axis] = rough / pixels
    for axis in range(3):
        out[2 + axis] = (parity[axis, 1] - parity[axis, 0]) / mass
    at = 7
    for k in range(5):
        out[at + k] = in_zone[k] / max(zone_size[k], 1.0)
    at += 5
    for k in range(4):
        out[at + k] = quadrant[k] / pixels
        out[at + 4 + k] = lines[k // 2, (side - 1) * (k % 2)] / side
    at += 8
    out[at], out[at + 1], out[at + 2], out[at + 3] = first_row, last_row, first_col, last_col
    at += 4
    out[at], out[at + 1], out[at + 2], out[at + 3], out[at + 4] = sx / mass, sy / mass, sxx / mass, syy / mass, sxy / mass
    at += 5
    out[at], out[at + 1] = _emptiest(image)
    at += 2
    for k in range(4):
        out[at + k] = unlike[k] / pixels


@njit(cache=True, nogil=True)
def _emptiest(image: NDArray[np.uint8]) -> tuple[float, float]:
    """The inner square of the wafer in overlapping blocks: mean of the emptiest, and how many are empty (cut out, or never filled)."""
    side = image.shape[0]
    low, high = int(side * 0.2) // BLOCK * BLOCK, int(side * 0.8) // BLOCK * BLOCK
    emptiest, empty = 255.0 * BLOCK * BLOCK, 0.0
    for i in range(low, high, BLOCK // 2):
        for j in range(low, high, BLOCK // 2):
            held = 0
            for a in range(i, min(i + BLOCK, side)):
                for b in range(j, min(j + BLOCK, side)):
                    held += int(image[a, b])
            emptiest = min(emptiest, held)
            empty += held == 0
    return emptiest / (BLOCK * BLOCK), empty


@njit(cache=True, nogil=True)
def compare_channels(first: NDArray[np.uint8], second: NDArray[np.uint8], out: NDArray[np.float32]) -> None:
    """Write the statistics ``PAIRED`` of two channels of shape (side, side) to ``out``."""
    side = first.shape[0]
    empty = alone_first = alone_second = 0
    difference = 0.0
    for i in range(side):
        for j in range(side):
            a, b = np.int64(first[i, j]), np.int64(second[i, j])
            difference += abs(a - b)
            if a == 0 and b == 0:
                empty += 1
            elif b == 0:
                alone_first += 1
            elif a == 0:
                alone_second += 1
    pixels = side * side
    out[0], out[1], out[2], out[3] = empty / pixels, alone_first / pixels, alone_second / pixels, difference / pixels
