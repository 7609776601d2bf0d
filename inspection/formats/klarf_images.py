"""Where each row of a defect list begins: image lists have a variable width and are written in three ways."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from inspection.formats.klarf_columns import Tokens

_ALIGNED = ("DEFECTID", "XINDEX", "YINDEX", "TEST", "CLASSNUMBER")
"""Columns that hold whole numbers in every file seen: a wrong guess of the row width shows here."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How an image list is written: with its own count or not, also without images or not, in groups of tokens."""

    own_count: bool
    zero_left_out: bool
    per_image: int


@dataclass(frozen=True, slots=True)
class Spec:
    """Columns of a defect list, in upper case as files have them; ``per_image`` tokens per image as TiffSpec says."""

    names: tuple[str, ...]
    per_image: int = 2

    @property
    def layouts(self) -> tuple[Layout | None, ...]:
        """Layouts to try, likeliest first; None = constant width."""
        if "IMAGELIST" not in self.names and "IMAGECOUNT" not in self.names:
            return (None,)
        sizes = dict.fromkeys((self.per_image, 2))
        own = [Layout(own_count=True, zero_left_out=z, per_image=s) for z in (False, True) for s in sizes]
        bare = [Layout(own_count=False, zero_left_out=True, per_image=s) for s in sizes]
        if "IMAGELIST" not in self.names:
            # Constant width first: most tools that write a count and no list mean just that.
            return (None, *own, *bare)
        return (*own, *bare) if "IMAGECOUNT" in self.names else tuple(own[: len(sizes)])


def row_starts(tokens: Tokens, spec: Spec, layout: Layout | None) -> NDArray[np.int64] | None:
    """Index of the first token of each row, or None where the tokens do not fit ``layout``."""
    names, size = spec.names, len(tokens.values)
    if layout is None:
        starts = _constant(tokens, len(names))
    else:
        at = names.index("IMAGELIST") if "IMAGELIST" in names else len(names)
        tail = max(len(names) - at - 1, 0)
        count_at = names.index("IMAGECOUNT") if "IMAGECOUNT" in names else None
        starts = _without_images(tokens, at, tail, count_at, layout)
        if starts is None:
            starts = _walk(tokens, at, tail, count_at, layout)
    if starts is None or not size:
        return starts
    fixed = names[: names.index("IMAGELIST")] if "IMAGELIST" in names else names
    for name in _ALIGNED:
        if name in fixed:
            column = tokens.values[starts + names.index(name)]
            if np.any((column != np.floor(column)) & ~np.isnan(column)):
                return None
    return starts


def on_lines(tokens: Tokens, starts: NDArray[np.int64]) -> int:
    """How many rows begin a line: the vote between layouts that both fit."""
    return int(np.isin(starts, tokens.lines).sum())


def _constant(tokens: Tokens, width: int) -> NDArray[np.int64] | None:
    if any(end % width for end in tokens.ends):
        return None
    return np.arange(0, len(tokens.values), width, dtype=np.int64)


def _without_images(tokens: Tokens, at: int, tail: int, count_at: int | None, layout: Layout) -> NDArray[np.int64] | None:
    """Rows of constant width: the whole file has no image."""
    own = layout.own_count and not layout.zero_left_out
    starts = _constant(tokens, at + own + tail)
    if starts is None or not len(starts):
        return starts
    if count_at is not None and tokens.values[starts + count_at].any():
        return None
    return None if own and tokens.values[starts + at].any() else starts


def _walk(tokens: Tokens, at: int, tail: int, count_at: int | None, layout: Layout) -> NDArray[np.int64] | None:
    """Rows of variable width, one after the other."""
    values: memoryview = memoryview(tokens.values.data)
    starts, here = [], 0
    for end in tokens.ends:
        while here < end:
            starts.append(here)
            if here + at + tail > end:
                return None
            count = values[here + count_at] if count_at is not None else None
            own = layout.own_count and not (layout.zero_left_out and count == 0)
            if own:
                if here + at >= end or (count is not None and values[here + at] != count):
                    return None
                count = values[here + at]
            if count is None or not 0 <= count <= end - here or count != int(count):
                return None
            here += at + own + layout.per_image * int(count) + tail
            if here > end:
                return None
    return np.array(starts, dtype=np.int64)
