"""From the rows of a table of points to wafers in the wafer frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from inspection.formats.klarf.columns import whole_numbers
from inspection.formats.notch import Placed
from inspection.formats.points.attributes import attributes
from inspection.formats.points.facts import infos, pitches, varying_time
from inspection.formats.points.frame import on_dies, to_wafer_frame
from inspection.formats.points.groups import grouped
from inspection.formats.points.source import without_blank_rows
from inspection.wafer.maps import DefectMap, SourceWafer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from inspection.formats.points.groups import Groups
    from inspection.formats.points.source import PointsTable
    from inspection.params import Ingest
    from inspection.wafer.maps import WaferInfo

    Raw = dict[str, NDArray[np.float64]]

_LARGEST_UM = 1e15
"""A place beyond it is no place in whatever unit, and its products would leave the numbers."""


def wafers(source: PointsTable, limits: Ingest) -> Iterator[SourceWafer]:
    """The wafers of a table in the order of their first rows; everything is checked before the first one is given out.

    Raises
    ------
    FormatError
        ``points.place``: a place that is missing or not finite; ``points.wafer``: a row without a wafer among others; ``points.pitch``,
        ``points.diameter``, ``points.columns``; ``points.wafers``, ``points.defects``: beyond a limit; ``points.empty``: no wafer.
    """
    source.table = without_blank_rows(source.table)
    groups = grouped(source.table, source.columns)
    _hold(source, groups, limits)
    raw = {m: source.numbers(m) for m in source.columns.numbers if m != "diameter"}
    rows = _rows_with_defects(source, groups, raw)
    who, pitch = infos(source, groups), pitches(source, groups)
    if not len(groups):  # a header alone: the file is a wafer without a defect
        rows, pitch = [slice(0, 0)], [source.sidecar.die_pitch_um]
    _note_frame(source, raw, who)
    further = attributes(source.table, source.columns, source.file_bytes, source.notes)
    time = varying_time(groups)
    if time is not None:
        further[source.columns.names[source.columns.at["time"]]] = time
    source.table = source.table.slice(0, 0)  # everything has been taken from it: a million rows need not be in memory twice
    if groups.order is not None:
        for columns in (raw, further):
            columns.update((name, columns[name][groups.order]) for name in columns)
    notes = (*source.sidecar.notes, *source.notes)
    for i, (info, at, size) in enumerate(zip(who, rows, pitch, strict=True)):
        placed = _placed({m: v[at] for m, v in raw.items()}, source, info, size)
        attached = {name: values[at] for name, values in further.items()}
        if placed.index is not None:
            attached |= {"XINDEX": whole_numbers(placed.index[:, 0]), "YINDEX": whole_numbers(placed.index[:, 1])}
        made = DefectMap(info=info, xy_um=placed.xy, pitch_um=placed.pitch, origin_um=placed.origin, attributes=attached)
        yield SourceWafer(i, made, notes=notes)


def _hold(source: PointsTable, groups: Groups, limits: Ingest) -> None:
    if not len(groups):
        if {"wafer", "slot"} & groups.facts.keys():
            raise source.refused("empty", 0, "at least one row, or no column for the wafer", "a header alone")
        source.notes.append("no rows: the wafer has no defect")
        return
    if len(groups) > limits.max_wafers:
        raise source.refused("wafers", int(groups.first[limits.max_wafers]), f"at most {limits.max_wafers} wafers", len(groups))
    sizes = np.diff(groups.starts)
    if int(sizes.max()) > limits.max_defects:
        row = int(groups.first[int(sizes.argmax())])
        raise source.refused("defects", row, f"at most {limits.max_defects} defects per wafer", int(sizes.max()))
    fact = next((f for f in ("wafer", "slot") if f in groups.facts), None)
    if fact is not None:
        codes, texts = groups.facts[fact]
        nameless = codes == texts.index("") if "" in texts and len(texts) > 1 else np.zeros(1, bool)
        if nameless.any():
            raise source.refused("wafer", int(nameless.argmax()), f"a {fact} in every row", "none")


def _rows_with_defects(source: PointsTable, groups: Groups, raw: Raw) -> list[slice]:
    """Rows of each wafer in the groups' order; none for a wafer that is only declared, by rows without a place."""
    rows = [slice(a, b) for a, b in zip(groups.starts[:-1].tolist(), groups.starts[1:].tolist(), strict=True)]
    places = [v for m, v in raw.items() if not m.endswith("pitch")]
    usable = np.logical_and.reduce([np.abs(v) <= _LARGEST_UM for v in places])  # also refuses NaN
    if usable.all():
        return rows
    missing = np.all([np.isnan(v) for v in places], axis=0)
    named = any(groups.facts[f][1] != [""] for f in ("wafer", "slot") if f in groups.facts)
    ordered = usable if groups.order is None else usable[groups.order]
    for i in np.flatnonzero(~np.logical_and.reduceat(ordered, groups.starts[:-1])).tolist():
        members = np.arange(rows[i].start, rows[i].stop) if groups.order is None else groups.order[rows[i]]
        if named and missing[members].all():
            rows[i] = slice(0, 0)
            continue
        odd = int(members[~usable[members]][0])
        got = "none" if missing[odd] else ", ".join(f"{m} {v[odd]:g}" for m, v in raw.items())
        raise source.refused("place", odd, "a place of finite numbers in every row of a wafer with defects", got)
    return rows


def _placed(raw: Raw, source: PointsTable, info: WaferInfo, pitch: tuple[float, float] | None) -> Placed:
    index = np.column_stack((raw["xindex"], raw["yindex"])) if {"xindex", "yindex"} <= raw.keys() else None
    origin = source.sidecar.die_origin_um
    if index is not None and pitch is not None and source.columns.relative:
        placed = on_dies(np.column_stack((raw["xrel"], raw["yrel"])), index, pitch, origin)
    elif source.columns.relative:  # a header alone
        placed = Placed(np.empty((0, 2)))
    else:
        placed = Placed(np.column_stack((raw["x"], raw["y"])), index, pitch=pitch, origin=None if pitch is None else origin)
    return to_wafer_frame(placed, source.sidecar, info.radius_um)


def _note_frame(source: PointsTable, raw: Raw, who: list[WaferInfo]) -> None:
    """What had to be assumed about units and frame."""
    axis = "xrel" if source.columns.relative else "x"
    if source.columns.relative and source.sidecar.die_origin_um is None:
        source.notes.append("no die_origin_um: the centre of die (0, 0) is taken as the wafer's centre")
    if source.columns.units.get(axis) is None and source.sidecar.unit is None:
        source.notes.append("no unit: um assumed")
        extent = max((float(np.nanmax(np.abs(raw[a]), initial=0.0)) for a in ("x", "y") if a in raw), default=0.0)
        if 0 < extent <= max(info.diameter_mm for info in who) / 2:
            source.notes.append(f"all places lie within {extent:.0f} um of the origin: if they are in mm, say `unit: mm` in a sidecar")
