"""Compiled loops over the bytes of a long defect list; importing this module imports numba.

`klarf_rowtext` says the same for short lists in plain Python and is what these loops are tested against. All of them release the
interpreter's lock, so that parts of one list run in threads. Every range of bytes ends with a blank or a `;`: no inner loop looks
for the end. Places are unsigned, since a signed one costs a test for counting from the end at every byte. Compiled code is kept
beside the package, in the user's cache or in ``NUMBA_CACHE_DIR``; where none of them can be written, each process compiles anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numba
import numpy as np

from inspection.formats import klarf_images

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

QUOTE, SEMICOLON, OPEN, CLOSE = (np.uint8(ord(c)) for c in '";{}')
_SPACE, _TAB, _RETURN = (np.uint8(ord(c)) for c in " \t\r")
_MINUS, _PLUS, _POINT, _E, _S = (np.uint8(ord(c)) for c in "-+.es")
_LOWER = np.uint8(0x20)
_IMAGE = np.frombuffer(b"image", dtype=np.uint8)
_NONE, _ONE, _NINE, _TEN, _ASCII_0 = (np.uint64(n) for n in (0, 1, 9, 10, ord("0")))
_DIGITS = np.uint64(18)
"""So many decimal digits always fit into 63 bits."""

_EXACT = np.uint64(1 << 53)
_TENS = np.array([float(f"1e{i}") for i in range(23)])
"""Powers of ten that are exact: a whole number up to 2^53 times or over one of them is rounded once, as `float` rounds."""

_MOST_TENS = len(_TENS) - 1
_LARGEST_INT32 = 2**31 - 1
_RUN = 128


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """``function`` compiled on its first call, without the interpreter's lock."""
    try:
        return numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:  # no folder where numba may keep what it compiled
        return numba.njit(nogil=True)(function)


walk = compiled(klarf_images.walk)


@compiled
def _blank(c: np.uint8) -> bool:
    return c == _SPACE or _TAB <= c <= _RETURN


@compiled
def _ends_token(raw: NDArray[np.uint8], at: np.uint64) -> int:
    """1 where the last byte of a token of a list without quotes stands; free of branches, so that it runs on vectors."""
    c, d = raw[at], raw[at + _ONE]
    here = np.uint8(c == _SPACE) | np.uint8(np.uint8(c - _TAB) <= 4) | np.uint8(c == SEMICOLON)
    ahead = np.uint8(d == _SPACE) | np.uint8(np.uint8(d - _TAB) <= 4) | np.uint8(d == SEMICOLON)
    return np.uint8(~here & ahead & np.uint8(1))


@compiled
def count(raw: NDArray[np.uint8], begin: int, end: int) -> int:
    """Number of tokens in a range without quotes."""
    tokens = np.int64(0)
    at, last = np.uint64(begin), np.uint64(end - 1)
    while at + np.uint64(_RUN) <= last:
        run = np.uint8(0)
        for i in range(_RUN):
            run = np.uint8(run + _ends_token(raw, at + np.uint64(i)))
        tokens += np.int64(run)
        at += np.uint64(_RUN)
    while at < last:
        tokens += np.int64(_ends_token(raw, at))
        at += _ONE
    return tokens


@compiled
def occurrences(raw: NDArray[np.uint8], begin: int, end: int, char: np.uint8) -> int:
    """How often ``char`` stands in a range."""
    found = np.int64(0)
    at, last = np.uint64(begin), np.uint64(end)
    while at + np.uint64(_RUN) <= last:
        run = np.uint8(0)
        for i in range(_RUN):
            run = np.uint8(run + np.uint8(raw[at + np.uint64(i)] == char))
        found += np.int64(run)
        at += np.uint64(_RUN)
    while at < last:
        found += np.int64(raw[at] == char)
        at += _ONE
    return found


@compiled
def _quote_end(raw: NDArray[np.uint8], at: np.uint64, end: np.uint64) -> np.uint64:
    """Place of the quote that closes the one before ``at``; ``end`` where there is none."""
    while at < end and raw[at] != QUOTE:
        at += _ONE
    return at


@compiled
def _word_end(raw: NDArray[np.uint8], at: np.uint64) -> np.uint64:
    while not (_blank(raw[at]) or raw[at] == SEMICOLON or raw[at] == QUOTE):
        at += _ONE
    return at


@compiled
def block_end(raw: NDArray[np.uint8], begin: int, end: int) -> int:
    """Place of the brace that closes the one before ``begin``, quoted ones not counted; ``end`` where there is none."""
    depth = 1
    at, last = np.uint64(begin), np.uint64(end)
    while at < last:
        c = raw[at]
        if c == QUOTE:
            at = _quote_end(raw, at + _ONE, last)
        elif c == OPEN:
            depth += 1
        elif c == CLOSE:
            depth -= 1
            if depth == 0:
                return np.int64(at)
        at += _ONE
    return end


