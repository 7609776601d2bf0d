"""Several pictures in one file: which of them is meant, where the others are smaller versions of it and nothing says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_MOST_HALVINGS = 24


def full_size(shapes: Sequence[tuple[int, int]]) -> int | None:
    """Index of the picture of which all others are versions halved once, twice, ..., each another time; None = there is none.

    Sides that do not halve evenly may be rounded either way.
    """
    whole = max(range(len(shapes)), key=lambda i: shapes[i][0] * shapes[i][1])
    halvings = [_halvings(shapes[whole], shape) for i, shape in enumerate(shapes) if i != whole]
    return whole if None not in halvings and len(set(halvings)) == len(halvings) else None


def _halvings(whole: tuple[int, int], shape: tuple[int, int]) -> int | None:
    for times in range(1, _MOST_HALVINGS):
        if all(side >> times <= small <= -(-side >> times) for side, small in zip(whole, shape, strict=True)):
            return times
    return None
