"""KLARF 1.8: nested records, nm instead of um, lot fields that may come after the wafers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from inspection.errors import FormatError
from inspection.formats.klarf import header
from inspection.formats.klarf import summary as klarf_summary
from inspection.formats.klarf.frame import place
from inspection.formats.klarf.klarf18_list import NM_PER_UM, defect_columns
from inspection.formats.klarf.klarf18_tree import cells, parse
from inspection.formats.klarf.rowtext import number
from inspection.formats.klarf.tokens import Lines, has_end, line_of, load, truncated
from inspection.wafer.maps import SourceWafer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from inspection.formats.klarf.klarf18_tree import Node
    from inspection.params import Ingest

VERSION = "1.8"
_HEAD = re.compile(rb'(?:\xef\xbb\xbf)?\s*Record\s+FileRecord\s+"?[0-9]', re.IGNORECASE)


def recognises(head: bytes, path: Path) -> bool:  # noqa: ARG001 - one signature for all formats
    """Whether a file that begins with ``head`` is of the nested family, of whatever version."""
    return _HEAD.match(head) is not None


def read(path: Path, limits: Ingest) -> Iterator[SourceWafer]:
    """Wafers of a KLARF 1.8 file, in its order; the whole file is read before the first one is given out.

    Parameters
    ----------
    path : Path
    limits : Ingest
        ``max_file_mb``, ``max_defects`` per wafer and ``max_wafers``.

    Raises
    ------
    FormatError
        The file is cut, damaged, of another version or beyond a limit; the reason says where.
    """
    data = load(path, limits)
    if not has_end(data):
        raise truncated(data, len(data), "EndOfFile in the last 128 bytes", "none")
    root = parse(data)
    if root.kind != "filerecord" or root.name != VERSION:
        raise FormatError(
            "klarf.version",
            where=line_of(data, root.at),
            expected=f'Record FileRecord "{VERSION}"',
            got=f"{root.kind} {root.name}",
            action="Let the tool export KLARF 1.2 or 1.8.",
        )
    found = [(lot, wafer) for lot in root.all("lotrecord") for wafer in lot.all("waferrecord")]
    if not 0 < len(found) <= limits.max_wafers:
        raise FormatError(
            "klarf.wafers",
            where=path.name,
            expected=f"1 to {limits.max_wafers} WaferRecords inside a LotRecord",
            got=len(found),
            action="Export the file again; raise ingest.max_wafers if it is meant to hold that many.",
        )
    lines = Lines(data)
    yield from [_wafer(data, (root, lot, wafer), i, limits, lines) for i, (lot, wafer) in enumerate(found)]


def _wafer(data: bytes, way: tuple[Node, Node, Node], index: int, limits: Ingest, lines: Lines) -> SourceWafer:
    root, lot, wafer = way
    where = f"{lines.of(wafer.at)}, wafer {wafer.name[:40]}"
    notes: list[str] = []
    # The innermost says it; lot fields may stand before or after the wafers.
    fields = root.fields | lot.fields | wafer.fields | {"lotid": [lot.name], "waferid": [wafer.name]}
    for holder in (lot, wafer):
        if (table := holder.lists.get("processequipmentidlist")) is not None:
            fields["processequipmentidlist"] = [c for row in cells(data, table) for c in row]
    tests = wafer.all("testrecord")
    info = header.info(fields, notes, header.UNITS_PER_UM_18, where)
    grid = header.grid(fields, _plan(data, tests, notes), notes, header.UNITS_PER_UM_18, where)
    summary = _summary(data, wafer, tests)
    table = wafer.lists.get("defectlist")
    if table is not None:
        columns = defect_columns(data, table, limits)
    elif summary and all(row.defects == 0 for row in summary):
        notes.append("no DefectList: the summary declares no defect")
        columns = {n: np.empty(0) for n in ("XINDEX", "YINDEX", "XREL", "YREL")}
    else:
        raise FormatError(
            "klarf.no_defect_list",
            where=where,
            expected="a DefectList for the wafer, be it empty",
            got="none",
            action="The file is cut or badly joined: export it again.",
        )
    made, more = place(info, columns, grid, where)
    notes += more + klarf_summary.notes(summary, columns, made.defects, made.dies)
    lookup = wafer.lists.get("classlookuplist") or lot.lists.get("classlookuplist")
    classes = header.class_names([c for row in cells(data, lookup) for c in row[:2]]) if lookup else {}
    return SourceWafer(index=index, map=made, notes=tuple(notes), classes=classes)


def _plan(data: bytes, tests: list[Node], notes: list[str]) -> NDArray[np.int64] | None:
    plans = []
    for test in tests:
        table = test.lists.get("sampletestplanlist")
        if table is not None:
            tokens = [c for row in cells(data, table) for c in row]
            plans.append(header.die_indices(tokens, number(table.rows), notes, line_of(data, table.at)))
    return np.concatenate(plans) if plans else None


def _summary(data: bytes, wafer: Node, tests: list[Node]) -> list[klarf_summary.Declared]:
    unit_um2 = NM_PER_UM**-2
    areas = {}
    for test in tests:
        area = [number(t) for t in test.fields.get("areapertest", [])]
        name = number(test.name)
        if len(area) == 1 and np.isfinite(area[0]) and np.isfinite(name):
            areas[int(name)] = area[0] * unit_um2
    rows: list[klarf_summary.Declared] = []
    for record in wafer.all("summaryrecord"):
        table = record.lists.get("testsummarylist")
        if table is not None:
            tokens = [c for row in cells(data, table) for c in row]
            rows += klarf_summary.declared([n for _, n in table.columns], tokens, areas, unit_um2)
    return rows
