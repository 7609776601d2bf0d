"""How the network learns: balance, guard, training and the baselines beside it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveInt

from inspection.params.section import Section, Share

ModelName = Literal[
    "wafer_net", "plain_cnn", "mlp", "lenet5", "alexnet", "vgg16", "vgg19", "googlenet", "inception_v3", "xception", "resnet50",
    "densenet121", "mobilenet_v2", "nasnet_mobile", "efficientnet_b0",
]  # fmt: skip
"""Keys of ``models.builders.BUILDERS``, here so that a wrong name is refused at the door and help need not import Keras."""


class Balance(Section):
    """How often a class is drawn: share of the largest class to the power ``tempering`` (0 = all alike, 1 = as they come)."""

    tempering: Share = 0.75


class Guard(Section):
    """The guard against traces of the class: an area under the curve (AUC) up to .5 + ``delta`` is no trace.

    ``error``: at most this share of clean policies is called a failure, over all classes, looks and tests. ``maps`` neutral maps are taken
    for the first look, twice as many for each next one, at most ``looks``; each goes ``copies`` times through every class's policy.
    """

    delta: float = Field(default=0.05, gt=0, lt=0.5)
    error: float = Field(default=0.05, gt=0, lt=0.5)
    maps: int = Field(default=400, ge=20)
    looks: PositiveInt = 3
    copies: PositiveInt = 1


class Train(Section):
    """The network and its training.

    ``head``: a logit for each class (``softmax``), or one for each pattern, of which those of combined classes are sums, learnt by the
    softmax over the classes (``patterns``), each by itself (``sigmoid``), or both (``joint``); ``auto`` = patterns where
    they combine, else softmax.
    ``symmetric``: the network cannot tell a view from its turns by the symmetries that all classes share; ``wafer_net`` and ``plain_cnn``
    only. ``width`` is of these two and of ``mlp``: the published networks have their published widths.
    """

    model: ModelName = "wafer_net"
    head: Literal["auto", "softmax", "patterns", "sigmoid", "joint"] = "auto"
    symmetric: bool = False
    width: PositiveInt = 32
    epochs: PositiveInt = 16
    min_steps: PositiveInt = 200
    min_epoch_steps: PositiveInt = 40
    batch_size: PositiveInt = 64
    learning_rate: float = Field(default=3e-3, gt=0)
    weight_decay: float = Field(default=0.02, ge=0)
    label_smoothing: Share = 0.05
    dropout: Share = 0.3
    ema: Share = 0.999
    patience: PositiveInt = 6


class Baselines(Section):
    """Forest and support vector machine that every evaluation reports beside the network.

    ``trees`` of a forest. ``svm_rows``: training wafers that a support vector machine sees at most; ``embedding_rows``: those whose
    embedding is computed for the classifiers on it. Both are drawn stratified; they bound the time.
    """

    enabled: bool = True
    trees: PositiveInt = 200
    svm_rows: PositiveInt = 10_000
    embedding_rows: PositiveInt = 10_000
