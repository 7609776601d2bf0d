"""Fit a network: schedule, averaged weights, early stopping, resume after any epoch."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.metrics import f1_score

from inspection.models.backend import keras
from inspection.models.builders import build
from inspection.training.checkpoint import Checkpoint, Progress
from inspection.training.image_inputs import ImageBatches
from inspection.training.inputs import AugmentedBatches

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


STATISTICS_BATCHES, STATISTICS_IMAGES = 16, 32
"""Batches, and images of each, that measure the statistics of the averaged weights anew before they are judged."""


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """What is learnt from: wafers, class indices and balanced draws of the training part; rendered views of the validation part.

    Of images there are views alone: ``maps`` is an array of shape (n, side, side, 3), uint8.

    ``group``: the turns that the network must not see, when ``train.symmetric`` is asked for.
    ``donors``: the training wafers again, for a policy that makes new examples of them.
    """

    maps: Sequence[WaferMap] | NDArray[np.uint8]
    labels: NDArray[np.integer]
    drawn: NDArray[np.integer]
    validation: Views
    validation_labels: NDArray[np.integer]
    classes: int
    group: SquareGroup | None = None
    donors: Donors | None = None


@dataclass(frozen=True)
class Fitted:
    """The outcome: the best network's file, its validation macro-F1 and one history row per epoch."""

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
) -> Fitted:
    """Train ``params.model`` and keep the epoch with the best macro-F1 on the validation part (the later one of equals).

    Runs again where it was interrupted when ``fingerprint`` is the same. ``progress`` gets (steps done, steps in all, text).
    """
    epochs, steps = steps_of(params, len(data.maps))
    keras.utils.set_random_seed(seed)
    checkpoint = Checkpoint(folder, fingerprint)
    state, model = checkpoint.load()
    if model is None:
        spec, group = data.validation.spec, data.group if params.symmetric else None
        model = build(params.model, spec, data.classes, width=params.width, dropout=params.dropout, group=group)
        model.compile(optimizer=_optimizer(params, epochs * steps), loss=_loss(params))
    with_tiles = any(t.name == "tiles" for t in model.inputs)
    while state.epoch < epochs and state.epoch - state.best_epoch <= params.patience + 1:
        started = time.monotonic()
        batches = (ImageBatches if data.validation.spec.kind == "image" else AugmentedBatches)(
            data.maps,
            data.labels,
            data.drawn,
            policy,
            data.validation.spec,
            classes=data.classes,
            batch_size=batch_size_of(params, len(data.maps)),
            steps=steps,
            seed=seed,
            epoch=state.epoch,
            with_tiles=with_tiles,
            donors=data.donors,
        )
        watcher = _Watcher(state, epochs, steps, progress)
        loss = float(model.fit(batches, epochs=1, verbose=0, callbacks=[watcher], shuffle=False).history["loss"][0])
        score = _judge(model, data, batches, checkpoint, state, with_tiles=with_tiles)
        state.epoch += 1
        state.history.append({
            "epoch": state.epoch, "loss": loss, "validation_macro_f1": score, "seconds": time.monotonic() - started,
        })  # fmt: skip
        checkpoint.save(state, model)
    return Fitted(checkpoint.best, state.best, state.best_epoch, state.history)


def _judge(
    model: keras.Model, data: TrainingSet, batches: AugmentedBatches, checkpoint: Checkpoint, state: Progress, *, with_tiles: bool
) -> float:
    """Macro-F1 of the averaged weights on the validation part; the best are kept."""
    weights = model.get_weights()
    model.optimizer.finalize_variable_values(model.trainable_variables)  # the moving average takes the weights' place
    for index in range(STATISTICS_BATCHES):  # the batch statistics of the averaged weights are not the average of statistics
        images = batches[index % len(batches)][0]
        model({name: array[:STATISTICS_IMAGES] for name, array in images.items()}, training=True)
    inputs: dict[str, Any] = {"image": data.validation.images}
    if with_tiles:
        inputs["tiles"] = data.validation.tiles
    if len(data.validation_labels):
        called = model.predict(inputs, batch_size=256, verbose=0).argmax(axis=1)
        score = float(f1_score(data.validation_labels, called, average="macro", zero_division=0))
    else:
        score = 0.0
    if score >= state.best:
        state.best, state.best_epoch = score, state.epoch
        checkpoint.save_best(model)
    model.set_weights(weights)
    return score


def _optimizer(params: Train, total_steps: int) -> keras.optimizers.Optimizer:
    warm_up = max(1, total_steps // 20)
    rate = keras.optimizers.schedules.CosineDecay(
        1e-6, total_steps - warm_up, alpha=0.0, warmup_target=params.learning_rate, warmup_steps=warm_up
    )
    # The average must forget the first steps of a short run: its memory is at most a tenth of it.
    momentum = min(params.ema, 1 - 10 / max(total_steps, 20))
    return keras.optimizers.AdamW(rate, weight_decay=params.weight_decay, use_ema=True, ema_momentum=momentum)


def _loss(params: Train) -> keras.losses.Loss:
    return keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=params.label_smoothing)


class _Watcher(keras.callbacks.Callback):
    """Passes steps on to a progress callable."""

    def __init__(self, state: Progress, epochs: int, steps: int, progress: Callable[[int, int, str], None] | None) -> None:
        super().__init__()
        self._state, self._epochs, self._steps, self._progress = state, epochs, steps, progress

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """One step done."""
        if self._progress is not None:
            best = f", best validation macro-F1 {self._state.best:.3f}" if self._state.history else ""
            text = f"epoch {self._state.epoch + 1}/{self._epochs}, loss {(logs or {}).get('loss', np.nan):.3f}{best}"
            self._progress(self._state.epoch * self._steps + batch + 1, self._epochs * self._steps, text)
