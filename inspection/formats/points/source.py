"""A table of points as it was read, before anything is made of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from inspection.errors import FormatError
from inspection.formats.points.columns import UM

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from inspection.formats.points.columns import Columns
    from inspection.formats.points.sidecar import Sidecar


@dataclass(slots=True)
class PointsTable:
    """A table of points and what is known about it.

    Attributes
    ----------
    table : pyarrow.Table
        Columns named by their places in the header, as `points_csv.read_table` gives them.
    columns : Columns
    sidecar : Sidecar
    name : str
        Name of the only wafer where nothing else names one.
    file_bytes : int
    where : callable (row) -> str
        Where a row of the table, from 0, stands in the file.
    notes : list of str
        Of the whole file; each wafer bears them.
    """

    table: pa.Table
    columns: Columns
    sidecar: Sidecar
    name: str
    file_bytes: int
    where: Callable[[int], str]
    notes: list[str] = field(default_factory=list)

    def numbers(self, meaning: str) -> NDArray[np.float64]:
        """A column of known meaning in um (an index as it is), NaN where it is empty; of shape (rows,)."""
        values: NDArray[np.float64] = self.table.column(str(self.columns.at[meaning])).to_numpy().astype(np.float64, copy=False)
        scale = 1.0 if meaning.endswith("index") else UM[self.unit(meaning)]
        with np.errstate(over="ignore"):
            return values if scale == 1.0 else values * scale

    def unit(self, meaning: str) -> str:
        """The unit of a column: the header's, else the sidecar's, else um (a diameter: mm)."""
        of_header = self.columns.units.get(meaning)
        return of_header or ("mm" if meaning == "diameter" else self.sidecar.unit or "um")

    def refused(self, code: str, row: int, expected: str, got: object) -> FormatError:
        """The error of one row."""
        action = "Correct the table, or say in its sidecar what its columns mean, and send it again."
        return FormatError(f"points.{code}", where=self.where(row), expected=expected, got=got, action=action)


def without_blank_rows(table: pa.Table) -> pa.Table:
    """Less the last rows whose cells are all empty, as spreadsheets leave them."""
    blank = None
    for column in sorted(table.columns, key=lambda c: (_is_text(c), -c.null_count)):  # a number that is never empty ends it at once
        if _is_text(column):
            one = pc.fill_null(pc.equal(pc.utf8_trim_whitespace(column.cast(pa.string())), ""), fill_value=True)
        else:
            one = pc.is_null(column)
        blank = one if blank is None else pc.and_(blank, one)
        if not pc.any(blank).as_py():
            return table
    if blank is None:
        return table
    filled = np.flatnonzero(~blank.to_numpy())
    return table.slice(0, int(filled[-1]) + 1 if len(filled) else 0)


def _is_text(column: pa.ChunkedArray) -> bool:
    return bool(pa.types.is_dictionary(column.type) or pa.types.is_string(column.type))
