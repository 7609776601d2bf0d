"""A network's operations in the order in which they are done, with what each reads and writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from inspection.models.backend import keras
from inspection.models.layers import AttendTiles, FoldTiles

if TYPE_CHECKING:
    from collections.abc import Iterable

Place = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Node:
    """One operation.

    Attributes
    ----------
    operation : keras.Operation
    inputs, output : tensors without values
    per_wafer : int
        How often it is done for one wafer: once for each tile in the branch of the tiles.
    """

    operation: Any
    inputs: tuple[Any, ...]
    output: Any
    per_wafer: int

    @property
    def name(self) -> str:
        """The layer's name."""
        return str(self.operation.name)

    @property
    def kind(self) -> str:
        """The layer's class, such as ``Conv2D``."""
        return type(self.operation).__name__


def graph(model: keras.Model) -> list[Node]:
    """The operations of ``model``, each after those that it reads from.

    Raises
    ------
    ValueError
        An operation with several outputs, or one that is used twice: no network of ours has one.
    """
    nodes: list[Node] = []
    per_wafer: dict[int, int] = {}
    for operation in model.operations:
        source = isinstance(operation, keras.layers.InputLayer)
        inputs = () if source else tuple(keras.tree.flatten(operation.input))
        outputs = keras.tree.flatten(operation.output)
        if len(outputs) != 1:
            raise ValueError(f"Cannot follow {operation.name}: expected one output, got {len(outputs)}.")
        times = max((per_wafer[id(t)] for t in inputs), default=1)
        if isinstance(operation, FoldTiles):
            times *= inputs[0].shape[1]
        elif isinstance(operation, AttendTiles):
            times = 1
        per_wafer[id(outputs[0])] = times
        nodes.append(Node(operation, inputs, outputs[0], times))
    return nodes


def is_map(tensor: Any) -> bool:
    """Whether ``tensor`` has pixels: (n, h, w, c), or the tiles' (n, k, h, w, c)."""
    return len(tensor.shape) >= 4


def pixels(tensor: Any) -> Place:
    """Rows and columns of a map."""
    rows, cols = tensor.shape[-3:-1]
    return rows, cols


def readers(nodes: Iterable[Node]) -> dict[int, list[Node]]:
    """Who reads each tensor, by the tensor's ``id``."""
    found: dict[int, list[Node]] = {}
    for node in nodes:
        for tensor in node.inputs:
            found.setdefault(id(tensor), []).append(node)
    return found


def stage_of(nodes: list[Node]) -> dict[int, Place | None]:
    """The resolution at which each node works, by ``id``; None for what comes after the last map.

    A map squeezed to one number per channel and given back to the maps (squeeze and excitation) belongs to those, and what only pads or
    crops belongs to its reader.
    """
    who = readers(nodes)
    found: dict[int, Place | None] = {}
    for node in reversed(nodes):
        own = pixels(node.output) if is_map(node.output) else None
        after = [found[id(reader)] for reader in who.get(id(node.output), ())]
        if isinstance(node.operation, keras.layers.ZeroPadding2D | keras.layers.Cropping2D) and after[0] is not None:
            found[id(node)] = after[0]
            continue
        gives_back = own in {None, (1, 1)} and any(place not in {None, (1, 1)} for place in after)
        found[id(node)] = next(place for place in after if place not in {None, (1, 1)}) if gives_back else own
    return found
