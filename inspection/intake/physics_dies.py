"""Physics of dies: the list of inspected dies of a map of points, and die maps."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from inspection.intake.physics_points import orientations
from inspection.intake.physics_reasons import MEND, refused
from inspection.intake.physics_units import ENOUGH, FACTOR, SMALLEST_DIE_UM
from inspection.wafer.maps import FAIL, NO_DIE, PASS, inside_wafer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from inspection.params import Validate
    from inspection.wafer.maps import DefectMap, DieMap, WaferInfo

_LARGEST_TABLE = 1 << 22


def check_die_list(points: DefectMap, params: Validate) -> tuple[str, ...]:
    """Refuse inspected dies that no wafer has; returns notes.

    Raises
    ------
    PhysicsError
        ``wafer.origin``, ``wafer.dies``, ``wafer.die_area``, ``wafer.dies_outside``, ``wafer.orientation``.
    """
    dies, info = points.dies, points.info
    if points.origin_um is not None and not all(map(math.isfinite, points.origin_um)):
        raise refused("wafer.origin", info, "a finite place of die (0, 0), um", points.origin_um)
    if dies is None:
        return ()
    if dies.ndim != 2 or dies.shape[1] != 2:
        raise refused("wafer.dies", info, "die indices of shape (m, 2)", f"shape {dies.shape}")
    if not len(dies):
        return ("the list of inspected dies is empty",) if len(points.xy_um) else ()
    # Both indices in one integer: sorting rows is twenty times slower.
    first = np.unique((dies[:, 0].astype(np.int64) << 32) ^ (dies[:, 1].astype(np.int64) & 0xFFFFFFFF), return_index=True)[1]
    unique = dies[first] if len(first) < len(dies) else dies
    notes = [f"{len(dies) - len(unique)} inspected dies are listed twice"] if len(unique) < len(dies) else []
    if points.pitch_um is None:
        return tuple(notes)
    _check_die_area(info, len(unique), points.pitch_um)
    if points.origin_um is not None:
        off = _off_wafer(unique, points.pitch_um, points.origin_um, info.radius_um + params.edge_tolerance_um)
        if off > params.max_outside_share * len(unique):
            expected = f"at most {params.max_outside_share:.2%} of the inspected dies off the wafer"
            raise refused("wafer.dies_outside", info, expected, f"{off} of {len(unique)}")
        if off:
            notes.append(f"{off} inspected dies lie off the wafer")
        notes += _points_off_plan(points, unique, points.pitch_um, points.origin_um)
    return tuple(notes)


def check_die_map(die_map: DieMap, params: Validate) -> tuple[str, ...]:
    """Refuse a die map that cannot be; returns notes. All dies good, or all bad, is a wafer.

    Raises
    ------
    PhysicsError
        ``wafer.die_map``, ``wafer.die_status``, ``wafer.no_die``, ``wafer.die_area``, ``wafer.unit``,
        ``wafer.orientation``, ``wafer.die_extent``.
    """
    status, info = die_map.status, die_map.info
    if status.ndim != 2 or not status.size:
        raise refused("wafer.die_map", info, "a die map of at least 1 x 1", f"shape {status.shape}")
    if status.dtype != np.uint8:
        raise refused("wafer.die_map", info, "uint8 status", status.dtype)
    highest = int(status.max())
    if highest > FAIL:
        raise refused("wafer.die_status", info, "status 0 (no die), 1 (pass) or 2 (fail)", highest)
    if highest == NO_DIE:
        raise refused("wafer.no_die", info, "at least one die", "none")
    there = status >= PASS
    rows, columns = (np.flatnonzero(there.any(axis=axis)) for axis in (1, 0))
    if die_map.pitch_um is not None:
        _check_extent(info, die_map.pitch_um, int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1)
        _check_die_area(info, int(np.count_nonzero(there)), die_map.pitch_um)
    return _border(die_map, there, info.radius_um + params.edge_tolerance_um)


def _check_die_area(info: WaferInfo, dies: int, pitch_um: tuple[float, float]) -> None:
    # Every die touches the wafer, so all dies together fit in the disc grown by one die diagonal.
    limit = math.pi * (info.radius_um + math.hypot(*pitch_um)) ** 2
    area = dies * pitch_um[0] * pitch_um[1]
    if area > limit:
        raise refused("wafer.die_area", info, f"dies that fit on a wafer of {info.diameter_mm:g} mm", f"{area / limit:.2f} times its area")


def _off_wafer(dies: NDArray, pitch_um: tuple[float, float], origin_um: tuple[float, float], limit_um: float) -> int:
    """How many dies have no point on the wafer."""
    corner = dies * np.asarray(pitch_um) + np.asarray(origin_um)
    nearest = np.clip(0.0, corner, corner + pitch_um)  # the point of each die that is nearest to the wafer centre
    return len(dies) - int(np.count_nonzero(inside_wafer(nearest, limit_um)))


def _points_off_plan(points: DefectMap, dies: NDArray, pitch_um: tuple[float, float], origin_um: tuple[float, float]) -> list[str]:
    """Note many points on dies that were not inspected; refuse when the points fit the dies in another orientation."""
    low, size = dies.min(axis=0).astype(np.int64), np.ptp(dies.astype(np.int64), axis=0) + 1
    if not points.defects or int(size[0]) * int(size[1]) > _LARGEST_TABLE:
        return []
    inspected = np.zeros(size + 2, bool)  # with a border that is never inspected, for every place beyond
    inspected[dies[:, 0] - low[0] + 1, dies[:, 1] - low[1] + 1] = True

    def off(xy_um: NDArray) -> int:
        column, row = (
            np.clip(np.floor((xy_um[:, i] - origin_um[i]) / pitch_um[i]) - (low[i] - 1), 0, size[i] + 1).astype(np.int64) for i in (0, 1)
        )
        return len(xy_um) - int(np.count_nonzero(inspected[column, row]))

    count = off(points.xy_um)
    if points.defects >= ENOUGH and 2 * count > points.defects:
        for name, turned in orientations(points.xy_um):
            if 50 * off(turned) <= points.defects:
                got = f"{count} of {points.defects} on other dies; {name}, they are on them"
                raise refused("wafer.orientation", points.info, "points on the dies that were inspected", got, MEND)
    return [f"{count} points lie on dies that were not inspected"] if 20 * count > points.defects else []


def _check_extent(info: WaferInfo, pitch_um: tuple[float, float], columns: int, rows: int) -> None:
    """Refuse a map wider than its wafer: a die on each side may hang over the edge, no more."""
    diameter = info.diameter_mm * 1000.0
    (width, height), fits = pitch_um, f"dies across at most {info.diameter_mm:g} mm and a die on each side"
    if (columns - 2) * width <= diameter and (rows - 2) * height <= diameter:
        small = 0.3 <= max(columns * width, rows * height) * FACTOR / diameter <= 1.1
        if small and columns * rows >= ENOUGH and max(pitch_um) < SMALLEST_DIE_UM:
            got = f"{columns * width:g} x {rows * height:g} um, the size of this wafer when read as mm (factor 1000)"
            raise refused("wafer.unit", info, "a die pitch in um", got, MEND)
        return
    got = f"{columns} x {rows} dies of {width:g} x {height:g} um"
    if (columns - 2) * height <= diameter and (rows - 2) * width <= diameter:
        raise refused("wafer.orientation", info, fits, f"{got}: they fit when the map is turned by 90 degrees", MEND)
    raise refused("wafer.die_extent", info, fits, got)


def _border(die_map: DieMap, there: NDArray[np.bool_], limit_um: float) -> tuple[str, ...]:
    """Note dies that have no point on the wafer: a border that is not round.

    Only a note, since the map may have been cropped: then its middle is not the wafer's.
    """
    width, height = die_map.die_size_um
    limits = [(there.shape[1], width), (there.shape[0], height)]
    # Of each column and row of dies, the distance of its nearer side from the middle.
    x, y = (np.maximum(np.abs(np.arange(n) + 0.5 - n / 2) - 0.5, 0.0) * pitch for n, pitch in limits)
    beyond = x[None, :] ** 2 + y[:, None] ** 2 > limit_um**2
    off = int(np.count_nonzero(there & beyond))
    return (f"the border is not round: {off} dies lie off the wafer",) if off else ()
