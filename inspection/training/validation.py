"""How good the averaged weights are on the validation part."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.metrics import f1_score

from inspection.models.backend import keras

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from inspection.training.fit import TrainingSet
    from inspection.training.inputs import AugmentedBatches

STATISTICS_BATCHES, STATISTICS_IMAGES = 16, 32
"""Batches, and images of each, that measure the statistics of the averaged weights anew before they are judged."""


class Measuring(keras.Model):
    """``network`` in its training mode, learning nothing: predicting with this, compiled once, moves only its batch statistics."""

    def __init__(self, network: keras.Model) -> None:
        super().__init__()
        self.network = network

    def call(self, images: dict[str, Any]) -> Any:
        """What the network says in training."""
        return self.network(images, training=True)


@contextmanager
def averaged(measuring: Measuring, batches: AugmentedBatches) -> Iterator[None]:
    """Inside, the network has its averaged weights, with batch statistics of their own measured on ``batches``; after it, what it had."""
    model = measuring.network
    weights = model.get_weights()
    model.optimizer.finalize_variable_values(model.trainable_variables)  # the moving average takes the weights' place
    for index in range(STATISTICS_BATCHES):  # the batch statistics of the averaged weights are not the average of statistics
        images = batches[index % len(batches)][0]
        measuring.predict_on_batch({name: array[:STATISTICS_IMAGES] for name, array in images.items()})
    yield
    model.set_weights(weights)


def judge(model: keras.Model, data: TrainingSet) -> tuple[float, float]:
    """Macro-F1 (0 to 1) and loss on the validation part; 0 and NaN where there is none.

    The loss is the one that ``model`` is trained with, its penalties included, so that the two curves can be compared.
    """
    if not len(data.validation_labels):
        return 0.0, np.nan
    inputs: dict[str, Any] = {"image": data.validation.images}
    if with_tiles(model):
        inputs["tiles"] = data.validation.tiles
    logits = model.predict(inputs, batch_size=256, verbose=0)
    score = float(f1_score(data.validation_labels, logits.argmax(axis=1), average="macro", zero_division=0))
    targets: NDArray[np.float32] = np.eye(data.classes, dtype=np.float32)[data.validation_labels]
    return score, float(model.loss(targets, logits)) + sum(float(penalty) for penalty in model.losses)


def with_tiles(model: keras.Model) -> bool:
    """Whether ``model`` looks at the detail tiles."""
    return any(t.name == "tiles" for t in model.inputs)
