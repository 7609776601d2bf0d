"""Checkpoints of a training run: written aside and renamed, so that a kill leaves the last whole epoch."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from inspection.models.backend import keras

if TYPE_CHECKING:
    from pathlib import Path

LATEST, BEST, STATE = "latest-{epoch}.keras", "best.keras", "state.json"


@dataclass
class Progress:
    """Where a run stands: epochs done, history rows, best validation score and its epoch."""

    fingerprint: str
    epoch: int = 0
    best: float = -1.0
    best_epoch: int = -1
    history: list[dict[str, float]] = field(default_factory=list)


class Checkpoint:
    """The folder of one run. A run with another ``fingerprint`` (data, parameters) starts afresh."""

    def __init__(self, folder: Path, fingerprint: str) -> None:
        self.folder = folder
        self.fingerprint = fingerprint

    def load(self) -> tuple[Progress, keras.Model | None]:
        """Progress and the compiled model with its optimizer, or a fresh start."""
        state = self.folder / STATE
        if state.is_file():
            content: dict[str, Any] = json.loads(state.read_text(encoding="utf-8"))
            progress = Progress(**content)
            latest = self.folder / LATEST.format(epoch=progress.epoch)
            if progress.fingerprint == self.fingerprint and latest.is_file():
                return progress, keras.saving.load_model(latest)
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        return Progress(self.fingerprint), None

    def save(self, progress: Progress, model: keras.Model) -> None:
        """Write the model of this epoch, then point the state at it, then drop the former one."""
        latest = self.folder / LATEST.format(epoch=progress.epoch)
        model.save(latest)
        aside = self.folder / (STATE + ".part")
        aside.write_text(json.dumps(asdict(progress)), encoding="utf-8")
        os.replace(aside, self.folder / STATE)  # noqa: PTH105  (os.replace is the atomic rename)
        for old in self.folder.glob("latest-*.keras"):
            if old != latest:
                old.unlink()

    def save_best(self, model: keras.Model) -> None:
        """Write the best network so far, without its optimizer."""
        aside = self.folder / "best.part.keras"
        model.save(aside, include_optimizer=False)
        os.replace(aside, self.best)  # noqa: PTH105  (os.replace is the atomic rename)

    @property
    def best(self) -> Path:
        """The best network's file."""
        return self.folder / BEST
