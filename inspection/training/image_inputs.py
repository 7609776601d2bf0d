"""The training input of images: balanced draws of rendered views, augmented just before the step, in a thread beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from inspection.augmentation.images import draw_image
from inspection.training.image_pipeline import ImagePipeline
from inspection.training.inputs import AugmentedBatches

if TYPE_CHECKING:
    from numpy.typing import NDArray


class ImageBatches(AugmentedBatches):
    """As `AugmentedBatches`; ``maps`` are views of shape (n, side, side, 3), uint8, since of an image there are only pixels.

    Each example is a function of (seed, epoch, batch, place in it) and of nothing else.
    """

    def __init__(self, maps: Any, labels: Any, drawn: Any, policy: Any, spec: Any, **options: Any) -> None:
        super().__init__(maps, labels, drawn, policy, spec, **options)
        self._pipeline = ImagePipeline(policy.nuisance)

    def __getitem__(self, index: int) -> tuple[dict[str, Any], NDArray[np.float32]]:
        batch = self._start + index
        chosen = self._order[batch * self._batch : (batch + 1) * self._batch].tolist()
        classes = [int(self._labels[position]) for position in chosen]
        draws = [
            draw_image(self._policy, label, np.random.default_rng([self._seed, self._epoch, batch, i]), (self._seed, position))
            for i, (position, label) in enumerate(zip(chosen, classes, strict=True))
        ]
        views = np.stack([self._maps[position] for position in chosen])
        return {"image": self._pipeline(views, draws)}, np.eye(self._classes, dtype=np.float32)[classes]
