"""Granulometry: how thick, how long and how closely set the defective areas are.

============================  =======================================================================================
``open_square_<side>``        share of the mask that an opening with a square of this side leaves
``open_line_<length>_best``   share that an opening with a straight line leaves, in the best of four directions
``open_line_<length>_mean``   the mean of the four directions
``close_square_<side>``       what a closing adds, as a share of the inspected area: gaps and holes of that size
============================  =======================================================================================

Side and length in pixels of the 64 px view. Shares are 0 where the mask is empty. Openings by growing squares are a granulometry: the
shares never rise with the side. Four directions (0, 45, 90, 135 degrees) and squares make all columns invariant under the symmetries of the
square.

Source: G. Matheron, "Random sets and integral geometry", 1975; P. Maragos, "Pattern spectrum and multiscale shape representation", IEEE
Trans. PAMI 11(7), 1989.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from inspection.models.features.planes import strip

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from inspection.models.features.planes import Planes

SQUARES = (2, 3, 4, 5, 7, 9, 13)
LINES = (5, 9, 15)
CLOSINGS = (3, 5, 9)
NAMES = (
    *(f"open_square_{side}" for side in SQUARES),
    *(f"open_line_{length}_{what}" for length in LINES for what in ("best", "mean")),
    *(f"close_square_{side}" for side in CLOSINGS),
)
INVARIANT = NAMES


def measure(planes: Planes) -> NDArray[np.float32]:
    """Columns `NAMES`, shape (n, 16)."""
    n, stripped = len(planes), strip(planes.mask)
    area = planes.mask.sum(axis=(1, 2), dtype=np.float64)
    inspected = planes.inspected.sum(axis=(1, 2), dtype=np.float64) / 255.0

    def area_after(operation: int, element: NDArray[np.uint8]) -> NDArray[np.float64]:
        # With its margin: an even side moves the picture by a pixel, and none may be lost over the border.
        changed = cv2.morphologyEx(stripped, operation, element).reshape(n, -1)
        total: NDArray[np.float64] = changed.sum(axis=1, dtype=np.float64)
        return total

    columns = [_share(area_after(cv2.MORPH_OPEN, _square(side)), area) for side in SQUARES]
    for length in LINES:
        left = np.stack([_share(area_after(cv2.MORPH_OPEN, line), area) for line in _lines(length)])
        columns += [left.max(axis=0), left.mean(axis=0)]
    columns += [_share(area_after(cv2.MORPH_CLOSE, _square(side)) - area, inspected) for side in CLOSINGS]
    return np.stack(columns, axis=1).astype(np.float32)


def _square(side: int) -> NDArray[np.uint8]:
    return np.ones((side, side), np.uint8)


def _lines(length: int) -> tuple[NDArray[np.uint8], ...]:
    """Straight lines in four directions; the oblique ones of about the same length, not of as many pixels."""
    oblique = np.eye(2 * round((length / np.sqrt(2) - 1) / 2) + 1, dtype=np.uint8)
    straight = np.ones((1, length), np.uint8)
    return straight, straight.T.copy(), oblique, np.fliplr(oblique).copy()


def _share(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
