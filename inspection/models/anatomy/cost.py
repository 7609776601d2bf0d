"""Multiply-adds and memory of one wafer, from the shapes of the layers.

A multiply-add is one product added to a sum in a convolution or a dense layer; biases, normalisation, activations and pooling are not
counted, as in the papers. Memory is of float32.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from inspection.models.anatomy.graph import Node, readers
from inspection.models.backend import keras
from inspection.models.layers import AttendTiles
from inspection.models.orbit_layers import OrbitConv2D
from inspection.models.zoo.layers import TableConv2D

if TYPE_CHECKING:
    from collections.abc import Sequence

BYTES = 4
DEPTHWISE = (keras.layers.DepthwiseConv2D, keras.layers.SeparableConv2D)


def multiply_adds(node: Node) -> int:
    """Of ``node`` for one wafer."""
    return node.per_wafer * _of_one(node)


def _of_one(node: Node) -> int:
    layer = node.operation
    if isinstance(layer, keras.layers.Dense):
        return prod(node.output.shape[1:]) * node.inputs[0].shape[-1]
    if isinstance(layer, AttendTiles):
        features, tiles = node.inputs
        return tiles.shape[1] * (features.shape[-1] * (layer.hidden + 1) + layer.hidden)
    kernel = getattr(layer, "kernel_size", None)
    if kernel is None:
        return 0
    places, taps, read, written = prod(node.output.shape[1:-1]), prod(kernel), node.inputs[0].shape[-1], node.output.shape[-1]
    if isinstance(layer, TableConv2D):
        return places * taps * layer.connections
    if isinstance(layer, DEPTHWISE):
        between = read * layer.depth_multiplier
        return places * (taps * between + (between * written if isinstance(layer, keras.layers.SeparableConv2D) else 0))
    if isinstance(layer, keras.layers.Conv2D | OrbitConv2D):
        return places * taps * written * (read // getattr(layer, "groups", 1))
    raise ValueError(f"Cannot count {node.name}: no rule for the multiply-adds of a {node.kind}.")


def activation_bytes(node: Node) -> int:
    """Of what ``node`` writes for one wafer."""
    return BYTES * node.per_wafer * _numbers(node.output)


def memory_bytes(nodes: Sequence[Node]) -> tuple[int, int]:
    """Activations of one wafer: (all of them, which training keeps for the way back; the most that scoring holds at once).

    Scoring drops a tensor after its last reader, and an operation needs what it reads and what it writes at the same time.
    """
    left = {tensor: len(who) for tensor, who in readers(nodes).items()}
    size: dict[int, int] = {}
    held = most = 0
    for node in nodes:
        size[id(node.output)] = activation_bytes(node)
        held += size[id(node.output)]
        most = max(most, held)
        for tensor in node.inputs:
            left[id(tensor)] -= 1
            if left[id(tensor)] == 0:
                held -= size[id(tensor)]
    return sum(size.values()), most


def _numbers(tensor: Any) -> int:
    return prod(tensor.shape[1:])
