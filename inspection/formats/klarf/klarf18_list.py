"""The defect list of KLARF 1.8: rows that end at `;`, image lists in braces, nm and nm^2."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from inspection.errors import FormatError
from inspection.formats.klarf.columns import INTEGER_COLUMNS, Columns, check_count
from inspection.formats.klarf.images import RowForm
from inspection.formats.klarf.rowtext import ENDS, is_long, number, tokenise
from inspection.formats.klarf.tokens import line_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from inspection.formats.klarf.klarf18_tree import Table
    from inspection.formats.klarf.rowtext import Tokens
    from inspection.params import Ingest

NM_PER_UM = 1e3
UNITS = dict.fromkeys(("X", "Y", "XREL", "YREL", "XSIZE", "YSIZE", "DSIZE"), NM_PER_UM) | {"DEFECTAREA": NM_PER_UM**2}
"""Columns that 1.8 keeps in nm and nm^2 and a map in um and um^2, as 1.2 does."""

_NO_IMAGES = "N"
"""What stands in place of an image list; the text of a list itself is empty."""

_WHOLE_TYPES = frozenset(("int8", "int16", "int32", "int64", "uint32"))


def defect_columns(data: bytes, table: Table, limits: Ingest, before: int = 0) -> dict[str, NDArray]:
    """One array per column of a DefectList, of shape (rows,), in um and um^2; image lists are left out.

    A row without images may leave its image list out altogether. ``before``: so many defects the wafer has already.

    Raises
    ------
    FormatError
        ``klarf.rows``: a row with another number of tokens than columns, or another number of rows than declared;
        ``klarf.defects``: more than ``limits.max_defects``.
    """
    names = [n for _, n in table.columns]
    if not names or len(set(names)) != len(names):
        raise _rows_error(data, table, "different column names", " ".join(names)[:80])
    kinds = {name: kind for kind, name in table.columns}
    images = [i for i, name in enumerate(names) if kinds[name] == "imagelist"]
    # Where one may be missing, what stands behind it is counted from the row's end.
    behind = images[0] if len(images) == 1 else len(names)
    wanted = Columns(
        {name: i if i < behind else i - len(names) for i, name in enumerate(names) if i not in images},
        whole=(INTEGER_COLUMNS | {n for n, kind in kinds.items() if kind in _WHOLE_TYPES}) - UNITS.keys(),
        texts=frozenset(n for n, kind in kinds.items() if kind == "string"),
        units=UNITS,
        absent=_NO_IMAGES,
    )
    begin, end = table.data
    raw = memoryview(data)[begin:end]
    if is_long(len(raw)) and raw[-1] in ENDS:
        declared = number(table.rows)
        most = min(limits.max_defects - before, int(declared) if declared >= 0 else 0)
        found = wanted.stream(raw, RowForm(len(names), 0, -1, False, True, 0, ()), most, braces=True)
        if found is not None and all(len(column) == declared for column in found.values()):
            return found
    tokens = tokenise(raw, braces=True)
    rows = _rows(data, table, tokens, 1 if len(images) == 1 else 0)
    check_count(before + rows, limits, f"DefectList at {line_of(data, table.at)}")
    return wanted.take(tokens, np.concatenate(([0], tokens.breaks)))


def _rows(data: bytes, table: Table, tokens: Tokens, spare: int) -> int:
    """Number of rows, after each was found to have one token per column, less ``spare``, and a `;`, and all to be as many as declared."""
    width, rows = len(table.columns), len(tokens.breaks)
    sizes = np.diff(tokens.breaks, prepend=0)
    bad = (sizes > width) | (sizes < width - spare)
    bad[_rows_with_images(tokens, sizes < width)] = True
    if bad.any():
        row = int(bad.argmax())
        raise _rows_error(data, table, f"{width} tokens in row {row + 1}", str(int(sizes[row])))
    if behind := len(tokens.values) - (int(tokens.breaks[-1]) if rows else 0):
        raise _rows_error(data, table, "`;` at the end of each row", f"{behind} tokens behind the last one")
    if number(table.rows) != rows:
        raise _rows_error(data, table, f"{table.rows[:20]} rows as declared by Data", str(rows))
    return rows


def _rows_with_images(tokens: Tokens, short: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Those of the ``short`` rows that hold an image list, so that another column is missing."""
    if not short.any():
        return np.empty(0, np.int64)
    words = np.flatnonzero(np.isnan(tokens.values))
    rows = np.searchsorted(tokens.breaks, words, side="right")
    within = rows < len(short)
    within[within] = short[rows[within]]
    return rows[within][np.isin(tokens.texts(words[within]), (_NO_IMAGES, ""))]


def _rows_error(data: bytes, table: Table, expected: str, got: str) -> FormatError:
    return FormatError(
        "klarf.rows",
        where=f"DefectList at {line_of(data, table.at)}",
        expected=expected,
        got=got,
        action="The list is cut or damaged: hand the file in again when it is complete.",
    )
