"""The loss of a sigmoid head: each pattern by itself, whatever the others are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from inspection.models.backend import keras
from inspection.models.head import pattern_projection

if TYPE_CHECKING:
    from inspection.models.head import Membership


@keras.saving.register_keras_serializable(package="inspection")
class PatternCrossentropy(keras.losses.Loss):
    """Binary cross-entropy summed over the patterns, from labels and logits of the classes, both of shape (n, k).

    A wafer's patterns follow from its label by the membership, shares of mixed labels from their shares. Summed and not averaged: it is the
    negative log likelihood of the whole combination, in nats, as the cross-entropy of a softmax over all subsets of the patterns would be.

    Parameters
    ----------
    membership : k rows of p flags
    label_smoothing : float
        In [0, 1]: each pattern's target moves so far towards 1/2.
    """

    def __init__(self, membership: Membership, label_smoothing: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.membership = [[int(flag) for flag in row] for row in membership]
        self.label_smoothing = label_smoothing
        self._flags = np.array(self.membership, np.float32)
        self._projection = pattern_projection(membership)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Loss of each wafer, shape (n,)."""
        logits = keras.ops.cast(y_pred, "float32")
        wanted = keras.ops.matmul(keras.ops.cast(y_true, "float32"), self._flags)
        wanted = wanted * (1.0 - self.label_smoothing) + 0.5 * self.label_smoothing
        found = keras.ops.matmul(logits, self._projection)
        # log(1 + e^z) - t z: the binary cross-entropy that never overflows.
        return keras.ops.sum(keras.ops.softplus(found) - wanted * found, axis=-1)

    def get_config(self) -> dict[str, Any]:
        """Settings for saving."""
        return {**super().get_config(), "membership": self.membership, "label_smoothing": self.label_smoothing}
