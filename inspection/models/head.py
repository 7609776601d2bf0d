"""The kind of head: one pattern per wafer, or patterns that combine.

Every network ends in logits; what they mean is decided once, by the labels that training reads (``Head.of``), and nowhere in the graph. The
loss and the scoring take it from this value: softmax and its cross-entropy where exactly one class is true of each wafer, a sigmoid and a
binary cross-entropy for each class where several or none may be (MixedWM38).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np

from inspection.errors import LabelError

if TYPE_CHECKING:
    from numpy.typing import NDArray


class HeadKind(StrEnum):
    """What turns logits into probabilities."""

    one_pattern = "softmax"
    combined = "sigmoid"


@dataclass(frozen=True, slots=True)
class Head:
    """``classes`` logits and their ``kind``."""

    classes: int
    kind: HeadKind = HeadKind.one_pattern

    @classmethod
    def of(cls, labels: NDArray[Any]) -> Head:
        """The head for ``labels``: (n,) class indices or one-hot rows mean one pattern; multi-hot rows (n, classes) combined ones.

        Labels are the data set's own, before mixing: rows of a mixup sum to one and say nothing about the kind.

        Raises
        ------
        LabelError
            Labels of another shape, or rows that hold anything but 0 and 1.
        """
        if labels.ndim == 1 and labels.size:
            return cls(int(labels.max()) + 1)
        if labels.ndim != 2 or not np.isin(labels, (0, 1)).all():
            raise LabelError(
                f"Cannot tell the head: expected class indices (n,) or rows of 0 and 1 (n, classes), got an array of shape {labels.shape}. "
                "Give the labels as they are before any mixing."
            )
        one = bool((labels.sum(axis=1) == 1).all())
        return cls(labels.shape[1], HeadKind.one_pattern if one else HeadKind.combined)

    def probabilities(self, logits: NDArray[np.floating]) -> NDArray[np.float64]:
        """``logits`` (n, classes) as probabilities (n, classes): rows that sum to 1, or each class by itself."""
        exact = np.asarray(logits, np.float64)
        if self.kind is HeadKind.combined:
            return np.exp(-np.logaddexp(0.0, -exact))
        return np.exp(exact - np.logaddexp.reduce(exact, axis=-1, keepdims=True))
