"""The loss of a sigmoid head: each pattern by itself, whatever the others are; and, where asked, the combination as a whole beside it."""

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
        In [0, 1]: each pattern's target moves so far towards 1/2, the combination's towards 1/k.
    whole : float
        Weight of the cross-entropy of the softmax over the classes, which is added: it tells apart what is known to exist.
    """

    def __init__(self, membership: Membership, label_smoothing: float = 0.0, whole: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.membership = [[int(flag) for flag in row] for row in membership]
        self.label_smoothing = label_smoothing
        self.whole = whole
        self._flags = np.array(self.membership, np.float32)
        self._projection = pattern_projection(membership)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Loss of each wafer, shape (n,)."""
        logits, truth = keras.ops.cast(y_pred, "float32"), keras.ops.cast(y_true, "float32")
        wanted = keras.ops.matmul(truth, self._flags)
        wanted = wanted * (1.0 - self.label_smoothing) + 0.5 * self.label_smoothing
        found = keras.ops.matmul(logits, self._projection)
        # log(1 + e^z) - t z: the binary cross-entropy that never overflows.
        loss = keras.ops.sum(keras.ops.softplus(found) - wanted * found, axis=-1)
        if not self.whole:
            return loss
        smoothed = truth * (1.0 - self.label_smoothing) + self.label_smoothing / len(self.membership)
        return loss + self.whole * keras.losses.categorical_crossentropy(smoothed, logits, from_logits=True)

    def get_config(self) -> dict[str, Any]:
        """Settings for saving."""
        return {**super().get_config(), "membership": self.membership, "label_smoothing": self.label_smoothing, "whole": self.whole}
