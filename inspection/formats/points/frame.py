"""From the coordinates of a table of points to the wafer frame. Pure: arrays in, arrays out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inspection.formats.notch import Placed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from inspection.formats.points.sidecar import Sidecar


def on_dies(rel: NDArray[np.float64], index: NDArray[np.float64], pitch: tuple[float, float], origin: tuple[float, float] | None) -> Placed:
    """Places from die indices and places on the die, um.

    ``origin`` None: the centre of die (0, 0) is taken as the table's origin.
    """
    corner = (-pitch[0] / 2, -pitch[1] / 2) if origin is None else origin
    return Placed(index * pitch + rel + corner, index, pitch=pitch, origin=corner)


def to_wafer_frame(placed: Placed, sidecar: Sidecar, radius_um: float) -> Placed:
    """``placed`` with the wafer's centre at (0, 0), y up and the notch down."""
    if sidecar.is_y_down:
        placed = placed.flipped(1)
    shift = {"lower_left": (-radius_um, -radius_um), "upper_left": (-radius_um, radius_um)}.get(sidecar.origin)
    if shift is not None:
        placed = placed.moved(shift)
    return placed.notch_down(sidecar.orientation.upper())
