"""The training input: balanced draws, augmented in source space, rendered just before the step, in a thread beside it.

Deterministic by (seed, epoch, batch): the same picture whatever the number of workers and after any resume.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from inspection.dataset.batches import balanced_order
from inspection.models.backend import keras
from inspection.views.renderer import CHANNELS, render_global
from inspection.views.tiles import render_tiles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from inspection.augmentation.donors import Donors
    from inspection.augmentation.policy import Policy
    from inspection.views.renderer import ViewSpec
    from inspection.wafer.maps import WaferMap


class AugmentedBatches(keras.utils.PyDataset):
    """Batches of one epoch: ``{"image": (b, s, s, 3) uint8, "tiles": (b, k, t, t, 3) uint8}`` and labels.

    Labels are of shape (b, classes), float32: one-hot, or mixed where the policy mixes.

    Parameters
    ----------
    maps, labels : the training wafers and their class indices
    drawn : ndarray of int
        Balanced positions into ``maps`` (``dataset.balance``); each epoch walks through its own permutation of them.
    policy : Policy
    spec : ViewSpec
    classes, batch_size, steps, seed, epoch : int
        ``steps`` is the length of the whole epoch.
    with_tiles : bool
    donors : Donors, optional
        Real wafers of the training part, for a policy that makes new examples of them.
    start : int
        The batch to begin at: what an interrupted epoch goes on with. Batch i here is batch ``start + i`` of the whole epoch.
    balanced : bool
        Every batch holds the classes in the shares of ``drawn``, each walked through from epoch to epoch (``dataset.batches``).
    """

    def __init__(
        self,
        maps: Sequence[WaferMap] | NDArray[np.uint8],
        labels: NDArray[np.integer],
        drawn: NDArray[np.integer],
        policy: Policy,
        spec: ViewSpec,
        *,
        classes: int,
        batch_size: int,
        steps: int,
        seed: int,
        epoch: int,
        with_tiles: bool,
        donors: Donors | None = None,
        start: int = 0,
        balanced: bool = False,
    ) -> None:
        super().__init__(workers=1, use_multiprocessing=False, max_queue_size=8)
        self._maps, self._labels, self._policy, self._spec = maps, labels, policy, spec
        self._classes, self._batch, self._steps = classes, batch_size, steps
        self._seed, self._epoch, self._with_tiles = seed, epoch, with_tiles
        self._donors, self._start = donors, start
        if balanced:
            self._order = balanced_order(drawn, labels, steps=steps, batch_size=batch_size, seed=seed, epoch=epoch)
        else:
            rng = np.random.default_rng([seed, epoch])
            rounds = -(-steps * batch_size // len(drawn))
            self._order = np.concatenate([rng.permutation(drawn) for _ in range(rounds)])

    def __len__(self) -> int:
        return self._steps - self._start

    def __getitem__(self, index: int) -> tuple[dict[str, Any], NDArray[np.float32]]:
        batch = self._start + index
        rng = np.random.default_rng([self._seed, self._epoch, batch])
        chosen = self._order[batch * self._batch : (batch + 1) * self._batch]
        spec, channels = self._spec, len(CHANNELS)
        images = np.empty((len(chosen), spec.size_px, spec.size_px, channels), np.uint8)
        tiles = np.empty((len(chosen), spec.tiles if self._with_tiles else 0, spec.tile_px, spec.tile_px, channels), np.uint8)
        labels = np.empty((len(chosen), self._classes), np.float32)
        for i, position in enumerate(chosen.tolist()):
            drawn = self._policy.draw(self._maps[position], int(self._labels[position]), rng, self._donors, (self._seed, position))
            images[i], labels[i] = render_global(drawn.wafer, spec.size_px, drawn.turn), drawn.label
            if self._with_tiles:
                tiles[i] = render_tiles(drawn.wafer, spec, drawn.turn)
        inputs: dict[str, Any] = {"image": images}
        if self._with_tiles:
            inputs["tiles"] = tiles
        return inputs, labels
