"""Temperature scaling: one number that makes probabilities mean what they say (Guo et al. 2017)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LOWEST, HIGHEST = 0.25, 8.0


def softmax(logits: NDArray[np.floating], temperature: float = 1.0) -> NDArray[np.float64]:
    """Rows of ``logits`` (n, k), divided by ``temperature``, as probabilities."""
    scaled = np.asarray(logits, np.float64) / temperature
    scaled -= scaled.max(axis=-1, keepdims=True)
    exponent = np.exp(scaled)
    return exponent / exponent.sum(axis=-1, keepdims=True)


def fit_temperature(logits: NDArray[np.floating], labels: NDArray[np.integer]) -> float:
    """The temperature in [LOWEST, HIGHEST] with the least negative log likelihood on validation logits (n, k); 1 for no data."""
    if len(labels) == 0:
        return 1.0
    from scipy.optimize import minimize_scalar  # noqa: PLC0415  (needed in evaluation only)

    rows = np.arange(len(labels))

    def loss(log_temperature: float) -> float:
        probability = softmax(logits, float(np.exp(log_temperature)))[rows, labels]
        return float(-np.log(np.maximum(probability, 1e-12)).mean())

    found = minimize_scalar(loss, bounds=(np.log(LOWEST), np.log(HIGHEST)), method="bounded")
    return float(np.exp(found.x))
