"""Augmented images: turned, brightened, moved, blurred and made noisy before the network sees them, outside of its graph.

Order: the turn moves pixels and changes none; then photometry, one interpolation, blur, noise, and whole numbers again. What is switched on
in ``params.yaml`` is done to every draw, however little was drawn for it, so that no class is the only one to be interpolated.
The black border of an image that is not square stays black: a fourth plane says where the image is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from inspection.augmentation.guard.contract import NOTHING, View
from inspection.augmentation.images import draw_image, image_operations
from inspection.models.backend import keras
from inspection.training.image_layers import Blur, Photometry, Resampling
from inspection.views.renderer import ViewSpec, render_global, turn_dies

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.random import Generator
    from numpy.typing import NDArray

    from inspection.augmentation.images import ImageDraw
    from inspection.augmentation.policy import Policy
    from inspection.params import Nuisance
    from inspection.wafer.maps import InspectionMap

WHITE = 255.0


class ImagePipeline:
    """What the draws of one policy do to views.

    Parameters
    ----------
    strength : params.Nuisance
        Which layers there are: those whose strength is not zero.
    """

    def __init__(self, strength: Nuisance) -> None:
        self._photometry = Photometry() if strength.image_brightness > 0 or strength.image_contrast > 0 else None
        self._resampling = Resampling() if strength.image_shift > 0 or strength.image_zoom > 0 else None
        self._blur = Blur(max(1, int(np.ceil(2 * strength.image_blur_px)))) if strength.image_blur_px > 0 else None
        self._noisy = strength.image_noise > 0

    def __call__(self, views: NDArray[np.uint8], draws: Sequence[ImageDraw]) -> NDArray[np.uint8]:
        """Views of shape (n, side, side, 3), uint8, after their draws; each depends on its own draw alone."""
        turned = np.stack([v if d.turn is None else turn_dies(v, d.turn) for v, d in zip(views, draws, strict=True)])
        if self._photometry is None and self._resampling is None and self._blur is None and not self._noisy:
            return turned
        side = views.shape[1]
        inside = self._inside(turned)
        with keras.device("cpu"):
            images = turned.astype(np.float32)
            if self._photometry is not None:
                images = self._photometry(images, _column(draws, "gain"), WHITE * _column(draws, "offset")) * inside
            images = keras.ops.concatenate((images, inside), axis=-1)
            if self._resampling is not None:
                images = self._resampling(images, _column(draws, "zoom"), side * _column(draws, "shift"))
            if self._blur is not None:
                images = self._blur(images, _column(draws, "blur_px"))
            found = np.array(keras.ops.convert_to_numpy(images))
        if self._noisy:
            fields = [
                np.random.default_rng(d.seed).standard_normal((side, side, 1), np.float32) * np.float32(WHITE * d.noise) for d in draws
            ]
            found[..., :-1] += np.stack(fields) * found[..., -1:]
        return np.rint(np.clip(found[..., :-1], 0, WHITE)).astype(np.uint8)

    @staticmethod
    def _inside(views: NDArray[np.uint8]) -> NDArray[np.float32]:
        """1 in the rows and columns that are not black throughout, of shape (n, side, side, 1)."""
        lit = np.any(views, axis=3)
        rows, cols = np.any(lit, axis=2), np.any(lit, axis=1)
        return (rows[:, :, None, None] & cols[:, None, :, None]).astype(np.float32)


class ImageViews:
    """A policy of images as the guard sees it: views of ``size_px``, drawn as training draws them (`augmentation.guard.ViewPolicy`)."""

    on_signatures = False

    def __init__(self, policy: Policy, size_px: int) -> None:
        self._policy, self.spec = policy, ViewSpec(size_px, kind="image")
        self._less: dict[frozenset[str], tuple[Policy, ImagePipeline]] = {}

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes."""
        return self._policy.classes

    def operations(self, label: int) -> tuple[str, ...]:
        """What the class may meet."""
        return image_operations(self._policy, label)

    def view(self, base: InspectionMap, label: int, rng: Generator, without: frozenset[str] = NOTHING) -> View:
        """One view, without detail tiles."""
        if without not in self._less:
            policy = self._policy.without(*without)
            self._less[without] = policy, ImagePipeline(policy.nuisance)
        policy, pipeline = self._less[without]
        return View.of(pipeline(self.plain(base).image[None], [draw_image(policy, label, rng)])[0])

    def plain(self, base: InspectionMap) -> View:
        """The image as it is served."""
        return View.of(render_global(base, self.spec.size_px))


def _column(draws: Sequence[ImageDraw], name: str) -> NDArray[np.float32]:
    return np.array([getattr(drawn, name) for drawn in draws], np.float32)
