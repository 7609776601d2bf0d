"""Physics of a map of points: on the wafer, each counted once, on the dies they name, in the orientation of the dies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from inspection.intake.physics_reasons import MEND, refused
from inspection.intake.physics_units import ENOUGH, check_shrunk, outside
from inspection.wafer.maps import inside_wafer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from inspection.params import Validate
    from inspection.wafer.maps import DefectMap

BORDER = 1e-3
"""Share of a die either way: a point on the border between two dies belongs to both."""
COPIES = 10
"""A row that is there more often than this, and makes up more than half of the map, is a stuck writer and no wafer."""
IDENTITIES = frozenset({"DEFECTID"})
"""Columns that number the rows: two rows that differ in nothing else are the same row."""

_ODD_A, _ODD_B = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)


def check_points(points: DefectMap, params: Validate) -> tuple[str, ...]:
    """Refuse points that cannot be; returns notes.

    Raises
    ------
    PhysicsError
        ``wafer.coordinates``, ``wafer.columns``, ``wafer.outside``, ``wafer.unit``, ``wafer.frame``, ``wafer.repeated``,
        ``wafer.orientation``.

    Notes
    -----
    One pass for the radius, one integer sort for repeated places, one division for the dies: about a microsecond per
    twenty points. Everything dearer happens only on maps that are odd already.
    """
    info, xy = points.info, points.xy_um
    if xy.ndim != 2 or xy.shape[1] != 2:
        raise refused("wafer.coordinates", info, "coordinates of shape (n, 2)", f"shape {xy.shape}")
    for name, column in points.attributes.items():
        if len(column) != len(xy):
            raise refused("wafer.columns", info, f"{len(xy)} values in every column", f"{len(column)} in {name}")
    if not len(xy):
        return ()
    with np.errstate(over="ignore", invalid="ignore"):
        farthest = float(np.sqrt(np.einsum("ij,ij->i", xy, xy).max()))
    if not np.isfinite(farthest):
        finite = np.isfinite(xy).all(axis=1)
        if not finite.all():
            raise refused("wafer.coordinates", info, "finite coordinates", f"{int((~finite).sum())} of {len(xy)} not finite")
    return (
        *_off_wafer(points, farthest, params),
        *check_shrunk(info, farthest, len(xy), points.pitch_um),
        *_repeated(points),
        *_off_named_die(points),
    )


def _off_wafer(points: DefectMap, farthest_um: float, params: Validate) -> tuple[str, ...]:
    limit_um = points.info.radius_um + params.edge_tolerance_um
    if farthest_um <= limit_um:
        return ()
    with np.errstate(over="ignore"):
        off = points.defects - int(np.count_nonzero(inside_wafer(points.xy_um, limit_um)))
    if off > params.max_outside_share * points.defects:
        raise outside(points.info, points.xy_um, off, limit_um, params.max_outside_share)
    return (f"{off} points lie beyond the wafer edge",) if off else ()


def _repeated(points: DefectMap) -> tuple[str, ...]:
    """Note points at the place of another one; refuse a map that is mostly one row, over and over."""
    # Equal places have equal hashes: without equal hashes nothing repeats. + 0.0 makes -0.0 and 0.0 one place.
    x, y = ((points.xy_um[:, i] + 0.0).view(np.uint64) for i in (0, 1))
    mixed = x * _ODD_A
    mixed ^= (mixed >> np.uint64(29)) + y * _ODD_B
    ordered = np.sort(mixed)
    equal = ordered[1:] == ordered[:-1]
    if not equal.any():
        return ()
    suspects = np.flatnonzero(np.isin(mixed, ordered[1:][equal]))
    same = _groups([x[suspects], y[suspects]])
    repeats = len(suspects) - int(same.max()) - 1
    if not repeats:
        return ()
    columns = {name: column for name, column in points.attributes.items() if name not in IDENTITIES}
    rows = _groups([same, *(np.asarray(column)[suspects] for column in columns.values())])
    often = int(np.bincount(rows).max())
    if often > COPIES and 2 * often > points.defects:
        raise refused("wafer.repeated", points.info, "defects", f"one row {often} times among {points.defects}", MEND)
    whole = len(suspects) - int(rows.max()) - 1
    return (f"{repeats} points repeat another point's place" + (f", {whole} of them every column" if columns and whole else ""),)


def _groups(columns: list[NDArray]) -> NDArray[np.intp]:
    """Number of the group of each row, from 0; rows that are equal in every column are one group. NaN equals NaN."""
    group = np.zeros(len(columns[0]), np.intp)
    for column in columns:
        values, code = np.unique(column.astype(str) if column.dtype == object else column, return_inverse=True)
        group = np.unique(group * np.intp(len(values)) + code, return_inverse=True)[1]
    return group


def _off_named_die(points: DefectMap) -> tuple[str, ...]:
    """Note points outside the die that their row names; refuse when another orientation would put them there.

    Anonymised and damaged files have XREL beyond the pitch: they are counted, never refused for it.
    """
    names: Mapping[str, NDArray] = points.attributes
    if points.pitch_um is None or points.origin_um is None or not {"XINDEX", "YINDEX"} <= names.keys():
        return ()
    indices = [np.asarray(names[name], np.float64) for name in ("XINDEX", "YINDEX")]
    centre = [(index + 0.5) * pitch + origin for index, pitch, origin in zip(indices, points.pitch_um, points.origin_um, strict=True)]
    off = _off(points.xy_um.T, centre, points.pitch_um)
    if not off:
        return ()
    if points.defects >= ENOUGH and 2 * off > points.defects:
        for name, turned in orientations(points.xy_um):
            if 50 * _off(turned.T, centre, points.pitch_um) <= points.defects:
                got = f"{off} of {points.defects} outside it; {name}, they are inside"
                raise refused("wafer.orientation", points.info, "points inside the die that they name", got, MEND)
    return (f"{off} points lie outside the die they name",)


def _off(xy: NDArray[np.float64], centre: list[NDArray[np.float64]], pitch_um: tuple[float, float]) -> int:
    """How many points lie further from the centre of their die than half a die and ``BORDER``."""
    x_off, y_off = (np.abs(xy[i] - centre[i]) > (0.5 + BORDER) * pitch_um[i] for i in (0, 1))
    return int(np.count_nonzero(x_off | y_off))


def orientations(xy: NDArray) -> Iterator[tuple[str, NDArray]]:
    """``xy`` of shape (n, 2) in the seven other orientations of a wafer, each with its name."""
    x, y = xy[:, 0], xy[:, 1]
    for name, turned in (
        ("mirrored left to right", (-x, y)),
        ("mirrored top to bottom", (x, -y)),
        ("turned by 180 degrees", (-x, -y)),
        ("turned by 90 degrees", (-y, x)),
        ("turned by 270 degrees", (y, -x)),
        ("with x and y exchanged", (y, x)),
        ("with x and y exchanged and turned by 180 degrees", (-y, -x)),
    ):
        yield name, np.column_stack(turned)
