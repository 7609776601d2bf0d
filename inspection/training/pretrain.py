"""Self-supervised pre-training: two draws of one wafer attract each other, those of other wafers repel (SimCLR, Chen et al. 2020).

No label is read. A draw may change a wafer only by what keeps *every* class's label: nuisances, which all classes share anyway, and the
symmetries that all classes have in common. So the network is taught nothing that any class would contradict.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from inspection.errors import InputError
from inspection.models.backend import keras
from inspection.models.builders import build
from inspection.training.checkpoint import Checkpoint
from inspection.training.transfer import carry_over
from inspection.views.renderer import CHANNELS, render_global
from inspection.views.tiles import render_tiles

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from inspection.augmentation.policy import Policy
    from inspection.models.symmetry import SquareGroup
    from inspection.params import Nuisance, Pretrain, Train
    from inspection.views.renderer import ViewSpec
    from inspection.wafer.maps import WaferMap

ENCODER = "encoder.weights.h5"


@keras.saving.register_keras_serializable(package="inspection")
class NormalizedTemperatureCrossEntropy(keras.losses.Loss):
    """NT-Xent: how hard it is to find a draw's partner among all other draws of the batch.

    ``-log(exp(s_ij / t) / sum_{k != i} exp(s_ik / t))`` of each row i with partner j, s the cosine of two projections.

    ``y_true`` of shape (2b, 2): own row and that of the partner, so that nothing depends on a batch size known beforehand; ``y_pred`` of
    shape (2b, d), of any length.
    """

    def __init__(self, temperature: float = 0.2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.temperature = temperature

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Loss of each row, shape (2b,)."""
        unit = keras.ops.normalize(y_pred, axis=-1)
        cosines = keras.ops.matmul(unit, keras.ops.transpose(unit)) / self.temperature
        own, partner = y_true[:, 0], y_true[:, 1]
        itself = keras.ops.cast(own[:, None] == own[None, :], cosines.dtype)
        target = keras.ops.cast(partner[:, None] == own[None, :], cosines.dtype)
        return keras.ops.logsumexp(cosines - 1e9 * itself, axis=-1) - keras.ops.sum(target * cosines, axis=-1)

    def get_config(self) -> dict[str, Any]:
        """Settings for saving."""
        return {**super().get_config(), "temperature": self.temperature}


def class_independent(policy: Policy, nuisance: Nuisance) -> Policy:
    """``policy`` as it may be applied to a wafer whose class nobody knows: common symmetries, ``nuisance``, nothing else."""
    classes = len(policy.classes)
    return replace(
        policy,
        symmetries=(policy.common,) * classes,
        nuisance=nuisance,
        created=({},) * classes,
        multiplicity=(None,) * classes,
        mixup=0.0,
    )


class PairedBatches(keras.utils.PyDataset):
    """Batches of one epoch: both draws of ``batch_size`` different wafers, first draws first, and for each row its own number and its
    partner's, shape (2 * batch_size, 2). Deterministic by (seed, epoch, batch).

    Parameters
    ----------
    maps : sequence of WaferMap
        At least ``batch_size``.
    policy : Policy
        Made by `class_independent`.
    spec : ViewSpec
    batch_size, seed, epoch : int
    with_tiles : bool
    """  # noqa: D205

    def __init__(
        self, maps: Sequence[WaferMap], policy: Policy, spec: ViewSpec, *, batch_size: int, seed: int, epoch: int, with_tiles: bool
    ) -> None:
        super().__init__(workers=1, use_multiprocessing=False, max_queue_size=8)
        self._maps, self._policy, self._spec, self._batch = maps, policy, spec, batch_size
        self._seed, self._epoch, self._with_tiles = seed, epoch, with_tiles
        self._order = np.random.default_rng([seed, epoch]).permutation(len(maps))

    def __len__(self) -> int:
        return len(self._maps) // self._batch

    def __getitem__(self, index: int) -> tuple[dict[str, Any], NDArray[np.int32]]:
        rng = np.random.default_rng([self._seed, self._epoch, index])
        chosen = self._order[index * self._batch : (index + 1) * self._batch].tolist()
        spec, channels, rows = self._spec, len(CHANNELS), 2 * self._batch
        images = np.empty((rows, spec.size_px, spec.size_px, channels), np.uint8)
        tiles = np.empty((rows, spec.tiles if self._with_tiles else 0, spec.tile_px, spec.tile_px, channels), np.uint8)
        for row, position in enumerate(chosen + chosen):
            drawn = self._policy.draw(self._maps[position], 0, rng)  # any class: the policy is the same for all
            images[row] = render_global(drawn.wafer, spec.size_px, drawn.turn)
            if self._with_tiles:
                tiles[row] = render_tiles(drawn.wafer, spec, drawn.turn)
        own = np.arange(rows, dtype=np.int32)
        inputs: dict[str, Any] = {"image": images}
        if self._with_tiles:
            inputs["tiles"] = tiles
        return inputs, np.column_stack((own, np.roll(own, self._batch)))


