"""Grey-level co-occurrence: which values stand side by side, one and three pixels apart.

``glcm_<distance>_<statistic>``: contrast, homogeneity, energy, correlation and entropy of the symmetric co-occurrence matrix of the count
plane in eight levels (0 alone is level 0: a single defect is never read as none), pooled over the four directions and over pairs of
inspected pixels. Pooling, rather than averaging four statistics, makes all columns invariant under the symmetries of the square.

Source: R. M. Haralick, K. Shanmugam, I. Dinstein, "Textural features for image classification", IEEE Trans. SMC 3(6), 1973. Energy is the
root of the angular second moment; the correlation of a flat picture is 1; entropy in nats. Without any pair all are 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numba import njit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from inspection.models.features.planes import Planes

LEVELS = 8
DISTANCES = (1, 3)
STATISTICS = ("contrast", "homogeneity", "energy", "correlation", "entropy")
NAMES = tuple(f"glcm_{distance}_{statistic}" for distance in DISTANCES for statistic in STATISTICS)
INVARIANT = NAMES


def measure(planes: Planes) -> NDArray[np.float32]:
    """Columns `NAMES`, shape (n, 10)."""
    coded = (planes.count.astype(np.int32) * (LEVELS - 1) + 254) // 255
    levels = np.where(planes.inspected > 0, coded, -1).astype(np.int8)
    return np.concatenate([statistics(matrices(levels, distance)) for distance in DISTANCES], axis=1).astype(np.float32)


def matrices(levels: NDArray[np.int8], distance: int) -> NDArray[np.float64]:
    """Co-occurrence matrices (n, LEVELS, LEVELS) of ``levels`` (n, h, w; -1 = not inspected); each sums to 1, or is all 0."""
    counts = np.zeros((len(levels), LEVELS, LEVELS), np.int64)
    _count(levels, distance, counts)
    counts += counts.transpose(0, 2, 1)
    return counts / np.maximum(counts.sum(axis=(1, 2), keepdims=True), 1)


def statistics(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """`STATISTICS` of each matrix, shape (n, 5)."""
    i, j = np.indices((LEVELS, LEVELS))
    away = (i - j) ** 2
    known = matrix.sum(axis=(1, 2)) > 0
    mean = np.einsum("nij,ij->n", matrix, i)
    spread = np.einsum("nij,ij->n", matrix, i**2) - mean**2  # the matrix is symmetric: rows and columns have one mean and one variance
    together = np.einsum("nij,ij->n", matrix, i * j) - mean**2
    flat = spread < 1e-12
    correlation = np.where(flat, 1.0, together / np.where(flat, 1.0, spread))
    entropy = -np.einsum("nij,nij->n", matrix, np.log(np.where(matrix > 0, matrix, 1.0)))
    return np.stack(
        [
            np.einsum("nij,ij->n", matrix, away),
            np.einsum("nij,ij->n", matrix, 1.0 / (1.0 + away)),
            np.sqrt(np.einsum("nij,nij->n", matrix, matrix)),
            np.where(known, correlation, 0.0),
            entropy,
        ],
        axis=1,
    )


@njit(nogil=True, cache=True)
def _count(levels: Any, distance: Any, counts: Any) -> None:
    n, rows, cols = levels.shape
    for i in range(n):
        for row in range(rows):
            for col in range(cols):
                own = levels[i, row, col]
                if own < 0:
                    continue
                for r, c in ((0, distance), (distance, 0), (distance, distance), (distance, -distance)):
                    if row + r < rows and 0 <= col + c < cols:
                        other = levels[i, row + r, col + c]
                        if other >= 0:
                            counts[i, own, other] += 1
