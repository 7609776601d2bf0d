"""KLARF 1.0, 1.1, 1.2 and 1.7: the line family.

The whole file is read before the first wafer is given out, so a damaged file gives an error and no wafer.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from inspection.errors import FormatError
from inspection.formats.klarf import header, sections
from inspection.formats.klarf.collect import collect
from inspection.formats.klarf.columns import length
from inspection.formats.klarf.lists import DefectLists
from inspection.formats.klarf.rowtext import number
from inspection.formats.klarf.sections import Section
from inspection.formats.klarf.tokens import Lines, load, with_points, wrong_version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from inspection.formats.klarf.collect import RawWafer
    from inspection.params import Ingest
    from inspection.wafer.maps import SourceWafer

VERSIONS = ((1, 0), (1, 1), (1, 2), (1, 7))
"""Those seen; others of the same form are read alike, with a note."""

_HEAD = re.compile(rb"(?:\xef\xbb\xbf)?\s*+(?:[A-Za-z][^;]*+;\s*+){0,8}?FileVersion:?\s+[0-9]", re.IGNORECASE)


def recognises(head: bytes, path: Path) -> bool:  # noqa: ARG001 - one signature for all formats
    """Whether a file that begins with ``head`` is of the line family, of whatever version."""
    return _HEAD.match(head) is not None


def read(path: Path, limits: Ingest) -> Iterator[SourceWafer]:
    """Wafers of a KLARF file of the line family, in its order; `sections` says what is one wafer.

    Parameters
    ----------
    path : Path
    limits : Ingest
        ``max_file_mb``, ``max_defects`` per wafer and ``max_wafers`` are held before anything of that size is built.

    Raises
    ------
    FormatError
        The file is cut, damaged, of another version or beyond a limit; the reason says where.
    """
    data, notes = with_points(load(path, limits))
    found = collect(data, limits, notes)
    lists = DefectLists.decide(data, [one.lists for one in found])
    lines = Lines(data)
    made = []
    for i, one in enumerate(found):
        one.notes += notes
        if not one.named:
            _name(one, found[i - 1] if i else None)
        made.append(_section(one, lines, partial(lists.columns, data, i, limits)))
    yield from sections.wafers(made)


def _name(one: RawWafer, before: RawWafer | None) -> None:
    """Say whose the records without a WaferID are: those of the wafer before them, or of nobody where their slot is another."""
    slots = [None if raw is None else header.slot(raw.fields) for raw in (one, before)]
    if before is None or None in slots or slots[0] == slots[1]:
        if before is not None and "waferid" not in before.fields:
            one.fields.pop("waferid", None)
        who = " ".join(one.fields.get("waferid", []))[:40]
        one.notes.append(f"no WaferID: taken as that of the wafer before, {who}" if who else "no WaferID: the wafer has no name")
    else:
        one.fields.pop("waferid", None)
        one.notes.append("no WaferID: the wafer has no name, its slot is not that of the wafer before")


def _section(one: RawWafer, lines: Lines, columns: Callable[[int], dict[str, NDArray]]) -> Section:
    where = f"{lines.of(one.at)}, wafer {' '.join(one.fields.get('waferid', ['?']))[:40]}"
    notes = one.notes
    sections.check_listed(len(one.lists), one.summary, where, notes)
    _check_version(one, where, notes)
    plan = [header.die_indices(t, n, notes, lines.of(at)) for t, n, at in one.plan]
    dies = np.concatenate(plan) if plan else None
    return Section(
        info=header.info(one.fields, notes, header.UNITS_PER_UM_1, where),
        grid=header.grid(one.fields, dies, notes, header.UNITS_PER_UM_1, where),
        where=where,
        rows=partial(_rows, one, lines, columns),
        test=one.test,
        summary=one.summary,
        notes=notes,
        classes=header.class_names(one.fields.get("classlookup", [])),
    )


def _rows(one: RawWafer, lines: Lines, columns: Callable[[int], dict[str, NDArray]], before: int) -> dict[str, NDArray]:
    """Columns of a section; a list without its `;` is whole only if the summary says so."""
    found = columns(before)
    if one.open_list_at is not None and sum(row.defects or 0 for row in one.summary) != length(found):
        raise FormatError(
            "klarf.truncated",
            where=lines.of(one.open_list_at),
            expected="`;` at the end of DefectList, or as many rows as the summary declares",
            got=f"{length(found)} rows",
            action="The file is cut or still being written: hand it in again when it is complete.",
        )
    return found


def _check_version(wafer: RawWafer, where: str, notes: list[str]) -> None:
    version = wafer.fields.get("fileversion", [])
    numbers = tuple(number(t) for t in " ".join(version).replace(".", " ").split())
    if numbers in VERSIONS:
        return
    if len(numbers) != 2 or numbers[0] != 1 or not numbers[1] >= 0:
        raise wrong_version(where, "FileVersion " + ", ".join(f"{a} {b}" for a, b in VERSIONS), " ".join(version)[:40] or "none")
    notes.append(f"version: FileVersion {' '.join(version)[:40]} is read as 1.2, lengths in um")
