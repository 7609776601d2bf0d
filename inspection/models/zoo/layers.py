"""Layers of the nineties and of 2012 that Keras lacks, in ``keras.ops`` only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from inspection.models.backend import keras

if TYPE_CHECKING:
    from collections.abc import Sequence

Shape = tuple[int | None, ...]


@keras.saving.register_keras_serializable(package="inspection")
def scaled_tanh(x: Any) -> Any:
    """1.7159 tanh(2 x / 3): variance one in, variance one out (LeCun et al. 1998, appendix A)."""
    return 1.7159 * keras.ops.tanh(x * (2 / 3))


@keras.saving.register_keras_serializable(package="inspection")
class LocalResponseNormalization(keras.layers.Layer):
    """x / (k + alpha * sum of squares over ``window`` channels around) ** beta; shape stays (Krizhevsky et al. 2012, section 3.3)."""

    def __init__(self, window: int = 5, k: float = 2.0, alpha: float = 1e-4, beta: float = 0.75, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.window, self.k, self.alpha, self.beta = window, k, alpha, beta

    def call(self, maps: Any) -> Any:
        """Normalise."""
        half, channels = self.window // 2, maps.shape[-1]
        squares = keras.ops.pad(keras.ops.square(maps), ((0, 0), (0, 0), (0, 0), (half, half)))
        total = sum(squares[..., i : i + channels] for i in range(1, self.window)) + squares[..., :channels]
        return maps / keras.ops.power(self.k + self.alpha * total, self.beta)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """As it came."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Settings for saving."""
        return {**super().get_config(), "window": self.window, "k": self.k, "alpha": self.alpha, "beta": self.beta}


@keras.saving.register_keras_serializable(package="inspection")
class Subsampling(keras.layers.Layer):
    """Mean of 2x2 pixels, times a coefficient, plus a bias, of each channel (LeCun et al. 1998): (n, h, w, c) -> (n, h // 2, w // 2, c)."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pool_size = self.strides = (2, 2)
        self.padding = "valid"

    def build(self, input_shape: Shape) -> None:
        """Make coefficients and biases."""
        self.coefficient = self.add_weight(shape=(input_shape[-1],), initializer="ones", name="coefficient")
        self.bias = self.add_weight(shape=(input_shape[-1],), initializer="zeros", name="bias")
        super().build(input_shape)

    def call(self, maps: Any) -> Any:
        """Subsample."""
        return keras.ops.average_pool(maps, 2, 2, "valid") * self.coefficient + self.bias

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Half the pixels a side."""
        n, h, w, c = input_shape
        return (n, h and h // 2, w and w // 2, c)


@keras.saving.register_keras_serializable(package="inspection")
class TableConv2D(keras.layers.Layer):
    """Convolution in which filter j reads only the channels ``table[j]``, unpadded: (n, h, w, c) -> (n, h - k + 1, w - k + 1, len(table)).

    One weight for each connection that exists and tap; the dense kernel is put together from them, zeros elsewhere.
    """

    def __init__(self, table: Sequence[Sequence[int]], kernel_size: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.table = [list(channels) for channels in table]
        self.kernel_size, self.strides, self.dilation_rate, self.padding = (kernel_size, kernel_size), (1, 1), (1, 1), "valid"

    @property
    def connections(self) -> int:
        """Pairs of a channel and a filter that reads it."""
        return sum(map(len, self.table))

    def build(self, input_shape: Shape) -> None:
        """Make a tap for every connection, as if each filter read all channels, and the biases."""
        side, channels = self.kernel_size[0], input_shape[-1] or 0
        limit = (3 / (side * side * self.connections / len(self.table))) ** 0.5
        uniform = keras.initializers.RandomUniform(-limit, limit)
        self.taps = self.add_weight(shape=(self.connections, side * side), initializer=uniform, name="taps")
        self.bias = self.add_weight(shape=(len(self.table),), initializer="zeros", name="bias")
        self._places = np.zeros((channels, len(self.table), self.connections), np.float32)
        for number, (channel, filter_) in enumerate((c, j) for j, read in enumerate(self.table) for c in read):
            self._places[channel, filter_, number] = 1.0
        super().build(input_shape)

    def call(self, maps: Any) -> Any:
        """Convolve."""
        places = keras.ops.convert_to_tensor(self._places.reshape(-1, self.connections), dtype=self.taps.dtype)
        kernel = keras.ops.transpose(keras.ops.matmul(places, self.taps))
        kernel = keras.ops.reshape(kernel, (*self.kernel_size, self._places.shape[0], len(self.table)))
        return keras.ops.conv(maps, kernel, padding="valid") + self.bias

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Shape after the convolution."""
        n, h, w, _ = input_shape
        less = self.kernel_size[0] - 1
        return (n, h and h - less, w and w - less, len(self.table))

    def get_config(self) -> dict[str, Any]:
        """Settings for saving."""
        return {**super().get_config(), "table": self.table, "kernel_size": self.kernel_size[0]}
