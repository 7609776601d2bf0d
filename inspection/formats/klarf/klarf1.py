"""KLARF 1.0, 1.1 and 1.2: the line family.

A wafer reaches from its WaferID to the next one; specs, geometry and identity carry over until they are said again. The
whole file is read before the first wafer is given out, so a damaged file gives an error and no wafer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from inspection.errors import FormatError
from inspection.formats.klarf import header
from inspection.formats.klarf import summary as klarf_summary
from inspection.formats.klarf.frame import place
from inspection.formats.klarf.images import Spec
from inspection.formats.klarf.lists import DefectLists
from inspection.formats.klarf.records import DEFECT_LIST, MORE_ROWS, records
from inspection.formats.klarf.rowtext import number
from inspection.formats.klarf.tokens import END_OF_FILE, Lines, has_end, line_of, load, truncated, with_points, words
from inspection.wafer.maps import SourceWafer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from inspection.formats.klarf.lists import RawList
    from inspection.formats.klarf.records import Record
    from inspection.params import Ingest

VERSIONS = ((1, 0), (1, 1), (1, 2), (1, 7))
"""Those seen; others of the same form are read alike, with a note."""

_HEAD = re.compile(rb"(?:\xef\xbb\xbf)?\s*+(?:[A-Za-z][^;]*+;\s*+){0,8}?FileVersion\s+[0-9]", re.IGNORECASE)
_NAME = re.compile(r"[^\W\d][^\s{}]*")
_OF_ONE_WAFER = ("slot", "slotid", "slotnumber", "waferscribe", "processequipmentidlist")
_OPENING = (
    *("slot", "slotid", "samplecenterlocation", "lotid", "deviceid", "stepid", "setupid", "resulttimestamp"),
    *("samplesize", "diepitch", "dieorigin", "orientationmarklocation", "coordinatesmirrored", "inspectionstationid"),
)
"""Behind a summary these speak of the next wafer, whose WaferID is still to come."""

_COUNTED = ("processequipmentidlist", "classlookup")
_TABLES = frozenset(
    (
        *("sampletestplan", "sampletestreferenceplan", "samplediemap", "removeddielist", "inspectedarea", "testparameterslist"),
        *("classlookup", "summarylist", "clusterclassificationlist", "customwaferlist", "processequipmentidlist"),
        *("alignmentpoints", "alignmentimages", "alignmentimagetransforms", "databasealignmentmarks"),
    )
)
"""Records with rows, which some tools end with a `;` each."""

_MOST_OPEN = 3


def recognises(head: bytes, path: Path) -> bool:  # noqa: ARG001 - one signature for all formats
    """Whether a file that begins with ``head`` is of the line family, of whatever version."""
    return _HEAD.match(head) is not None


@dataclass(slots=True)
class _Wafer:
    """A wafer while its records come in; ``fields`` carries over to the next one."""

    fields: dict[str, list[str]]
    at: int = 0
    said: set[str] = field(default_factory=set)
    named: bool = False
    closed: bool = False
    plan: list[tuple[list[str], float | None, int]] = field(default_factory=list)
    areas: dict[int, float] = field(default_factory=dict)
    test: int = 1
    tested: bool = False
    lists: list[RawList] = field(default_factory=list)
    summary_names: list[str] = field(default_factory=list)
    summary: list[klarf_summary.Declared] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def next(self, at: int) -> _Wafer:
        fields = {k: v for k, v in self.fields.items() if k not in _OF_ONE_WAFER}
        return _Wafer(fields, at, plan=self.plan, summary_names=self.summary_names)


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
    wafers = _collect(data, limits, notes)
    lists = DefectLists.decide(data, [w.lists for w in wafers])
    lines = Lines(data)
    for wafer in wafers:
        wafer.notes += notes
    yield from [_finish(wafer, lists.columns(data, index, limits), lines, index) for index, wafer in enumerate(wafers)]


def _collect(data: bytes, limits: Ingest, notes: list[str]) -> list[_Wafer]:
    wafer, done = _Wafer({}), []
    spec: Spec | None = None
    for record, tokens in _with_words(data, notes):
        if record.name in (DEFECT_LIST, MORE_ROWS):
            if record.name == MORE_ROWS and not wafer.lists:
                raise _syntax(data, record, "a record's name", "rows outside a DefectList")
            if spec is None:
                raise _syntax(data, record, "DefectRecordSpec before DefectList", "none")
            wafer.lists.append((spec, record.parts, record.at))
            continue
        if record.name == "defectrecordspec":
            spec = _spec(data, record, tokens, wafer.fields.get("tiffspec", []), notes)
            continue
        if _begins_wafer(wafer, record):
            done.append(wafer)
            wafer = wafer.next(record.at)
            if len(done) >= limits.max_wafers:
                raise _syntax(data, record, f"at most {limits.max_wafers} wafers", "more")
        wafer.said.add(record.name)
        _take(wafer, record, tokens)
    if wafer.named or wafer.lists or not done:
        done.append(wafer)
    return done


def _with_words(data: bytes, notes: list[str]) -> Iterator[tuple[Record, list[str]]]:
    """All records but EndOfFile, with their words; rows with a `;` each belong to the table that they follow."""
    table: tuple[Record, list[str]] | None = None
    unclosed: list[Record] = []
    for record in records(data):
        if record.name == END_OF_FILE:
            break
        if not record.closed:
            unclosed.append(record)
        tokens = [] if record.name == DEFECT_LIST else _words(data, record)
        if table is not None and record.name == MORE_ROWS:
            table[1].extend(tokens)
            continue
        if table is not None:
            yield table
        table = (record, tokens) if record.name in _TABLES else None
        if table is None:
            yield record, tokens
    if table is not None:
        yield table
    where = [(r.name or "the list", line_of(data, r.at)) for r in unclosed[:_MOST_OPEN]]
    notes += [f"no end: {name} at {line} lacks its `;` or a quote, the next record ends it" for name, line in where]
    if len(unclosed) > _MOST_OPEN:
        notes.append(f"no end: and {len(unclosed) - _MOST_OPEN} more records")


def _words(data: bytes, record: Record) -> list[str]:
    raw = data[slice(*record.parts[0])]
    return words(raw if record.closed else raw.rstrip().removesuffix(b";"))


def _begins_wafer(wafer: _Wafer, record: Record) -> bool:
    """Whether ``record`` belongs to the next wafer: a second WaferID, or a wafer's own field behind the summary or for the second time."""
    if record.name == "waferid":
        return wafer.named or bool(wafer.lists)
    return record.name in _OPENING and (wafer.closed or (bool(wafer.lists) and record.name in wafer.said))


