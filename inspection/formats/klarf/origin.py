"""What a DieOrigin other than 0 0 means: parsers read it in three ways, so the wafer itself has to say which one is possible.

Seen in public parsers: left alone; the place of the lower-left corner of die (0, 0), which moves everything by it; and the index of
the first die, taken off every index. The readings move defects by whole dies or more, so a wrong one usually leaves the wafer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from inspection.wafer.maps import inside_wafer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

UNUSED, CORNER, INDEX = "not used", "the corner of die 0 0", "the index of the first die"
EDGE_UM = 1_000.0
"""So far beyond the edge a defect or a die may lie, as the physical check has it."""

_SHARE = 0.99
_SAMPLE = 10_000
_SAME_UM = 1.0
_LARGEST_INDEX = 10_000


def readings(origin: tuple[float, float], pitch_um: tuple[float, float], units_per_um: float) -> dict[str, tuple[float, float]]:
    """By how much each reading of ``origin`` (in the file's unit) moves every die and defect, um."""
    found = {UNUSED: (0.0, 0.0)}
    if origin != (0.0, 0.0):
        found[CORNER] = (origin[0] / units_per_um, origin[1] / units_per_um)
        if all(v == int(v) and abs(v) < _LARGEST_INDEX for v in origin):
            found[INDEX] = (-origin[0] * pitch_um[0], -origin[1] * pitch_um[1])
    return found


def decide(
    shifts: Mapping[str, tuple[float, float]],
    xy_um: NDArray[np.float64],
    columns: Mapping[str, NDArray],
    dies: tuple[NDArray[np.int64] | None, tuple[float, float], tuple[float, float]],
    radius_um: float,
) -> tuple[str, str]:
    """The reading to use, and why.

    Columns X and Y decide where the file has them: they are the same place in the frame of the dies. Else the only reading that
    keeps 99 % of the defects and of the planned dies on the wafer; where several do, or none, the origin is not used.

    Parameters
    ----------
    shifts : mapping of str to (float, float)
        As `readings` gives them, um.
    xy_um : ndarray of shape (n, 2)
        Defects with the origin not used, um from the wafer centre.
    columns : mapping of str to ndarray
    dies : (ndarray of shape (m, 2) or None, (float, float), (float, float))
        Planned dies, pitch and corner of die (0, 0) with the origin not used, um.
    radius_um : float
    """
    plan, pitch, corner = dies
    every = max(1, len(xy_um) // _SAMPLE)
    if {"X", "Y", "XREL", "XINDEX"} <= columns.keys() and all(columns[n].dtype.kind in "if" for n in ("X", "Y")) and len(xy_um):
        told = np.column_stack([columns[n][::every] for n in ("X", "Y")]) + np.array(corner)
        off = np.median(told - xy_um[::every], axis=0)
        agree = [name for name, shift in shifts.items() if np.abs(off - shift).max() <= _SAME_UM]
        if len(agree) == 1:
            return agree[0], "columns X and Y agree with that"
    possible = []
    for name, shift in shifts.items():
        places = xy_um[::every] + np.array(shift)
        share = [np.mean(inside_wafer(places, radius_um + EDGE_UM))] if len(places) else []
        if plan is not None and len(plan):
            low = plan * np.array(pitch) + np.array(corner) + np.array(shift)
            share.append(np.mean(inside_wafer(np.clip(0.0, low, low + np.array(pitch)), radius_um + EDGE_UM)))
        if share and min(share) >= _SHARE:
            possible.append(name)
    if len(possible) == 1:
        return possible[0], "by any other reading the wafer would not hold its defects and dies"
    why = "several readings are possible" if possible else "no reading keeps the defects and dies on the wafer"
    return UNUSED, f"{why}, and it means different things to different tools"
