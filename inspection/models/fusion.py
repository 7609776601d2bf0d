"""A network beside which hand-made features vote: one network of two that were trained apart.

Both read the same global view. What a convolutional network overlooks on few examples and what measured numbers cannot say are other
wafers, so that the mean of both is better than either. Trained apart on purpose: in one training, the faster half learns and the other
rests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from inspection.models import features
from inspection.models.backend import keras
from inspection.models.head import class_logits

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from inspection.models.head import Head

FEATURES, TABLE = "features", "hand_made"
"""The input with the measured numbers, and the network within the network that votes by them."""
COLUMNS = np.array([place for place, name in enumerate(features.NAMES) if name in features.INVARIANT])
"""Of ``features.NAMES``, those that no symmetry of the square changes: the vote is the same for a wafer and its turns."""
HIDDEN, MOST_SIGMAS = 256, 4.0


def measure(images: NDArray[np.uint8], threads: int, progress: Any = None) -> NDArray[np.float32]:
    """What `table_network` reads of global views (n, s, s, 3): shape (n, len(COLUMNS)), float32."""
    return features.extract(images, threads, progress)[:, COLUMNS]


def table_network(center: NDArray[np.floating], scale: NDArray[np.floating], classes: int, head: Head, dropout: float) -> keras.Model:
    """A perceptron with two hidden layers over measured numbers.

    ``features`` (n, columns) float32 -> logits (n, classes). Numbers are taken from ``center`` in units of ``scale``, both of shape
    (columns,), and cut at `MOST_SIGMAS`: a wafer such as none before must not outvote everything.
    """
    table = keras.Input((len(center),), dtype="float32", name=FEATURES)
    x = keras.layers.Normalization(mean=center, variance=np.square(scale), name="standardise")(table)
    x = keras.layers.ReLU(max_value=2 * MOST_SIGMAS, name="cut")(keras.layers.Rescaling(1.0, MOST_SIGMAS, name="shift")(x))
    for place in ("first", "second"):  # names of their own, so that those of the network beside it stay as they are
        x = keras.layers.Dense(HIDDEN, use_bias=False, name=f"table_{place}")(x)
        x = keras.layers.ReLU()(keras.layers.BatchNormalization(momentum=0.9, name=f"table_normalise_{place}")(x))
        x = keras.layers.Dropout(dropout)(x)
    return keras.Model(table, class_logits(x, classes, head.membership, "table_"), name=TABLE)


def fused(network: keras.Model, table: keras.Model, weight: float) -> keras.Model:
    """``network`` with a further input ``features``; its logits are ``1 - weight`` of its own and ``weight`` of those of ``table``.

    The layers of ``network`` stay its own, ``embedding`` and ``logits`` among them, so that another training can start from it.
    """
    numbers = keras.Input(table.input_shape[1:], dtype="float32", name=FEATURES)
    own = keras.layers.Rescaling(1.0 - weight, dtype="float32", name="own_share")(network.output)
    theirs = keras.layers.Rescaling(weight, dtype="float32", name="table_share")(table(numbers))
    return keras.Model([*network.inputs, numbers], keras.layers.Add(dtype="float32", name="fused")([own, theirs]), name=network.name)


def reads_features(network: keras.Model) -> bool:
    """Whether ``network`` wants what `measure` gives."""
    return any(tensor.name == FEATURES for tensor in network.inputs)
