"""What happens beside the steps of an epoch: the progress is told, a checkpoint is written now and then, a resumed epoch knows its loss."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from inspection.models.backend import keras

if TYPE_CHECKING:
    from collections.abc import Callable

    from inspection.training.checkpoint import Checkpoint, Progress

CHECKPOINT_S = 30.0
"""At most so much work is lost when the process is killed, ..."""
CHECKPOINT_SHARE = 0.02
"""... unless writing it would take more than this share of the time."""


class Watcher(keras.callbacks.Callback):
    """Watches one epoch, from step ``state.step`` of it to its end.

    Parameters
    ----------
    state : Progress
        Is kept up to date.
    checkpoint : Checkpoint
    every_s : float
        Seconds between checkpoints; 0 = after each step.
    epochs, steps : int
        Of the whole training, and of each epoch.
    progress : callable, optional
        Gets (steps done, steps in all, text) after each step.
    """

    def __init__(
        self,
        state: Progress,
        checkpoint: Checkpoint,
        every_s: float,
        epochs: int,
        steps: int,
        progress: Callable[[int, int, str], None] | None,
    ) -> None:
        super().__init__()
        self._state, self._checkpoint, self._epochs, self._steps, self._progress = state, checkpoint, epochs, steps, progress
        self._first, self._spent, self._started = state.step, state.seconds, time.monotonic()
        self._every_s = self._pause_s = every_s
        self._saved = self._started
        self._loss_so_far: list[Any] = []

    @property
    def seconds(self) -> float:
        """Spent on this epoch, before an interruption too."""
        return self._spent + time.monotonic() - self._started

    def set_model(self, model: keras.Model) -> None:
        """Remember the loss so far of an epoch that is taken up again: ``fit`` is about to forget it."""
        super().set_model(model)
        if self._first:
            self._loss_so_far = [v.numpy() for v in model.metrics_variables]

    def on_epoch_begin(self, _epoch: int, _logs: dict[str, float] | None = None) -> None:
        """``fit`` has just reset its metrics: put the loss so far back."""
        for variable, value in zip(self.model.metrics_variables, self._loss_so_far, strict=False):
            variable.assign(value)

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """One step done."""
        state = self._state
        state.step = self._first + batch + 1
        now = time.monotonic()
        if now - self._saved >= self._pause_s and state.step < self._steps:  # the last step is kept with the epoch's judgement
            if hasattr(self.model, "jax_state_sync"):
                self.model.jax_state_sync()
            state.seconds = self.seconds
            self._checkpoint.save(state, self.model)
            self._saved = time.monotonic()
            self._pause_s = self._every_s and max(self._every_s, (self._saved - now) / CHECKPOINT_SHARE)
        if self._progress is not None:
            best = f", best validation macro-F1 {state.best:.3f}" if state.history else ""
            text = f"epoch {state.epoch + 1}/{self._epochs}, loss {(logs or {}).get('loss', np.nan):.3f}{best}"
            self._progress(state.epoch * self._steps + state.step, self._epochs * self._steps, text)

    def on_epoch_end(self, _epoch: int, _logs: dict[str, float] | None = None) -> None:
        """``fit``, whose epochs are one here, is about to put the averaged weights in the place of those that training goes on from."""
        self._weights = self.model.get_weights()

    def on_train_end(self, _logs: dict[str, float] | None = None) -> None:
        """Put them back: an average that training went on from would drag each epoch half-way back to its beginning."""
        self.model.set_weights(self._weights)