@compiled
def _images_end(raw: NDArray[np.uint8], at: np.uint64, end: np.uint64) -> np.uint64:
    """Place behind the image list `Images n {...}` that begins at ``at``, 0 where none does."""
    if np.uint64(len(_IMAGE)) + at >= end:
        return _NONE
    for i in range(len(_IMAGE)):
        if raw[at + np.uint64(i)] | _LOWER != _IMAGE[i]:
            return _NONE
    at += np.uint64(len(_IMAGE))
    if raw[at] | _LOWER == _S:
        at += _ONE
    if at == end or not _blank(raw[at]):
        return _NONE
    while at < end and _blank(raw[at]):
        at += _ONE
    first = at
    while at < end and not (_blank(raw[at]) or raw[at] == OPEN or raw[at] == CLOSE or raw[at] == SEMICOLON or raw[at] == QUOTE):
        at += _ONE
    if at == first:
        return _NONE
    while at < end and _blank(raw[at]):
        at += _ONE
    if at == end or raw[at] != OPEN:
        return _NONE
    at += _ONE
    while at < end and raw[at] != CLOSE:
        if raw[at] == OPEN:
            return _NONE
        if raw[at] == QUOTE:
            at = _quote_end(raw, at + _ONE, end)
        at += _ONE
    return at + _ONE if at < end else _NONE


@compiled
def tokenise(  # noqa: C901, PLR0912, PLR0915 - one function, since a call for each number makes it four times slower
    raw: NDArray[np.uint8], begin: int, end: int, braces: bool, values: NDArray[np.float64], breaks: NDArray[np.int64]
) -> tuple[int, int, int]:
    """Write each token's number and the number of tokens before each `;`; returns how many of both, and of inexact ones.

    NaN stands for a token that is no number, and for a number that is not exact by the short way: it is counted, and its text
    says which. With ``braces``, an image list `Images n {...}` is one token.
    """
    tokens = ends = inexact = _NONE
    at, last = np.uint64(begin), np.uint64(end)
    while at < last:
        c = raw[at]
        if _blank(c):
            at += _ONE
            continue
        if c == SEMICOLON:
            breaks[ends] = np.int64(tokens)
            ends += _ONE
            at += _ONE
            continue
        if c == QUOTE:
            close = _quote_end(raw, at + _ONE, last)
            if close == last:  # a lone quote is nothing
                at += _ONE
                continue
            values[tokens] = np.nan
            tokens += _ONE
            at = close + _ONE
            continue
        token = at
        negative = c == _MINUS
        if negative or c == _PLUS:
            at += _ONE
        mantissa, fraction, power = _NONE, _NONE, np.int64(0)
        first = at
        digit = np.uint64(raw[at]) - _ASCII_0  # above 9 where it is none
        while digit <= _NINE:
            mantissa = _TEN * mantissa + digit
            at += _ONE
            digit = np.uint64(raw[at]) - _ASCII_0
        digits = at - first
        if raw[at] == _POINT:
            at += _ONE
            first = at
            digit = np.uint64(raw[at]) - _ASCII_0
            while digit <= _NINE:
                mantissa = _TEN * mantissa + digit
                at += _ONE
                digit = np.uint64(raw[at]) - _ASCII_0
            fraction = at - first
            digits += fraction
        if raw[at] | _LOWER == _E:
            at += _ONE
            below = raw[at] == _MINUS
            if below or raw[at] == _PLUS:
                at += _ONE
            first = at
            digit = np.uint64(raw[at]) - _ASCII_0
            while digit <= _NINE:
                power = 10 * power + np.int64(digit)
                at += _ONE
                digit = np.uint64(raw[at]) - _ASCII_0
            if at == first or at - first > _DIGITS:
                digits = _NONE
            if below:
                power = -power
        scale = power - np.int64(fraction)
        c = raw[at]
        number = digits > _NONE and (_blank(c) or c == SEMICOLON or c == QUOTE)
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
            images = _images_end(raw, token, last) if braces else _NONE
            at = images if images > _NONE else _word_end(raw, at)
        tokens += _ONE
    return np.int64(tokens), np.int64(ends), np.int64(inexact)


@compiled
def spans(
    raw: NDArray[np.uint8], end: int, braces: bool, wanted: NDArray[np.int64], begins: NDArray[np.int64], ends: NDArray[np.int64]
) -> None:
    """Byte ranges of the tokens ``wanted`` (rising), quotes left out; that of an image list is its first word."""
    token = found = 0
    at, stop = _NONE, np.uint64(end)
    while found < len(wanted) and at < stop:
        c = raw[at]
        if _blank(c) or c == SEMICOLON:
            at += _ONE
            continue
        first = at
        if c == QUOTE:
            last = _quote_end(raw, at + _ONE, stop)
            if last == stop:
                at += _ONE
                continue
            first += _ONE
            at = last + _ONE
        else:
            last = _word_end(raw, at)
            images = _images_end(raw, first, stop) if braces else _NONE
            at = images if images > _NONE else last
        if token == wanted[found]:
            begins[found], ends[found] = np.int64(first), np.int64(last)
            found += 1
        token += 1


@compiled
def take_whole(
    values: NDArray[np.float64], starts: NDArray[np.int64], rows: tuple[int, int], place: int, made: NDArray[np.int32]
) -> bool:
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
) -> None:
    """One column of rows ``rows[0]`` to ``rows[1]`` over ``unit``, a negative ``place`` counted from the row's end."""
    for row in range(rows[0], rows[1]):
        made[row] = values[np.uint64(starts[row] + place if place >= 0 else starts[row + 1] + place)] / unit
