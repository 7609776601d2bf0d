"""Who the wafers of a table of points are: names, time, diameter, die pitch; from columns, else from the sidecar."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from inspection.errors import bounded
from inspection.formats.klarf.header import timestamp
from inspection.formats.points.columns import INSPECTION
from inspection.wafer.maps import DEFAULT_DIAMETER_MM, WaferInfo

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from inspection.formats.points.groups import Groups
    from inspection.formats.points.source import PointsTable

_SLOT = re.compile(r"([+-]?\d{1,9})(?:\.0*)?")
_NAMES = ("product", "layer", "tool", "chamber", "recipe")


def infos(source: PointsTable, groups: Groups) -> list[WaferInfo]:
    """One per wafer; a header without rows gives the one wafer that the file itself is.

    Raises
    ------
    FormatError
        ``points.diameter``: one that is not positive, or two of one wafer.
    """
    given: dict[str, list[str]] = {}
    for fact in groups.facts:
        values, varies = groups.of(fact)
        if fact == "time" and varies.any():
            source.notes.append("the time differs from defect to defect: the first one is taken for the wafer, all stay as an attribute")
        elif fact not in INSPECTION and varies.any():
            source.notes.append(f"{fact}: {int(varies.sum())} wafers have several, the first one is taken")
        given[fact] = values
    diameters = constant(source, groups, "diameter")
    if diameters is None and source.sidecar.diameter_mm is None:
        source.notes.append(f"no diameter: {DEFAULT_DIAMETER_MM:g} mm assumed")
    count = max(len(groups), 1)
    rows = [{fact: values[i] for fact, values in given.items() if values} for i in range(count)]
    made = [_info(source, row, None if diameters is None else float(diameters[i]) / 1e3) for i, row in enumerate(rows)]
    if odd := [t for t in dict.fromkeys(r.get("inspected_at") or r.get("time", "") for r in rows) if t and timestamp([t]) is None]:
        source.notes.append(f"no time: {bounded([repr(t[:40]) for t in odd], 3)}")
    return made


def _info(source: PointsTable, row: dict[str, str], diameter_mm: float | None) -> WaferInfo:
    sidecar = source.sidecar
    slot = _SLOT.fullmatch(row.get("slot", ""))
    at = row.get("inspected_at") or row.get("time")
    names: dict[str, Any] = {name: row.get(name) or getattr(sidecar, name) for name in _NAMES}
    return WaferInfo(
        lot=row.get("lot") or sidecar.lot,
        wafer=row.get("wafer") or row.get("slot") or (source.name if sidecar.wafer is None else sidecar.wafer),
        slot=int(slot[1]) if slot else sidecar.slot,
        **names,
        inspected_at=(timestamp([at]) if at else None) or sidecar.inspected_at,
        diameter_mm=diameter_mm or sidecar.diameter_mm or DEFAULT_DIAMETER_MM,
    )


def varying_time(groups: Groups) -> NDArray[np.str_] | None:
    """The column ``time`` by row, where it is a fact of the defects and not of the wafers; else None."""
    if "time" not in groups.facts or not groups.of("time")[1].any():
        return None
    codes, texts = groups.facts["time"]
    return np.array(texts)[codes]


def pitches(source: PointsTable, groups: Groups) -> list[tuple[float, float] | None]:
    """Die pitch of each wafer, um; None where neither columns nor sidecar give it.

    Raises
    ------
    FormatError
        ``points.pitch``: one that is not positive, or two of one wafer; ``points.columns``: none, and places are given by die.
    """
    x, y = constant(source, groups, "xpitch"), constant(source, groups, "ypitch")
    if x is not None and y is not None:
        return list(zip(x.tolist(), y.tolist(), strict=True))
    if source.columns.relative and source.sidecar.die_pitch_um is None:
        raise source.refused(
            "columns", 0, "the die pitch, for places are given by die index: columns xpitch, ypitch or die_pitch_um", "none"
        )
    return [source.sidecar.die_pitch_um] * len(groups)


def constant(source: PointsTable, groups: Groups, meaning: str) -> NDArray[np.float64] | None:
    """A positive length of each wafer, um; None without such a column."""
    if meaning not in source.columns.at or not len(groups):
        return None
    values = source.numbers(meaning)
    ordered = values if groups.order is None else values[groups.order]
    begins = groups.starts[:-1]
    low, high = np.minimum.reduceat(ordered, begins), np.maximum.reduceat(ordered, begins)
    odd = np.flatnonzero(~((low == high) & (low > 0) & np.isfinite(low)))
    if len(odd):
        i = int(odd[0])
        code = "diameter" if meaning == "diameter" else "pitch"
        raise source.refused(code, int(groups.first[i]), f"one positive {meaning} for all rows of a wafer", f"{low[i]:g} to {high[i]:g} um")
    return low
