"""A long list of plain numbers, straight from its text into columns.

Blocks of text that fit the processor's cache become tokens, rows and columns one after the other, so that no array of all tokens
is ever made: fresh memory costs more than reading numbers does. Parts of the list run in threads.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from inspection.formats.klarf import kernel, scan
from inspection.formats.klarf.rowtext import Tokens, line_end, missing, parts_of, spread

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from inspection.formats.klarf.images import RowForm

_BLOCK = 1 << 18


class Column(NamedTuple):
    """One column: its place in the row (negative: counted from the row's end), whether it is int32, and by what it is divided."""

    place: int
    whole: bool
    unit: float


def stream(
    raw: bytes | memoryview, form: RowForm, columns: Mapping[str, Column], most: int, *, braces: bool = False
) -> dict[str, NDArray] | None:
    """Columns of a list whose rows have ``form``.

    None where the list needs more than this short way: words, whole numbers beyond int32, more than ``most`` rows, or rows of
    another form.

    Parameters
    ----------
    raw : buffer
        Ends with a blank or a `;`.
    form : RowForm
    columns : mapping of str to Column
    most : int
    braces : bool
        `Images n {...}` is one token, and each row ends with a `;`.
    """
    chars = np.frombuffer(raw, dtype=np.uint8)
    parts = parts_of(chars)
    if any(scan.occurrences(chars, a, b, scan.QUOTE) % 2 for a, b in parts):
        parts = [(0, len(chars))]
    reader = _Reader(chars, form, columns, braces)
    rows = reader.guess(parts)
    while True:
        made = None
        if rows is not None:
            if sum(rows) > most:
                return None
            made = {n: np.empty(sum(rows), dtype=np.int32 if c.whole else np.float64) for n, c in columns.items()}
        firsts = [0, *accumulate(rows or [0] * len(parts))]
        found = spread(reader.part, [(*part, first, made) for part, first in zip(parts, firsts, strict=False)])
        if made is not None and found == rows:
            return made
        if min(found) >= 0:
            if rows == found or (made is None and rows is not None):
                return None
            rows = found  # now they are known
        elif len(parts) > 1:
            parts, rows = [(0, len(chars))], None  # a part may have begun within a row
        else:
            return None


@dataclass(frozen=True, slots=True)
class _Reader:
    chars: NDArray[np.uint8]
    form: RowForm
    columns: Mapping[str, Column]
    braces: bool

    def guess(self, parts: Sequence[tuple[int, int]]) -> list[int] | None:
        """Number of rows of each part if none has an image; None where it cannot be."""
        if self.braces:
            return [scan.occurrences(self.chars, a, b, scan.SEMICOLON) for a, b in parts]
        tokens = [scan.count(self.chars, a, b) for a, b in parts]
        return None if any(t % self.form.least for t in tokens) else [t // self.form.least for t in tokens]

    def part(self, begin: int, end: int, row: int, made: Mapping[str, NDArray] | None) -> int:
        """Read a range that begins and ends with a row into ``made`` from ``row`` on; the number of rows, -1 where it is no such range."""
        first = row
        values, breaks, starts = np.empty(2 * _BLOCK), np.empty(2 * _BLOCK, np.int64), np.empty(2 * _BLOCK, np.int64)
        aligned = np.array(self.form.aligned, dtype=np.int64)
        while begin < end:
            stop = end if end - begin <= _BLOCK else min(line_end(self.chars, begin + _BLOCK), end)
            if stop - begin > 2 * _BLOCK:
                return -1
            size, closed, inexact = kernel.tokenise(self.chars, begin, stop, self.braces, values, breaks)
            tokens = Tokens(values[:size], breaks[:closed], self.chars[begin:stop].data, True, self.braces)
            if inexact:
                tokens.settle()
            rows = kernel.walk(tokens.values, tokens.ends, stop < end, *self.form[:-1], aligned, starts)
            if rows < 0 or not self._closed(tokens.breaks, starts[: rows + 1], stop < end):
                return -1
            if made is not None and not self._take(tokens, starts[: rows + 1], row, made):
                return -1
            row += rows
            if size and not rows and stop < end:
                return -1
            begin = stop if starts[rows] == size or not size else begin + tokens.place(int(starts[rows]))
        return row - first

    def _closed(self, breaks: NDArray[np.int64], starts: NDArray[np.int64], cut: bool) -> bool:
        rows = len(starts) - 1
        return not self.braces or (np.array_equal(breaks[:rows], starts[1:]) and (cut or len(breaks) == rows))

    def _take(self, tokens: Tokens, starts: NDArray[np.int64], row: int, made: Mapping[str, NDArray]) -> bool:
        """Put the rows of one block into their columns; False where one of them needs its text."""
        block = (0, len(starts) - 1)
        for name, (place, whole, unit) in self.columns.items():
            out = made[name][row : row + block[1]]
            if len(out) < block[1]:
                return False
            if whole:
                if not kernel.take_whole(tokens.values, starts, block, place, out):
                    return False
            elif kernel.take(tokens.values, starts, block, place, unit, out):
                odd = (starts[:-1] if place >= 0 else starts[1:])[np.isnan(out)] + place
                if not all(map(missing, tokens.texts(odd))):
                    return False
        return True
