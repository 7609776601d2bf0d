"""Layers that commute with a group of turns (Cohen and Welling 2016, "Group equivariant convolutional networks"), in ``keras.ops`` only.

A feature map holds, at every pixel, ``order * filters`` numbers: one block of ``filters`` for each element of the group, in its order. When
the view is turned, the maps turn with it and the blocks change places; nothing else changes. Pooled over pixels and blocks, nothing does.

That holds exactly only where every step looks at a pixel's neighbours evenly. So kernels that halve a map have four taps a side on an even
number of pixels and three on an odd one (``halving``): then padding is the same on both sides, and the samples lie evenly, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from inspection.models.backend import keras
from inspection.models.symmetry import SquareGroup

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Shape = tuple[int | None, ...]


def blind_to(network: keras.Model, turns: Sequence[Any]) -> bool:
    """Whether ``network`` is symmetric by construction under each of ``turns``, (2, 2) matrices of symmetries of the square."""
    groups = [layer.group for layer in network.layers if isinstance(layer, OrbitConv2D)]
    return bool(groups) and all(set(SquareGroup.of(turns).elements) <= set(group.elements) for group in groups)


def halving(size_px: int) -> tuple[int, int]:
    """Sides of the convolution and of the pooling that halve a map of ``size_px`` evenly."""
    return (4, 2) if size_px % 2 == 0 else (3, 3)


@keras.saving.register_keras_serializable(package="inspection")
class OrbitConv2D(keras.layers.Layer):
    """Convolution that commutes with a group, no bias, padded with zeros: (n, h, w, c) -> (n, h / strides, w / strides, order * filters).

    The first one (``lifting``) reads plain channels, the others blocks of them. The kernel is stored once and turned for every element: an
    ordinary convolution between the same numbers of channels, with ``order`` times fewer weights.

    Parameters
    ----------
    filters : int
        Of each block.
    kernel_size, strides : int
        Same on both sides.
    turns : sequence of (2, 2) matrices
        The group's elements.
    lifting : bool
        Whether the input has plain channels.
    """

    def __init__(
        self, filters: int, kernel_size: int, turns: Sequence[Any], strides: int = 1, *, lifting: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.group = SquareGroup.of(turns)
        self.filters, self.lifting = filters, lifting
        self.kernel_size, self.strides = (kernel_size, kernel_size), (strides, strides)
        self.dilation_rate, self.padding = (1, 1), "same"

    def build(self, input_shape: Shape) -> None:
        """Make the one kernel, and the table that turns it."""
        order, side = len(self.group), self.kernel_size[0]
        blocks = 1 if self.lifting else order
        channels = (input_shape[-1] or 0) // blocks
        self.kernel = self.add_weight(shape=(side * side * blocks, channels, self.filters), initializer="glorot_uniform", name="kernel")
        # The block of element g at input block h is the kernel's plane g**-1 h, turned by g.
        planes = np.zeros((order, 1), np.int32) if self.lifting else self.group.quotients()
        self._places = self.group.turned(side)[:, :, None] * blocks + planes[:, None, :]
        self._expanded = (side, side, blocks * channels, order * self.filters)
        super().build(input_shape)

    def call(self, maps: Any) -> Any:
        """Turn the kernel and convolve."""
        order, blocks = len(self.group), self._places.shape[-1]
        every = keras.ops.take(self.kernel, self._places.reshape(-1), axis=0)
        every = keras.ops.reshape(every, (order, -1, blocks, *self.kernel.shape[1:]))
        kernel = keras.ops.reshape(keras.ops.transpose(every, (1, 2, 3, 0, 4)), self._expanded)
        return keras.ops.conv(maps, kernel, strides=self.strides[0], padding="same")

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Shape after the convolution."""
        n, h, w, _ = input_shape
        rows, cols = (None if side is None else -(-side // self.strides[0]) for side in (h, w))
        return (n, rows, cols, len(self.group) * self.filters)

    def get_config(self) -> dict[str, Any]:
        """Settings for saving."""
        return {
            **super().get_config(), "filters": self.filters, "kernel_size": self.kernel_size[0], "strides": self.strides[0],
            "turns": self.group.elements, "lifting": self.lifting,
        }  # fmt: skip


@keras.saving.register_keras_serializable(package="inspection")
class OrbitBatchNormalization(keras.layers.BatchNormalization):
    """Batch normalisation with one mean, variance, scale and offset for all blocks of a filter; shape (n, h, w, order * filters) stays."""

    def __init__(self, order: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.order = order

    def build(self, input_shape: Shape) -> None:
        """Make the statistics of one block."""
        super().build((*input_shape[:-1], (input_shape[-1] or 0) // self.order))
        self.input_spec = None  # it would ask for the channels of one block

    def call(self, maps: Any, training: bool | None = None, mask: Any = None) -> Any:  # noqa: ARG002  (mask: of the signature)
        """Normalise. Statistics are taken by channel, then joined over the blocks: sums over a few long rows cost twice a training step."""
        exact = keras.ops.cast(maps, self.moving_mean.dtype)
        mean, variance = self.moving_mean, self.moving_variance
        if training and self.trainable:
            mean, variance = self._joined(*keras.ops.moments(exact, axes=(0, 1, 2)))
            for moving, seen in ((self.moving_mean, mean), (self.moving_variance, variance)):
                moving.assign(moving * self.momentum + seen * (1 - self.momentum))
        of_each = [keras.ops.tile(one, (self.order,)) for one in (mean, variance, self.beta, self.gamma)]
        return keras.ops.cast(keras.ops.batch_normalization(exact, *of_each[:2], -1, *of_each[2:], self.epsilon), self.compute_dtype)

    def _joined(self, means: Any, variances: Any) -> tuple[Any, Any]:
        """Mean and variance of all blocks together from those of each."""
        means, variances = (keras.ops.reshape(one, (self.order, -1)) for one in (means, variances))
        mean = keras.ops.mean(means, axis=0)
        return mean, keras.ops.mean(variances + keras.ops.square(means - mean), axis=0)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """As it came."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Settings for saving."""
        return {**super().get_config(), "order": self.order}


@keras.saving.register_keras_serializable(package="inspection")
class OrbitPooling(keras.layers.Layer):
    """Mean and maximum over all pixels and blocks: (n, h, w, order * filters) -> (n, 2 * filters), the same for every turn of the view."""

    def __init__(self, order: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.order = order

    def call(self, maps: Any) -> Any:
        """Pool."""
        mean, most = (self._over_blocks(pool, pool(maps, axis=(1, 2))) for pool in (keras.ops.mean, keras.ops.max))
        return keras.ops.concatenate([mean, most], axis=-1)

    def _over_blocks(self, pool: Callable[..., Any], channels: Any) -> Any:
        return pool(keras.ops.reshape(channels, (-1, self.order, channels.shape[-1] // self.order)), axis=1)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Shape after pooling."""
        return (input_shape[0], 2 * ((input_shape[-1] or 0) // self.order))

    def get_config(self) -> dict[str, Any]:
        """Settings for saving."""
        return {**super().get_config(), "order": self.order}
