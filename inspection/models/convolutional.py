"""The fully convolutional form of a patch classifier: all its windows on an image of any size in one pass (Long et al. 2015).

A dense layer on the last map is a convolution with a kernel of the map's size, and pooling over the whole map is pooling with a window of
that size. Slid over a larger image, each place of the output is the classifier's answer for the window at ``stride`` times that place,
computed from maps that neighbouring windows share.

That is *equal* to cutting each window out and asking the classifier only where no layer pads: a window that was cut out has zeros around
it, the same window within the image has its neighbours. So a layer that pads (``same``), or lets a place see the whole map in between (a
gate), is refused here, and ``sliding`` asks such a network window by window: exact for every network, and slower by the overlap
(``(window / stride) ** 2``).

Convertible: ``patch_net`` (made for it) and lenet5 (LeCun et al. 1998, section VII). Not: wafer_net, plain_cnn and the other published
networks, all of which pad.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from inspection.errors import ParamsError
from inspection.models.anatomy.graph import Node, graph, is_map, pixels
from inspection.models.backend import keras
from inspection.models.head import Combinations
from inspection.models.network import NetworkSpec, finish, image_pixels

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

_POINTWISE = (
    keras.layers.Rescaling, keras.layers.Activation, keras.layers.ReLU, keras.layers.LeakyReLU, keras.layers.BatchNormalization,
    keras.layers.Add, keras.layers.Concatenate, keras.layers.Cropping2D, Combinations,
)  # fmt: skip
_MEAN, _MOST = keras.layers.GlobalAveragePooling2D, keras.layers.GlobalMaxPooling2D


def patch_net(spec: NetworkSpec) -> keras.Model:
    """A small classifier of patches without padding, so that sliding it is exact; stride 4.

    ``image`` (n, size_px, size_px, c) with size_px >= 18 -> convolutions 3x3 and two halvings -> a dense layer over the last map ->
    ``logits`` (n, classes). Class 0 is the background's, by custom.
    """
    image, x = image_pixels(spec, "patch_net", smallest_px=18)
    for place, filters in enumerate((spec.width, spec.width, 2 * spec.width)):
        x = keras.layers.Conv2D(filters, 3, padding="valid", use_bias=False)(x)
        x = keras.layers.ReLU()(keras.layers.BatchNormalization()(x))
        if place < 2:
            x = keras.layers.MaxPooling2D(2, padding="valid")(x)
    x = keras.layers.Dense(4 * spec.width, activation="relu", name="whole_window")(keras.layers.Flatten()(x))
    return finish(spec, [image], x, "patch_net")


@dataclass(frozen=True, eq=False)
class FullyConvolutional:
    """A patch classifier for images of any size.

    Attributes
    ----------
    window_px : int
        Side of the windows that the classifier was trained on.
    stride_px : int
        Distance of neighbouring windows.
    classes : int
    """

    window_px: int
    stride_px: int
    classes: int
    _forward: Callable[[NDArray[np.uint8]], NDArray[np.float32]]

    def places(self, size_px: int) -> int:
        """How many whole windows lie along a side of ``size_px``."""
        return max(0, (size_px - self.window_px) // self.stride_px + 1)

    def __call__(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Logits of every whole window of ``image`` (h, w, c): shape (rows, cols, k); window (i, j) begins at pixel (i, j) * stride."""
        rows, cols = (self.places(side) for side in image.shape[:2])
        if not rows or not cols:
            return np.zeros((rows, cols, self.classes), np.float32)
        return self._forward(image)[:rows, :cols]

    def scaled(self, scaling: Callable[[NDArray[np.float32]], NDArray[np.floating]]) -> FullyConvolutional:
        """The same classifier, its logits (..., k) passed through ``scaling``, such as a bundle's calibration."""
        return replace(self, _forward=lambda image: np.asarray(scaling(self._forward(image)), np.float32))


