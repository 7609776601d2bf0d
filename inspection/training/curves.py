"""What the curves of a training say, in words: whether they part, and whether more epochs would have helped."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PARTED = 0.05
LASTING = 2
"""The curves are said to part when the validation loss is higher than its minimum by this share of it, in each of so many last epochs."""
IMPROVING = 0.1
"""A validation loss that falls by this share in the last quarter of the epochs has not reached its end."""
FEWEST = 3
"""Epochs below which nothing is said."""


@dataclass(frozen=True)
class Reading:
    """What the curves say; ``since`` is the first epoch (from 1) of what ``verdict`` names, None where there is no such epoch."""

    verdict: Literal["overfitting", "undertrained", "diverged", "steady", "unknown"]
    words: str
    since: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain mapping for JSON."""
        return asdict(self)


def read(history: Sequence[Mapping[str, float]]) -> Reading:
    """Read the curves of ``history``: one row per epoch with ``epoch``, ``loss``, ``validation_loss`` and ``validation_macro_f1``.

    *Overfitting*: the validation loss has passed its minimum and is ``PARTED`` above it in the ``LASTING`` last epochs, while the training
    loss went on falling. *Undertrained*: the last epoch has the lowest validation loss and the best score, and the last quarter of the
    epochs took ``IMPROVING`` off the loss. Both compare a curve with itself only: the training loss is higher by dropout, augmentation and
    balanced draws, and its height says nothing.
    """
    epochs, loss, held_out, scores = (
        np.array([row[key] for row in history], float) for key in ("epoch", "loss", "validation_loss", "validation_macro_f1")
    )
    count = len(epochs)
    broken = np.flatnonzero(~np.isfinite(loss))
    if broken.size:
        first = int(epochs[broken[0]])
        words = f"Diverged: the loss of epoch {first} is no number. The best epoch before it is kept; lower learning_rate."
        return Reading("diverged", words, first)
    if count < FEWEST:
        return Reading("unknown", f"Too few epochs to read the curves: expected {FEWEST} or more, got {count}.")
    if not np.isfinite(held_out).all():
        return Reading("unknown", "No validation loss to hold the training loss against: the validation part is empty.")
    lowest = int(held_out.argmin())
    if lowest < count - LASTING and (held_out[-LASTING:] > (1 + PARTED) * held_out[lowest]).all() and loss[-1] < loss[lowest]:
        return Reading(
            "overfitting",
            f"Overfitting: the curves part after epoch {int(epochs[lowest])}. Until epoch {int(epochs[-1])} the training loss fell from "
            f"{loss[lowest]:.3f} to {loss[-1]:.3f}, and the validation loss rose from {held_out[lowest]:.3f} to {held_out[-1]:.3f}: the "
            "network learns its training wafers by heart. More labelled wafers, stronger augmentation, more dropout or weight decay, or "
            f"a smaller width; the best validation score was kept (epoch {_best(epochs, scores)}).",
            int(epochs[lowest]) + 1,
        )
    quarter = -(-count // 4)
    before = held_out[:-quarter].min()
    if lowest == count - 1 and _best(epochs, scores) == int(epochs[-1]) and held_out[-1] < (1 - IMPROVING) * before:
        return Reading(
            "undertrained",
            f"Still improving at the last epoch: the last {quarter} of {count} epochs took {1 - held_out[-1] / before:.0%} off the "
            "validation loss. More epochs (train.epochs) would help.",
            int(epochs[-quarter]),
        )
    return Reading("steady", "The curves of training and validation go together.")


def _best(epochs: np.ndarray, scores: np.ndarray) -> int:
    """The epoch with the best score, the later one of equals."""
    return int(epochs[len(scores) - 1 - int(scores[::-1].argmax())])
