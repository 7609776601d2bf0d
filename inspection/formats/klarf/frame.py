"""From a KLARF file's own coordinates to the wafer frame; the same for both families, in um."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from inspection.errors import FormatError
from inspection.formats.klarf import origin as klarf_origin
from inspection.formats.notch import Placed
from inspection.wafer.maps import DefectMap, WaferInfo

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

_INDEX = ("XINDEX", "YINDEX")
_ON_DIE_TOLERANCE_UM = 1.0
_BLOCK = 1 << 15
_LARGEST_UM = 1e12
"""A place beyond it is no place."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Geometry of one wafer as its file says it, um.

    ``center_um`` is the wafer centre seen from the lower-left corner of die (0, 0); ``plan`` of shape (m, 2) lists the
    inspected dies, None = not said.
    """

    pitch_um: tuple[float, float]
    center_um: tuple[float, float]
    mark: str = "DOWN"
    mirrored: bool = False
    plan: NDArray[np.int64] | None = None
    origin_shifts: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """What DieOrigin may mean, where it is not 0 0."""


def place(info: WaferInfo, columns: Mapping[str, NDArray], grid: Grid, where: str) -> tuple[DefectMap, list[str]]:
    """The defect map of one wafer, and notes.

    x = XINDEX * pitch + XREL - centre (or X - centre where the file has only X and Y), then turned until the notch is
    down, then mirrored where the file says so. XINDEX and YINDEX stay among the attributes, in the map's own grid.

    Raises
    ------
    FormatError
        ``klarf.columns``: neither XINDEX YINDEX XREL YREL nor X Y; ``klarf.number``: a place that is no number of a
        sensible size, in any row.
    """
    notes: list[str] = []
    columns = _with_die(columns, grid, info.radius_um, notes)
    xy, on_dies = _coordinates(columns, grid, notes, where)
    index = None
    if (grid.mark != "DOWN" or grid.mirrored) and all(n in columns and columns[n].dtype.kind in "if" for n in _INDEX):
        index = np.column_stack([columns[n] for n in _INDEX]).astype(np.float64)
    dies = _whole_dies(grid.plan, where)
    corner = (-grid.center_um[0], -grid.center_um[1])
    if grid.origin_shifts:
        # X and Y stay where they are, whatever the dies' place is.
        moving = xy if on_dies else xy[:0]
        reading, why = klarf_origin.decide(grid.origin_shifts, moving, columns, (dies, grid.pitch_um, corner), info.radius_um)
        shift = grid.origin_shifts[reading]
        notes.append(f"die origin: DieOrigin read as {reading}, moved by {shift[0]:g} {shift[1]:g} um; {why}")
        xy, corner = xy + np.array(shift) * on_dies, (corner[0] + shift[0], corner[1] + shift[1])
    placed = Placed(xy, index, dies, grid.pitch_um, corner).notch_down(grid.mark)
    if grid.mark != "DOWN":
        notes.append(f"turned: the file has its notch {grid.mark}, the map has it DOWN")
    if grid.mirrored:
        placed = placed.flipped(0)
        notes.append("mirrored: the file says CoordinatesMirrored, the map is seen from the front")
    attributes = {k: v for k, v in columns.items() if k not in {"X", "Y", "XREL", "YREL"}}
    if placed.index is not None:
        for i, name in enumerate(_INDEX):
            attributes[name] = placed.index[:, i].astype(columns[name].dtype)
    result = DefectMap(
        info=info,
        xy_um=np.ascontiguousarray(placed.xy, dtype=np.float64),
        pitch_um=placed.pitch,
        origin_um=None if placed.origin is None else (placed.origin[0] + 0.0, placed.origin[1] + 0.0),
        dies=None if placed.dies is None else np.ascontiguousarray(placed.dies, dtype=np.int32),
        attributes=attributes,
    )
    return result, notes


def _with_die(columns: Mapping[str, NDArray], grid: Grid, radius_um: float, notes: list[str]) -> Mapping[str, NDArray]:
    """``columns`` with die (0, 0) for every defect, where the file names no dies and one die holds the wafer: no pattern, no dies."""
    if {*_INDEX, "X", "Y"} & columns.keys() or not {"XREL", "YREL"} <= columns.keys() or min(grid.pitch_um) < radius_um:
        return columns
    notes.append("no XINDEX YINDEX: one die is as large as the wafer, all defects are taken to lie on it")
    return {**columns, **{name: np.zeros(len(columns["XREL"]), np.int32) for name in _INDEX}}


def _coordinates(columns: Mapping[str, NDArray], grid: Grid, notes: list[str], where: str) -> tuple[NDArray[np.float64], bool]:
    """Places seen from the wafer centre, and whether they were given on dies."""
    for names in ((*_INDEX, "XREL", "YREL"), ("X", "Y")):
        if all(n in columns for n in names):
            break
    else:
        raise FormatError(
            "klarf.columns",
            where=where,
            expected="columns XINDEX YINDEX XREL YREL, or X Y",
            got=" ".join(list(columns)[:20]),
            action="Let the tool export the defects' coordinates.",
        )
    if any(columns[n].dtype.kind not in "if" for n in names):
        raise _no_place(names, where, "words")
    rows = len(columns[names[0]])
    xy = np.empty((rows, 2))
    off = 0
    # Block by block: intermediate arrays of all defects would cost more than the sums.
    for block in (slice(i, i + _BLOCK) for i in range(0, rows, _BLOCK)):
        outside = np.zeros(len(xy[block]), dtype=np.bool_)
        with np.errstate(over="ignore", invalid="ignore"):
            for i, (pitch, center) in enumerate(zip(grid.pitch_um, grid.center_um, strict=True)):
                place = columns[names[-2 + i]][block]
                if names[0] == _INDEX[0]:
                    outside |= (place < -_ON_DIE_TOLERANCE_UM) | (place > pitch + _ON_DIE_TOLERANCE_UM)
                    place = columns[names[i]][block] * np.float64(pitch) + place
                xy[block, i] = place - center
        usable = (np.abs(xy[block]) <= _LARGEST_UM).all(axis=1)  # also refuses NaN
        if not usable.all():
            row = block.start + int(usable.argmin())
            raise _no_place(names, where, f"{' '.join(f'{columns[n][row]:g}' for n in names)} in row {row + 1} of the list")
        off += int(np.count_nonzero(outside))
    if off:
        notes.append(f"off die: {off} of {rows} defects have XREL or YREL outside 0 to DiePitch")
    return xy, names[0] == _INDEX[0]


def _no_place(names: Sequence[str], where: str, got: str) -> FormatError:
    return FormatError(
        "klarf.number",
        where=where,
        expected=f"numbers in {' '.join(names)}",
        got=got,
        action="Export the file again: its coordinates are damaged.",
    )


def _whole_dies(plan: NDArray[np.int64] | None, where: str) -> NDArray[np.int64] | None:
    """The plan without repeated dies, in the file's order."""
    if plan is None or not len(plan):
        return None
    if np.abs(plan).max() >= 2**31:
        raise FormatError(
            "klarf.number",
            where=where,
            expected="die indices below 2^31",
            got=int(np.abs(plan).max()),
            action="Export the file again: its test plan is damaged.",
        )
    _, first = np.unique(plan, axis=0, return_index=True)
    return plan if len(first) == len(plan) else plan[np.sort(first)]
