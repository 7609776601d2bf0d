"""Further columns of a table of points as NumPy arrays of numbers or text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from inspection.errors import bounded

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from inspection.formats.points.columns import Columns

TEXT_BYTES = 64 << 20
"""NumPy gives every text of a column the room of its longest: one long remark must not cost gigabytes. Columns beyond this and eight times
the size of the file are left out."""


def attributes(table: pa.Table, columns: Columns, file_bytes: int, notes: list[str]) -> dict[str, NDArray]:
    """Every column without a meaning of use, under the file's own name, of shape (rows,); empty cells are NaN or empty text.

    A column that is empty all over, named twice, or too wide for its text is left out, and ``notes`` says so.
    """
    out: dict[str, NDArray] = {}
    left: list[str] = []
    budget = TEXT_BYTES + 8 * file_bytes
    for place, name in columns.attributes.items():
        column = table.column(str(place)) if str(place) in table.column_names else None
        if column is None or pa.types.is_null(column.type) or name in out:
            left.append(name)
        elif pa.types.is_dictionary(column.type) or pa.types.is_string(column.type):
            codes, texts = _encoded(column)
            budget -= len(codes) * texts.itemsize
            if budget < 0:
                left.append(name)
            else:
                out[name] = texts[codes]
        else:
            out[name] = column.to_numpy()
    if left:
        notes.append(f"left out, being empty, named twice, no plain numbers or text, or too wide: {bounded(left)}")
    return out


def _encoded(column: pa.ChunkedArray) -> tuple[NDArray, NDArray]:
    """Text as places in an array of different texts."""
    if not pa.types.is_dictionary(column.type):
        column = pc.dictionary_encode(column)
    merged = column.unify_dictionaries().combine_chunks()
    if isinstance(merged, pa.ChunkedArray):
        merged = merged.chunk(0)
    texts = np.array(merged.dictionary.to_pylist(), dtype=np.str_) if len(merged.dictionary) else np.array([""])
    return pc.fill_null(merged.indices, 0).to_numpy(zero_copy_only=False), texts
