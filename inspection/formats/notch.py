"""Places on a wafer, turned until its notch is down. Pure: arrays in, arrays out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

MARKS = ("DOWN", "LEFT", "UP", "RIGHT")
"""Where the notch is in a file's frame; the position counts the anticlockwise quarter turns that bring it down."""


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """Places and all that turns with them, about the wafer centre (0, 0); None = not known.

    Attributes
    ----------
    xy : ndarray of shape (n, 2), float64
        um.
    index : ndarray of shape (n, 2) or None
        Die of each place.
    dies : ndarray of shape (m, 2) or None
        Inspected dies.
    pitch, origin : (float, float) or None
        Size of a die, and the lower-left corner of die (0, 0), um.
    """

    xy: NDArray[np.float64]
    index: NDArray[np.float64] | None = None
    dies: NDArray[np.int64] | None = None
    pitch: tuple[float, float] | None = None
    origin: tuple[float, float] | None = None

    def quarter_turn(self) -> Placed:
        """Everything turned by 90 degrees anticlockwise."""
        corner = None
        if self.origin is not None and self.pitch is not None:  # a corner needs the size of its die
            corner = (-self.origin[1] - self.pitch[1], self.origin[0])
        xy = np.column_stack((-self.xy[:, 1], self.xy[:, 0]))
        index = None if self.index is None else np.column_stack((-self.index[:, 1], self.index[:, 0]))
        dies = None if self.dies is None else np.column_stack((-self.dies[:, 1], self.dies[:, 0]))
        return Placed(xy, index, dies, None if self.pitch is None else (self.pitch[1], self.pitch[0]), corner)

    def flipped(self, axis: int) -> Placed:
        """Everything mirrored so that one coordinate changes its sign: 0 = x, 1 = y."""
        sign = np.array((-1, 1) if axis == 0 else (1, -1))
        corner = None
        if self.origin is not None and self.pitch is not None:
            far = -self.origin[axis] - self.pitch[axis]
            corner = (far, self.origin[1]) if axis == 0 else (self.origin[0], far)
        index = None if self.index is None else self.index * sign
        return Placed(self.xy * sign, index, None if self.dies is None else self.dies * sign, self.pitch, corner)

    def moved(self, by: tuple[float, float]) -> Placed:
        """Everything moved by ``by``, um."""
        origin = None if self.origin is None else (self.origin[0] + by[0], self.origin[1] + by[1])
        return replace(self, xy=self.xy + by, origin=origin)

    def notch_down(self, mark: str) -> Placed:
        """Everything turned from ``mark``, one of `MARKS`."""
        placed = self
        for _ in range(MARKS.index(mark)):
            placed = placed.quarter_turn()
        return placed
