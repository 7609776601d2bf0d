"""Layers of our own, in ``keras.ops`` only, so that they run on every Keras backend."""

from __future__ import annotations

from typing import Any

from inspection.models.backend import keras


@keras.saving.register_keras_serializable(package="inspection")
class FoldTiles(keras.layers.Layer):
    """(n, k, h, w, c) -> (n * k, h, w, c): every tile becomes an image of its own."""

    def call(self, tiles: Any) -> Any:
        """Fold."""
        return keras.ops.reshape(tiles, (-1, *tiles.shape[2:]))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Shape after folding."""
        return (None, *input_shape[2:])


@keras.saving.register_keras_serializable(package="inspection")
class AttendTiles(keras.layers.Layer):
    """Attention over the tiles of one wafer (gated sum, Ilse et al. 2018), masked where a tile is empty.

    Inputs: features of shape (n * k, f) and the tiles of shape (n, k, h, w, c) whose channel 1 (occupancy; or the only one) tells the
    empty ones.
    Output: shape (n, f); zeros for a wafer without tiles.
    """

    def __init__(self, hidden: int = 32, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.hidden = hidden
        self.gate = keras.layers.Dense(hidden, activation="tanh", name="gate")
        self.vote = keras.layers.Dense(1, use_bias=False, name="vote")

    def build(self, input_shape: list[tuple[int | None, ...]]) -> None:
        """Make the two dense layers."""
        features, tiles = input_shape
        self.gate.build((None, tiles[1], features[-1]))
        self.vote.build((None, tiles[1], self.hidden))
        super().build(input_shape)

    def call(self, inputs: list[Any]) -> Any:
        """Pool."""
        features, tiles = inputs
        weights = self.weights_of(features, tiles)
        features = keras.ops.reshape(features, (-1, tiles.shape[1], features.shape[-1]))
        return keras.ops.sum(features * weights[..., None], axis=1)

    def weights_of(self, features: Any, tiles: Any) -> Any:
        """How much of each tile is taken, shape (n, k): 0 for an empty one, the others add up to one."""
        count = tiles.shape[1]
        features = keras.ops.reshape(features, (-1, count, features.shape[-1]))
        occupancy = keras.ops.cast(tiles[..., min(1, tiles.shape[-1] - 1)], "float32")
        present = keras.ops.cast(keras.ops.max(occupancy, axis=(2, 3)) > 0, features.dtype)
        votes = keras.ops.squeeze(self.vote(self.gate(features)), axis=-1)
        weights = keras.ops.exp(votes - keras.ops.max(votes, axis=1, keepdims=True)) * present
        return weights / (keras.ops.sum(weights, axis=1, keepdims=True) + 1e-6)

    def compute_output_shape(self, input_shape: list[tuple[int | None, ...]]) -> tuple[int | None, ...]:
        """Shape after pooling."""
        return (input_shape[1][0], input_shape[0][-1])

    def get_config(self) -> dict[str, Any]:
        """Settings for saving."""
        return {**super().get_config(), "hidden": self.hidden}
