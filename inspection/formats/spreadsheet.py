"""Names in a CSV file that a spreadsheet may open: none of them may start a formula.

A class or a lot is named by whoever made a folder or a file. A cell that begins with ``=``, ``+``, ``-``, ``@``, a tab or a line's end is
run as a formula by spreadsheets; an apostrophe before it makes it a text (OWASP, "CSV Injection"). What we read again loses it again.
"""

from __future__ import annotations

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
