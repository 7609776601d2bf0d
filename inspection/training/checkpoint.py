"""Checkpoints of a training: everything that its next step depends on, in one file that is replaced whole.

Arrays by their place, no code and no configuration: a resumed training builds the same network, optimiser and loss from its parameters and
only takes the values from here. That is what makes it exact (Keras' own archive leaves out the states of the random generators) and what
lets any loss or schedule be resumed without knowing how to save itself.
"""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from inspection.aside import aside, sweep

if TYPE_CHECKING:
    from pathlib import Path

    from inspection.models.backend import keras

STATE, BEST = "state.npz", "best-{epoch}.keras"
_PROGRESS = "progress"


@dataclass
class Progress:
    """Where a training stands.

    Attributes
    ----------
    fingerprint : str
        What it learns from and with which parameters.
    epoch, step : int
        Whole epochs done, and steps done of the next one.
    seconds : float
        Spent on the epoch that is not whole yet.
    best, best_epoch : float, int
        The best validation score and its epoch, counted from 0; -1 = none yet.
    history : list of dict
        One row per whole epoch.
    """

    fingerprint: str
    epoch: int = 0
    step: int = 0
    seconds: float = 0.0
    best: float = -1.0
    best_epoch: int = -1
    history: list[dict[str, float]] = field(default_factory=list)


class Checkpoint:
    """The folder of one training. A training with another ``fingerprint`` (data, parameters) starts afresh."""

    def __init__(self, folder: Path, fingerprint: str) -> None:
        self.folder = folder
        self.fingerprint = fingerprint

    def load(self, model: keras.Model) -> Progress:
        """Put the kept values into the compiled and built ``model``; a fresh start where there are none for it.

        There are none for it, too, when the file is damaged, or when the network has changed with the code.
        """
        sweep(self.folder)
        try:
            with (self.folder / STATE).open("rb") as stream, np.load(stream, allow_pickle=False) as kept:
                progress = Progress(**json.loads(kept[_PROGRESS].tobytes()))
                values = [kept[str(i)] for i in range(len(kept.files) - 1)]
        except (OSError, EOFError, ValueError, TypeError, KeyError, zipfile.BadZipFile):
            progress, values = Progress(""), []
        variables = _variables(model)
        fits = [tuple(v.shape) for v in variables] == [value.shape for value in values]
        whole = progress.best_epoch < 0 or self.best(progress.best_epoch).is_file()
        if progress.fingerprint == self.fingerprint and fits and whole:
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)
            return progress
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        return Progress(self.fingerprint)

    def save(self, progress: Progress, model: keras.Model) -> None:
        """Keep ``progress`` and every value of ``model``; then drop the networks that are no longer the best."""
        values: dict[str, Any] = {str(i): np.asarray(v.numpy()) for i, v in enumerate(_variables(model))}
        values[_PROGRESS] = np.frombuffer(json.dumps(asdict(progress)).encode(), np.uint8)
        with aside(self.folder / STATE) as path, path.open("wb") as stream:
            np.savez(stream, **values)
            stream.flush()
            os.fsync(stream.fileno())  # a power cut must not leave an empty file after hours
        for old in self.folder.glob(BEST.format(epoch="*")):
            if old != self.best(progress.best_epoch):
                old.unlink()

    def save_best(self, epoch: int, network: keras.Model) -> None:
        """Write the best network so far, without its optimiser. It counts from the next ``save`` on; the former one stays until then."""
        part = self.folder / "part.keras"
        network.save(part, include_optimizer=False)
        os.replace(part, self.best(epoch))  # noqa: PTH105  (os.replace is the atomic rename)

    def best(self, epoch: int) -> Path:
        """The file of the network that was the best one after ``epoch``."""
        return self.folder / BEST.format(epoch=epoch)


def _variables(model: keras.Model) -> list[Any]:
    """Weights, batch statistics, states of the random generators, loss so far, and what the optimiser remembers, each once."""
    found = {id(v): v for v in (*model.variables, *model.metrics_variables, *model.optimizer.variables)}
    return list(found.values())
