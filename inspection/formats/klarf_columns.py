"""Rows of a defect list as named columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from inspection.formats.klarf_rowtext import cores, number, spread

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from numpy.typing import NDArray

    from inspection.formats.klarf_rowtext import Tokens

NOT_A_NUMBER = frozenset(("NA", "N/A", "NULL", "nan"))
INTEGER_COLUMNS = frozenset(
    [
        "DEFECTID",
        "XINDEX",
        "YINDEX",
        "CLASSNUMBER",
        "TEST",
        "CLUSTERNUMBER",
        "ROUGHBINNUMBER",
        "FINEBINNUMBER",
        "REVIEWSAMPLE",
        "IMAGECOUNT",
        "SAMPLEBINNUMBER",
        "CHANNELID",
        "MANSEMCLASS",
        "AUTOSEMCLASS",
        "AUTOONSEMCLASS",
        "MICROSIGCLASS",
        "MACROSIGCLASS",
        "ADDERFLAG",
        "AUTOOFFSEMCLASS",
        "AUTOOFFOPTADC",
        "FACLASS",
        "INTENSITY",
        "MACROSIGID",
        "REGIONID",
        "REPEATER",
        "EVENTTYPE",
        "EBRLINE",
        "POLARITY",
        "MANOPTCLASS",
        "DBCLASS",
        "DBGROUP",
        "CAREAREAGROUPCODE",
        "NUISANCE",
        "CHIP_KILLER",
    ]
)

_BLOCK = 1 << 13
"""Rows whose columns are taken together: their tokens stay in the processor's cache."""


def columns(
    tokens: Tokens,
    starts: NDArray[np.int64],
    places: Mapping[str, int],
    *,
    whole_names: Collection[str] = INTEGER_COLUMNS,
    text_names: Collection[str] = (),
    units: Mapping[str, float] | None = None,
    not_numbers: Collection[str] = NOT_A_NUMBER,
) -> dict[str, NDArray]:
    """One array of shape (rows,) per column.

    Parameters
    ----------
    tokens : Tokens
    starts : ndarray of shape (rows + 1,), int64
        First token of each row, and the end of the last one.
    places : mapping of str to int
        Place of each column in its row; a negative one counts from the row's end.
    whole_names, text_names : collection of str
        Columns of whole numbers (int32, int64 where too large, float64 where one is NaN or a fraction), and of text. All others
        are float64, NaN where the text is one of ``not_numbers``; a column with other words stays text.
    units : mapping of str to float
        By what a column is divided.
    """
    units = units or {}
    numeric = {n: p for n, p in places.items() if n not in text_names}
    whole = {n for n in numeric if n in whole_names and n not in units}
    take = _taken if tokens.cells is not None else _taken_by_kernel
    made = take(tokens, starts, numeric, whole, units)
    out: dict[str, NDArray] = {}
    for name, place in places.items():
        column = made.get(name)
        if column is None or (column.dtype.kind == "f" and np.isnan(column).any()):
            at = (starts[:-1] if place >= 0 else starts[1:]) + place
            column = _with_words(tokens, at, column, units.get(name, 1.0), not_numbers)
        out[name] = whole_numbers(column) if name in whole and column.dtype.kind == "f" else column
    return out


def whole_numbers(values: NDArray[np.float64]) -> NDArray:
    """``values`` as int32, int64 where too large, or unchanged where one of them is no whole number."""
    if not len(values):
        return values.astype(np.int32)
    if not np.isfinite(values).all() or np.any(values != np.floor(values)):
        return values
    largest = np.abs(values).max()
    return values if largest >= 2**53 else values.astype(np.int32 if largest < 2**31 else np.int64)


def _with_words(
    tokens: Tokens, at: NDArray[np.int64], column: NDArray[np.float64] | None, unit: float, not_numbers: Collection[str]
) -> NDArray:
    """A column that holds other than numbers: NaN where nothing was measured, and text as a whole where a word means something."""
    if column is not None:
        odd = np.flatnonzero(np.isnan(column))
        words = tokens.texts(at[odd])
        numbers = {w: number(w) for w in set(words)}
        if all(w in not_numbers or not np.isnan(v) for w, v in numbers.items()):
            column[odd] = np.array([numbers[w] for w in words]) / unit
            return column
    return np.array(tokens.texts(at), dtype=np.str_)


def _taken(
    tokens: Tokens, starts: NDArray[np.int64], places: Mapping[str, int], whole: Collection[str], units: Mapping[str, float]
) -> dict[str, NDArray]:
    out = {}
    for name, place in places.items():
        values = tokens.values[(starts[:-1] if place >= 0 else starts[1:]) + place]
        out[name] = whole_numbers(values) if name in whole else values / units.get(name, 1.0)
    return out


def _taken_by_kernel(
    tokens: Tokens, starts: NDArray[np.int64], places: Mapping[str, int], whole: Collection[str], units: Mapping[str, float]
) -> dict[str, NDArray]:
    from inspection.formats import klarf_kernel as kernel  # noqa: PLC0415 - loads numba

    rows = len(starts) - 1
    out: dict[str, NDArray] = {n: np.empty(rows, dtype=np.int32 if n in whole else np.float64) for n in places}

    def blocks(first: int, last: int) -> set[str]:
        fractions = set()
        for begin in range(first, last, _BLOCK):
            block = (begin, min(begin + _BLOCK, last))
            for name, place in places.items():
                if name not in whole:
                    kernel.take(tokens.values, starts, block, place, units.get(name, 1.0), out[name])
                elif not kernel.take_whole(tokens.values, starts, block, place, out[name]):
                    fractions.add(name)
        return fractions

    cuts = np.linspace(0, rows, 1 + max(1, min(cores(), rows // _BLOCK)), dtype=np.int64).tolist()
    for name in set().union(*spread(blocks, list(zip(cuts, cuts[1:], strict=False)))):
        out[name] = whole_numbers(tokens.values[(starts[:-1] if places[name] >= 0 else starts[1:]) + places[name]])
    return out
