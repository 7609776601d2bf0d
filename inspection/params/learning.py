"""How the network learns: balance, guard, training and the baselines beside it."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, PositiveInt, field_validator, model_validator

from inspection.params.section import NotNegative, Section, Share

ModelName = Literal[
    "wafer_net", "plain_cnn", "mlp", "lenet5", "alexnet", "vgg16", "vgg19", "googlenet", "inception_v3", "xception", "resnet50",
    "densenet121", "mobilenet_v2", "nasnet_mobile", "efficientnet_b0", "patch_net",
]  # fmt: skip
"""Keys of ``models.builders.BUILDERS``, here so that a wrong name is refused at the door and help need not import Keras."""
OptimiserName = Literal["sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adadelta", "adam", "adamw", "nadam", "amsgrad"]
"""Keys of ``training.optimisers.OPTIMISERS``."""
ScheduleName = Literal["constant", "step", "exponential", "inverse_time", "cosine", "plateau"]
"""Keys of ``training.schedules.SCHEDULES``."""


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
    for the first look, twice as many for each next one, at most ``looks``; each goes ``copies`` times through every class's policy, after
    the first look through those of the classes that are still open.
    """

    delta: float = Field(default=0.05, gt=0, lt=0.5)
    error: float = Field(default=0.05, gt=0, lt=0.5)
    maps: int = Field(default=400, ge=20)
    looks: PositiveInt = 4
    copies: PositiveInt = 1


class Train(Section):
    """The network and its training.

    ``head``: a logit for each class (``softmax``), or one for each pattern, of which those of combined classes are sums, learnt by the
    softmax over the classes (``patterns``), each by itself (``sigmoid``), or both (``joint``); ``auto`` = joint where patterns
    combine, else softmax.
    ``symmetric``: the network cannot tell a view from its turns by the symmetries that all classes share; ``wafer_net`` and ``plain_cnn``
    only. ``width`` is of these two, of ``mlp`` and of ``patch_net``: the published networks have their published widths.

    ``learning_rate`` is the highest one: ``schedule`` leads up to it over the first ``warm_up`` (share of all steps) and then down.
    ``final_rate`` is the share of it that ``step``, ``exponential`` and ``inverse_time`` end with and that ``plateau`` stops at; ``cosine``
    ends at zero. ``step`` and ``plateau`` go there in ``drops`` equal ratios, ``plateau`` one whenever ``plateau_patience`` epochs have
    brought no better validation score. ``momentum`` is of the optimisers ``momentum`` and ``nesterov``.

    ``weight_decay`` is decoupled from the gradient (Loshchilov & Hutter 2019): AdamW alone has it. ``l1`` and ``l2`` are penalties in the
    loss on the sum of |w| and of w^2 over the kernels (both: elastic net); biases and normalisation are left alone.

    ``ema``: memory of the moving average of the weights, at most what a tenth of the steps can fill. Each epoch is judged, and kept,
    by the average; the next one goes on from the weights. ``precision``: ``auto`` = mixed on an accelerator and on a
    processor that multiplies bfloat16 itself, else float32; what is served is float32 in any case.

    ``fuse_features``: a small network on hand-made features votes beside this one, with the weight that suits the validation wafers best;
    with fewer than a hundred of these, or of images, it stays alone.

    Balance in the loss, each off at 0, see ``training.losses``. ``class_weight_beta``: a wafer counts by the inverse of the effective
    number ``(1 - beta ** n) / (1 - beta)`` of its class; 1 = by the inverse of n. ``focal_gamma``: what is known with probability p counts
    ``(1 - p) ** gamma``. ``logit_adjustment``: this many times the logarithm of a class's share is added to its logit in the loss, and
    not in scoring: probabilities are then those of classes that come alike.
    """

    model: ModelName = "wafer_net"
    head: Literal["auto", "softmax", "patterns", "sigmoid", "joint"] = "auto"
    symmetric: bool = False
    fuse_features: bool = True
    width: PositiveInt = 32
    epochs: PositiveInt = 16
    min_steps: PositiveInt = 200
    min_epoch_steps: PositiveInt = 40
    batch_size: PositiveInt = 64
    optimiser: OptimiserName = "adamw"
    momentum: float = Field(default=0.9, ge=0, lt=1)
    learning_rate: float = Field(default=3e-3, gt=0)
    schedule: ScheduleName = "cosine"
    warm_up: float = Field(default=0.05, ge=0, lt=1)
    final_rate: float = Field(default=0.01, gt=0, le=1)
    drops: PositiveInt = 3
    plateau_patience: PositiveInt = 2
    weight_decay: NotNegative = 0.02
    l1: NotNegative = 0.0
    l2: NotNegative = 0.0
    label_smoothing: Share = 0.05
    class_weight_beta: Share = 0.0
    focal_gamma: NotNegative = Field(default=0.0, le=10)
    logit_adjustment: NotNegative = Field(default=0.0, le=4)
    dropout: Share = 0.3
    ema: Share = 0.999
    patience: PositiveInt = 6
    precision: Literal["auto", "float32", "mixed_float16", "mixed_bfloat16"] = "auto"

    @model_validator(mode="after")
    def _settings_that_go_together(self) -> Self:
        if self.weight_decay and self.optimiser != "adamw":
            raise ValueError(
                f"weight_decay is adamw's alone: expected 0 with optimiser {self.optimiser}, got {self.weight_decay}. "
                "Set weight_decay to 0, and l2 for a penalty in the loss"
            )
        if self.weight_decay and self.l2:
            raise ValueError(
                f"weight_decay and l2 both shrink the same weights: expected one of them to be 0, got {self.weight_decay} and {self.l2}. "
                "Keep weight_decay with adamw, l2 with the others"
            )
        if self.schedule == "plateau" and self.plateau_patience >= self.patience:
            raise ValueError(
                f"the training would stop before its learning rate drops: expected plateau_patience below patience ({self.patience}), "
                f"got {self.plateau_patience}. Lower plateau_patience or raise patience"
            )
        return self


class Baselines(Section):
    """Forest and support vector machine that every evaluation reports beside the network.

    ``trees`` of a forest. ``svm_rows``: training wafers that a support vector machine sees at most, drawn stratified; it bounds
    the time. Those on the embedding learn from the wafers of ``evaluate.reference``.
    """

    enabled: bool = True
    trees: PositiveInt = 200
    svm_rows: PositiveInt = 10_000
