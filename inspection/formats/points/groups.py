"""Which rows of a table of points are one inspection of one wafer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from inspection.formats.points.columns import FACTS, INSPECTION

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from inspection.formats.points.columns import Columns

Codes = tuple["NDArray[np.integer]", list[str]]
"""A fact of each row as a place in a list of different texts."""


@dataclass(frozen=True, slots=True)
class Groups:
    """Rows by wafer, the wafers in the order of their first rows.

    Attributes
    ----------
    order : ndarray of shape (rows,) or None
        Brings the rows of each wafer together, in the table's order; None = they are together.
    starts : ndarray of shape (wafers + 1,)
        Where each wafer begins in that order.
    facts : mapping of str to (codes, texts)
        Every fact that the table has, by row of the table.
    """

    order: NDArray[np.int64] | None
    starts: NDArray[np.int64]
    facts: Mapping[str, Codes]

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def first(self) -> NDArray[np.int64]:
        """First row of each wafer in the table."""
        return self.starts[:-1] if self.order is None else self.order[self.starts[:-1]]

    def of(self, fact: str) -> tuple[list[str], NDArray[np.bool_]]:
        """A fact of each wafer by its first row, and whether further rows say something else."""
        codes, texts = self.facts[fact]
        if not len(self):
            return [], np.zeros(0, bool)
        ordered = codes if self.order is None else codes[self.order]
        begins = self.starts[:-1]
        varies = np.minimum.reduceat(ordered, begins) != np.maximum.reduceat(ordered, begins)
        return [texts[c] for c in ordered[begins].tolist()], varies


def grouped(table: pa.Table, columns: Columns) -> Groups:
    """The wafers of a table whose columns are named by their places: rows that agree in `INSPECTION` are one."""
    facts = {fact: _codes(table.column(str(columns.at[fact]))) for fact in FACTS if fact in columns.at and fact != "diameter"}
    which = _merged([facts[f] for f in INSPECTION if f in facts], table.num_rows)
    wafers = int(which.max()) + 1 if len(which) else 0
    # NumPy sorts 16 bits by radix, ten times as fast as more of them.
    narrow = which.astype(np.uint16) if wafers < 2**16 else which
    order = None if bool(np.all(which[1:] >= which[:-1])) else np.argsort(narrow, kind="stable")
    return Groups(order, np.concatenate(([0], np.cumsum(np.bincount(which, minlength=wafers)))).astype(np.int64), facts)


def _codes(column: pa.ChunkedArray) -> Codes:
    if not len(column):
        return np.zeros(0, np.int64), []
    merged = column.unify_dictionaries().combine_chunks()
    if isinstance(merged, pa.ChunkedArray):
        merged = merged.chunk(0)
    codes = merged.indices.to_numpy()
    places: dict[str, int] = {}
    remap = np.array([places.setdefault(str(text).strip(), len(places)) for text in merged.dictionary.to_pylist()])
    return (codes if len(places) == len(remap) else remap[codes]), list(places)


def _merged(facts: Iterable[Codes], rows: int) -> NDArray[np.int64]:
    """One number per row, equal where all facts are, counted in the order of first appearance."""
    which = np.zeros(rows, np.int64)
    for codes, texts in facts:
        if len(texts) > 1:
            # Made dense again each time, so that the product never leaves 64 bits.
            which *= len(texts)
            which += codes
            which = pc.dictionary_encode(pa.array(which)).indices.to_numpy().astype(np.int64)
    return which
