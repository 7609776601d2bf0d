"""From the coordinates of a table of points to the wafer frame. Pure: arrays in, arrays out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from inspection.formats.points.sidecar import Sidecar

NOTCH = ("down", "left", "up", "right")
"""Where the notch is in the table's frame; the position counts the anticlockwise quarter turns that bring it down."""


@dataclass(frozen=True, slots=True)
class Placed:
    """Places (n, 2) and what turns with them: die indices (n, 2), die pitch and lower left corner of die (0, 0), um; None = not known."""

    xy: NDArray[np.float64]
    index: NDArray[np.float64] | None = None
    pitch: tuple[float, float] | None = None
    origin: tuple[float, float] | None = None

    def quarter_turn(self) -> Placed:
        """Everything turned by 90 degrees anticlockwise about (0, 0)."""
        turned = (
            None
            if self.origin is None or self.pitch is None  # a corner needs the size of its die
            else (-self.origin[1] - self.pitch[1], self.origin[0])
        )
        return Placed(_turned(self.xy), None if self.index is None else _turned(self.index), self.pitch and self.pitch[::-1], turned)

    def upside_down(self) -> Placed:
        """Everything mirrored at the horizontal axis through (0, 0)."""
        origin = None if self.origin is None or self.pitch is None else (self.origin[0], -self.origin[1] - self.pitch[1])
        return Placed(self.xy * (1.0, -1.0), None if self.index is None else self.index * (1.0, -1.0), self.pitch, origin)

    def moved(self, by: tuple[float, float]) -> Placed:
        """Everything moved by ``by``, um."""
        origin = None if self.origin is None else (self.origin[0] + by[0], self.origin[1] + by[1])
        return Placed(self.xy + by, self.index, self.pitch, origin)


def on_dies(rel: NDArray[np.float64], index: NDArray[np.float64], pitch: tuple[float, float], origin: tuple[float, float] | None) -> Placed:
    """Places from die indices and places on the die, um.

    ``origin`` None: the centre of die (0, 0) is taken as the table's origin.
    """
    corner = (-pitch[0] / 2, -pitch[1] / 2) if origin is None else origin
    return Placed(index * pitch + rel + corner, index, pitch, corner)


def to_wafer_frame(placed: Placed, sidecar: Sidecar, radius_um: float) -> Placed:
    """``placed`` with the wafer's centre at (0, 0), y up and the notch down."""
    if sidecar.y_axis == "down":
        placed = placed.upside_down()
    shift = {"lower_left": (-radius_um, -radius_um), "upper_left": (-radius_um, radius_um)}.get(sidecar.origin)
    if shift is not None:
        placed = placed.moved(shift)
    for _ in range(NOTCH.index(sidecar.orientation)):
        placed = placed.quarter_turn()
    return placed


def _turned(pairs: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.column_stack((-pairs[:, 1], pairs[:, 0]))
