"""What a wafer map must obey to be a wafer at all. Pure: no file, no store.

A partial map, a map without a defect and a map with repeated points are valid; what is odd but survivable becomes a
note.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from inspection.errors import PhysicsError
from inspection.wafer.maps import FAIL, NO_DIE, DefectMap, DieMap, inside_wafer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from inspection.params import Validate
    from inspection.wafer.maps import WaferInfo, WaferMap

SMALLEST_MM, LARGEST_MM = 10.0, 1_000.0
"""No wafer is made outside these diameters: a value beyond them is a unit error (um or nm read as mm)."""

_INSPECT = "Check the unit and the frame that the tool writes; the file stays in quarantine, byte for byte."


def check(wafer_map: WaferMap, params: Validate) -> tuple[str, ...]:
    """Refuse what no wafer can be, and say what is odd.

    Parameters
    ----------
    wafer_map : DefectMap or DieMap
    params : Validate
        ``edge_tolerance_um`` and ``max_outside_share``.

    Returns
    -------
    tuple of str
        Notes; empty for a map without oddities.

    Raises
    ------
    PhysicsError
        Diameter outside 10 to 1000 mm; a coordinate, pitch or origin that is not finite; a pitch that is not positive
        or larger than the wafer; more than ``max_outside_share`` of the points or of the inspected dies off the wafer;
        more die area than the wafer has; columns of unequal length; a die map that is empty, without dies, or with a
        status above 2.
    """
    _check_diameter(wafer_map.info)
    _check_pitch(wafer_map.info, wafer_map.pitch_um)
    if isinstance(wafer_map, DieMap):
        return _check_die_map(wafer_map)
    return _check_points(wafer_map, params) + _check_die_list(wafer_map, params)


def _where(info: WaferInfo) -> str:
    return f"lot {info.lot or '?'}, wafer {info.wafer or '?'}"


def _refused(code: str, info: WaferInfo, expected: str, got: Any) -> PhysicsError:
    return PhysicsError(code, where=_where(info), expected=expected, got=got, action=_INSPECT)


def _check_diameter(info: WaferInfo) -> None:
    if not SMALLEST_MM <= info.diameter_mm <= LARGEST_MM:  # also refuses NaN
        raise _refused("wafer.diameter", info, f"a diameter of {SMALLEST_MM:g} to {LARGEST_MM:g} mm", f"{info.diameter_mm!r} mm")


def _check_pitch(info: WaferInfo, pitch_um: tuple[float, float] | None) -> None:
    if pitch_um is not None and not all(0 < p <= info.diameter_mm * 1000.0 for p in pitch_um):
        raise _refused("wafer.pitch", info, "a die pitch above 0 and at most the diameter, um", pitch_um)


def _check_points(points: DefectMap, params: Validate) -> tuple[str, ...]:
    info, xy = points.info, points.xy_um
    if xy.ndim != 2 or xy.shape[1] != 2:
        raise _refused("wafer.coordinates", info, "coordinates of shape (n, 2)", f"shape {xy.shape}")
    uneven = {name: len(column) for name, column in points.attributes.items() if len(column) != len(xy)}
    if uneven:
        name, length = next(iter(uneven.items()))
        raise _refused("wafer.columns", info, f"{len(xy)} values in every column", f"{length} in {name}")
    if not len(xy):
        return ()
    finite = np.isfinite(xy).all(axis=1)
    if not finite.all():
        raise _refused("wafer.coordinates", info, "finite coordinates", f"{int((~finite).sum())} of {len(xy)} not finite")
    notes = []
    outside = len(xy) - int(np.count_nonzero(inside_wafer(xy, info.radius_um + params.edge_tolerance_um)))
    limit_um = info.radius_um + params.edge_tolerance_um
    if outside > params.max_outside_share * len(xy):
        farthest = math.sqrt(float(np.einsum("ij,ij->i", xy, xy).max()))
        raise _refused(
            "wafer.outside",
            info,
            f"at most {params.max_outside_share:.2%} of the points beyond {limit_um:.0f} um",
            f"{outside} of {len(xy)}, the farthest at {farthest:.0f} um",
        )
    if outside:
        notes.append(f"{outside} points lie beyond the wafer edge")
    repeated = _repeated(xy)
    if repeated:
        notes.append(f"{repeated} points repeat another point's place")
    return (*notes, *_points_off_their_die(points))


def _repeated(xy: NDArray[np.float64]) -> int:
    """How many points have the same place as an earlier one."""
    # One complex number per point sorts in a single pass, several times faster than np.unique over rows; + 0.0 makes
    # -0.0 and 0.0 one place.
    places = np.sort(np.ascontiguousarray(xy + 0.0, dtype=np.float64).view(np.complex128).ravel())
    return int(np.count_nonzero(places[1:] == places[:-1]))


def _points_off_their_die(points: DefectMap) -> tuple[str, ...]:
    if points.pitch_um is None or points.origin_um is None or not {"XINDEX", "YINDEX"} <= points.attributes.keys():
        return ()
    named = np.column_stack((points.attributes["XINDEX"], points.attributes["YINDEX"])).astype(np.float64)
    place = (points.xy_um - np.asarray(points.origin_um)) / np.asarray(points.pitch_um) - named
    # A thousandth of a die either way: a point on the border between two dies belongs to both.
    off = int(np.count_nonzero(((place < -1e-3) | (place > 1 + 1e-3)).any(axis=1)))
    return (f"{off} points lie outside the die they name",) if off else ()


def _check_die_list(points: DefectMap, params: Validate) -> tuple[str, ...]:
    dies, info = points.dies, points.info
    if points.origin_um is not None and not all(map(math.isfinite, points.origin_um)):
        raise _refused("wafer.origin", info, "a finite place of die (0, 0), um", points.origin_um)
    if dies is None:
        return ()
    if dies.ndim != 2 or dies.shape[1] != 2:
        raise _refused("wafer.dies", info, "die indices of shape (m, 2)", f"shape {dies.shape}")
    if not len(dies):
        return ("the list of inspected dies is empty",) if len(points.xy_um) else ()
    unique = np.unique(dies, axis=0)
    notes = [f"{len(dies) - len(unique)} inspected dies are listed twice"] if len(unique) < len(dies) else []
    if points.pitch_um is None:
        return tuple(notes)
    _check_die_area(info, len(unique), points.pitch_um)
    if points.origin_um is not None:
        pitch, origin = np.asarray(points.pitch_um), np.asarray(points.origin_um)
        corner = unique * pitch + origin
        nearest = np.clip(0.0, corner, corner + pitch)  # the point of each die that is nearest to the wafer centre
        off = len(unique) - int(np.count_nonzero(inside_wafer(nearest, info.radius_um + params.edge_tolerance_um)))
        if off > params.max_outside_share * len(unique):
            expected = f"at most {params.max_outside_share:.2%} of the inspected dies off the wafer"
            raise _refused("wafer.dies_outside", info, expected, f"{off} of {len(unique)}")
        if off:
            notes.append(f"{off} inspected dies lie off the wafer")
    return tuple(notes)


def _check_die_area(info: WaferInfo, dies: int, pitch_um: tuple[float, float]) -> None:
    # Every die touches the wafer, so all dies together fit in the disc grown by one die diagonal.
    limit = math.pi * (info.radius_um + math.hypot(*pitch_um)) ** 2
    area = dies * pitch_um[0] * pitch_um[1]
    if area > limit:
        raise _refused(
            "wafer.die_area",
            info,
            f"dies that fit on a wafer of {info.diameter_mm:g} mm",
            f"{area / limit:.2f} times its area",
        )


def _check_die_map(die_map: DieMap) -> tuple[str, ...]:
    status, info = die_map.status, die_map.info
    if status.ndim != 2 or not status.size:
        raise _refused("wafer.die_map", info, "a die map of at least 1 x 1", f"shape {status.shape}")
    if status.dtype != np.uint8:
        raise _refused("wafer.die_map", info, "uint8 status", status.dtype)
    highest = int(status.max())
    if highest > FAIL:
        raise _refused("wafer.die_status", info, "status 0 (no die), 1 (pass) or 2 (fail)", highest)
    if highest == NO_DIE:
        raise _refused("wafer.no_die", info, "at least one die", "none")
    if die_map.pitch_um is not None:
        _check_die_area(info, int(np.count_nonzero(status)), die_map.pitch_um)
    return ()
