"""The sum and max pyramid: downsampling that loses no defect.

``level 0`` is the finest. Each next level halves the side. For counts the laws are exact: the sum of every level is the number of
defects, and max > 0 at a pixel exactly where a defect lies below it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from inspection.views.renderer import bin_points, whole_wafer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from inspection.wafer.maps import DefectMap


@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """One level: ``sum`` and ``max`` of the finest counts below each pixel, both of shape (side, side), int64."""

    sum: NDArray[np.int64]
    max: NDArray[np.int64]


def halve(level: Level) -> Level:
    """The next coarser level; the side must be even."""
    side = len(level.sum)
    if side % 2:
        raise ValueError(f"Cannot halve a level: expected an even side, got {side}.")
    blocks = (side // 2, 2, side // 2, 2)
    return Level(level.sum.reshape(blocks).sum(axis=(1, 3)), level.max.reshape(blocks).max(axis=(1, 3)))


def from_counts(counts: NDArray[np.int64], levels: int) -> list[Level]:
    """``levels`` levels from the finest counts, shape (side, side), side divisible by 2**(levels-1)."""
    pyramid = [Level(counts, counts)]
    for _ in range(levels - 1):
        pyramid.append(halve(pyramid[-1]))
    return pyramid


def from_points(wafer: DefectMap, side_px: int, levels: int) -> list[Level]:
    """The pyramid of a defect map over the whole wafer, straight from its points; outer points fall in the border pixels."""
    return from_counts(bin_points(wafer.xy_um, whole_wafer(wafer), side_px, clip=True), levels)
