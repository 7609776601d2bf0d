"""Probabilities that mean what they say: temperature and vector scaling (Guo et al. 2017, "On calibration of modern neural networks")."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LOWEST, HIGHEST = 0.25, 8.0
PULL = 5.0
"""What holds vector scaling to plain temperature scaling, in wafers: a class of five hardly moves and one of 500 is free."""
_TIE = 1e-9
"""Far less than any wafer weighs: it decides between equals alone."""


@dataclass(frozen=True, slots=True, eq=False)
class VectorScaling:
    """``scale`` and ``bias``, both of shape (k,), in place of one temperature: logits * scale + bias."""

    scale: NDArray[np.float64]
    bias: NDArray[np.float64]

    def __call__(self, logits: NDArray[np.floating]) -> NDArray[np.float64]:
        """Scaled logits, shape (n, k)."""
        return np.asarray(logits, np.float64) * self.scale + self.bias


def softmax(logits: NDArray[np.floating], temperature: float = 1.0) -> NDArray[np.float64]:
    """Rows of ``logits`` (n, k), divided by ``temperature``, as probabilities."""
    scaled = np.asarray(logits, np.float64) / temperature
    scaled -= scaled.max(axis=-1, keepdims=True)
    exponent = np.exp(scaled)
    return exponent / exponent.sum(axis=-1, keepdims=True)


def fit_temperature(logits: NDArray[np.floating], labels: NDArray[np.integer]) -> float:
    """The temperature in [LOWEST, HIGHEST] with the least negative log likelihood on validation logits (n, k).

    Of temperatures that are equally likely, as where the classes lie so far apart that each makes all probabilities 1, the one nearest to
    1; so 1 for no data.
    """
    if len(labels) == 0:
        return 1.0
    from scipy.optimize import minimize_scalar  # noqa: PLC0415  (needed in evaluation only)

    rows = np.arange(len(labels))

    def loss(log_temperature: float) -> float:
        probability = softmax(logits, float(np.exp(log_temperature)))[rows, labels]
        return float(-np.log(np.maximum(probability, 1e-12)).mean()) + _TIE * log_temperature**2

    found = minimize_scalar(loss, bounds=(np.log(LOWEST), np.log(HIGHEST)), method="bounded")
    return float(np.exp(found.x))


def fit_vector(logits: NDArray[np.floating], labels: NDArray[np.integer], temperature: float) -> VectorScaling:
    """Scale and bias of each class with the least penalised negative log likelihood on validation logits (n, k).

    The penalty, ``PULL`` times the squared distance (of log scale and of bias) from the plain ``temperature``, is worth as much as so many
    wafers; with no wafers the temperature alone is left.
    """
    from scipy.optimize import minimize  # noqa: PLC0415  (needed in evaluation only)

    x = np.asarray(logits, np.float64) / temperature
    n, k = x.shape
    hit = np.zeros((n, k))
    hit[np.arange(n), labels] = 1.0

    def loss(theta: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        log_scale, bias = theta[:k], theta[k:]
        scale = np.exp(log_scale)
        probability = softmax(x * scale + bias)
        off = probability - hit
        cost = -np.log(np.maximum(probability[np.arange(n), labels], 1e-300)).sum() + PULL * (theta**2).sum()
        slope = np.concatenate([(off * x).sum(axis=0) * scale, off.sum(axis=0)]) + 2 * PULL * theta
        return float(cost), slope

    found = minimize(loss, np.zeros(2 * k), jac=True, method="L-BFGS-B", bounds=[(-1.5, 1.5)] * k + [(-5.0, 5.0)] * k)
    return VectorScaling(np.exp(found.x[:k]) / temperature, found.x[k:])
