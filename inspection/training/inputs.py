"""The training input: balanced draws, augmented in source space, rendered just before the step, in a thread beside it.

Deterministic by (seed, epoch, batch): the same picture whatever the number of workers and after any resume.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from inspection.models.backend import keras
from inspection.views.tiles import render

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from inspection.augmentation.policy import Policy
    from inspection.views.renderer import ViewSpec
    from inspection.wafer.maps import WaferMap


class AugmentedBatches(keras.utils.PyDataset):
    """Batches of one epoch: ``{"image": (b, s, s, 3) uint8, "tiles": (b, k, t, t, 3) uint8}`` and one-hot labels (b, classes) float32.

    Parameters
    ----------
    maps, labels : the training wafers and their class indices
    drawn : ndarray of int
        Balanced positions into ``maps`` (``dataset.balance``); each epoch walks through its own permutation of them.
    policy : Policy
    spec : ViewSpec
    classes, batch_size, steps, seed, epoch : int
    """

    def __init__(
        self,
        maps: Sequence[WaferMap],
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
    ) -> None:
        super().__init__(workers=1, use_multiprocessing=False, max_queue_size=8)
        self._maps, self._labels, self._policy, self._spec = maps, labels, policy, spec
        self._classes, self._batch, self._steps = classes, batch_size, steps
        self._seed, self._epoch, self._with_tiles = seed, epoch, with_tiles
        rng = np.random.default_rng([seed, epoch])
        rounds = -(-steps * batch_size // len(drawn))
        self._order = np.concatenate([rng.permutation(drawn) for _ in range(rounds)])

    def __len__(self) -> int:
        return self._steps

    def __getitem__(self, index: int) -> tuple[dict[str, Any], NDArray[np.float32]]:
        rng = np.random.default_rng([self._seed, self._epoch, index])
        chosen = self._order[index * self._batch : (index + 1) * self._batch]
        images, tiles = [], []
        for position in chosen:
            wafer, turn = self._policy.draw(self._maps[position], int(self._labels[position]), rng)
            image, detail = render(wafer, self._spec, turn)
            images.append(image)
            tiles.append(detail)
        inputs: dict[str, Any] = {"image": np.stack(images)}
        if self._with_tiles:
            inputs["tiles"] = np.stack(tiles)
        return inputs, np.eye(self._classes, dtype=np.float32)[self._labels[chosen]]
