"""Pixels of any type as grey values of 8 bits, by one rule for all images: never stretched to what one image happens to hold.

Bytes stay as they are; bool is black and white; 16 and 32 bits keep their highest eight; floats count from 0 to 1. ``range`` in the sidecar
says otherwise: linear between its two values, clipped beyond them. A camera of 12 bits that writes into 16 needs it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from inspection.errors import FormatError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from inspection.formats.image.sidecar import Range

DARK_SHARE = 1 / 8
"""Of the type's range: an image that stays below it is likely one of fewer bits than its type has."""


def to_grey(pixels: NDArray, path: Path, span: Range | None) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """``pixels`` of shape (rows, cols) as bytes, and what is odd about them.

    Raises
    ------
    FormatError
        ``image.range``: without a range, signed numbers, 64 bits, or floats beyond 0 to 1; with one, a range without an extent; pixels
        that are not a number.
    """
    if span is not None:
        return _between(pixels, path, span), ()
    kind, size = pixels.dtype.kind, pixels.dtype.itemsize
    if kind == "b":
        return pixels.astype(np.uint8) * np.uint8(255), ()
    if kind == "u" and size == 1:
        return pixels, ()
    if kind == "u" and size <= 4:
        grey = (pixels >> np.array(8 * (size - 1), pixels.dtype)).astype(np.uint8)
        highest = int(pixels.max())
        if highest < DARK_SHARE * 2.0 ** (8 * size):
            return grey, (f"the brightest of {8 * size} bits is {highest}: if its camera has fewer, say so by `range` in images.yaml",)
        return grey, ()
    if kind == "f":
        low, high = float(pixels.min()), float(pixels.max())
        if low >= 0.0 and high <= 1.0:
            return _between(pixels, path, (0.0, 1.0)), ()
        raise _unknown(path, f"floats from {low:g} to {high:g}")
    raise _unknown(path, f"{pixels.dtype}")


def _between(pixels: NDArray, path: Path, span: Range) -> NDArray[np.uint8]:
    black, white = span
    if black == white:
        raise _unknown(path, f"range {list(span)}")
    scaled = (pixels.astype(np.float32) - np.float32(black)) * np.float32(255.0 / (white - black))
    if np.isnan(scaled).any():
        raise _unknown(path, "pixels that are not a number")
    return np.rint(np.clip(scaled, 0, 255, out=scaled)).astype(np.uint8)


def _unknown(path: Path, got: str) -> FormatError:
    return FormatError(
        "image.range",
        where=path.name,
        expected="unsigned whole numbers, floats from 0 to 1, or the values of black and white as `range` in the sidecar or images.yaml",
        got=got,
        action="Write `range: [BLACK, WHITE]` into images.yaml beside the images.",
    )
