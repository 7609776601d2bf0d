"""How good the averaged weights are on the validation part."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.metrics import f1_score

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from inspection.models.backend import keras
    from inspection.training.fit import TrainingSet
    from inspection.training.inputs import AugmentedBatches

STATISTICS_BATCHES, STATISTICS_IMAGES = 16, 32
"""Batches, and images of each, that measure the statistics of the averaged weights anew before they are judged."""


@contextmanager
def averaged(model: keras.Model, batches: AugmentedBatches) -> Iterator[None]:
    """Inside, ``model`` has its averaged weights, with batch statistics of their own measured on ``batches``; after it, what it had."""
    weights = model.get_weights()
    model.optimizer.finalize_variable_values(model.trainable_variables)  # the moving average takes the weights' place
    for index in range(STATISTICS_BATCHES):  # the batch statistics of the averaged weights are not the average of statistics
        images = batches[index % len(batches)][0]
        model({name: array[:STATISTICS_IMAGES] for name, array in images.items()}, training=True)
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
