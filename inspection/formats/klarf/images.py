"""Where each row of a defect list begins: image lists have a variable width and are written in three ways."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from inspection.formats.klarf.tokens import words

if TYPE_CHECKING:
    from collections.abc import MutableSequence, Sequence

    from numpy.typing import NDArray

    from inspection.formats.klarf.rowtext import Tokens

_ALIGNED = ("DEFECTID", "XINDEX", "YINDEX", "TEST", "CLASSNUMBER")
"""Columns that hold whole numbers in every file seen: a wrong guess of the row width shows here."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How an image list is written: with its own count or not, also without images or not, in groups of tokens."""

    own_count: bool
    zero_left_out: bool
    per_image: int


_MANY = 1 << 40
"""No list is as long: a count of images beyond it is none."""


@dataclass(frozen=True, slots=True)
class Spec:
    """Columns of a defect list, in upper case as files have them; ``per_image`` tokens per image as TiffSpec says."""

    names: tuple[str, ...]
    per_image: int = 2

    @property
    def list_at(self) -> int:
        """Place of the image list in a row; at its end where no column is named so."""
        return self.names.index("IMAGELIST") if "IMAGELIST" in self.names else len(self.names)

    @property
    def count_at(self) -> int:
        """Place of the number of images, which must stand before the list; -1 where there is none."""
        return self.names.index("IMAGECOUNT") if "IMAGECOUNT" in self.names[: self.list_at] else -1

    @property
    def layouts(self) -> tuple[Layout | None, ...]:
        """Layouts to try, likeliest first; None = constant width, as always where no column is an image list."""
        if "IMAGELIST" not in self.names:
            # A list that no column names would let a damaged row swallow the next one.
            return (None,)
        sizes = dict.fromkeys((self.per_image, 2))
        own = [Layout(own_count=True, zero_left_out=z, per_image=s) for z in (False, True) for s in sizes]
        bare = [Layout(own_count=False, zero_left_out=True, per_image=s) for s in sizes]
        return (*own, *bare) if self.count_at >= 0 else tuple(own[: len(sizes)])


class RowForm(NamedTuple):
    """Widths of a row, in tokens: ``at`` of them, an image list, and ``tail`` more; ``per_image`` 0 = no list at all.

    ``count_at`` is the place of the number of images, -1 where no column holds it. The columns ``aligned`` hold whole numbers.
    """

    at: int
    tail: int
    count_at: int
    own_count: bool
    zero_left_out: bool
    per_image: int
    aligned: tuple[int, ...]

    @classmethod
    def of(cls, spec: Spec, layout: Layout | None) -> RowForm:
        """Rows of ``spec`` with image lists by ``layout``, None = without."""
        at = len(spec.names) if layout is None else spec.list_at
        tail = max(len(spec.names) - at - 1, 0)
        aligned = tuple(spec.names.index(n) for n in _ALIGNED if n in spec.names[:at])
        if layout is None:
            return cls(at, tail, -1, own_count=False, zero_left_out=True, per_image=0, aligned=aligned)
        return cls(at, tail, spec.count_at, layout.own_count, layout.zero_left_out, layout.per_image, aligned)

    @property
    def least(self) -> int:
        """Width of a row without images."""
        return self.at + self.tail + (self.per_image > 0 and self.own_count and not self.zero_left_out)


def row_starts(tokens: Tokens, form: RowForm, *, cut: bool = False) -> NDArray[np.int64] | None:
    """Index of the first token of each row, and the number of tokens at their end; None where the tokens do not fit ``form``.

    ``cut``: the tokens may stop within a row, which is then left out.
    """
    if not tokens.long and not cut and (even := _even_rows(tokens, form)) is not None:
        return even
    starts, rows, _ = _walked(tokens, form, cut)
    return None if rows < 0 else starts[: rows + 1]


