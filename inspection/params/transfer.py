"""Learning from few labels: starting from other weights, training in phases, unlabelled wafers."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveInt

from inspection.params.augment import OF_IMAGES, Nuisance
from inspection.params.section import Section, Share

PhaseName = Literal["frozen", "shallow", "deep"]


class Phase(Section):
    """One phase of the protocol: ``epochs`` at most, the highest ``learning_rate``, and of ``shallow`` how many ``stages`` are trained.

    ``min_steps`` takes the place of ``train.min_steps`` where it is given: with a hundred wafers an epoch is a handful of steps.
    """

    epochs: PositiveInt
    learning_rate: float = Field(gt=0)
    stages: PositiveInt = 1
    min_steps: PositiveInt | None = None


class Pretrain(Section):
    """Self-supervised pre-training before anything is learnt from labels; ``epochs`` 0 = none.

    Two draws of one wafer attract each other, those of other wafers repel (NT-Xent). ``temperature`` divides their cosines; ``projection``
    numbers are compared. ``nuisance`` takes the place of ``augment.nuisance`` here: turns alone make the task too easy.
    """

    epochs: int = Field(default=0, ge=0)
    batch_size: int = Field(default=128, ge=2)
    learning_rate: float = Field(default=2e-3, gt=0)
    temperature: float = Field(default=0.2, gt=0)
    projection: PositiveInt = 64
    nuisance: Nuisance = Nuisance(
        thinning=0.3, background=0.5, jitter_um=1000.0, die_thinning=0.2, die_background=0.3, **dict.fromkeys(OF_IMAGES, 0.0)
    )


class PseudoLabels(Section):
    """Calls on unlabelled wafers taken for labels, ``rounds`` times (0 = never), each followed by ``epochs`` of the whole network.

    A class's gate is the lowest probability from which on its calls are right on validation at least as often as ``precision`` says, never
    below ``floor``. Of each class at most ``cap`` times as many wafers as have its true label are taken, the surest first; null = all.
    """

    rounds: int = Field(default=0, ge=0)
    epochs: PositiveInt = 4
    learning_rate: float = Field(default=1e-3, gt=0)
    precision: Share = 0.98
    floor: Share = 0.9
    cap: float | None = Field(default=10.0, gt=0)


class Transfer(Section):
    """Where the weights come from, in which phases they are trained, and what unlabelled wafers add. Off by default.

    ``start``: a path to a ``.keras`` or ``.weights.h5`` file, ``registry:VERSION`` (or ``registry:champion``, ``registry:candidate``),
    ``imagenet``, or null. ``phases`` are done in the order frozen (new layers alone), shallow (the last stages, too), deep (all); null
    leaves one out. Without a start and without pre-training they are not used: `train` says how. ``unlabelled``: at most so many wafers
    without a label are frozen into the snapshot, for pre-training and pseudo-labels.
    """

    start: str | None = None
    frozen: Phase | None = Phase(epochs=2, learning_rate=3e-3)
    shallow: Phase | None = Phase(epochs=3, learning_rate=1e-3)
    deep: Phase | None = Phase(epochs=11, learning_rate=1e-3)
    unlabelled: int = Field(default=0, ge=0)
    pretrain: Pretrain = Pretrain()
    pseudo_labels: PseudoLabels = PseudoLabels()

    @property
    def phases(self) -> dict[PhaseName, Phase]:
        """The phases that are done, in their order."""
        every: dict[PhaseName, Phase | None] = {"frozen": self.frozen, "shallow": self.shallow, "deep": self.deep}
        return {name: phase for name, phase in every.items() if phase is not None}