def convolutional(network: keras.Model) -> FullyConvolutional:
    """The fully convolutional form of ``network``, with its weights.

    Parameters
    ----------
    network : keras.Model
        One input ``image`` of fixed, square size; ends in ``logits``.

    Raises
    ------
    ParamsError
        A layer that pads, or one that has no convolutional form; names it. `sliding` takes every network.
    """
    window = _square(network)
    image = keras.Input((None, None, network.inputs[0].shape[-1]), dtype="uint8", name="image")
    made = {id(network.inputs[0]): _Slid(image)}
    for node in graph(network):
        if node.inputs:
            made[id(node.output)] = _slid(node, [made[id(t)] for t in node.inputs], network)
    logits = made[id(network.output)]
    model = keras.Model(image, logits.tensor, name=f"{network.name}_convolutional")

    def forward(pixels_: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.asarray(model.predict_on_batch(pixels_[None])[0], np.float32)

    return FullyConvolutional(window, logits.stride, network.output_shape[-1], forward)


def sliding(network: keras.Model, stride_px: int, batch_size: int = 64) -> FullyConvolutional:
    """``network`` asked window by window, ``stride_px`` apart: any network with one input ``image``."""
    window = _square(network)
    asked = keras.Model(network.inputs[0], network.output)

    def forward(image: NDArray[np.uint8]) -> NDArray[np.float32]:
        views = np.lib.stride_tricks.sliding_window_view(image, (window, window), (0, 1))[::stride_px, ::stride_px]
        rows, cols = views.shape[:2]
        found = np.empty((rows * cols, network.output_shape[-1]), np.float32)
        for start in range(0, len(found), batch_size):
            place = np.arange(start, min(start + batch_size, len(found)))
            batch = views[place // cols, place % cols].transpose(0, 2, 3, 1)
            padded = np.pad(batch, ((0, batch_size - len(batch)), (0, 0), (0, 0), (0, 0)))
            found[place] = np.asarray(asked.predict_on_batch(padded))[: len(batch)]
        return found.reshape(rows, cols, -1)

    return FullyConvolutional(window, stride_px, network.output_shape[-1], forward)


def _square(network: keras.Model) -> int:
    shapes = [tuple(t.shape[1:]) for t in network.inputs]
    if len(shapes) != 1 or len(shapes[0]) != 3 or shapes[0][0] != shapes[0][1] or shapes[0][0] is None:
        raise ParamsError(
            f"{network.name} is no patch classifier: expected one input of fixed size (side, side, channels), got {shapes}. "
            "Train one on patches (inspection.models.convolutional.patch_net)."
        )
    return int(shapes[0][0])


@dataclass(frozen=True)
class _Slid:
    """A tensor of the network, slid: a map of free size, so many pixels apart; ``flat``: the size of the map that a vector was."""

    tensor: Any
    stride: int = 1
    flat: tuple[int, int] = (1, 1)


def _slid(node: Node, inputs: list[_Slid], network: keras.Model) -> _Slid:
    """The node's operation on ``inputs``."""
    operation, first = node.operation, inputs[0]
    kernel = getattr(operation, "pool_size", None) or getattr(operation, "kernel_size", None)
    if kernel is not None and len(kernel) == 2:
        if operation.padding != "valid" and set(kernel) != {1}:
            raise _refused(network, node, f"its padding is {operation.padding!r}")
        if len(set(operation.strides)) != 1:
            raise _refused(network, node, f"its strides {operation.strides} differ")
        return _Slid(_copy(operation, first.tensor), first.stride * operation.strides[0])
    if isinstance(operation, _MEAN | _MOST):
        pool = keras.layers.AveragePooling2D if isinstance(operation, _MEAN) else keras.layers.MaxPooling2D
        return _Slid(pool(pixels(node.inputs[0]), 1, padding="valid")(first.tensor), first.stride)
    if isinstance(operation, keras.layers.Flatten) and is_map(node.inputs[0]):
        return _Slid(first.tensor, first.stride, pixels(node.inputs[0]))
    if isinstance(operation, keras.layers.Dropout):
        return first
    if isinstance(operation, keras.layers.Dense):
        return _Slid(_dense(operation, first), first.stride)
    if isinstance(operation, _POINTWISE) and all((i.stride, i.flat) == (first.stride, (1, 1)) for i in inputs):
        tensors = [i.tensor for i in inputs]
        return _Slid(_copy(operation, tensors if len(tensors) > 1 else tensors[0]), first.stride)
    raise _refused(network, node, "it has no convolutional form known here")


def _copy(operation: Any, tensor: Any) -> Any:
    """A layer like ``operation``, with its weights, on ``tensor``; the network's own layers stay as they are."""
    layer = type(operation).from_config(operation.get_config())
    result = layer(tensor)
    layer.set_weights(operation.get_weights())
    return result


def _dense(dense: Any, given: _Slid) -> Any:
    """A dense layer as the convolution that it is: over the map that was flattened, or over one place."""
    units, channels = dense.units, given.tensor.shape[-1]
    layer = keras.layers.Conv2D(
        units, given.flat, padding="valid", activation=dense.activation, use_bias=dense.use_bias, dtype=dense.dtype_policy, name=dense.name
    )
    result = layer(given.tensor)
    kernel, *bias = dense.get_weights()
    layer.set_weights([kernel.reshape(*given.flat, channels, units), *bias])
    return result


def _refused(network: keras.Model, node: Node, why: str) -> ParamsError:
    return ParamsError(
        f"No exact fully convolutional form of {network.name}: expected layers that do not pad, got {node.kind} {node.name!r}: {why}. "
        "Use inspection.models.convolutional.sliding, or train patch_net."
    )
