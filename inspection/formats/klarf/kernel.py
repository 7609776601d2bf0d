"""Compiled loops of a long defect list: numbers, rows, columns. Importing this module imports numba.

`rowtext` and `columns` say the same for short lists in plain Python and NumPy, and are what these loops are tested
against. They keep the rules of `scan`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from inspection.compiled import compiled
from inspection.formats.klarf import images as klarf_images
from inspection.formats.klarf.scan import (
    LOWER,
    NONE,
    ONE,
    QUOTE,
    SEMICOLON,
    blank,
    ends_word,
    images_end,
    quote_end,
    word_end,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MINUS, _PLUS, _POINT, _E = (np.uint8(ord(c)) for c in "-+.e")
_NINE, _TEN, _ASCII_0 = (np.uint64(n) for n in (9, 10, ord("0")))
_DIGITS = np.uint64(18)
"""So many decimal digits always fit into 63 bits."""

_EXACT = np.uint64(1 << 53)
_TENS = np.array([float(f"1e{i}") for i in range(23)])
"""Powers of ten that are exact: a whole number up to 2^53 times or over one of them is rounded once, as `float` rounds."""

_MOST_TENS = len(_TENS) - 1
_LARGEST_INT32 = 2**31 - 1

walk = compiled(klarf_images.walk)


@compiled
def tokenise(  # noqa: C901, PLR0912, PLR0915 - one function, since a call for each number makes it four times slower
    raw: NDArray[np.uint8], begin: int, end: int, braces: bool, values: NDArray[np.float64], breaks: NDArray[np.int64]
) -> tuple[np.int64, np.int64, np.int64]:
    """Write each token's number and the number of tokens before each `;`; returns how many of both, and of inexact ones.

    NaN stands for a token that is no number, and for a number that is not exact by the short way: it is counted, and its text
    says which. With ``braces``, an image list `Images n {...}` is one token.
    """
    tokens = ends = inexact = NONE
    at, last = np.uint64(begin), np.uint64(end)
    while at < last:
        c = raw[at]
        if blank(c):
            at += ONE
            continue
        if c == SEMICOLON:
            breaks[ends] = np.int64(tokens)
            ends += ONE
            at += ONE
            continue
        if c == QUOTE:
            close = quote_end(raw, at + ONE, last)
            if close == last:  # a lone quote is nothing
                at += ONE
                continue
            values[tokens] = np.nan
            tokens += ONE
            at = close + ONE
            continue
        token = at
        negative = c == _MINUS
        if negative or c == _PLUS:
            at += ONE
        mantissa, fraction, power = NONE, NONE, np.int64(0)
        first = at
        digit = np.uint64(raw[at]) - _ASCII_0  # above 9 where it is none
        while digit <= _NINE:
            mantissa = _TEN * mantissa + digit
            at += ONE
            digit = np.uint64(raw[at]) - _ASCII_0
        digits = at - first
        if raw[at] == _POINT:
            at += ONE
            first = at
            digit = np.uint64(raw[at]) - _ASCII_0
            while digit <= _NINE:
                mantissa = _TEN * mantissa + digit
                at += ONE
                digit = np.uint64(raw[at]) - _ASCII_0
            fraction = at - first
            digits += fraction
        if raw[at] | LOWER == _E:
            at += ONE
            below = raw[at] == _MINUS
            if below or raw[at] == _PLUS:
                at += ONE
            first = at
            digit = np.uint64(raw[at]) - _ASCII_0
            while digit <= _NINE:
                power = 10 * power + np.int64(digit)
                at += ONE
                digit = np.uint64(raw[at]) - _ASCII_0
            if at == first or at - first > _DIGITS:
                digits = NONE
            if below:
                power = -power
        scale = power - np.int64(fraction)
        c = raw[at]
        number = digits > NONE and ends_word(c)
        exact = digits <= _DIGITS and (scale == 0 or (mantissa <= _EXACT and -_MOST_TENS <= scale <= _MOST_TENS))
        if number and exact:
            value = np.float64(np.int64(mantissa))
            if scale < 0:
                value /= _TENS[np.uint64(-scale)]
            elif scale > 0:
                value *= _TENS[np.uint64(scale)]
            values[tokens] = -value if negative else value
        else:
            values[tokens] = np.nan
            inexact += np.uint64(number)
            images = images_end(raw, token, last) if braces else NONE
            at = images if images > NONE else word_end(raw, at)
        tokens += ONE
    return np.int64(tokens), np.int64(ends), np.int64(inexact)


@compiled
def take_whole(values: NDArray[np.float64], starts: NDArray[np.int64], rows: tuple[int, int], place: int, made: NDArray[np.int32]) -> bool:
    """One column of rows ``rows[0]`` to ``rows[1]`` as int32, a negative ``place`` counted from the row's end; False where one is none."""
    whole = True
    for row in range(rows[0], rows[1]):
        value = values[np.uint64(starts[row] + place if place >= 0 else starts[row + 1] + place)]
        number = np.int32(value) if -_LARGEST_INT32 <= value <= _LARGEST_INT32 else np.int32(0)
        made[row] = number
        if number != value:
            whole = False
    return whole


@compiled
def take(
    values: NDArray[np.float64], starts: NDArray[np.int64], rows: tuple[int, int], place: int, unit: float, made: NDArray[np.float64]
) -> int:
    """One column of rows ``rows[0]`` to ``rows[1]`` over ``unit``, a negative ``place`` counted from the row's end; how many are NaN."""
    missing = 0
    for row in range(rows[0], rows[1]):
        value = values[np.uint64(starts[row] + place if place >= 0 else starts[row + 1] + place)]
        made[row] = value / unit
        missing += value != value  # noqa: PLR0124 - only a NaN differs from itself
    return missing
