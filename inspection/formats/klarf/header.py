"""What the header records of a KLARF file mean: identity, time and geometry, for both families."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from inspection.errors import FormatError
from inspection.formats.identity import check_info
from inspection.formats.klarf import origin as klarf_origin
from inspection.formats.klarf import size
from inspection.formats.klarf.frame import Grid
from inspection.formats.klarf.rowtext import number
from inspection.formats.notch import MARKS
from inspection.wafer.maps import WaferInfo

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

Fields = dict[str, list[str]]
"""Tokens of each field by its name in lower case."""

UNITS_PER_UM_1 = 1.0
UNITS_PER_UM_18 = 1e3
"""Lengths: 1.0 to 1.2 are in um, 1.8 in nm. Dividing keeps the exact decimal, multiplying by 1e-3 would not."""

_DATE = re.compile(r"(\d{1,4})[-/.](\d{1,2}|[A-Z]{3})[A-Z]*[-/.](\d{1,4})", re.IGNORECASE)
_TIME = re.compile(r"(\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.(\d{1,9}))?)? ?([AP]M)? ?(Z|[+-]\d\d:?\d\d)?", re.IGNORECASE)
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_NO_NAME = ("", "NONE", "NA")
_UNSET = datetime(1970, 1, 1, tzinfo=UTC)
"""How tools write a clock that was never set."""

_MARKS = {"0": "DOWN", "90": "LEFT", "180": "UP", "270": "RIGHT", "360": "DOWN", "BOTTOM": "DOWN", "TOP": "UP"}
"""Degrees of 1.8, and words of other tools."""

_CENTURY_TURN = 70
"""Two-digit years from here on belong to the 20th century."""


def timestamp(tokens: Sequence[str]) -> datetime | None:
    """UTC time of `MM-DD-YY HH:MM:SS`, with 2 or 4 digits of year, or ISO 8601; None where it is no time.

    A time without zone is taken as UTC. Where the first number cannot be a month and the second can, they change
    places; a month may be a name, and the hours end with AM or PM.
    """
    joined = " ".join(tokens).strip()
    date = _DATE.match(joined)
    if date is None:
        return None
    named = date[2].upper() in _MONTHS
    if not (named or date[2].isdigit()):
        return None
    one, two, three = int(date[1]), _MONTHS.index(date[2].upper()) + 1 if named else int(date[2]), int(date[3])
    if len(date[1]) == len("2000"):
        year, month, day = one, two, three
    else:
        month, day, year = (two, one, three) if named else (one, two, three)
        if len(date[3]) <= len("00"):
            year += 1900 if year >= _CENTURY_TURN else 2000
    if month > 12 >= day:
        month, day = day, month
    clock = _TIME.match(joined[date.end() :].lstrip(" T"))
    hour, minute, second, fraction, half, zone = clock.groups() if clock else ("0", "0", "0", None, None, None)
    microsecond = int((fraction or "0")[:6].ljust(6, "0"))
    try:
        hours = int(hour) if half is None else int(hour) % 12 + 12 * (half.upper() == "PM")
        local = datetime(year, month, day, hours, int(minute), int(second or 0), microsecond, tzinfo=UTC)
        return local - _offset(zone)
    except (ValueError, OverflowError):
        return None


def _offset(zone: str | None) -> timedelta:
    if zone is None or zone.upper() == "Z":
        return timedelta()
    span = timedelta(hours=int(zone[1:3]), minutes=int(zone[-2:]))
    return -span if zone.startswith("-") else span


def info(fields: Fields, notes: list[str], units_per_um: float, where: str) -> WaferInfo:
    """Identity of a wafer from its fields; names of 1.8 are understood beside those of 1.2.

    Raises
    ------
    FormatError
        ``klarf.number``: a wafer size that cannot be; ``file.identity``: a name longer than any is.
    """
    at = _first(fields, "resulttimestamp")
    inspected_at = timestamp(at)
    if inspected_at == _UNSET:
        inspected_at = None
    elif at and inspected_at is None:
        notes.append(f"no time: ResultTimestamp is `{' '.join(at)[:40]}`")
    written_at = timestamp(_first(fields, "filetimestamp"))
    tool, chamber = _equipment(fields)
    said = WaferInfo(
        lot=_one(fields, "lotid") or "",
        wafer=_one(fields, "waferid") or "",
        slot=slot(fields),
        product=_one(fields, "deviceid", "product", "productid"),
        layer=_one(fields, "stepid"),
        tool=tool,
        chamber=chamber,
        recipe=_one(fields, "setupid", "recipeid"),
        inspected_at=inspected_at,
        diameter_mm=size.diameter_mm(fields.get("samplesize", []), notes, units_per_um, where),
        written_at=None if written_at == _UNSET else written_at,
    )
    return check_info(said, where)


def slot(fields: Fields) -> int | None:
    """Slot of the cassette; None where the file says none."""
    said = _first(fields, "slot", "slotid", "slotnumber")
    return int(said[0]) if said and re.fullmatch(r"[+-]?\d{1,9}", said[0]) else None


def _equipment(fields: Fields) -> tuple[str | None, str | None]:
    """Tool and chamber: the first `TOOL:CHAMBER` of ProcessEquipmentIDList, else the inspection station."""
    process = next((t.strip() for t in fields.get("processequipmentidlist", []) if t.strip() not in _NO_NAME), None)
    if process is not None:
        tool, _, chamber = process.partition(":")
        return tool or None, chamber or None
    station = fields.get("inspectionstationid", [])
    return (station[-1] if station and station[-1].strip() not in _NO_NAME else None), None


def grid(fields: Fields, plan: NDArray[np.int64] | None, notes: list[str], units_per_um: float, where: str) -> Grid:
    """Geometry of a wafer from its fields.

    Raises
    ------
    FormatError
        ``klarf.missing``: no DiePitch or SampleCenterLocation; ``klarf.number``: one that is no number, or a pitch that
        is not positive; ``klarf.orientation``: an orientation that nobody knows.
    """
    pitch = _pair(fields, "diepitch", units_per_um, where)
    if min(pitch) <= 0:
        raise _bad_number("a positive DiePitch", pitch, where)
    origin = [number(t) for t in fields.get("dieorigin", [])]
    shifts = {}
    if len(origin) == 2 and all(map(math.isfinite, origin)):
        shifts = klarf_origin.readings((origin[0], origin[1]), pitch, units_per_um) if any(origin) else {}
    elif origin:
        notes.append(f"die origin: DieOrigin {' '.join(fields['dieorigin'])[:40]} is not used, it is no pair of numbers")
    mark = _one(fields, "orientationmarklocation", upper=True) or ""
    if mark in _NO_NAME:
        notes.append("no mark: OrientationMarkLocation is not said, the notch is taken to be DOWN")
        mark = "DOWN"
    mark = _MARKS.get(mark.removesuffix(".0"), mark)
    if mark not in MARKS:
        raise FormatError(
            "klarf.orientation",
            where=where,
            expected=f"OrientationMarkLocation {' '.join(MARKS)} or 0 90 180 270",
            got=mark,
            action="Without it the map cannot be brought to notch down: export the file again.",
        )
    return Grid(
        pitch_um=pitch,
        center_um=_pair(fields, "samplecenterlocation", units_per_um, where),
        mark=mark,
        mirrored=_one(fields, "coordinatesmirrored", upper=True) == "YES",
        plan=plan,
        origin_shifts=shifts,
    )


def die_indices(tokens: Sequence[str], declared: float | None, notes: list[str], where: str) -> NDArray[np.int64]:
    """(x, y) index pairs of a die list, of shape (m, 2), read to its end whatever count it declares.

    Raises
    ------
    FormatError
        ``klarf.number``: an odd number of tokens, or one that is no whole number.
    """
    values = np.array([number(t) for t in tokens])
    if len(values) % 2 or np.any(values != np.floor(values)) or np.any(np.abs(values) >= 2**53):
        raise _bad_number("pairs of whole numbers in a die list", " ".join(tokens[:10]), where)
    dies = values.astype(np.int64).reshape(-1, 2)
    if declared is not None and declared != len(dies):
        notes.append(f"die list: {declared:g} dies declared, {len(dies)} listed")
    return dies


def class_names(tokens: Sequence[str], width: int = 2) -> dict[int, str]:
    """Names of CLASSNUMBER from (number, name, ...) rows of ``width`` tokens, read as far as they are such rows."""
    out = {}
    for i in range(0, len(tokens) - width + 1, width):
        value = number(tokens[i])
        if not (math.isfinite(value) and value == value // 1):
            break
        out[int(value)] = tokens[i + 1]
    return out


def _first(fields: Mapping[str, list[str]], *names: str) -> list[str]:
    return next((fields[n] for n in names if fields.get(n)), [])


def _one(fields: Mapping[str, list[str]], *names: str, upper: bool = False) -> str | None:
    """The first token of the first of ``names`` that has one; empty counts as none."""
    tokens = _first(fields, *names)
    value = tokens[0].strip() if tokens else ""
    return (value.upper() if upper else value) or None


def _pair(fields: Fields, name: str, units_per_um: float, where: str) -> tuple[float, float]:
    if name not in fields:
        raise FormatError(
            "klarf.missing",
            where=where,
            expected=f"record {name}",
            got="none",
            action="Without it no defect can be placed on the wafer: let the tool export it.",
        )
    values = [number(t) / units_per_um for t in fields[name]]
    if len(values) != 2 or not all(map(math.isfinite, values)):
        raise _bad_number(f"two numbers in {name}", " ".join(fields[name])[:60], where)
    return values[0], values[1]


def _bad_number(expected: str, got: object, where: str) -> FormatError:
    return FormatError(
        "klarf.number",
        where=where,
        expected=expected,
        got=got,
        action="Export the file again: this record is damaged.",
    )
