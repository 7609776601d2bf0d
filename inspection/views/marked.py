"""An image with a box around each object, a colour for each class, and a strip that says how many there are."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from inspection.views.picture import PAPER, Colour, text_strip

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

COLOURS: Final[tuple[Colour, ...]] = ((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (213, 94, 0), (204, 121, 167))
"""Okabe and Ito's, which every kind of colour blindness tells apart, on grey; those that are too dark there are left out."""
_LEAST_PX = 480
_GAP_PX = 8


def draw_marked(
    grey: NDArray[np.uint8], boxes: NDArray[np.floating], classes: Sequence[int], names: Sequence[str], title: str
) -> NDArray[np.uint8]:
    """The image under its boxes, with a title above and a legend with the counts below.

    Parameters
    ----------
    grey : ndarray of shape (rows, cols), uint8
        Small images are enlarged, every pixel repeated.
    boxes : ndarray of shape (n, 4)
        top, left, bottom, right in pixels of ``grey``.
    classes : sequence of n int
        Places in ``names``. Classes beyond the sixth share a colour with an earlier one.
    names : sequence of str
    title : str

    Returns
    -------
    ndarray of shape (title + image + one line per class, cols, 3), uint8, RGB
    """
    factor = max(1, -(-_LEAST_PX // grey.shape[1]))
    picture = np.repeat(np.repeat(np.stack([grey] * 3, axis=-1), factor, axis=0), factor, axis=1)
    for box, k in zip(np.rint(np.asarray(boxes) * factor).astype(int), classes, strict=True):
        top, left, bottom, right = (int(side) for side in box)
        cv2.rectangle(picture, (left, top), (right - 1, bottom - 1), COLOURS[k % len(COLOURS)], max(1, factor))
    width, counts = picture.shape[1], Counter(classes)
    legend = []
    for k, name in enumerate(names):
        strip = text_strip(f"{name}: {counts[k]}", width, indent=3 * _GAP_PX)
        strip[len(strip) // 4 : -len(strip) // 4 or None, _GAP_PX : 2 * _GAP_PX] = COLOURS[k % len(COLOURS)]
        legend.append(strip)
    gap = np.full((_GAP_PX // 2, width, 3), PAPER, np.uint8)
    return np.concatenate((text_strip(title, width), picture, gap, *legend))