def pretrain(
    maps: Sequence[WaferMap],
    policy: Policy,
    spec: ViewSpec,
    train: Train,
    params: Pretrain,
    folder: Path,
    *,
    seed: int,
    fingerprint: str,
    group: SquareGroup | None = None,
    start: Path | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> Path:
    """Pre-train ``train.model`` on ``maps`` and return the file of its weights, head apart, for `transfer.carry_over`.

    Parameters
    ----------
    maps : sequence of WaferMap
        With or without labels; none of the validation or test part.
    policy : Policy
        That of the training; `class_independent` is made of it.
    spec : ViewSpec
    train : params.Train
        Which network.
    params : params.Pretrain
    folder : Path
        Its checkpoint: an interrupted run of the same ``fingerprint`` goes on after its last whole epoch.
    seed : int
    group : SquareGroup, optional
        As in `fit`.
    start : Path, optional
        Weights to begin with.
    progress : callable, optional
        Gets (steps done, steps in all, text).

    Raises
    ------
    InputError
        Fewer than two wafers: nothing to tell apart.
    """
    batch = min(params.batch_size, len(maps))
    if batch < 2:
        raise InputError(f"Cannot pre-train: expected at least 2 wafers, got {len(maps)}. Set transfer.pretrain.epochs to 0.")
    keras.utils.set_random_seed(seed)
    steps = len(maps) // batch
    network = build(train.model, spec, 1, width=train.width, dropout=train.dropout, group=group)
    if start is not None:
        carry_over(network, start)
    model = _projected(network, params.projection)
    rate = keras.optimizers.schedules.CosineDecay(
        1e-6, max(1, params.epochs * steps - steps // 2), warmup_target=params.learning_rate, warmup_steps=max(1, steps // 2)
    )
    optimizer = keras.optimizers.AdamW(rate, weight_decay=train.weight_decay)
    model.compile(optimizer=optimizer, loss=NormalizedTemperatureCrossEntropy(params.temperature))
    model.optimizer.build(model.trainable_variables)
    checkpoint = Checkpoint(folder, fingerprint)
    state = checkpoint.load(model)
    free = class_independent(policy, params.nuisance)
    with_tiles = any(t.name == "tiles" for t in model.inputs)
    while state.epoch < params.epochs:
        batches = PairedBatches(maps, free, spec, batch_size=batch, seed=seed, epoch=state.epoch, with_tiles=with_tiles)
        loss = float(model.fit(batches, epochs=1, verbose=0, shuffle=False).history["loss"][0])
        state.epoch += 1
        state.history.append({"epoch": state.epoch, "loss": loss})
        checkpoint.save(state, model)
        if progress is not None:
            text = f"pre-training, epoch {state.epoch}/{params.epochs}, loss {loss:.3f}"
            progress(state.epoch * steps, params.epochs * steps, text)
    model.save_weights(folder / ENCODER)
    return folder / ENCODER


def _projected(network: keras.Model, projection: int) -> keras.Model:
    """``network`` up to its features, and two layers that are thrown away afterwards (Chen et al. 2020, section 4.2)."""
    features = network.get_layer("embedding").input
    hidden = keras.layers.Dense(features.shape[-1], activation="relu", name="projection_hidden")(features)
    return keras.Model(network.inputs, keras.layers.Dense(projection, dtype="float32", name="projection")(hidden), name=network.name)
