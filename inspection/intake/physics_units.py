"""Units and frames that a tool or a column mapping got wrong, recognised by what they do to a wafer's size.

A factor of 1000 is never silently taken out: the wafer is refused and the reason names the factor.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from inspection.intake.physics_reasons import MEND, refused

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from inspection.errors import PhysicsError
    from inspection.wafer.maps import WaferInfo

SMALLEST_MM, LARGEST_MM = 10.0, 1_000.0
"""No wafer is made outside these diameters."""
SMALLEST_DIE_UM = 100.0
"""Smaller dies exist (RFID powder, micro-LED): on its own such a pitch proves nothing."""

FACTOR = 1_000.0
ENOUGH = 20
"""Fewer points prove no unit and no orientation: five defects at the very centre are five defects at the very centre."""
_ODD = 5
_LEAST_FILL = 0.01


def check_diameter(info: WaferInfo) -> None:
    """Refuse a diameter that no wafer has; ``wafer.unit`` where a factor of 1000 explains it."""
    given = info.diameter_mm
    if SMALLEST_MM <= given <= LARGEST_MM:  # NaN is not
        return
    expected = f"a diameter of {SMALLEST_MM:g} to {LARGEST_MM:g} mm"
    for unit, factor in (("um", FACTOR), ("nm", FACTOR**2), ("m", 1 / FACTOR)):
        if SMALLEST_MM <= given / factor <= LARGEST_MM:
            got = f"{given:g} mm, which is {given / factor:g} mm when read as {unit} (factor {factor:g})"
            raise refused("wafer.unit", info, expected, got, MEND)
    raise refused("wafer.diameter", info, expected, f"{given!r} mm")


def check_pitch(info: WaferInfo, pitch_um: tuple[float, float] | None) -> None:
    """Refuse a die pitch that is no size of a die; ``wafer.unit`` where both sides are right when read as nm."""
    widest = info.diameter_mm * 1000.0
    if pitch_um is None or all(0 < p <= widest for p in pitch_um):
        return
    expected = "a die pitch above 0 and at most the diameter, um"
    if all(SMALLEST_DIE_UM <= p / FACTOR <= widest for p in pitch_um):
        width, height = pitch_um
        got = f"{width:g} x {height:g}, a die of {width / FACTOR:g} x {height / FACTOR:g} um when read as nm (factor 1000)"
        raise refused("wafer.unit", info, expected, got, MEND)
    raise refused("wafer.pitch", info, expected, pitch_um)


def outside(info: WaferInfo, xy_um: NDArray[np.float64], count: int, limit_um: float, allowed: float) -> PhysicsError:
    """Why ``count`` of the points lie beyond ``limit_um``: nm read as um, another origin, or simply off the wafer."""
    expected = f"at most {allowed:.2%} of the points beyond {limit_um:.0f} um"
    farthest = float(np.hypot(xy_um[:, 0], xy_um[:, 1]).max())
    got = f"{count} of {len(xy_um)}, the farthest at {farthest:.0f} um"
    if 2 * count > len(xy_um) and _LEAST_FILL * info.radius_um <= farthest / FACTOR <= limit_um:
        raised = f"{got}: the size of this wafer when read as nm (factor 1000)"
        return refused("wafer.unit", info, expected, raised, MEND)
    low, high = xy_um.min(axis=0), xy_um.max(axis=0)
    wide = bool(((high - low) > info.radius_um / 2).all())
    shifted = np.hypot(xy_um[:, 0] - info.radius_um, xy_um[:, 1] - info.radius_um)
    if len(xy_um) >= ENOUGH and wide and low.min() >= info.radius_um - limit_um and float(shifted.max()) <= limit_um:
        raised = f"{got}; all fit when counted from the corner of the square around the wafer"
        return refused("wafer.frame", info, f"{expected}, counted from the wafer's centre", raised, MEND)
    return refused("wafer.outside", info, expected, got)


def check_shrunk(info: WaferInfo, farthest_um: float, points: int, pitch_um: tuple[float, float] | None) -> tuple[str, ...]:
    """Refuse or note a map that fits in a thousandth of its wafer: mm read as um.

    Refused only where nothing speaks against it: enough points, as wide as the wafer is in mm, and dies (where known) that
    are just as small. Otherwise a note: a real cluster may lie at the centre.
    """
    if points < _ODD or farthest_um > info.radius_um / FACTOR:
        return ()
    filled = farthest_um >= 0.2 * info.radius_um / FACTOR
    if points >= ENOUGH and filled and (pitch_um is None or max(pitch_um) < SMALLEST_DIE_UM):
        got = f"{points} points, all within {farthest_um:.1f} um of the centre: the size of this wafer when read as mm (factor 1000)"
        raise refused("wafer.unit", info, f"points on a wafer of {info.diameter_mm:g} mm, in um", got, MEND)
    return (f"all {points} points lie within {math.ceil(farthest_um)} um of the centre, a thousandth of the wafer",)
