"""Fit a network: averaged weights, early stopping with the best of them, resumed at any step with the result of an undisturbed training."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from inspection.errors import ParamsError
from inspection.models.backend import keras
from inspection.models.builders import build
from inspection.models.head import Head
from inspection.training.checkpoint import Checkpoint, Progress
from inspection.training.devices import FLOAT32, Devices, scale_loss
from inspection.training.image_inputs import ImageBatches
from inspection.training.inputs import AugmentedBatches
from inspection.training.losses import loss_of
from inspection.training.optimisers import optimiser_of, penalise
from inspection.training.schedules import drops, schedule_of
from inspection.training.validation import Measuring, averaged, judge, with_tiles
from inspection.training.watching import CHECKPOINT_S, Watcher

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from inspection.augmentation.donors import Donors
    from inspection.augmentation.policy import Policy
    from inspection.models.symmetry import SquareGroup
    from inspection.params import Train
    from inspection.views.shards import Views
    from inspection.wafer.maps import WaferMap


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """What is learnt from: wafers, class indices and balanced draws of the training part; rendered views of the validation part.

    Of images there are views alone: ``maps`` is an array of shape (n, side, side, 3), uint8.

    ``group``: the turns that the network must not see, when ``train.symmetric`` is asked for.
    ``donors``: the training wafers again, for a policy that makes new examples of them.
    ``balanced``: every batch holds the classes in the shares of ``drawn``. ``head``: what the logits are.
    """

    maps: Sequence[WaferMap] | NDArray[np.uint8]
    labels: NDArray[np.integer]
    drawn: NDArray[np.integer]
    validation: Views
    validation_labels: NDArray[np.integer]
    classes: int
    group: SquareGroup | None = None
    donors: Donors | None = None
    balanced: bool = False
    head: Head = field(default_factory=Head)

    @property
    def counts(self) -> NDArray[np.int64]:
        """How often each class is drawn, shape (classes,): what the loss balances, so that drawing and loss do not do it twice."""
        return np.bincount(self.labels[self.drawn], minlength=self.classes)


@dataclass(frozen=True)
class Fitted:
    """The outcome: the best network's file, its validation macro-F1 and one history row per epoch.

    A row holds ``epoch`` (from 1), ``loss`` (training, mean of the epoch), ``validation_loss`` (the same function of the averaged weights;
    NaN without a validation part), ``validation_macro_f1``, ``learning_rate`` (after its last step) and ``seconds``.
    """

    network: Path
    best: float
    best_epoch: int
    history: list[dict[str, float]]


def steps_of(params: Train, wafers: int) -> tuple[int, int]:
    """(epochs, steps per epoch): an epoch draws as often as there are wafers.

    Small sets get at least ``min_steps`` in all, in fewer epochs of at least ``min_epoch_steps``: each epoch ends with a judgement and a
    checkpoint, which would cost more than the steps.
    """
    total = max(params.epochs * max(1, wafers // batch_size_of(params, wafers)), params.min_steps)
    epochs = max(1, min(params.epochs, total // params.min_epoch_steps))
    return epochs, -(-total // epochs)


def batch_size_of(params: Train, wafers: int) -> int:
    """The batch size, at most a quarter of the training wafers: a batch that is most of a small set teaches little per step."""
    return max(min(params.batch_size, wafers // 4), min(8, params.batch_size))


def fit(
    data: TrainingSet,
    policy: Policy,
    params: Train,
    folder: Path,
    *,
    seed: int,
    fingerprint: str,
    progress: Callable[[int, int, str], None] | None = None,
    told: Callable[[list[dict[str, float]]], None] | None = None,
    start: Callable[[keras.Model], None] | None = None,
    devices: Sequence[str] | None = None,
    checkpoint_s: float = CHECKPOINT_S,
) -> Fitted:
    """Train ``params.model`` and keep the epoch with the best macro-F1 on the validation part (the later one of equals).

    Parameters
    ----------
    data, policy, params
        What is learnt, how it is augmented and how it is learnt.
    folder : Path
        Of the checkpoint. Run again with the same ``fingerprint``, the training goes on where it was interrupted.
    seed : int
        The same seed gives the same network and history, interrupted or not.
    progress : callable, optional
        Gets (steps done, steps in all, text) after each step.
    told : callable, optional
        Gets the history so far when an interrupted training goes on, and after each epoch.
    start : callable, optional
        Gets the network before it is compiled: to put other weights into it or to freeze some. A resumed training calls it again.
    devices : sequence of str, optional
        Names of the backend's devices to share each batch; default: all accelerators.
    checkpoint_s : float
        Seconds between checkpoints within an epoch; 0 = after each step.

    Raises
    ------
    ParamsError
        The loss is no number any more before there is any network to keep; or ``plateau`` without a validation part.
    """
    _check(params, data)
    epochs, steps = steps_of(params, len(data.maps))
    batch_size = batch_size_of(params, len(data.maps))
    keras.utils.set_random_seed(seed)
    found = Devices.found(params.precision, batch_size, devices)
    with found.scope():
        model = build_network(params, data)
        if start is not None:
            start(model)
        penalise(model, params)
        model.compile(
            optimizer=scale_loss(optimiser_of(params, epochs * steps), found.precision), loss=loss_of(params, data.counts, data.head)
        )
        model.optimizer.build(model.trainable_variables)
        measuring = Measuring(model)
    served = model if found.plain else _as_served(params, data)
    checkpoint = Checkpoint(folder, fingerprint)
    state = checkpoint.load(model)
    dropped = 0
    if told is not None and state.history:
        told(state.history)
    while not _ended(state, epochs, params):
        dropped = _reduce_on_plateau(model, params, state, epochs * steps, dropped)
        whole = _batches(data, policy, model, seed, state.epoch, steps, batch_size)
        rest = _batches(data, policy, model, seed, state.epoch, steps, batch_size, state.step) if state.step else whole
        watcher = Watcher(state, checkpoint, checkpoint_s, epochs, steps, progress)
        loss = float(model.fit(rest, epochs=1, verbose=0, callbacks=[watcher], shuffle=False).history["loss"][0])
        if np.isfinite(loss):
            with averaged(measuring, whole):
                score, validation_loss = judge(model, data)
                if score >= state.best:
                    state.best, state.best_epoch = score, state.epoch
                    served.set_weights(model.get_weights())
                    checkpoint.save_best(state.epoch, served)
        elif state.best_epoch < 0:
            raise ParamsError(
                f"The training diverged: expected a loss that is a number, got {loss} in epoch {state.epoch + 1} (train: optimiser "
                f"{params.optimiser}, learning_rate {params.learning_rate:g}, {found.precision}). Lower learning_rate in params.yaml."
            )
        else:  # what was best stays; curves.read says what happened
            score, validation_loss = 0.0, np.nan
        state.epoch, state.step, state.seconds = state.epoch + 1, 0, 0.0
        state.history.append({
            "epoch": state.epoch, "loss": loss, "validation_loss": validation_loss, "validation_macro_f1": score,
            "learning_rate": float(model.optimizer.learning_rate), "seconds": watcher.seconds,
        })  # fmt: skip
        checkpoint.save(state, model)
        if told is not None:
            told(state.history)
    return Fitted(checkpoint.best(state.best_epoch), state.best, state.best_epoch, state.history)


def build_network(params: Train, data: TrainingSet) -> keras.Model:
    """The network ``params.model`` for ``data``, uncompiled, with fresh weights."""
    group = data.group if params.symmetric else None
    more: dict[str, Any] = {"group": group, "membership": data.head.membership}
    return build(params.model, data.validation.spec, data.classes, width=params.width, dropout=params.dropout, **more)


def _batches(
    data: TrainingSet, policy: Policy, model: keras.Model, seed: int, epoch: int, steps: int, batch_size: int, start: int = 0
) -> AugmentedBatches:
    """The batches of ``epoch`` from ``start`` on."""
    kind = ImageBatches if data.validation.spec.kind == "image" else AugmentedBatches
    return kind(
        data.maps,
        data.labels,
        data.drawn,
        policy,
        data.validation.spec,
        classes=data.classes,
        batch_size=batch_size,
        steps=steps,
        seed=seed,
        epoch=epoch,
        with_tiles=with_tiles(model),
        donors=data.donors,
        start=start,
        balanced=data.balanced,
    )


def _ended(state: Progress, epochs: int, params: Train) -> bool:
    """All epochs done, none better for longer than ``patience``, or a loss that is no number."""
    diverged = bool(state.history) and not np.isfinite(state.history[-1]["loss"])
    return diverged or state.epoch >= epochs or state.epoch - state.best_epoch > params.patience + 1


def _reduce_on_plateau(model: keras.Model, params: Train, state: Progress, total_steps: int, before: int) -> int:
    """Give ``model`` the rate of its history; returns how often it has dropped."""
    if params.schedule != "plateau":
        return 0
    dropped = drops((row["validation_macro_f1"] for row in state.history), params)
    if dropped != before:
        model.optimizer.learning_rate = schedule_of(params, total_steps, dropped)
        model.make_train_function(force=True)  # the schedule is part of the compiled step
    return dropped


def _as_served(params: Train, data: TrainingSet) -> keras.Model:
    """The same network, but one that computes in float32 on one device, as a worker may not have what it was trained on."""
    with Devices((), FLOAT32).scope():
        return build_network(params, data)


def _check(params: Train, data: TrainingSet) -> None:
    if params.schedule == "plateau" and not len(data.validation_labels):
        raise ParamsError(
            "schedule plateau waits for a better validation score: expected a validation part, got none (split.validation). "
            "Choose another train.schedule, or raise split.validation (params.yaml)."
        )
