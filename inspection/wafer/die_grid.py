"""The inspected dies of a defect map as a table that is looked up, not searched."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from inspection.wafer.maps import DefectMap

_KEPT = 256
"""Tables kept at a time, by the dies they are made of: those of more products and partial inspections than one training has at once."""


@dataclass(frozen=True, slots=True, eq=False)
class DieGrid:
    """Which dies were inspected.

    Attributes
    ----------
    dies : ndarray of shape (m, 2), int32
        (x, y) index of each inspected die, at least one.
    table : ndarray of shape (columns, rows), bool
        By index (x, y) less ``low``; one empty die all around, so that a clipped index tells the truth.
    low : (int, int)
        Index of the table's first die.
    pitch_um, origin_um : (float, float)
        As in the defect map.
    """

    dies: NDArray[np.int32]
    table: NDArray[np.bool_]
    low: tuple[int, int]
    pitch_um: tuple[float, float]
    origin_um: tuple[float, float]

    def holds(self, xy_um: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which of the places, shape (n, 2), lie on an inspected die; shape (n,)."""
        from inspection.wafer.die_lookup import look_up  # noqa: PLC0415 - loads numba

        found = np.empty(len(xy_um), bool)
        look_up(np.ascontiguousarray(xy_um, np.float64), self.origin_um, self.pitch_um, self.low, self.table, found)
        return found


def die_grid(wafer: DefectMap) -> DieGrid | None:
    """The inspected dies of ``wafer``; None where none are listed (then the whole disc was inspected)."""
    if wafer.dies is None or wafer.pitch_um is None or wafer.origin_um is None or not len(wafer.dies):
        return None
    table, low = _table(np.ascontiguousarray(wafer.dies, np.int32).tobytes())
    pitch, origin = wafer.pitch_um, wafer.origin_um  # as floats: the compiled loops are made for these
    return DieGrid(wafer.dies, table, low, (float(pitch[0]), float(pitch[1])), (float(origin[0]), float(origin[1])))


@lru_cache(maxsize=_KEPT)
def _table(content: bytes) -> tuple[NDArray[np.bool_], tuple[int, int]]:
    dies = np.frombuffer(content, np.int32).reshape(-1, 2)
    low = dies.min(axis=0) - 1
    table = np.zeros(dies.max(axis=0) - low + 2, bool)
    table[tuple((dies - low).T)] = True
    return table, (int(low[0]), int(low[1]))
