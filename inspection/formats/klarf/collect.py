"""Records of a file of the line family, wafer by wafer, before anything is made of them.

A wafer reaches from its WaferID to the next one; specs, geometry and identity carry over until they are said again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from inspection.errors import FormatError
from inspection.formats.klarf import summary as klarf_summary
from inspection.formats.klarf.images import RowForm, Spec, row_starts
from inspection.formats.klarf.records import DEFECT_LIST, KNOWN, MORE_ROWS, records
from inspection.formats.klarf.rowtext import missing, number, tokenise
from inspection.formats.klarf.tokens import END_OF_FILE, line_of, text, words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from inspection.formats.klarf.lists import RawList
    from inspection.formats.klarf.records import Record
    from inspection.params import Ingest

_NAME = re.compile(r"[^\W\d][^\s{}]*")
_OF_ONE_WAFER = ("slot", "slotid", "slotnumber", "waferscribe", "processequipmentidlist")
_OPENING = (
    *("slot", "slotid", "samplecenterlocation", "lotid", "deviceid", "stepid", "setupid", "resulttimestamp"),
    *("samplesize", "diepitch", "dieorigin", "orientationmarklocation", "coordinatesmirrored", "inspectionstationid"),
)
"""Behind a summary, or behind a list when they are said again, these speak of the next wafer, whose WaferID is still to come."""

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
_BREAK = re.compile(rb"[\r\n]")
_LONGEST_WORD = 4096


@dataclass(slots=True)
class RawWafer:
    """A wafer while its records come in; ``fields`` carries over to the next one, ``open_list_at`` is where a list without end begins."""

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
    open_list_at: int | None = None
    summary_names: list[str] = field(default_factory=list)
    summary: list[klarf_summary.Declared] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def next(self, at: int) -> RawWafer:
        """The wafer behind this one, with all that carries over to it."""
        fields = {k: v for k, v in self.fields.items() if k not in _OF_ONE_WAFER}
        return RawWafer(fields, at, plan=self.plan, summary_names=self.summary_names)


def collect(data: bytes, limits: Ingest, notes: list[str]) -> list[RawWafer]:
    """The wafers of a file, in its order; ``notes`` takes what is odd about its records.

    Raises
    ------
    FormatError
        ``klarf.syntax``: a record where it cannot be, or more than ``limits.max_wafers``; and those of `records`.
    """
    wafer, done = RawWafer({}), []
    spec: Spec | None = None
    rows: Record | None = None
    for record, tokens in _with_words(data, notes):
        if rows is not None and spec is not None and _cuts_a_row(data, rows, record, spec):
            got = text(data[record.at : record.at + 40])
            raise _syntax(data, record, "another record behind the list's `;`, or quotes around a text that holds one", got)
        rows = record if record.name in (DEFECT_LIST, MORE_ROWS) else None
        if record.name in (DEFECT_LIST, MORE_ROWS):
            if record.name == MORE_ROWS and not wafer.lists:
                raise _syntax(data, record, "a record's name", "rows outside a DefectList")
            if spec is None:
                raise _syntax(data, record, "DefectRecordSpec before DefectList", "none")
            wafer.lists.append((spec, record.parts, record.at))
            wafer.open_list_at = wafer.open_list_at if record.closed else record.at
            continue
        if record.name == "defectrecordspec":
            spec = _spec(data, record, tokens, wafer.fields.get("tiffspec", []), notes)
            continue
        if _begins_wafer(wafer, record, tokens):
            done.append(wafer)
            wafer = wafer.next(record.at)
            if len(done) >= limits.max_wafers:
                raise _syntax(data, record, f"at most {limits.max_wafers} wafers", "more")
        wafer.said.add(record.name)
        _take(wafer, record, tokens)
    if wafer.named or wafer.lists or not done:
        done.append(wafer)
    else:  # what stands behind the last summary speaks of the wafer before it, where that has not said it
        done[-1].fields |= {name: wafer.fields[name] for name in wafer.said - done[-1].said if name in wafer.fields}
    return done


def _cuts_a_row(data: bytes, rows: Record, record: Record, spec: Spec) -> bool:
    """Whether a `;` inside an unquoted text ended ``rows``: what follows has no known name, and goes on in the same line.

    Where the list is but one line, the rest of the text has further rows behind it, with texts of their own, or nothing where it was
    the last row's. Rows of numbers alone may be a tool's own record; if they were rows, the summary's count shows it.
    """
    if not rows.parts or KNOWN.match(data, record.at) or record.name == MORE_ROWS:
        return False
    first, last = rows.parts[0][0], rows.parts[-1][1]
    if _BREAK.search(data, last, record.at) is not None:
        return False
    if _BREAK.search(data, first, last) is not None:
        return True
    behind = tokenise(data[slice(*record.parts[0])])
    if not len(behind.values):
        word = data[max(first, last - _LONGEST_WORD) : last].split()[-1:]
        return spec.names[-1] != "IMAGELIST" and any(np.isnan(number(text(w))) and not missing(text(w)) for w in word)
    worded = bool(np.isnan(behind.values).any())
    return worded and any(row_starts(behind, RowForm.of(spec, layout)) is not None for layout in spec.layouts)


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


def _begins_wafer(wafer: RawWafer, record: Record, tokens: list[str]) -> bool:
    """Whether ``record`` belongs to the next wafer: a second WaferID, or a wafer's own field behind the summary or for the second time."""
    if record.name == "waferid":
        return bool(wafer.lists) or (wafer.named and tokens != wafer.fields["waferid"])
    return record.name in _OPENING and (wafer.closed or (bool(wafer.lists) and record.name in wafer.said))


def _take(wafer: RawWafer, record: Record, tokens: list[str]) -> None:
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


def _syntax(data: bytes, record: Record, expected: str, got: str) -> FormatError:
    return FormatError(
        "klarf.syntax",
        where=line_of(data, record.at),
        expected=expected,
        got=got,
        action="Export the file again: this record is damaged.",
    )
