"""Patterns never seen in training: distance in the embedding from the nearest class.

Class means with one shared, shrunk covariance (Lee et al. 2018, "A simple unified framework for detecting out-of-distribution samples").
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class UnknownDetector:
    """``means`` (k, f), ``whitening`` (f, r) with whitening @ whitening.T the precision, ``limit`` on the squared distance."""

    means: NDArray[np.float32]
    whitening: NDArray[np.float32]
    limit: float

    def distance(self, embedding: NDArray[np.floating]) -> NDArray[np.float32]:
        """Squared Mahalanobis distance of (n, f) embeddings to the nearest class mean, shape (n,)."""
        points, means = embedding @ self.whitening, self.means @ self.whitening
        squares = (points**2).sum(1)[:, None] - 2 * points @ means.T + (means**2).sum(1)[None, :]
        return np.maximum(squares.min(axis=1), 0).astype(np.float32)

    def with_limit(self, embedding: NDArray[np.floating], quantile: float) -> UnknownDetector:
        """The same detector with its limit at ``quantile`` of the distances of known (validation) wafers."""
        return UnknownDetector(self.means, self.whitening, float(np.quantile(self.distance(embedding), quantile)))

    def save(self, path: Path) -> None:
        """Write arrays, no objects."""
        np.savez(path, means=self.means, whitening=self.whitening, limit=np.array(self.limit))

    @classmethod
    def load(cls, path: Path) -> UnknownDetector:
        """Read what ``save`` wrote."""
        with np.load(path, allow_pickle=False) as arrays:
            return cls(arrays["means"], arrays["whitening"], float(arrays["limit"]))


def fit(embedding: NDArray[np.floating], labels: NDArray[np.integer], classes: int) -> UnknownDetector:
    """Fit on training embeddings (n, f) with class indices (n,); a class without examples has no mean. The limit is infinite."""
    from sklearn.covariance import LedoitWolf  # noqa: PLC0415  (slow import, needed in training only)

    seen = [k for k in range(classes) if np.any(labels == k)]
    means = np.stack([embedding[labels == k].mean(axis=0) for k in seen])
    centred = embedding - means[np.searchsorted(seen, labels)]
    values, vectors = np.linalg.eigh(LedoitWolf(assume_centered=True).fit(centred).covariance_)
    whitening = vectors / np.sqrt(np.maximum(values, 1e-8))
    return UnknownDetector(means.astype(np.float32), whitening.astype(np.float32), float("inf"))
