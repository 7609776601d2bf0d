"""Sections of a file that speak of one wafer become one map; the same for both families.

A section reaches from a WaferID to the next one, and is a WaferRecord in 1.8. The format's own text is not public, no file seen names a
wafer twice, and public readers part: klarf-reader keeps the last section of a name and drops the others, jklarfreader refuses a second
one. Neither loses nothing, so it is decided here:

* The same lot, WaferID, StepID and ResultTimestamp, and no other slot: **parts of one inspection**, such as its tests, or a list that
  goes on. Their lists are one list, their test plans one plan, and the note ``wafer twice:`` says so.
* A defect, which is a DEFECTID of a test (by column TEST, else by InspectionTest), that two sections name **at one place** is one
  defect; **at two places** it is ``klarf.wafer_twice``, as are sections that differ in geometry, DeviceID or SetupID.
* Another slot: another wafer, whose name the tool did not read. Kept apart, and ``wafer twice:`` says so.
* Another lot, StepID or ResultTimestamp: another inspection. A wafer without WaferID is no part of another.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from inspection.errors import FormatError
from inspection.formats.klarf import summary as klarf_summary
from inspection.formats.klarf.columns import concatenated, length
from inspection.formats.klarf.frame import Grid, place
from inspection.wafer.maps import SourceWafer, WaferInfo

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    Columns = Mapping[str, NDArray]

_OF_INFO = {"product": "DeviceID", "recipe": "SetupID", "diameter_mm": "SampleSize"}
_OF_GRID = {
    "pitch_um": "DiePitch",
    "center_um": "SampleCenterLocation",
    "mark": "OrientationMarkLocation",
    "mirrored": "CoordinatesMirrored",
    "origin_shifts": "DieOrigin",
}
_PLACE = ("XINDEX", "YINDEX", "XREL", "YREL", "X", "Y")
_MOST_NOTES = 50


@dataclass(slots=True)
class Section:
    """What a file says of a wafer in one place.

    Attributes
    ----------
    info : WaferInfo
    grid : Grid
    where : str
        For people.
    rows : callable (number of defects that the wafer has already) -> mapping of str to ndarray of shape (n,)
        Reads the columns of the section's lists; at most once.
    test : int
        The InspectionTest of rows that have no column TEST.
    summary : list of Declared
    notes : list of str
    classes : mapping of int to str
    """

    info: WaferInfo
    grid: Grid
    where: str
    rows: Callable[[int], Columns]
    test: int = 1
    summary: list[klarf_summary.Declared] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    classes: Mapping[int, str] = field(default_factory=dict)


def wafers(sections: Sequence[Section]) -> list[SourceWafer]:
    """One wafer per inspection, in the order of their first sections.

    Raises
    ------
    FormatError
        ``klarf.wafer_twice``: sections of one wafer that contradict each other; and those of the rows and of `frame.place`.
    """
    return [_wafer(group, index) for index, group in enumerate(_inspections(sections))]


def check_listed(lists: int, summary: Sequence[klarf_summary.Declared], where: str, notes: list[str]) -> None:
    """Take a wafer that has no defect list for one without defects, if its summary says so.

    Raises
    ------
    FormatError
        ``klarf.no_defect_list``: it does not.
    """
    if lists:
        return
    if not summary or any(row.defects != 0 for row in summary):
        raise FormatError(
            "klarf.no_defect_list",
            where=where,
            expected="a DefectList for the wafer, be it empty",
            got="none",
            action="The file is cut or badly joined: export it again.",
        )
    notes.append("no DefectList: the summary declares no defect")


def _inspections(sections: Iterable[Section]) -> list[list[Section]]:
    """The sections of each inspection."""
    found: list[list[Section]] = []
    by_slot: defaultdict[Hashable, dict[int | None, list[Section]]] = defaultdict(dict)
    for one in sections:
        info = one.info
        slots = by_slot[(info.lot, info.wafer, info.layer, info.inspected_at)] if info.wafer else {}
        # A section that says no slot is part of the first wafer of its name.
        group = next(iter(slots.values()), None) if info.slot is None else slots.get(info.slot) or slots.pop(None, None)
        if group is None:
            _note_slots(one, slots)
            group = slots[info.slot] = []
            found.append(group)
        elif info.slot is not None:
            slots[info.slot] = group
        group.append(one)
    return found


def _note_slots(one: Section, slots: Mapping[int | None, list[Section]]) -> None:
    """Say of a wafer, and of the first one of its name, that they are two."""
    if slots:
        first = next(iter(slots.values()))[0]
        for this, other in ((one, first), *([(first, one)] if len(slots) == 1 else [])):
            this.notes.append(f"wafer twice: {this.where[:80]} is also in slot {other.info.slot}, {other.where[:80]}; they are kept apart")


def _wafer(group: list[Section], index: int) -> SourceWafer:
    first = group[0]
    _refuse_contradictions(group)
    parts: list[Columns] = []
    for one in group:
        parts.append(one.rows(sum(map(length, parts))))
    sizes = [length(part) for part in parts]
    columns: Columns = concatenated(parts)
    del parts
    notes = list(dict.fromkeys(chain.from_iterable(one.notes for one in group)))
    differences = [] if len(group) == 1 else _differences(group, columns, sizes)
    if len(group) > 1:
        columns, repeated = _each_once(group, columns, sizes)
        more = f", {repeated} defects that two of them name are taken once" if repeated else ""
        notes.append(
            f"wafer twice: {first.where[:80]} has {len(group)} sections, they are joined, the next is at {group[1].where[:80]}{more}"
        )
    info, grid = _united_info(group), replace(first.grid, plan=_united_plan(group))
    made, of_place = place(info, columns, grid, first.where)
    if len(group) == 1:
        differences = klarf_summary.notes(first.summary, columns, made.defects, made.dies)
    notes += of_place + differences
    if len(notes) > _MOST_NOTES:
        notes[_MOST_NOTES:] = [f"notes: and {len(notes) - _MOST_NOTES} more"]
    classes = {number: name for one in reversed(group) for number, name in one.classes.items()}
    return SourceWafer(index=index, map=made, notes=tuple(notes), classes=classes)


def _refuse_contradictions(group: Sequence[Section]) -> None:
    first = group[0]
    for one in group[1:]:
        for names, said, again in ((_OF_INFO, first.info, one.info), (_OF_GRID, first.grid, one.grid)):
            for name, record in names.items():
                a, b = getattr(said, name), getattr(again, name)
                if a != b and a is not None and b is not None:
                    raise _twice(one, first, f"{record} {a}, as that wafer has it", f"{record} {b}")


def _twice(one: Section, first: Section, expected: str, got: Any) -> FormatError:
    return FormatError(
        "klarf.wafer_twice",
        where=f"{one.where}, which is also at {first.where}",
        expected=expected,
        got=got,
        action="The wafer is in the file twice: export each inspection with its own ResultTimestamp, or by itself.",
    )


def _differences(group: Sequence[Section], columns: Columns, sizes: Sequence[int]) -> list[str]:
    """What does not agree with the summaries: each speaks of the lists since the one before it."""
    out: list[str] = []
    begin = end = 0
    for one, size in zip(group, sizes, strict=True):
        end += size
        if one.summary or one is group[-1]:
            out += klarf_summary.notes(one.summary, {n: c[begin:end] for n, c in columns.items()}, end - begin)
            begin = end
    return out


def _each_once(group: Sequence[Section], columns: Columns, sizes: Sequence[int]) -> tuple[Columns, int]:
    """The columns without defects that an earlier section has named, and how many these were."""
    ids = columns.get("DEFECTID")
    if ids is None or ids.dtype.kind not in "iu":
        return columns, 0
    section = np.repeat(np.arange(len(group)), sizes)
    test = columns.get("TEST")
    if test is None or test.dtype.kind not in "iu":
        test = np.repeat([one.test for one in group], sizes)
    order = np.lexsort((section, ids, test))
    before, again = order[:-1], order[1:]
    twice = (ids[before] == ids[again]) & (test[before] == test[again]) & (section[before] != section[again])
    before, again = before[twice], again[twice]
    elsewhere = np.zeros(len(again), dtype=np.bool_)
    for column in (columns[name] for name in _PLACE if name in columns):
        elsewhere |= column[before] != column[again]
    if elsewhere.any():
        a, b = (int(rows[elsewhere.argmax()]) for rows in (before, again))
        said, got = (", ".join(f"{n} {columns[n][i]}" for n in _PLACE if n in columns) for i in (a, b))
        raise _twice(group[section[b]], group[section[a]], f"DEFECTID {ids[a]} of test {test[a]} at {said}", f"DEFECTID {ids[b]} at {got}")
    kept = np.ones(len(ids), dtype=np.bool_)
    kept[again] = False
    return ({name: column[kept] for name, column in columns.items()} if len(again) else columns), len(again)


def _united_info(group: Sequence[Section]) -> WaferInfo:
    """What the first section says, and of the others what it does not say."""
    names = ("slot", "product", "recipe", "written_at")
    said: dict[str, Any] = {n: next((v for one in group if (v := getattr(one.info, n)) is not None), None) for n in names}
    return replace(group[0].info, **said)


def _united_plan(group: Sequence[Section]) -> NDArray[np.int64] | None:
    plans = [one.grid.plan for one in group if one.grid.plan is not None]
    return np.concatenate(plans) if len(plans) > 1 else plans[0] if plans else None
