"""Hand-made features beside the trained network: their own small network, and how much its vote counts."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.metrics import f1_score

from inspection.models.backend import keras
from inspection.models.fusion import fused, measure, table_network
from inspection.models.saved import load_network
from inspection.scoring.calibration import fit_temperature, softmax
from inspection.training.losses import loss_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from inspection.params import Train
    from inspection.training.fit import TrainingSet

WEIGHTS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
LEAST_VALIDATION = 100
"""With fewer validation wafers nothing says what weight is right, and the network stays alone."""
EPOCHS, LEAST_STEPS, BATCH, LEARNING_RATE, WEIGHT_DECAY, DROPOUT = 15, 400, 128, 2e-3, 0.02, 0.4


@dataclass(frozen=True)
class Fusion:
    """What the features' vote is worth.

    Attributes
    ----------
    weight : float
        Share of the vote, 0 = the network stays alone.
    alone, table, both : float
        Macro-F1 of the network, of the features and of both on the validation part.
    """

    weight: float
    alone: float
    table: float
    both: float

    def to_dict(self) -> dict[str, float]:
        """For training.json."""
        return asdict(self)


def fuse(
    network: Path,
    data: TrainingSet,
    images: NDArray[np.uint8],
    params: Train,
    *,
    seed: int,
    threads: int = 1,
    progress: Callable[[int, int, str], None] | None = None,
) -> Fusion | None:
    """Train a network on hand-made features of the training wafers, and let it vote in the network at ``network`` where that helps.

    The weight is the one with the least negative log likelihood of the validation wafers, after the temperature that fits each.

    Parameters
    ----------
    network : Path
        The trained network; replaced by the fused one when its weight is above 0.
    data : TrainingSet
        What it learnt from; ``data.drawn`` is drawn here, too.
    images : ndarray of shape (n, s, s, 3), uint8
        Global views of the training wafers, unturned.
    params : params.Train
        Label smoothing and balance in the loss.
    seed : int
    threads : int
        For the features; how many does not change the result.
    progress : callable, optional
        Gets (done, all, text).

    Returns
    -------
    Fusion or None
        None: too few validation wafers to know.
    """
    truth = data.validation_labels
    if len(truth) < LEAST_VALIDATION:
        return None
    told = progress or (lambda _done, _total, _text: None)
    both = measure(np.concatenate((images, data.validation.images)), threads, lambda done, total: told(done, total, "hand-made features"))
    learnt, held_out = both[: len(images)], both[len(images) :]
    table = _train_table(learnt, data, params, seed, told)
    alone = load_network(network)
    own, theirs = _own_logits(alone, data), np.asarray(table.predict(held_out, batch_size=1024, verbose=0))
    weight = best_weight(own, theirs, truth)
    if weight:
        part = network.with_name("fused.keras")
        fused(alone, table, weight).save(part)
        part.replace(network)
    mixed = (1 - weight) * own + weight * theirs
    return Fusion(weight, *(_macro_f1(truth, logits) for logits in (own, theirs, mixed)))


def best_weight(own: NDArray[np.floating], theirs: NDArray[np.floating], truth: NDArray[np.integer]) -> float:
    """Of `WEIGHTS`, the share of ``theirs`` in the logits (n, k) that makes ``truth`` (n,) likeliest; the smaller one of equals."""

    def loss(weight: float) -> float:
        logits = (1 - weight) * own + weight * theirs
        right = softmax(logits, fit_temperature(logits, truth))[np.arange(len(truth)), truth]
        return float(-np.log(np.maximum(right, 1e-12)).mean())

    return min(WEIGHTS, key=lambda weight: (loss(weight), weight))


def _train_table(
    learnt: NDArray[np.float32], data: TrainingSet, params: Train, seed: int, told: Callable[[int, int, str], None]
) -> keras.Model:
    keras.utils.set_random_seed(seed)
    center, scale = learnt.mean(axis=0, dtype=np.float64), np.maximum(learnt.std(axis=0, dtype=np.float64), 1e-6)
    table = table_network(center, scale, data.classes, data.head, DROPOUT)
    steps = max(EPOCHS * max(1, len(data.drawn) // BATCH), LEAST_STEPS)
    rate = keras.optimizers.schedules.CosineDecay(LEARNING_RATE, steps)
    optimiser = keras.optimizers.AdamW(rate, weight_decay=WEIGHT_DECAY)
    table.compile(optimizer=optimiser, loss=loss_of(params, data.counts, data.head), jit_compile=False)
    told(0, 0, "network on hand-made features")
    table.fit(_Rows(learnt, data, steps, seed), epochs=1, verbose=0, shuffle=False)
    # Never compiled: a network within a network keeps its loss in the file, which whoever serves it need not know.
    served = table_network(center, scale, data.classes, data.head, DROPOUT)
    served.set_weights(table.get_weights())
    return served


class _Rows(keras.utils.PyDataset):
    """``steps`` batches of the drawn wafers, in an order of their own for each pass."""

    def __init__(self, table: NDArray[np.float32], data: TrainingSet, steps: int, seed: int) -> None:
        super().__init__(workers=1, use_multiprocessing=False)
        rng = np.random.default_rng(seed)
        passes = -(-steps * BATCH // len(data.drawn))
        self._order = np.concatenate([rng.permutation(data.drawn) for _ in range(passes)])
        self._table, self._steps = table, steps
        self._labels = np.eye(data.classes, dtype=np.float32)[data.labels]

    def __len__(self) -> int:
        return self._steps

    def __getitem__(self, index: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        rows = self._order[index * BATCH : (index + 1) * BATCH]
        return self._table[rows], self._labels[rows]


def _own_logits(network: keras.Model, data: TrainingSet) -> NDArray[np.float32]:
    inputs: dict[str, Any] = {"image": data.validation.images}
    if any(tensor.name == "tiles" for tensor in network.inputs):
        inputs["tiles"] = data.validation.tiles
    return np.asarray(network.predict(inputs, batch_size=256, verbose=0))


def _macro_f1(truth: NDArray[np.integer], logits: NDArray[np.floating]) -> float:
    return float(f1_score(truth, logits.argmax(axis=1), average="macro", zero_division=0))
