"""KLARF 1.0, 1.1, 1.2 and 1.7: the line family.

The whole file is read before the first wafer is given out, so a damaged file gives an error and no wafer.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from inspection.errors import FormatError
from inspection.formats.klarf import header
from inspection.formats.klarf import summary as klarf_summary
from inspection.formats.klarf.collect import collect
from inspection.formats.klarf.frame import place
from inspection.formats.klarf.lists import DefectLists
from inspection.formats.klarf.rowtext import number
from inspection.formats.klarf.tokens import Lines, has_end, load, truncated, with_points
from inspection.wafer.maps import SourceWafer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from inspection.formats.klarf.collect import RawWafer
    from inspection.params import Ingest

VERSIONS = ((1, 0), (1, 1), (1, 2), (1, 7))
"""Those seen; others of the same form are read alike, with a note."""

_HEAD = re.compile(rb"(?:\xef\xbb\xbf)?\s*+(?:[A-Za-z][^;]*+;\s*+){0,8}?FileVersion:?\s+[0-9]", re.IGNORECASE)


def recognises(head: bytes, path: Path) -> bool:  # noqa: ARG001 - one signature for all formats
    """Whether a file that begins with ``head`` is of the line family, of whatever version."""
    return _HEAD.match(head) is not None


def read(path: Path, limits: Ingest) -> Iterator[SourceWafer]:
    """Wafers of a KLARF file of the line family, in its order.

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
    if not has_end(data):
        raise truncated(data, len(data), "EndOfFile in the last 128 bytes", "none")
    wafers = collect(data, limits, notes)
    lists = DefectLists.decide(data, [w.lists for w in wafers])
    lines = Lines(data)
    for wafer in wafers:
        wafer.notes += notes
    yield from [_finish(wafer, lists.columns(data, index, limits), lines, index) for index, wafer in enumerate(wafers)]


def _finish(wafer: RawWafer, columns: dict[str, NDArray], lines: Lines, index: int) -> SourceWafer:
    where = f"{lines.of(wafer.at)}, wafer {' '.join(wafer.fields.get('waferid', ['?']))[:40]}"
    notes = wafer.notes
    if not wafer.lists:
        if not wafer.summary or any(row.defects != 0 for row in wafer.summary):
            raise FormatError(
                "klarf.no_defect_list",
                where=where,
                expected="a DefectList for the wafer, be it empty",
                got="none",
                action="The file is cut or badly joined: export it again.",
            )
        notes.append("no DefectList: the summary declares no defect")
    if not wafer.named:
        notes.append("no WaferID")
    _check_version(wafer, where, notes)
    plan = [header.die_indices(t, n, notes, lines.of(at)) for t, n, at in wafer.plan]
    dies = np.concatenate(plan) if plan else None
    info = header.info(wafer.fields, notes, header.UNITS_PER_UM_1, where)
    grid = header.grid(wafer.fields, dies, notes, header.UNITS_PER_UM_1, where)
    made, more = place(info, columns, grid, where)
    _check_end(wafer, made.defects, lines)
    notes += more + klarf_summary.notes(wafer.summary, columns, made.defects, made.dies)
    classes = header.class_names(wafer.fields.get("classlookup", []))
    return SourceWafer(index=index, map=made, notes=tuple(notes), classes=classes)


def _check_end(wafer: RawWafer, defects: int, lines: Lines) -> None:
    """A list without its `;` is whole only if the summary says so."""
    if wafer.open_list_at is not None and sum(row.defects or 0 for row in wafer.summary) != defects:
        raise FormatError(
            "klarf.truncated",
            where=lines.of(wafer.open_list_at),
            expected="`;` at the end of DefectList, or as many rows as the summary declares",
            got=f"{defects} rows",
            action="The file is cut or still being written: hand it in again when it is complete.",
        )


def _check_version(wafer: RawWafer, where: str, notes: list[str]) -> None:
    version = wafer.fields.get("fileversion", [])
    numbers = tuple(number(t) for t in " ".join(version).replace(".", " ").split())
    if numbers in VERSIONS:
        return
    if len(numbers) != 2 or numbers[0] != 1 or not numbers[1] >= 0:
        raise FormatError(
            "klarf.version",
            where=where,
            expected="FileVersion " + ", ".join(f"{a} {b}" for a, b in VERSIONS),
            got=" ".join(version)[:40] or "none",
            action="Let the tool export KLARF 1.2 or 1.8.",
        )
    notes.append(f"version: FileVersion {' '.join(version)[:40]} is read as 1.2, lengths in um")
