"""How the network learns: balance, guard, training and the baselines beside it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, PositiveInt, field_validator

from inspection.params.section import NotNegative, Section, Share

ModelName = Literal[
    "wafer_net", "plain_cnn", "mlp", "lenet5", "alexnet", "vgg16", "vgg19", "googlenet", "inception_v3", "xception", "resnet50",
    "densenet121", "mobilenet_v2", "nasnet_mobile", "efficientnet_b0",
]  # fmt: skip
"""Keys of ``models.builders.BUILDERS``, here so that a wrong name is refused at the door and help need not import Keras."""


Sampler = Literal["none", "random", "borderline", "adasyn"]
_LEAVING_OUT = ("under", "tomek", "nearmiss", "centroid", "condensed", "edited", "enn", "allknn", "onesided", "cleaning", "hardness")
"""In the names of imbalanced-learn's under-samplers, and of its combinations with them."""


class Balance(Section):
    """How the training wafers of rare classes are drawn more often; validation and test wafers stay as they are.

    ``tempering``: a class is drawn as often as its share of the largest class to this power (0 = all classes alike, 1 = as they come).
    ``sampler``: which wafers of it are drawn again, see ``dataset.balance``. ``batches``: what is drawn comes in random order
    (``shuffled``), or so that each batch holds the classes in their shares (``balanced``), see ``dataset.batches``. What else balances is
    in the loss: ``Train.class_weight_beta``, ``Train.focal_gamma``, ``Train.logit_adjustment``.

    Raises
    ------
    ParamsError
        (on loading) A sampler that leaves wafers out.
    """

    sampler: Sampler = "random"
    tempering: Share = 0.75
    batches: Literal["shuffled", "balanced"] = "shuffled"

    @field_validator("sampler", mode="before")
    @classmethod
    def _keeps_every_wafer(cls, value: Any) -> Any:
        name = "".join(c for c in str(value).lower() if c.isalpha())
        if any(part in name for part in _LEAVING_OUT):
            raise ValueError(
                "an under-sampler reaches the balance by leaving wafers out, and those are normal ones: what a network was not shown as "
                "harmless it calls a defect. Expected none, random, borderline or adasyn; lower `tempering` for more of the rare classes"
            )
        return value


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

    ``symmetric``: the network cannot tell a view from its turns by the symmetries that all classes share; ``wafer_net`` and ``plain_cnn``
    only. ``width`` is of these two and of ``mlp``: the published networks have their published widths.

    Balance in the loss, each off at 0, see ``training.losses``. ``class_weight_beta``: a wafer counts by the inverse of the effective
    number ``(1 - beta ** n) / (1 - beta)`` of its class; 1 = by the inverse of n. ``focal_gamma``: what is known with probability p counts
    ``(1 - p) ** gamma``. ``logit_adjustment``: this many times the logarithm of a class's share is added to its logit in the loss, and
    not in scoring: probabilities are then those of classes that come alike.
    """

    model: ModelName = "wafer_net"
    symmetric: bool = False
    width: PositiveInt = 32
    epochs: PositiveInt = 16
    min_steps: PositiveInt = 200
    min_epoch_steps: PositiveInt = 40
    batch_size: PositiveInt = 64
    learning_rate: float = Field(default=3e-3, gt=0)
    weight_decay: float = Field(default=0.02, ge=0)
    label_smoothing: Share = 0.05
    class_weight_beta: Share = 0.0
    focal_gamma: NotNegative = Field(default=0.0, le=10)
    logit_adjustment: NotNegative = Field(default=0.0, le=4)
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
