"""Colour to grey: the luminance of ITU-R BT.601, in whole numbers, so that equal channels give exactly their value."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

WEIGHTS = (299, 587, 114)
"""Of red, green and blue, in thousandths."""
REDUCED = "colour is reduced to its luminance"
OPACITY = "the picture is transparent in places: its opacity is left out"
_BLOCK = 2**18
"""Pixels at once: the sums take four bytes each."""


def luminance(pixels: NDArray) -> NDArray:
    """Grey of ``pixels`` of shape (rows, columns, 3 or more: red, green, blue, ...), uint8 or uint16; of the same type."""
    grey = np.empty(pixels.shape[:2], pixels.dtype)
    step = max(1, _BLOCK // max(1, pixels.shape[1]))
    for row in range(0, len(pixels), step):
        total = np.full(grey[row : row + step].shape, 500, np.uint32)  # 65 535 thousand fit
        for channel, weight in enumerate(WEIGHTS):
            total += np.uint32(weight) * pixels[row : row + step, :, channel]
        grey[row : row + step] = total // 1000
    return grey


def is_grey(pixels: NDArray) -> bool:
    """Whether red, green and blue are equal in all ``pixels``, of shape (rows, columns, 3 or more)."""
    return all(np.array_equal(pixels[..., 0], pixels[..., channel]) for channel in (1, 2))
