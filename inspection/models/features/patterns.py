"""Local binary patterns: what the surroundings of single pixels look like, counted over the wafer.

``lbp_fine_0 .. 9`` and ``lbp_coarse_0 .. 9``: shares of the inspected pixels, on the count plane and on its 2 x 2 sums. Column k < 9: the
pixel's eight neighbours form at most one arc of values not below its own, k long; column 9: several arcs. Flat ground is 8, a lone defect
0, the end of a line 1 or 2, an edge 3 to 5. The eight neighbours are taken as they are, not interpolated on a circle: counts of
defects have no values between pixels, and so nothing is lost under the symmetries of the square, under which all columns are invariant.

Source: T. Ojala, M. Pietikäinen, T. Mäenpää, "Multiresolution gray-scale and rotation invariant texture classification with local binary
patterns", IEEE Trans. PAMI 24(7), 2002: LBP riu2 with eight neighbours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numba import njit

from inspection.models.features.planes import SIZE_PX

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from inspection.models.features.planes import Planes

BINS = 10
SCALES = ("fine", "coarse")
NAMES = tuple(f"lbp_{scale}_{k}" for scale in SCALES for k in range(BINS))
INVARIANT = NAMES


def measure(planes: Planes) -> NDArray[np.float32]:
    """Columns `NAMES`, shape (n, 20)."""
    half = (len(planes), SIZE_PX // 2, 2, SIZE_PX // 2, 2)
    coarse = planes.count.reshape(half).sum(axis=(2, 4), dtype=np.int32)
    coarse_inspected = (planes.inspected > 0).reshape(half).min(axis=(2, 4))
    fine = histogram(planes.count.astype(np.int32), planes.inspected > 0)
    return np.concatenate([fine, histogram(coarse, coarse_inspected)], axis=1)


def histogram(values: NDArray[np.int32], chosen: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Shares of the ten patterns among the ``chosen`` pixels that have eight neighbours, (n, BINS); zeros where there are none."""
    counts = np.zeros((len(values), BINS), np.int64)
    _count(values, chosen, counts)
    return (counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)).astype(np.float32)


@njit(nogil=True, cache=True)
def _count(values: Any, chosen: Any, counts: Any) -> None:
    around = ((-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1))
    for i in range(values.shape[0]):
        for row in range(1, values.shape[1] - 1):
            for col in range(1, values.shape[2] - 1):
                if not chosen[i, row, col]:
                    continue
                own = values[i, row, col]
                ones, changes = 0, 0
                before = values[i, row, col - 1] >= own
                for r, c in around:
                    now = values[i, row + r, col + c] >= own
                    ones += now
                    changes += now != before
                    before = now
                counts[i, ones if changes <= 2 else 9] += 1
