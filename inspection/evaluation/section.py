"""A part of the report that another module fills: a title, a sentence, a table, a figure, pictures. Pure.

The page renders every section alike, so that slices, unknowns, label noise, retrieval or a scorecard come to it without the page knowing
any of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from inspection.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    Cell = str | int | float | None

DASH = "–"
_LIKE_A_NUMBER = re.compile(r"[+\-−<>~]?\s?\d")


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A picture of a section: ``png`` bytes, or the ``position`` in the test part of the wafer to draw.

    ``caption`` is read under it. Neighbours of the same ``group`` stand in one row with the group's name above.
    """

    caption: str
    png: bytes | None = None
    position: int | None = None
    group: str = ""

    def __post_init__(self) -> None:
        if (self.png is None) == (self.position is None):
            raise InputError(
                f"Cannot show a picture: expected either PNG bytes or a position in the test part, got "
                f"{'neither' if self.png is None else 'both'} ({self.caption!r}). Pass one of them."
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One section of the report.

    Attributes
    ----------
    key : lower-case letters, digits and dashes: the anchor on the page, no two alike
    title : the heading
    sentence : the result in words, read first
    text : how it came about and how to read it
    columns, rows : a table; each row has one cell per column: text, a count, a number (shown with three digits), None = a dash
    note : small print under the table
    figure, figure_text : PNG bytes, and what they show in words, for those who do not see it
    pictures : wafers to look at

    Raises
    ------
    InputError
        A key that is no anchor, a row of another length than ``columns``, or a figure without words.
    """

    key: str
    title: str
    sentence: str
    text: str = ""
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[Cell]] = ()
    note: str = ""
    figure: bytes | None = None
    figure_text: str = ""
    pictures: Sequence[Picture] = ()

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9-]*", self.key):
            raise InputError(f"Cannot add a section: expected a key of lower-case letters, digits and dashes, got {self.key!r}.")
        wrong = [len(row) for row in self.rows if len(row) != len(self.columns)]
        if wrong:
            raise InputError(
                f"Cannot add the section {self.key!r}: expected {len(self.columns)} cells in each row, got {wrong[0]}. "
                "Give one cell per column, None for what is not known."
            )
        if self.figure is not None and not self.figure_text:
            raise InputError(f"Cannot add the section {self.key!r}: its figure has no words. Say in figure_text what it shows.")

    @property
    def cells(self) -> list[list[str]]:
        """The rows as text."""
        return [[shown(cell) for cell in row] for row in self.rows]

    @property
    def words(self) -> list[bool]:
        """Per column: whether it holds words (set to the left) rather than numbers (to the right)."""
        columns = zip(*self.cells, strict=True) if self.rows else [()] * len(self.columns)
        return [any(cell and cell != DASH and not _LIKE_A_NUMBER.match(cell) for cell in column) for column in columns]

    @property
    def groups(self) -> list[tuple[str, list[Picture]]]:
        """The pictures row by row: name of the group, its pictures."""
        return [(name, list(found)) for name, found in groupby(self.pictures, key=lambda picture: picture.group)]


def shown(cell: Cell) -> str:
    """A cell for people.

    Examples
    --------
    >>> shown("Donut"), shown(1234), shown(0.25), shown(None), shown(float("nan"))
    ('Donut', '1234', '0.250', '–', '–')
    """
    if isinstance(cell, str):
        return cell
    if cell is None or not np.isfinite(cell):
        return DASH
    return f"{cell:.3f}" if isinstance(cell, (float, np.floating)) else str(cell)
