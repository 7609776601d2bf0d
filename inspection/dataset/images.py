"""What keeps a split of images honest: neighbours by name stay together, and the same picture saved twice is on one side only.

Images without a lot are seldom independent: a camera writes several of one place, and numbers them. So images of one folder that follow
each other by name make a block, which goes to one part as a lot does.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from inspection.wafer.image_planes import MEAN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from inspection.wafer.maps import ImageMap

MOST, LEAST_BLOCKS = 25, 12
"""Images of a block at most: as many as wafers of a lot. A folder is cut in at least so many blocks, or in single images."""
SIDE_PX = 32
ALIKE = 0.98
"""Least correlation of two pictures that may be the same one."""
UNALIKE = 0.99
"""Share of the held-out images whose likeness to the nearest image of *another* class is no sign of a copy."""
_ROWS = 1_024


def block_lots(names: Sequence[str] | NDArray[np.str_], lots: Sequence[str] | NDArray[np.str_]) -> NDArray[np.str_]:
    """The lot of each image: its own, or the block of neighbours by name that it belongs to.

    Parameters
    ----------
    names : n str
        Paths in the landing place; numbers in them are ordered as numbers.
    lots : n str
        Empty where none is known.

    Returns
    -------
    ndarray of shape (n,), str
        Independent of the order of the images. A block is called by its first and its last image.
    """
    found = [str(lot) for lot in lots]
    folders: dict[str, list[int]] = {}
    for place, (name, lot) in enumerate(zip(names, found, strict=True)):
        if not lot:
            folders.setdefault(name.rpartition("/")[0], []).append(place)
    for members in folders.values():
        members.sort(key=lambda place: natural_key(str(names[place])))
        size = int(np.clip(len(members) // LEAST_BLOCKS, 1, MOST))
        for block in np.array_split(members, -(-len(members) // size)):
            called = f"{names[block[0]]} .. {names[block[-1]]}"
            for place in block.tolist():
                found[place] = called
    return np.array(found, dtype=np.str_)


def natural_key(name: str) -> tuple[tuple[int, int | str], ...]:
    """A key that orders ``img9`` before ``img10``."""
    return tuple((0, int(piece)) if piece.isdecimal() else (1, piece) for piece in re.split(r"(\d+)", name))


def thumbnail(image: ImageMap) -> NDArray[np.float32]:
    """The image at 32 x 32, less its mean, of length 1 (zeros for one grey): no change of size, brightness or contrast alters it.

    Returns
    -------
    ndarray of shape (1024,), float32
    """
    import cv2  # noqa: PLC0415 - a split of maps needs none of it

    grey = np.ascontiguousarray(image.planes[..., MEAN])
    small = cv2.resize(grey.astype(np.float32), (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA).ravel()
    small -= small.mean()
    length = float(np.linalg.norm(small))
    return small / np.float32(length) if length > 1e-3 else np.zeros_like(small)


def near_copies(
    held: NDArray[np.float32], held_labels: NDArray[np.integer], seen: NDArray[np.float32], seen_labels: NDArray[np.integer]
) -> NDArray[np.bool_]:
    """Which of the held-out images are saved copies of one that an earlier part holds.

    Copies correlate by more than ``ALIKE``, and by more than images of *different* classes do: where all pictures show the same pattern of
    a chip, likeness says nothing, and none is dropped for it.

    Parameters
    ----------
    held, seen : ndarray of shape (n or m, 1024), float32
        Thumbnails.
    held_labels, seen_labels : ndarray of shape (n,) or (m,), int

    Returns
    -------
    ndarray of shape (n,), bool
    """
    same, other = np.full(len(held), -1.0, np.float32), np.full(len(held), -1.0, np.float32)
    for begin in range(0, len(held), _ROWS):
        rows = slice(begin, begin + _ROWS)
        likeness = held[rows] @ seen.T
        of_class = held_labels[rows, None] == seen_labels[None, :]
        same[rows] = np.max(likeness, axis=1, initial=-1.0, where=of_class)
        other[rows] = np.max(likeness, axis=1, initial=-1.0, where=~of_class)
    limit = max(ALIKE, float(np.quantile(other, UNALIKE))) if len(held) else ALIKE
    return same > limit
