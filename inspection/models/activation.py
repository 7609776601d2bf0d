"""Where on the views a logit comes from: class activation maps that add up to the logit, without gradients.

Where only pooling and one dense layer lie between the last maps A and the logits, a logit is a sum over places, and every place has its
share (Zhou et al. 2016, "Learning deep features for discriminative localization", which has the mean alone)::

    mean over the places     W_f mean_x A_f(x)  =  sum over x of  W_f A_f(x) / places
    maximum over the places  W_f max_x A_f(x)   =  sum over x of  W_f A_f(x) [A_f(x) is the maximum] / ties
    attention over tiles     W_f sum_t a_t F_tf =  sum over t of  a_t W_f F_tf, each again a sum over the tile's places

so that the maps and ``bias`` add up to the logit. Which network has which:

================================================  ================================================================================
exact (``ClassActivation``)                       wafer_net and plain_cnn, also built symmetric; googlenet, inception_v3, xception,
                                                  resnet50, densenet121, mobilenet_v2, nasnet_mobile, efficientnet_b0; each with a
                                                  head of classes or of patterns; the own share of a network fused with a table
by hiding parts of the view (``models.occlusion``)  all networks; the only one for mlp, lenet5, alexnet, vgg16, vgg19
================================================  ================================================================================

Exact says what adds up, not what a place saw: a place of the last map reads as much of the view as its receptive field
(``anatomy.receptive_field``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from inspection.errors import ParamsError
from inspection.models.anatomy.graph import graph, is_map
from inspection.models.backend import keras
from inspection.models.fusion import FEATURES
from inspection.models.head import PATTERN_LAYER, Combinations
from inspection.models.layers import AttendTiles
from inspection.models.orbit_layers import OrbitPooling

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from inspection.models.anatomy.graph import Node

_MEAN, _MOST = keras.layers.GlobalAveragePooling2D, keras.layers.GlobalMaxPooling2D


@dataclass(frozen=True, eq=False)
class Activations:
    """Shares of the logits of n wafers, float32: ``image.sum((1, 2)) + tiles.sum((1, 2, 3)) + bias`` are the logits of the views.

    Attributes
    ----------
    image : ndarray of shape (n, rows, cols, k)
        Of each place of the global view's last map; row 0 at the top.
    tiles : ndarray of shape (n, tiles, rows, cols, k)
        Of each place of each detail tile; no tiles where the network has none. Zero for an empty tile.
    bias : ndarray of shape (k,)
        What no place has a share in.
    """

    image: NDArray[np.float32]
    tiles: NDArray[np.float32]
    bias: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.image)

    @property
    def logits(self) -> NDArray[np.float32]:
        """The sum, shape (n, k); of a fused network without what its table says."""
        return self.image.sum(axis=(1, 2)) + self.tiles.sum(axis=(1, 2, 3)) + self.bias

    @property
    def tile_shares(self) -> NDArray[np.float32]:
        """Each tile's share of the logits, shape (n, tiles, k)."""
        return self.tiles.sum(axis=(2, 3))


@dataclass(frozen=True)
class _Pooled:
    """Some features: the mean or maximum of maps (tensor number ``maps``), over ``order`` blocks each; ``weights``: tensor of attention."""

    maps: int
    features: slice
    most: bool
    order: int = 1
    weights: int | None = None


