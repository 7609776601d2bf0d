"""KLARF 1.8: nested records, nm instead of um, lot fields that may come after the wafers."""

from __future__ import annotations

import math
import re
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from inspection.errors import FormatError
from inspection.formats.klarf import header, sections
from inspection.formats.klarf import summary as klarf_summary
from inspection.formats.klarf.columns import concatenated, length
from inspection.formats.klarf.klarf18_list import NM_PER_UM, defect_columns
from inspection.formats.klarf.klarf18_tree import cells, parse
from inspection.formats.klarf.rowtext import number
from inspection.formats.klarf.sections import Section
from inspection.formats.klarf.tokens import Lines, line_of, load, wrong_version

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from inspection.formats.klarf.klarf18_tree import Node, Table
    from inspection.params import Ingest
    from inspection.wafer.maps import SourceWafer

VERSION = "1.8"
_HEAD = re.compile(rb'(?:\xef\xbb\xbf)?\s*Record\s+FileRecord\s+"?[0-9]', re.IGNORECASE)


def recognises(head: bytes, path: Path) -> bool:  # noqa: ARG001 - one signature for all formats
    """Whether a file that begins with ``head`` is of the nested family, of whatever version."""
    return _HEAD.match(head) is not None


def read(path: Path, limits: Ingest) -> Iterator[SourceWafer]:
    """Wafers of a KLARF 1.8 file, in its order; `sections` says what is one wafer. All is read before the first one is given out.

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
    root = parse(data)
    if root.kind != "filerecord" or root.name != VERSION:
        raise wrong_version(line_of(data, root.at), f'Record FileRecord "{VERSION}"', f"{root.kind} {root.name}"[:40])
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
    yield from sections.wafers([_section(data, (root, lot, wafer), limits, lines) for lot, wafer in found])


def _section(data: bytes, way: tuple[Node, Node, Node], limits: Ingest, lines: Lines) -> Section:
    root, lot, wafer = way
    where = f"{lines.of(wafer.at)}, wafer {wafer.name[:40]}"
    notes: list[str] = []
    # The innermost says it; lot fields may stand before or after the wafers.
    fields = root.fields | lot.fields | wafer.fields | {"lotid": [lot.name], "waferid": [wafer.name]}
    for holder in (lot, wafer):
        if tables := holder.tables("processequipmentidlist"):
            fields["processequipmentidlist"] = [c for row in cells(data, tables) for c in row]
    tests = wafer.all("testrecord")
    summary = _summary(data, wafer, tests)
    lists = wafer.tables("defectlist")
    sections.check_listed(len(lists), summary, where, notes)
    odd = [(t.width[:20], len(t.columns)) for t in lists if number(t.width) != len(t.columns)]
    notes += [f"spec: DefectList declares {width} columns and names {named}" for width, named in odd]
    lookup = wafer.tables("classlookuplist") or lot.tables("classlookuplist")
    test = number(tests[0].name) if len(tests) == 1 else math.nan
    return Section(
        info=header.info(fields, notes, header.UNITS_PER_UM_18, where),
        grid=header.grid(fields, _plan(data, tests, notes), notes, header.UNITS_PER_UM_18, where),
        where=where,
        rows=partial(_rows, data, lists, limits),
        test=int(test) if math.isfinite(test) else 1,
        summary=summary,
        notes=notes,
        classes=header.class_names([c for row in cells(data, lookup) for c in row[:2]]),
    )


def _rows(data: bytes, lists: Sequence[Table], limits: Ingest, before: int) -> dict[str, NDArray]:
    """Columns of all defect lists of one record."""
    parts: list[dict[str, NDArray]] = []
    for table in lists:
        parts.append(defect_columns(data, table, limits, before))
        before += length(parts[-1])
    return concatenated(parts)


def _plan(data: bytes, tests: list[Node], notes: list[str]) -> NDArray[np.int64] | None:
    plans = []
    for table in (t for test in tests for t in test.tables("sampletestplanlist")):
        tokens = [c for row in cells(data, [table]) for c in row]
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
    for table in (t for record in wafer.all("summaryrecord") for t in record.tables("testsummarylist")):
        tokens = [c for row in cells(data, [table]) for c in row]
        rows += klarf_summary.declared([n for _, n in table.columns], tokens, areas, unit_um2)
    return rows
