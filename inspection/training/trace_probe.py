"""The guard's second probe: a small network that learns to tell which class's policy made a view (``augmentation.guard.network``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from inspection.models.backend import keras

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from inspection.augmentation.guard.contract import View

PASSES = 12_000
"""Views shown in training, each as often as it takes: bounds the time."""
TILES = 3
BATCH = 64
WIDTHS = (16, 24, 32)


def tell_views(views: View, labels: NDArray[np.int64], tried: View, seed: int) -> NDArray[np.float32]:
    """Learn from ``views`` of the ``labels`` 0, 1, ..., and score ``tried``.

    Parameters
    ----------
    views, tried : View
        With one leading axis. ``labels`` is of shape (n,).
    seed : int

    Returns
    -------
    ndarray of shape (m, labels), float32
        Logarithm of each label's share.
    """
    keras.utils.set_random_seed(seed)
    network = _network(views, int(labels.max()) + 1)
    epochs = int(np.clip(PASSES // len(labels), 2, 12))
    rate = keras.optimizers.schedules.CosineDecay(3e-3, epochs * -(-len(labels) // BATCH))
    network.compile(optimizer=keras.optimizers.Adam(rate), loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    network.fit(_inputs(views), labels, batch_size=BATCH, epochs=epochs, verbose=0)
    logits = np.asarray(network.predict(_inputs(tried), batch_size=4 * BATCH, verbose=0), np.float64)
    top = logits.max(axis=1, keepdims=True)
    return (logits - top - np.log(np.exp(logits - top).sum(axis=1, keepdims=True))).astype(np.float32)


def _inputs(views: View) -> list[NDArray[np.uint8]]:
    return [views.image, *([views.tiles[:, :TILES]] if views.tiles.shape[1] else [])]


def _network(views: View, labels: int) -> keras.Model:
    """Pixels and what differs from their surroundings, three convolutions, their mean over the picture; for the tiles likewise."""
    image = keras.Input(views.image.shape[1:], dtype="uint8")
    inputs, seen = [image], [_eye(views.image.shape[1:])(image)]
    if views.tiles.shape[1]:
        tiles = keras.Input((min(TILES, views.tiles.shape[1]), *views.tiles.shape[2:]), dtype="uint8")
        inputs.append(tiles)
        seen.append(keras.layers.GlobalAveragePooling1D()(keras.layers.TimeDistributed(_eye(views.tiles.shape[2:]))(tiles)))
    joined = keras.layers.Concatenate()(seen) if len(seen) > 1 else seen[0]
    return keras.Model(inputs, keras.layers.Dense(labels)(joined))


def _eye(shape: tuple[int, ...]) -> keras.Model:
    image = keras.Input(shape, dtype="uint8")
    grey = keras.layers.Rescaling(1 / 255)(image)
    around = keras.layers.AveragePooling2D(3, strides=1, padding="same")(grey)
    x = keras.layers.Concatenate()([grey, keras.layers.Rescaling(4.0)(keras.layers.Subtract()([grey, around]))])
    for k, width in enumerate(WIDTHS):
        x = keras.layers.Conv2D(width, 3, strides=1 + (k > 0), padding="same", use_bias=False)(x)
        x = keras.layers.Activation("relu")(keras.layers.BatchNormalization(momentum=0.9)(x))
    return keras.Model(image, keras.layers.GlobalAveragePooling2D()(x))
