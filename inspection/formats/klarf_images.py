"""Where each row of a defect list begins: image lists have a variable width and are written in three ways."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING

import numpy as np

from inspection.formats.klarf_tokens import words

if TYPE_CHECKING:
    from collections.abc import MutableSequence, Sequence

    from numpy.typing import NDArray

    from inspection.formats.klarf_rowtext import Tokens

_ALIGNED = ("DEFECTID", "XINDEX", "YINDEX", "TEST", "CLASSNUMBER")
"""Columns that hold whole numbers in every file seen: a wrong guess of the row width shows here."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How an image list is written: with its own count or not, also without images or not, in groups of tokens."""

    own_count: bool
    zero_left_out: bool
    per_image: int


_CONSTANT = Layout(own_count=False, zero_left_out=True, per_image=0)


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
        """Layouts to try, likeliest first; None = constant width."""
        if "IMAGELIST" not in self.names and self.count_at < 0:
            return (None,)
        sizes = dict.fromkeys((self.per_image, 2))
        own = [Layout(own_count=True, zero_left_out=z, per_image=s) for z in (False, True) for s in sizes]
        bare = [Layout(own_count=False, zero_left_out=True, per_image=s) for s in sizes]
        if "IMAGELIST" not in self.names:
            # Constant width first: most tools that write a count and no list mean just that.
            return (None, *own, *bare)
        return (*own, *bare) if self.count_at >= 0 else tuple(own[: len(sizes)])


def row_starts(tokens: Tokens, spec: Spec, layout: Layout | None) -> NDArray[np.int64] | None:
    """Index of the first token of each row, and the number of tokens at its end; None where the tokens do not fit ``layout``."""
    at, width = spec.list_at, len(spec.names)
    if layout is None:
        layout, at = _CONSTANT, width
    tail = max(width - at - 1, 0)
    count_at = spec.count_at if layout.per_image else -1
    aligned = [spec.names.index(n) for n in _ALIGNED if n in spec.names[:at]]
    rows = len(tokens.values) // max(at + tail, 1) + 1
    if tokens.cells is not None:
        begins = [0] * (rows + 1)
        found = walk(tokens.values.tolist(), tokens.ends.tolist(), at, tail, count_at, *astuple(layout), aligned, begins)
        return None if found < 0 else np.array(begins[: found + 1], dtype=np.int64)
    from inspection.formats import klarf_kernel  # noqa: PLC0415 - loads numba

    starts = np.empty(rows + 1, dtype=np.int64)
    whole = np.array(aligned, dtype=np.int64)
    found = klarf_kernel.walk(tokens.values, tokens.ends, at, tail, count_at, *astuple(layout), whole, starts)
    return None if found < 0 else starts[: found + 1]


def walk(
    values: Sequence[float],
    ends: Sequence[int],
    at: int,
    tail: int,
    count_at: int,
    own_count: bool,
    zero_left_out: bool,
    per_image: int,
    aligned: Sequence[int],
    starts: MutableSequence[int],
) -> int:
    """Write where each row starts, and at last where they end; returns the number of rows, -1 where the tokens fit no rows.

    A row is ``at`` tokens, an image list, and ``tail`` tokens; ``per_image`` 0 = no list at all. The columns ``aligned`` hold whole
    numbers. Plain Python for short lists; `klarf_kernel` compiles it for long ones.
    """
    here = rows = 0
    for end in ends:
        while here < end:
            starts[rows] = here
            begin = here
            if here + at + tail > end:
                return -1
            for i in aligned:
                value = values[here + i]
                if value % 1.0 != 0 and value == value:  # noqa: PLR0124 - a NaN is let pass
                    return -1
            count = 0.0
            if per_image > 0:
                count = values[here + count_at] if count_at >= 0 else -1.0
                if own_count and not (zero_left_out and count == 0):
                    if here + at >= end or (count_at >= 0 and values[here + at] != count):
                        return -1
                    count = values[here + at]
                    here += 1
                if not 0 <= count <= end - here or count % 1.0 != 0:
                    return -1
            here += at + per_image * int(count) + tail
            rows += 1
            if here > end or here == begin:
                return -1
    starts[rows] = here
    return rows


def on_lines(tokens: Tokens, starts: NDArray[np.int64]) -> int:
    """How many rows begin a line: the vote between layouts that both fit."""
    counts = np.array([n for line in bytes(tokens.raw).splitlines() if (n := tokens_of(line))], dtype=np.int64)
    return int(np.isin(starts[:-1], np.concatenate(([0], np.cumsum(counts)))).sum())


def tokens_of(line: bytes) -> int:
    """Number of tokens in one line."""
    return len(words(line.replace(b";", b" ")) if b'"' in line else line.replace(b";", b" ").split())
