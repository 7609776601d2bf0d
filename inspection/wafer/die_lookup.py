"""The inner loop of `die_grid`, compiled. A module of its own: who looks no dies up starts without the compiler."""

from __future__ import annotations

from typing import Any

import numpy as np

from inspection.compiled import compiled


@compiled
def look_up(xy_um: Any, origin_um: Any, pitch_um: Any, low: Any, table: Any, found: Any) -> None:
    """Write to ``found``, shape (n,), whether each place of ``xy_um``, shape (n, 2), lies on a die of ``table``."""
    columns, rows = table.shape
    for i in range(len(xy_um)):
        col = np.floor((xy_um[i, 0] - origin_um[0]) / pitch_um[0]) - low[0]
        row = np.floor((xy_um[i, 1] - origin_um[1]) / pitch_um[1]) - low[1]
        found[i] = 0 <= col < columns and 0 <= row < rows and table[int(col), int(row)]
