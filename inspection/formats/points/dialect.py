"""Which dialect a text table of points is written in: what stands above its header, the header, its delimiter, units and decimals."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING

from inspection.errors import FormatError
from inspection.formats.points.columns import FACTS, Columns, squashed, unit_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    Resolve = Callable[[Sequence[str]], Columns | None]

DELIMITERS = (",", ";", "\t", "|")
SAMPLE_BYTES = 1 << 16
"""A header has to begin and end within the first bytes."""
MAX_COLUMNS = 1_000
MOST_ABOVE = 40
"""Lines with content that may stand above the header."""

_LINE = re.compile(rb"([^\r\n]*)(\r\n|\n|\r|\Z)")
_BOM = b"\xef\xbb\xbf"
_DECIMAL_COMMA = re.compile(r'\s*"?[+-]?\d*,\d+"?\s*')
_SEPARATOR = re.compile(rb'"?sep=.?"?', re.IGNORECASE)
"""How a spreadsheet says its delimiter in the line before the header."""
_SAID = re.compile(r'\s*"?([^,;\t|:="]+)"?\s*[,;\t|:=]\s*"?([^,;\t|"]+)"?[\s,;|]*')


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a text table is written.

    Attributes
    ----------
    delimiter, decimal : str
    start : int
        Place of the first byte behind the header, and behind the row of units below it.
    line : int
        The line, from 1, that the rows stand behind.
    columns : Columns
    said : mapping of str to str
        Facts of the wafer from the lines above the header (`Lot ID,L1` or `Lot ID: L1`).
    notes : tuple of str
    """

    delimiter: str
    decimal: str
    start: int
    line: int
    columns: Columns
    said: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def dialect_of(sample: bytes, resolve: Resolve) -> Dialect | None:
    """The dialect of a text that begins with ``sample``; None where it has no header with the place of a defect.

    Raises
    ------
    FormatError
        What ``resolve`` raises, where no line and delimiter give a header that it accepts.
    """
    if b"\0" in sample:
        return None
    refused: FormatError | None = None
    said: dict[str, str] = {}
    for above, (number, line, end) in enumerate(islice(_lines(sample), MOST_ABOVE + 1)):
        for delimiter in DELIMITERS:
            try:
                header = _cells(line, delimiter)
                columns = resolve(header) if 2 <= len(header) <= MAX_COLUMNS else None
            except csv.Error:
                continue
            except FormatError as error:
                refused = refused or error
                continue
            if columns is not None:
                notes = () if not above else (f"above the header: {above} lines, of which {', '.join(said) or 'nothing'} is taken",)
                return _with_units(sample, Dialect(delimiter, ".", end, number, columns, said, notes))
        if (one := _SAID.fullmatch(decoded(line))) is not None:
            stem = squashed(one[1])[0]
            said.update((fact, one[2].strip()) for fact, usual in FACTS.items() if stem in usual and fact not in said)
    if refused is not None:
        raise refused
    return None


def _lines(sample: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Number (from 1), content and end of the lines that are whole, and neither blank nor a comment."""
    start = len(_BOM) if sample.startswith(_BOM) else 0
    for number, found in enumerate(_LINE.finditer(sample, start), 1):
        line = found[1].strip()
        if found.end() == len(sample) == SAMPLE_BYTES:
            return
        if line and not line.startswith(b"#") and not _SEPARATOR.fullmatch(line):
            yield number, line, found.end()
        if found.end() == len(sample):
            return


def _cells(line: bytes, delimiter: str) -> list[str]:
    return next(csv.reader([decoded(line)], delimiter=delimiter, skipinitialspace=True, strict=True), [])


def _with_units(sample: bytes, dialect: Dialect) -> Dialect:
    """``dialect`` with the units of the row below the header, where that is a row of units, and with its decimals."""
    columns = dialect.columns
    below = _LINE.match(sample, dialect.start)
    places = ("xrel", "yrel") if columns.relative else ("x", "y")
    try:
        cells = [] if below is None else _cells(below[1], dialect.delimiter)
    except csv.Error:
        cells = []
    units = {m: unit for m, i in columns.at.items() if i < len(cells) and (unit := unit_of(cells[i])) is not None}
    if below is not None and units.keys() >= set(places):
        columns = replace(columns, units={**columns.units, **units})
        dialect = replace(dialect, columns=columns, start=below.end(), line=dialect.line + 1)
    return replace(dialect, decimal=_decimal(sample[dialect.start :], dialect.delimiter, columns))


def decoded(content: bytes) -> str:
    """UTF-8, or Latin-1 where it is none."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _decimal(rows: bytes, delimiter: str, columns: Columns) -> str:
    if delimiter == ",":
        return "."
    places = [columns.at[m] for m in columns.numbers]
    for line in rows.splitlines():
        cells = decoded(line).split(delimiter)
        if any(i < len(cells) and _DECIMAL_COMMA.fullmatch(cells[i]) for i in places):
            return ","
    return "."