def _take(wafer: _Wafer, record: Record, tokens: list[str]) -> None:
    """Put one record where it belongs."""
    name = record.name
    if name == "waferid":
        wafer.named, wafer.at = True, record.at
    if name == "inspectiontest":
        if not wafer.tested:
            # The plan of the wafer before was only lent until this wafer says its own.
            wafer.plan, wafer.tested = [], True
        wafer.test = int(number(tokens[0])) if tokens and np.isfinite(number(tokens[0])) else wafer.test
    elif name == "sampletestplan":
        if not wafer.tested:
            wafer.plan, wafer.tested = [], True
        wafer.plan.append((tokens[1:], number(tokens[0]) if tokens else None, record.at))
    elif name == "areapertest":
        if tokens and np.isfinite(number(tokens[0])):
            wafer.areas[wafer.test] = number(tokens[0])
    elif name == "summaryspec":
        wafer.summary_names = tokens[1:]
    elif name == "summarylist":
        wafer.summary += klarf_summary.declared(wafer.summary_names, tokens, wafer.areas)
        wafer.closed = bool(wafer.lists)
    else:
        wafer.fields[name] = tokens[1:] if name in _COUNTED else tokens


def _spec(data: bytes, record: Record, tokens: list[str], tiff: list[str], notes: list[str]) -> Spec:
    names = tuple(t.upper() for t in tokens[1:])
    if not names or len(set(names)) != len(names) or not all(map(_NAME.fullmatch, names)):
        raise _syntax(data, record, "DefectRecordSpec: a count and different column names", " ".join(tokens[:12]))
    if number(tokens[0]) != len(names):
        notes.append(f"spec: DefectRecordSpec declares {tokens[0][:20]} columns and names {len(names)}")
    per_image = 2
    if len(tiff) > 1 and tiff[0].startswith("6.1") and tiff[1].isdecimal() and 0 < int(tiff[1]) < 1000:
        per_image = int(tiff[1])
    return Spec(names, per_image)


def _finish(wafer: _Wafer, columns: dict[str, NDArray], lines: Lines, index: int) -> SourceWafer:
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
    notes += more + klarf_summary.notes(wafer.summary, columns, made.defects, made.dies)
    classes = header.class_names(wafer.fields.get("classlookup", []))
    return SourceWafer(index=index, map=made, notes=tuple(notes), classes=classes)


def _check_version(wafer: _Wafer, where: str, notes: list[str]) -> None:
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


def _syntax(data: bytes, record: Record, expected: str, got: str) -> FormatError:
    return FormatError(
        "klarf.syntax",
        where=line_of(data, record.at),
        expected=expected,
        got=got,
        action="Export the file again: this record is damaged.",
    )
