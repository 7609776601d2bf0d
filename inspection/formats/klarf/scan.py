"""Compiled searches in the bytes of a long defect list: where tokens, quotes and braces end. Importing this module imports numba.

All of them release the interpreter's lock, so that parts of one list run in threads. Every range of bytes ends with a blank or a
`;`: no inner loop looks for the end. Places are unsigned, since a signed one costs a test for counting from the end at every byte.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from inspection.compiled import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

QUOTE, SEMICOLON, OPEN, CLOSE = (np.uint8(ord(c)) for c in '";{}')
LOWER = np.uint8(0x20)
"""The bit that makes a letter a small one."""

NONE, ONE = np.uint64(0), np.uint64(1)
_SPACE, _TAB, _RETURN, _S = (np.uint8(ord(c)) for c in " \t\rs")
_IMAGE = np.frombuffer(b"image", dtype=np.uint8)
_RUN = 128
"""Bytes whose count fits a byte: sums of bytes run on vectors."""


@compiled
def blank(c: np.uint8) -> np.bool_:
    """Whether ``c`` is white space, as `bytes.split` has it."""
    return c == _SPACE or _TAB <= c <= _RETURN


@compiled
def ends_word(c: np.uint8) -> np.bool_:
    """Whether no word holds ``c``."""
    return blank(c) or c == SEMICOLON or c == QUOTE  # noqa: PLR1714 - a tuple is looked through at run time


@compiled
def _ends_token(raw: NDArray[np.uint8], at: np.uint64) -> np.uint8:
    """1 where the last byte of a token of a list without quotes stands; free of branches, so that it runs on vectors."""
    c, d = raw[at], raw[at + ONE]
    here = np.uint8(c == _SPACE) | np.uint8(np.uint8(c - _TAB) <= 4) | np.uint8(c == SEMICOLON)
    ahead = np.uint8(d == _SPACE) | np.uint8(np.uint8(d - _TAB) <= 4) | np.uint8(d == SEMICOLON)
    return np.uint8(~here & ahead & np.uint8(1))


@compiled
def count(raw: NDArray[np.uint8], begin: int, end: int) -> np.int64:
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
        at += ONE
    return tokens


@compiled
def occurrences(raw: NDArray[np.uint8], begin: int, end: int, char: np.uint8) -> np.int64:
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
        at += ONE
    return found


@compiled
def quote_end(raw: NDArray[np.uint8], at: np.uint64, end: np.uint64) -> np.uint64:
    """Place of the quote that closes the one before ``at``; ``end`` where there is none."""
    while at < end and raw[at] != QUOTE:
        at += ONE
    return at


@compiled
def word_end(raw: NDArray[np.uint8], at: np.uint64) -> np.uint64:
    """Place behind the word that ``at`` is in."""
    while not ends_word(raw[at]):
        at += ONE
    return at


@compiled
def block_end(raw: NDArray[np.uint8], begin: int, end: int) -> np.int64:
    """Place of the brace that closes the one before ``begin``, quoted ones not counted; ``end`` where there is none."""
    depth = 1
    at, last = np.uint64(begin), np.uint64(end)
    while at < last:
        c = raw[at]
        if c == QUOTE:
            at = quote_end(raw, at + ONE, last)
        elif c == OPEN:
            depth += 1
        elif c == CLOSE:
            depth -= 1
            if depth == 0:
                return np.int64(at)
        at += ONE
    return np.int64(end)


@compiled
def _images_begin(raw: NDArray[np.uint8], at: np.uint64, end: np.uint64) -> np.uint64:
    """Place behind the brace of `Images n {` that begins at ``at``, 0 where none does."""
    if at + np.uint64(len(_IMAGE)) >= end:
        return NONE
    for i in range(len(_IMAGE)):
        if raw[at + np.uint64(i)] | LOWER != _IMAGE[i]:
            return NONE
    at += np.uint64(len(_IMAGE))
    if raw[at] | LOWER == _S:
        at += ONE
    word = at
    while at < end and blank(raw[at]):
        at += ONE
    count = at
    while at < end and not (ends_word(raw[at]) or raw[at] == OPEN or raw[at] == CLOSE):
        at += ONE
    behind = at
    while at < end and blank(raw[at]):
        at += ONE
    whole = word < count < behind and at < end and raw[at] == OPEN
    return at + ONE if whole else NONE


@compiled
def images_end(raw: NDArray[np.uint8], at: np.uint64, end: np.uint64) -> np.uint64:
    """Place behind the image list `Images n {...}` that begins at ``at``, 0 where none does."""
    at = _images_begin(raw, at, end)
    if at == NONE:
        return NONE
    while at < end and raw[at] != CLOSE:
        if raw[at] == OPEN:
            return NONE
        if raw[at] == QUOTE:
            at = quote_end(raw, at + ONE, end)
        at += ONE
    return at + ONE if at < end else NONE


@compiled
def spans(
    raw: NDArray[np.uint8], end: int, braces: bool, wanted: NDArray[np.int64], begins: NDArray[np.int64], ends: NDArray[np.int64]
) -> None:
    """Byte ranges of the tokens ``wanted`` (rising), quotes left out; that of an image list is empty."""
    token = found = 0
    at, stop = NONE, np.uint64(end)
    while found < len(wanted) and at < stop:
        c = raw[at]
        if blank(c) or c == SEMICOLON:
            at += ONE
            continue
        first = at
        if c == QUOTE:
            last = quote_end(raw, at + ONE, stop)
            if last == stop:
                at += ONE
                continue
            first += ONE
            at = last + ONE
        else:
            last = word_end(raw, at)
            images = images_end(raw, first, stop) if braces else NONE
            at = images if images > NONE else last
            last = first if images > NONE else last
        if token == wanted[found]:
            begins[found], ends[found] = np.int64(first), np.int64(last)
            found += 1
        token += 1
