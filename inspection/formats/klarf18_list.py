"""The defect list of KLARF 1.8: rows that end at `;`, image lists in braces, nm and nm^2."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from inspection.errors import FormatError
from inspection.formats.klarf_columns import INTEGER_COLUMNS, NOT_A_NUMBER, number, numbers, whole
from inspection.formats.klarf_tokens import line_of, text

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from inspection.formats.klarf18_tree import Table
    from inspection.params import Ingest

NM_PER_UM = 1e3
LENGTHS = frozenset(("X", "Y", "XREL", "YREL", "XSIZE", "YSIZE", "DSIZE"))
AREAS = frozenset(("DEFECTAREA",))
"""Columns that 1.8 keeps in nm and nm^2 and a map in um and um^2, as 1.2 does."""

_IMAGES = re.compile(rb'(?<![^\s;])Images?\s++[^\s{}";]++\s*+\{(?:[^{}"]++|"[^"]*+")*+\}', re.IGNORECASE)
_NO_NUMBER = re.compile(rb"(?<![^\s;])N(?:/?A|ULL)?(?![^\s;])")
_NO_NUMBERS = (*NOT_A_NUMBER, b"N", b"nan")
_CELL = re.compile(rb'"[^"]*"|[^\s";]+|;')
_WHOLE_TYPES = ("int8", "int16", "int32", "int64", "uint32")


def defect_columns(data: bytes, table: Table, limits: Ingest) -> dict[str, NDArray]:
    """One array per column of a DefectList, of shape (rows,), in um and um^2; image lists are left out.

    Raises
    ------
    FormatError
        ``klarf.rows``: a row with another number of tokens than columns, or another number of rows than declared;
        ``klarf.defects``: more than ``limits.max_defects``.
    """
    names = [n for _, n in table.columns]
    where = f"DefectList at {line_of(data, table.at)}"
    if not names or len(set(names)) != len(names):
        raise _rows_error(where, "different column names", " ".join(names)[:80])
    raw = data[slice(*table.data)]
    if b"{" in raw:
        raw = _IMAGES.sub(b" N ", raw)
    _check_rows(raw, len(names), table.rows, where, limits)
    values, texts = _values(raw)
    grid = values.reshape(-1, len(names))
    columns: dict[str, NDArray] = {}
    for i, (kind, name) in enumerate(table.columns):
        if kind == "imagelist":
            continue
        own = None if texts is None else texts[i :: len(names)]
        columns[name] = _column(kind, name, np.ascontiguousarray(grid[:, i]), own)
    return columns


def _values(raw: bytes) -> tuple[NDArray[np.float64], list[bytes] | None]:
    """All tokens as numbers, and as they stand where some of them are words."""
    if b'"' not in raw:
        plain = raw.replace(b";", b" ")
        values = numbers(plain)
        if values is None:
            values = numbers(_NO_NUMBER.sub(b" nan ", plain))
        if values is not None:
            return values, None
    texts = [t for t in _CELL.findall(raw) if t != b";"]
    return np.array([number(text(t)) for t in texts], dtype=np.float64), texts


def _column(kind: str, name: str, values: NDArray[np.float64], texts: list[bytes] | None) -> NDArray:
    if texts is not None and (kind == "string" or _has_words(values, texts)):
        return np.array([text(t).strip('"') for t in texts], dtype=np.str_)
    if name in LENGTHS:
        return values / NM_PER_UM
    if name in AREAS:
        return values / NM_PER_UM**2
    return whole(values) if name in INTEGER_COLUMNS or kind in _WHOLE_TYPES else values


def _has_words(values: NDArray[np.float64], texts: list[bytes]) -> bool:
    return any(texts[i] not in _NO_NUMBERS for i in np.flatnonzero(np.isnan(values)).tolist())


def _check_rows(raw: bytes, width: int, declared: str, where: str, limits: Ingest) -> None:
    """Every row has ``width`` tokens and a `;`, and there are as many as declared."""
    ends, count = 0, 0
    if b'"' in raw or b"{" in raw:
        for token in _CELL.findall(raw):
            if token == b";":
                ends += 1
                if count != ends * width:
                    raise _rows_error(where, f"{width} tokens in row {ends}", str(count - (ends - 1) * width))
            else:
                count += 1
    else:
        chars = np.frombuffer(raw, dtype=np.uint8)
        semicolon = chars == ord(";")
        solid = (chars > ord(" ")) & ~semicolon
        begins = solid & ~np.concatenate(([False], solid[:-1]))
        count = int(np.count_nonzero(begins))
        at = np.flatnonzero(semicolon)
        ends = len(at)
        so_far = np.searchsorted(np.flatnonzero(begins), at)
        bad = np.flatnonzero(so_far != np.arange(1, ends + 1) * width)
        if len(bad):
            row = int(bad[0])
            before = int(so_far[row - 1]) if row else 0
            raise _rows_error(where, f"{width} tokens in row {row + 1}", str(int(so_far[row]) - before))
    if count != ends * width:
        raise _rows_error(where, "`;` at the end of each row", f"{count - ends * width} tokens behind the last one")
    if number(declared) != ends:
        raise _rows_error(where, f"{declared[:20]} rows as declared by Data", str(ends))
    if ends > limits.max_defects:
        raise FormatError(
            "klarf.defects",
            where=where,
            expected=f"at most {limits.max_defects} defects",
            got=ends,
            action="Raise ingest.max_defects in params.yaml if the wafer is meant to hold that many.",
        )


def _rows_error(where: str, expected: str, got: str) -> FormatError:
    return FormatError(
        "klarf.rows",
        where=where,
        expected=expected,
        got=got,
        action="The list is cut or damaged: hand the file in again when it is complete.",
    )
