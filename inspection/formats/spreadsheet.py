"""CSV tables that people write, and read with a spreadsheet: no name in them may start a formula, no line may fill the memory.

A class or a lot is named by whoever made a folder or a file. A cell that begins with ``=``, ``+``, ``-``, ``@``, a tab or a line's end is
run as a formula by spreadsheets; an apostrophe before it makes it a text (OWASP, "CSV Injection"). What we read again loses it again.
"""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST_LINE = 2**16
"""Characters: a million commas would be a million columns."""
LONGEST_TABLE = 2**28
"""Characters: some million wafers."""
_STARTS = frozenset("=+-@\t\r\n")
_QUOTE = "'"


def as_text(name: str) -> str:
    """``name`` as a cell that no spreadsheet runs; most names stay as they are.

    Examples
    --------
    >>> as_text("=1+1"), as_text("Ring")
    ("'=1+1", 'Ring')
    """
    return _QUOTE + name if _starts_formula(name) else name


def from_text(cell: str) -> str:
    """The name that `as_text` made ``cell`` of."""
    return cell[1:] if cell.startswith(_QUOTE) and _starts_formula(cell) else cell


def _starts_formula(name: str) -> bool:
    return name.lstrip(_QUOTE)[:1] in _STARTS


def lines_of(opened: TextIO, longest: int = LONGEST_TABLE) -> Iterator[str]:
    """The lines of a table for a reader of CSV, which would read a line of any length whole.

    Raises
    ------
    csv.Error
        A line of more than ``LONGEST_LINE`` characters, or more than ``longest`` in all.
    """
    left = longest
    while line := opened.readline(LONGEST_LINE + 1):
        if len(line) > LONGEST_LINE:
            raise csv.Error(f"a line of more than {LONGEST_LINE:,} characters")
        left -= len(line)
        if left < 0:
            raise csv.Error(f"more than {longest:,} characters")
        yield line