def first_misfit(tokens: Tokens, form: RowForm) -> tuple[int, int]:
    """The first row (from 0) that does not have ``form`` where not all rows have it, and its first token."""
    starts, rows, begin = _walked(tokens, form, cut=False)
    return (0, 0) if rows >= 0 else (int(np.argmax(starts == begin)), begin)


def _walked(tokens: Tokens, form: RowForm, cut: bool) -> tuple[NDArray[np.int64], int, int]:
    """Where rows start, how many there are (-1: not all have ``form``), and where the first one starts that has another."""
    most = len(tokens.values) // max(form.at + form.tail, 1) + 2
    if tokens.long:
        from inspection.formats.klarf import kernel  # noqa: PLC0415 - loads numba

        starts = np.empty(most, dtype=np.int64)
        aligned = np.array(form.aligned, dtype=np.int64)
        found = kernel.walk(tokens.values, tokens.ends, cut, *form[:-1], aligned, starts)
    else:
        begins = [0] * most
        found = walk(tokens.values.tolist(), tokens.ends.tolist(), cut, *form, begins)
        starts = np.array(begins, dtype=np.int64)
    return starts, max(found, -1), -1 - found


def _even_rows(tokens: Tokens, form: RowForm) -> NDArray[np.int64] | None:
    """As `row_starts`, where no row has an image: one look at all rows instead of one by one."""
    width, values = form.least, tokens.values
    if not width or np.any(tokens.ends % width):
        return None
    grid = values.reshape(-1, width)
    images = [p for p in (form.count_at, form.at if form.least > form.at + form.tail else -1) if p >= 0] if form.per_image else []
    whole = grid[:, form.aligned]
    if grid[:, images].any() or np.any((whole != np.floor(whole)) & ~np.isnan(whole)):
        return None
    return np.arange(0, len(values) + 1, width, dtype=np.int64)


def walk(  # noqa: C901, PLR0911 - one loop for all layouts: numba compiles it
    values: Sequence[float],
    ends: Sequence[int],
    cut: bool,
    at: int,
    tail: int,
    count_at: int,
    own_count: bool,
    zero_left_out: bool,
    per_image: int,
    aligned: Sequence[int],
    starts: MutableSequence[int],
) -> int:
    """Write where each row starts, and at last where they end; returns the number of rows, or -1 - the first token of a wrong one.

    The form of a row is that of `RowForm`. No row crosses one of ``ends``, save the last one where the tokens are ``cut``. Plain
    Python for short lists; `kernel` compiles it for long ones.
    """
    here = rows = 0
    for end in ends:
        last = cut and end == ends[-1]
        while here < end:
            starts[rows] = here
            begin = here
            if here + at + tail > end:
                return rows if last else -1 - begin
            for i in aligned:
                value = values[here + i]
                if value % 1.0 != 0 and value == value:  # noqa: PLR0124 - a NaN is let pass
                    return -1 - begin
            count = 0.0
            if per_image > 0:
                count = values[here + count_at] if count_at >= 0 else -1.0
                if own_count and not (zero_left_out and count == 0):
                    if here + at >= end:
                        return rows if last else -1 - begin
                    if count_at >= 0 and values[here + at] != count:
                        return -1 - begin
                    count = values[here + at]
                    here += 1
                if not 0 <= count < _MANY or count % 1.0 != 0:
                    return -1 - begin
            here += at + per_image * int(count) + tail
            if here > end:
                return rows if last else -1 - begin
            if here == begin:
                return -1 - begin
            rows += 1
    starts[rows] = here
    return rows


def on_lines(tokens: Tokens, starts: NDArray[np.int64]) -> int:
    """How many rows begin a line: the vote between layouts that both fit."""
    counts = np.array([n for line in bytes(tokens.raw).splitlines() if (n := tokens_of(line))], dtype=np.int64)
    return int(np.isin(starts[:-1], np.concatenate(([0], np.cumsum(counts)))).sum())


def tokens_of(line: bytes) -> int:
    """Number of tokens in one line."""
    return len(words(line.replace(b";", b" ")) if b'"' in line else line.replace(b";", b" ").split())
