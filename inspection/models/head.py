"""From features to logits: a logit for each class, or one for each pattern, of which the classes are sums.

Every network ends in a layer ``logits``, one for each class, and everything downstream (temperature, thresholds, decision, worker, alerts)
takes their softmax. Where patterns combine (MixedWM38), a class is a combination, and ``Combinations`` makes its logit the sum of those of
its patterns: ``logits = patterns @ membership.T``, nothing to learn in it. The softmax over the classes is then exactly a sigmoid for each
pattern, conditioned on what was seen to exist::

    P(patterns S | S is a class) = prod_p sigmoid(z_p)^[p in S] sigmoid(-z_p)^[p not in S] / sum over the classes of the same

and a class without patterns (normal) has logit 0. ``HeadKind`` says which of the two is built, and what it learns by.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np

from inspection.errors import ParamsError, bounded
from inspection.models.backend import keras

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from inspection.wafer.taxonomy import Taxonomy

PATTERN_LAYER = "patterns"
"""The layer with the logits of the patterns, before ``logits``; networks with a logit for each class have none."""
Membership = Sequence[Sequence[bool]]
"""For each class, for each pattern: whether the class has it (`Taxonomy.membership`)."""


class HeadKind(StrEnum):
    """What the logits are and what they learn by.

    ``softmax``: a logit for each class. ``patterns``: a logit for each pattern, the cross-entropy of the softmax over the classes.
    ``sigmoid``: the same network, the binary cross-entropy of each pattern by itself (``training.losses``), so that a combination
    outside the classes can be said, too. ``joint``: the same network, the sum of both.
    """

    softmax = "softmax"
    patterns = "patterns"
    sigmoid = "sigmoid"
    joint = "joint"


@dataclass(frozen=True, slots=True)
class Head:
    """A ``kind``, and the classes' ``membership`` where it is one of patterns."""

    kind: HeadKind = HeadKind.softmax
    membership: Membership | None = None

    @classmethod
    def of(cls, taxonomy: Taxonomy, asked: str = "auto") -> Head:
        """The head for ``taxonomy``: ``auto`` takes both losses where patterns combine, else the softmax.

        Raises
        ------
        ParamsError
            A head of patterns asked for classes that their patterns do not tell apart (two normal ones); ``auto`` takes the softmax then.
        """
        membership = taxonomy.membership()
        alike = [c.name for c, row in zip(taxonomy.classes, membership, strict=True) if membership.count(row) > 1]
        if asked == "auto":
            asked = HeadKind.joint if taxonomy.combines and not alike else HeadKind.softmax
        kind = HeadKind(asked)
        if kind is HeadKind.softmax:
            return cls()
        if alike or not taxonomy.patterns:
            raise ParamsError(
                f"Cannot train a head of patterns: expected that each class has patterns of its own, got the same for {bounded(alike)} "
                "(train.head in params.yaml). Set it to softmax, or give these wafers one class."
            )
        return cls(kind, membership)


@keras.saving.register_keras_serializable(package="inspection")
class Combinations(keras.layers.Layer):
    """Logits of patterns (n, p) -> logits of classes (n, k): the sum over the patterns of each; no weights.

    Parameters
    ----------
    membership : k rows of p flags
    """

    def __init__(self, membership: Membership, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.membership = [[int(flag) for flag in row] for row in membership]

    def call(self, patterns: Any) -> Any:
        """Add up."""
        return keras.ops.matmul(patterns, keras.ops.convert_to_tensor(np.transpose(self.membership), dtype=patterns.dtype))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Shape of the classes' logits."""
        return (*input_shape[:-1], len(self.membership))

    def get_config(self) -> dict[str, Any]:
        """Settings for saving."""
        return {**super().get_config(), "membership": self.membership}


def class_logits(features: Any, classes: int, membership: Membership | None, prefix: str = "") -> Any:
    """The layer ``logits`` (n, classes) float32 over ``features`` (n, f), in mixed precision, too; ``prefix`` goes before its name."""
    if membership is None:
        return keras.layers.Dense(classes, dtype="float32", name=f"{prefix}logits")(features)
    patterns = keras.layers.Dense(len(membership[0]), dtype="float32", name=prefix + PATTERN_LAYER)(features)
    return Combinations(membership, dtype="float32", name=f"{prefix}logits")(patterns)


def pattern_projection(membership: Membership) -> NDArray[np.float32]:
    """(k, p): classes' logits of a head of patterns, times it, are the patterns' logits again.

    Exact where the membership has full column rank; of patterns that are never seen apart only the sum is known, and shared out.
    """
    return np.linalg.pinv(np.asarray(membership, np.float64)).T.astype(np.float32)
