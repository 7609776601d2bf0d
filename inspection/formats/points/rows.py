"""The rows of a text table one by one, with their lines: slow, and only for saying where a file is wrong."""

from __future__ import annotations

import csv
from itertools import islice
from typing import TYPE_CHECKING

from inspection.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from inspection.formats.points.dialect import Dialect

_EMPTY = frozenset(("", "NA", "N/A", "nan", "NaN", "NULL", "null", "#N/A", "n/a", "-nan", "-NaN"))
_MEND = "Export the table again, or correct the line."


def rows(path: Path, dialect: Dialect) -> Iterator[tuple[int, list[str]]]:
    """Line (from 1) and cells of each row; blank lines and comments left out."""
    with path.open(encoding="utf-8-sig", errors="replace", newline=None) as file:
        lines = (line for line in islice(file, dialect.line, None))
        begun = dialect.line
        # The reader counts the lines it was given; a comment is given as a blank line, so that the count holds.
        reader = csv.reader(("\n" if line.lstrip().startswith("#") else line for line in lines), delimiter=dialect.delimiter)
        before = 0
        for cells in reader:
            if len(cells) > 1 or any(cell.strip() for cell in cells):
                yield begun + before + 1, cells
            before = reader.line_num


def line_of(path: Path, dialect: Dialect, row: int) -> str:
    """Where row ``row`` (from 0) begins."""
    found = next(islice(rows(path, dialect), row, None), None)
    return path.name if found is None else f"line {found[0]}"


def first_fault(path: Path, dialect: Dialect) -> FormatError:
    """What is wrong with the first row that cannot be read."""
    names, columns = dialect.columns.names, dialect.columns
    try:
        for line, cells in rows(path, dialect):
            if len(cells) != len(names):
                return _refused("row", line, f"{len(names)} cells, as in the header", len(cells))
            for meaning in columns.numbers:
                cell = cells[columns.at[meaning]].strip()
                if cell not in _EMPTY and not _is_number(cell, dialect):
                    return _refused("number", line, f"a number in {names[columns.at[meaning]]}", repr(cell[:40]))
    except csv.Error as error:
        return _refused("row", dialect.line, "a table of text", error)
    return _refused("row", dialect.line, "rows that can be read", "others")


def _is_number(cell: str, dialect: Dialect) -> bool:
    if "_" in cell:
        return False
    try:
        float(cell if dialect.decimal == "." else cell.replace(".", "?").replace(",", "."))
    except ValueError:
        return False
    return True


def _refused(code: str, line: int, expected: str, got: object) -> FormatError:
    return FormatError(f"points.{code}", where=f"line {line}", expected=expected, got=got, action=_MEND)
