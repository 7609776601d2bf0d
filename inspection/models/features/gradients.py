"""Histograms of oriented gradients: which way the edges of a pattern run, and in which quadrant.

``hog_<quadrant>_<degrees>``: four cells of half the picture's side, nine orientations of 20 degrees (the direction across an edge, opposite
ones alike, counter-clockwise from +x), each gradient weighted by its length and shared by the two orientations nearest to it; the 36
numbers together have length 1, or are all 0 where the picture is flat. The count plane is smoothed first (Gaussian, 1 px), because single
dies and points have edges in all directions. Nothing is claimed to be invariant: a quarter turn moves the cells.

Source: N. Dalal, B. Triggs, "Histograms of oriented gradients for human detection", CVPR 2005, with one block of 2 x 2 cells.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numba import njit

from inspection.models.features.planes import SIZE_PX, strip, unstrip

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from inspection.models.features.planes import Planes

BINS = 9
QUADRANTS = ("nw", "ne", "sw", "se")
NAMES = tuple(f"hog_{quadrant}_{20 * k:03d}" for quadrant in QUADRANTS for k in range(BINS))
INVARIANT: tuple[str, ...] = ()


def measure(planes: Planes) -> NDArray[np.float32]:
    """Columns `NAMES`, shape (n, 36)."""
    smooth = unstrip(cv2.GaussianBlur(strip(planes.count).astype(np.float32), (5, 5), 1.0), len(planes))
    cells = np.zeros((len(planes), len(QUADRANTS), BINS), np.float64)
    _vote(np.ascontiguousarray(smooth), cells)
    flat = cells.reshape(len(planes), -1)
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    return np.divide(flat, length, out=np.zeros_like(flat), where=length > 1e-6).astype(np.float32)


@njit(nogil=True, cache=True)
def _vote(pictures: Any, cells: Any) -> None:
    half = SIZE_PX // 2
    for i in range(pictures.shape[0]):
        for row in range(1, SIZE_PX - 1):
            for col in range(1, SIZE_PX - 1):
                right = pictures[i, row, col + 1] - pictures[i, row, col - 1]
                up = pictures[i, row - 1, col] - pictures[i, row + 1, col]  # row 0 is the top, y points up
                length = np.sqrt(right * right + up * up)
                if length == 0:
                    continue
                place = (np.arctan2(up, right) / np.pi % 1.0) * BINS
                lower = int(place)
                share = place - lower
                cell = 2 * (row // half) + col // half
                cells[i, cell, lower % BINS] += length * (1 - share)
                cells[i, cell, (lower + 1) % BINS] += length * share