class ClassActivation:
    """Shares of the logits, place by place, of a network that ends in pooling and one dense layer.

    Parameters
    ----------
    network : keras.Model
        With the layers ``embedding`` and ``logits``, as ``builders`` and ``fusion`` make them.
    patterns : bool
        Shares of the logits of patterns, where the network has some (``head``), instead of those of classes.
    batch_size : int
        What is computed at a time, so that nothing is compiled after the first call.

    Raises
    ------
    ParamsError
        Another layer than pooling between the maps and the embedding (lenet5, alexnet, vgg, mlp), or no logits of patterns.
    """

    def __init__(self, network: keras.Model, *, patterns: bool = False, batch_size: int = 1) -> None:
        self.batch_size = batch_size
        pictures = [tensor for tensor in network.inputs if tensor.name != FEATURES]
        logits = network.get_layer("logits")
        bare = keras.Model(pictures, logits.output)
        self.sources = [tensor.name for tensor in pictures]
        self._tile_count = next((t.shape[1] for t in pictures if t.name == "tiles"), 0)
        self._tensors: list[Any] = []
        self._parts = list(self._pooled(graph(bare), network))
        self._forward = keras.Model(pictures, self._tensors)
        self._kernel, self._bias = _head(network, logits, patterns=patterns)

    def __call__(self, images: NDArray[np.uint8], tiles: NDArray[np.uint8] | None = None) -> Activations:
        """Shares of ``images`` (n, s, s, c) and, where the network looks at them, ``tiles`` (n, t, p, p, c)."""
        given: dict[str, Any] = {"image": images, "tiles": tiles}
        found = [self._batch([given[name][start : start + self.batch_size] for name in self.sources])
                 for start in range(0, len(images), self.batch_size)]  # fmt: skip
        return Activations(np.concatenate([f[0] for f in found]), np.concatenate([f[1] for f in found]), self._bias)

    def _batch(self, inputs: list[Any]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        count = len(inputs[0])
        padded = [np.pad(x, ((0, self.batch_size - count), *((0, 0),) * (x.ndim - 1))) for x in inputs]
        # predict_on_batch is the compiled forward pass on every backend.
        tensors = [np.asarray(t, np.float32) for t in keras.tree.flatten(self._forward.predict_on_batch(padded))]
        image: Any = 0.0
        tiles: Any = np.zeros((count, 0, 1, 1, self._kernel.shape[1]), np.float32)
        for part in self._parts:
            share = _share(tensors[part.maps], self._kernel[part.features], part)
            if part.weights is None:
                image = image + share[:count]
            else:
                share = share.reshape(-1, self._tile_count, *share.shape[1:]) * tensors[part.weights][:, :, None, None, None]
                tiles = share[:count] if tiles.shape[1] == 0 else tiles + share[:count]
        return image, tiles

    def _pooled(self, nodes: list[Node], network: keras.Model) -> Iterator[_Pooled]:
        """What the embedding is made of, from its first feature to its last; puts the tensors that it takes into ``self._tensors``."""
        made_by = {id(node.output): node for node in nodes}
        start = 0
        waiting: list[tuple[Any, int | None]] = [(network.get_layer("embedding").input, None)]
        while waiting:
            tensor, weights = waiting.pop(0)
            node = made_by[id(tensor)]
            operation, width = node.operation, tensor.shape[-1]
            if isinstance(operation, keras.layers.Concatenate) and not is_map(tensor):
                waiting[:0] = [(one, weights) for one in node.inputs]
            elif isinstance(operation, AttendTiles):
                waiting.insert(0, (node.inputs[0], self._take(AttentionWeights(operation)(list(node.inputs)))))
            elif isinstance(operation, _MEAN | _MOST):
                yield _Pooled(self._take(node.inputs[0]), slice(start, start + width), isinstance(operation, _MOST), 1, weights)
                start += width
            elif isinstance(operation, OrbitPooling):
                maps, half = self._take(node.inputs[0]), width // 2
                for most in (False, True):
                    yield _Pooled(maps, slice(start, start + half), most, operation.order, weights)
                    start += half
            else:
                raise ParamsError(
                    f"No exact class activation for {network.name}: expected pooling alone between its last maps and its embedding, got "
                    f"{node.kind} {node.name!r}. Use inspection.models.occlusion, which works on every network."
                )

    def _take(self, tensor: Any) -> int:
        for place, known in enumerate(self._tensors):
            if known is tensor:
                return place
        self._tensors.append(tensor)
        return len(self._tensors) - 1


class AttentionWeights(keras.layers.Layer):
    """The weights (n, k) by which ``attend`` adds up the tiles; same inputs, no weights of its own."""

    def __init__(self, attend: AttendTiles) -> None:
        super().__init__(name=f"{attend.name}_weights")
        self.attend = attend

    def call(self, inputs: list[Any]) -> Any:
        """The weights."""
        return self.attend.weights_of(*inputs)

    def compute_output_shape(self, input_shape: Sequence[tuple[int | None, ...]]) -> tuple[int | None, ...]:
        """One for each tile."""
        return (input_shape[1][0], input_shape[1][1])


def _head(network: keras.Model, logits: Any, *, patterns: bool) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Kernel (f, k) and bias (k,) from the embedding to the logits, times the network's own share where a table votes beside it."""
    combined = isinstance(logits, Combinations)
    if patterns and not combined:
        raise ParamsError(f"No logits of patterns in {network.name}: expected a head of patterns (train.head), got one of classes.")
    dense = network.get_layer(PATTERN_LAYER) if combined else logits
    kernel, bias = (weight.astype(np.float32) for weight in dense.get_weights())
    if combined and not patterns:
        membership = np.transpose(logits.membership).astype(np.float32)
        kernel, bias = kernel @ membership, bias @ membership
    own = next((float(layer.scale) for layer in network.layers if layer.name == "own_share"), 1.0)
    return kernel * own, bias * own


def _share(maps: NDArray[np.float32], kernel: NDArray[np.float32], part: _Pooled) -> NDArray[np.float32]:
    """What each place of ``maps`` (n, h, w, order * f) adds to the logits through ``kernel`` (f, k): shape (n, h, w, k)."""
    n, h, w, _ = maps.shape
    flat = maps.reshape(n, h * w, part.order, -1)
    if part.most:
        at_top = flat == flat.max(axis=(1, 2), keepdims=True)
        flat = np.where(at_top, flat, 0.0) / at_top.sum(axis=(1, 2), keepdims=True)
    else:
        flat = flat / (h * w * part.order)
    return (flat.sum(axis=2) @ kernel).reshape(n, h, w, -1).astype(np.float32)
