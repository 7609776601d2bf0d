"""A die map as a defect map: each failed die one defect at its centre, for what knows defects only (KLARF)."""

from __future__ import annotations

import numpy as np

from inspection.wafer.maps import FAIL, NO_DIE, DefectMap, DieMap


def as_defects(wafer: DieMap) -> DefectMap:
    """The failed dies of ``wafer`` as defects at their centres, in row order from the top; the inspected dies are the dies of the map.

    Dies are counted from the lower left of the map's rectangle: XINDEX 0 is its leftmost column and YINDEX 0 its lowest row, since a
    die map does not keep the numbers that its source had.
    """
    rows, cols = wafer.status.shape
    width, height = wafer.die_size_um
    inspected, failed = (_indices(wafer.status, chosen) for chosen in (wafer.status != NO_DIE, wafer.status == FAIL))
    return DefectMap(
        info=wafer.info,
        xy_um=wafer.fail_xy_um,
        pitch_um=(width, height),
        origin_um=(-cols / 2 * width, -rows / 2 * height),
        dies=inspected,
        attributes={"XINDEX": failed[:, 0], "YINDEX": failed[:, 1]},
    )


def _indices(status: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """(x, y) index of the ``chosen`` dies, of shape (m, 2), int32."""
    row, col = np.nonzero(chosen)
    return np.column_stack((col, len(status) - 1 - row)).astype(np.int32)
