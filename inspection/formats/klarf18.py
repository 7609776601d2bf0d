"""KLARF 1.8: nested records, nm instead of um, lot fields that may come after the wafers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from inspection.errors import FormatError
from inspection.formats import klarf_header, klarf_summary
from inspection.formats.klarf18_tree import cells, parse
from inspection.formats.klarf_frame import place
from inspection.formats.klarf_rows import INTEGER_COLUMNS, NOT_A_NUMBER, number, numbers, whole
from inspection.formats.klarf_tokens import line_of, load, text, truncated
from inspection.wafer.maps import SourceWafer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from inspection.formats.klarf18_tree import Node, Table
    from inspection.params import Ingest

VERSION = "1.8"
NM_PER_UM = 1e3
LENGTHS = frozenset(("X", "Y", "XREL", "YREL", "XSIZE", "YSIZE", "DSIZE"))
AREAS = frozenset(("DEFECTAREA",))
"""Columns that 1.8 keeps in nm and nm^2 and a map in um and um^2, as 1.2 does."""

_HEAD = re.compile(rb'(?:\xef\xbb\xbf)?\s*Record\s+FileRecord\s+"', re.IGNORECASE)
_IMAGES = re.compile(rb'(?<![^\s;])Images?\s++[^\s{}";]++\s*+\{(?:[^{}"]++|"[^"]*+")*+\}', re.IGNORECASE)
_NO_NUMBER = re.compile(rb"(?<![^\s;])N(?:/?A|ULL)?(?![^\s;])")
_CELL = re.compile(rb'"[^"]*"|[^\s";]+|;')
_WHOLE_TYPES = ("int8", "int16", "int32", "int64", "uint32")


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
    if b"endoffile" not in data.rstrip(b"\x00\x1a \t\r\n")[-128:].lower():
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
    yield from [_wafer(data, root, lot, wafer, i, limits) for i, (lot, wafer) in enumerate(found)]


def _wafer(data: bytes, root: Node, lot: Node, wafer: Node, index: int, limits: Ingest) -> SourceWafer:
    where = f"{line_of(data, wafer.at)}, wafer {wafer.name[:40]}"
    notes: list[str] = []
    # The innermost says it; lot fields may stand before or after the wafers.
    fields = root.fields | lot.fields | wafer.fields | {"lotid": [lot.name], "waferid": [wafer.name]}
    for holder in (lot, wafer):
        if (table := holder.lists.get("processequipmentidlist")) is not None:
            fields["processequipmentidlist"] = [c for row in cells(data, table) for c in row]
    tests = wafer.all("testrecord")
    info = klarf_header.info(fields, notes, klarf_header.UM_PER_UNIT_18, where)
    grid = klarf_header.grid(fields, _plan(data, tests, notes), notes, klarf_header.UM_PER_UNIT_18, where)
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
    notes += more + klarf_summary.notes(summary, columns, made.defects)
    return SourceWafer(index=index, map=made, notes=tuple(notes))


def _plan(data: bytes, tests: list[Node], notes: list[str]) -> NDArray[np.int64] | None:
    plans = []
    for test in tests:
        table = test.lists.get("sampletestplanlist")
        if table is not None:
            tokens = [c for row in cells(data, table) for c in row]
            plans.append(klarf_header.die_indices(tokens, number(table.rows), notes, line_of(data, table.at)))
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


def defect_columns(data: bytes, table: Table, limits: Ingest) -> dict[str, NDArray]:
    """One array per column of a DefectList, of shape (rows,), lengths in um and areas in um^2; image lists are left out.

    Raises
    ------
    FormatError
        ``klarf.rows``: a row with another number of tokens than columns, or another number of rows than declared;
        ``klarf.defects``: more than ``limits.max_defects``.
    """
    names = [n for _, n in table.columns]
    where = f"DefectList at {line_of(data, table.at)}"
    if not names or len(set(names)) != len(names):
        raise _rows_error(where, "different column names", " ".join(names)[:80])
    raw = data[slice(*table.data)]
    if b"{" in raw:
        raw = _IMAGES.sub(b" N ", raw)
    _check_rows(raw, len(names), table.rows, where, limits)
    texts: list[bytes] | None = None
    values = None
    if b'"' not in raw:
        plain = raw.replace(b";", b" ")
        values = numbers(plain)
        if values is None:
            values = numbers(_NO_NUMBER.sub(b" nan ", plain))
    if values is None:
        texts = [t for t in _CELL.findall(raw) if t != b";"]
        values = np.array([number(text(t)) for t in texts])
    grid = values.reshape(-1, len(names))
    columns: dict[str, NDArray] = {}
    for i, (kind, name) in enumerate(table.columns):
        if kind == "imagelist":
            continue
        column = np.ascontiguousarray(grid[:, i])
        if texts is not None and np.isnan(column).any():
            own = texts[i :: len(names)]
            if kind == "string" or any(np.isnan(number(text(t))) and t not in (*NOT_A_NUMBER, b"N", b"nan") for t in own):
                columns[name] = np.array([text(t).strip('"') for t in own], dtype=np.str_)
                continue
        if name in LENGTHS:
            column = column / NM_PER_UM
        elif name in AREAS:
            column = column / NM_PER_UM**2
        elif name in INTEGER_COLUMNS or kind in _WHOLE_TYPES:
            columns[name] = whole(column)
            continue
        columns[name] = column
    return columns


def _check_rows(raw: bytes, width: int, declared: str, where: str, limits: Ingest) -> None:
    """Every row has ``width`` tokens and a `;`, and there are as many as declared."""
    ends, count = 0, 0
    if b'"' in raw or b"{" in raw:
        for token in _CELL.findall(raw):
            if token == b";":
                ends += 1
                if count != ends * width:
                    raise _rows_error(where, f"{width} tokens in row {ends}", str(count - (ends - 1) * width))
            else:
                count += 1
    else:
        chars = np.frombuffer(raw, dtype=np.uint8)
        semicolon = chars == ord(";")
        solid = (chars > ord(" ")) & ~semicolon
        begins = solid & ~np.concatenate(([False], solid[:-1]))
        count = int(np.count_nonzero(begins))
        at = np.flatnonzero(semicolon)
        ends = len(at)
        so_far = np.searchsorted(np.flatnonzero(begins), at)
        bad = np.flatnonzero(so_far != np.arange(1, ends + 1) * width)
        if len(bad):
            row = int(bad[0])
            before = int(so_far[row - 1]) if row else 0
            raise _rows_error(where, f"{width} tokens in row {row + 1}", str(int(so_far[row]) - before))
    if count != ends * width:
        raise _rows_error(where, "`;` at the end of each row", f"{count - ends * width} tokens behind the last one")
    if number(declared) != ends:
        raise _rows_error(where, f"{declared[:20]} rows as declared by Data", str(ends))
    if ends > limits.max_defects:
        raise FormatError(
            "klarf.defects",
            where=where,
            expected=f"at most {limits.max_defects} defects",
            got=ends,
            action="Raise ingest.max_defects in params.yaml if the wafer is meant to hold that many.",
        )


def _rows_error(where: str, expected: str, got: str) -> FormatError:
    return FormatError(
        "klarf.rows",
        where=where,
        expected=expected,
        got=got,
        action="The list is cut or damaged: hand the file in again when it is complete.",
    )
