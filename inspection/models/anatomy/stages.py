"""A network at a glance: its layers folded by the resolution at which they work, and its totals."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from math import prod
from typing import TYPE_CHECKING, Any

from inspection.models.anatomy.cost import memory_bytes, multiply_adds
from inspection.models.anatomy.graph import Node, graph, is_map, stage_of
from inspection.models.anatomy.receptive_field import ReceptiveField, receptive_fields

if TYPE_CHECKING:
    from inspection.models.backend import keras

COUNTED = ("Conv", "Dense", "Pooling", "Subsampling", "Attend")
"""Parts of the class names of layers that are worth a word in a stage: what weighs, or shrinks maps."""
HEAD = "head"


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer: ``shape`` without the axis of wafers; ``parameters`` of which ``trainable``; ``multiply_adds`` of one wafer."""

    name: str
    kind: str
    shape: tuple[int, ...]
    parameters: int
    trainable: int
    multiply_adds: int
    stage: str


@dataclass(frozen=True, slots=True)
class Stage:
    """All layers of one branch that work at one resolution; ``layers`` counts the kinds, ``shape`` is what the last one writes."""

    name: str
    layers: dict[str, int]
    shape: tuple[int, ...]
    parameters: int
    multiply_adds: int


@dataclass(frozen=True, slots=True)
class Anatomy:
    """All that a graph tells of a network; costs and bytes are those of one wafer, in float32."""

    name: str
    inputs: dict[str, tuple[int, ...]]
    embedding: int
    classes: int
    parameters: int
    trainable: int
    multiply_adds: int
    training_bytes: int
    scoring_bytes: int
    receptive_fields: list[ReceptiveField]
    stages: list[Stage]
    layers: list[Layer]

    def to_dict(self) -> dict[str, Any]:
        """Plain mapping for JSON."""
        return asdict(self)


def anatomy(model: keras.Model) -> Anatomy:
    """The anatomy of ``model``, which has the layers ``embedding`` and ``logits``."""
    nodes = graph(model)
    layers = _layers(nodes)
    training, scoring = memory_bytes(nodes)
    return Anatomy(
        name=model.name,
        inputs={node.name: tuple(node.output.shape[1:]) for node in nodes if not node.inputs},
        embedding=model.get_layer("embedding").output.shape[-1],
        classes=model.get_layer("logits").output.shape[-1],
        parameters=sum(layer.parameters for layer in layers),
        trainable=sum(layer.trainable for layer in layers),
        multiply_adds=sum(layer.multiply_adds for layer in layers),
        training_bytes=training,
        scoring_bytes=scoring,
        receptive_fields=receptive_fields(model),
        stages=_folded(layers),
        layers=layers,
    )


def _layers(nodes: list[Node]) -> list[Layer]:
    places = stage_of(nodes)
    branches: dict[int, str] = {}
    layers = []
    for node in nodes:
        place = places[id(node)]
        branch = _branch(node, place is not None, {branches[id(t)] for t in node.inputs})
        branches[id(node.output)] = branch
        weights = getattr(node.operation, "weights", [])
        stage = HEAD if place is None or branch == HEAD else f"{branch} {place[0]} x {place[1]}"
        layers.append(
            Layer(
                name=node.name,
                kind=node.kind,
                shape=tuple(node.output.shape[1:]),
                parameters=_numbers(weights),
                trainable=_numbers(getattr(node.operation, "trainable_weights", [])),
                multiply_adds=multiply_adds(node),
                stage=stage,
            )
        )
    return layers


def _branch(node: Node, on_maps: bool, read: set[str]) -> str:
    """The input whose pixels ``node`` works on; the head where there is none any more, or several."""
    if not node.inputs:
        return node.name
    return next(iter(read)) if len(read) == 1 and (on_maps or is_map(node.inputs[0])) else HEAD


def _folded(layers: list[Layer]) -> list[Stage]:
    """Stages by branch, from fine to coarse, the head last; one in which nothing is counted joins the next."""
    members: dict[str, list[Layer]] = {}
    for layer in layers:
        if layer.kind != "InputLayer":
            members.setdefault(layer.stage, []).append(layer)
    branches = list(dict.fromkeys(stage.split()[0] for stage in members if stage != HEAD))

    def place(stage: str) -> tuple[int, int]:
        branch, *rows = stage.split()
        return (len(branches), 0) if stage == HEAD else (branches.index(branch), -int(rows[0]))

    folded: list[Stage] = []
    waiting: list[Layer] = []
    for stage in sorted(members, key=place):
        waiting += members[stage]
        counted = Counter(layer.kind for layer in waiting if any(word in layer.kind for word in COUNTED))
        if not counted:
            continue
        cost = sum(layer.multiply_adds for layer in waiting)
        folded.append(Stage(stage, dict(counted), waiting[-1].shape, sum(layer.parameters for layer in waiting), cost))
        waiting = []
    return folded


def _numbers(weights: list[Any]) -> int:
    return sum(prod(weight.shape) for weight in weights)
