"""Layers that do to a batch of images what was drawn for each of them. Any backend of Keras; nothing random in them.

Every layer takes and gives float32 of shape (n, side, side, planes), 0 to 255, and acts on all planes alike and in order, so that the mean
stays between the darkest and the brightest.
"""

from __future__ import annotations

from typing import Any

from inspection.models.backend import keras

MIDDLE = 127.5


class Photometry(keras.layers.Layer):
    """Brightness and contrast: ``(x - middle) * gain + middle + offset``; ``gain`` and ``offset`` of shape (n,)."""

    def call(self, images: Any, gain: Any, offset: Any) -> Any:
        """The images, not clipped."""
        gain, offset = (keras.ops.reshape(of, (-1, 1, 1, 1)) for of in (gain, offset))
        return (images - MIDDLE) * gain + (MIDDLE + offset)


class Resampling(keras.layers.Layer):
    """Shift and zoom about the centre in one bilinear interpolation, mirrored beyond the border.

    ``zoom`` of shape (n,), above 1 = larger; ``shift_px`` of shape (n, 2), right and down.
    """

    def call(self, images: Any, zoom: Any, shift_px: Any) -> Any:
        """The images at their new places. Zoom 1 and shift 0 are interpolated too."""
        ops = keras.ops
        centre = (images.shape[1] - 1) / 2
        scale, none = 1.0 / zoom, ops.zeros_like(zoom)
        right, down = (centre - scale * (centre + shift_px[:, axis]) for axis in (0, 1))
        # Where each pixel comes from: x' = scale x + right, y' = scale y + down.
        matrix = ops.stack([scale, none, right, none, scale, down, none, none], axis=1)
        return ops.image.affine_transform(images, matrix, interpolation="bilinear", fill_mode="reflect", data_format="channels_last")


class Blur(keras.layers.Layer):
    """A Gaussian of ``sigma_px``, shape (n,), at most ``reach`` / 2; along both axes, mirrored beyond the border."""

    def __init__(self, reach: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.reach = reach

    def call(self, images: Any, sigma_px: Any) -> Any:
        """The blurred images."""
        ops = keras.ops
        steps = ops.arange(-self.reach, self.reach + 1, dtype="float32")
        # A thousandth of a pixel is no blur, and no division by zero.
        weights = ops.exp(-0.5 * ops.square(steps[None, :] / ops.maximum(sigma_px, 1e-3)[:, None]))
        weights = weights / ops.sum(weights, axis=1, keepdims=True)
        for axis in (1, 2):
            padding = [(self.reach, self.reach) if axis == a else (0, 0) for a in range(4)]
            padded = ops.pad(images, padding, mode="reflect")
            side = images.shape[axis]
            parts = [padded[:, k : k + side] if axis == 1 else padded[:, :, k : k + side] for k in range(2 * self.reach + 1)]
            images = sum(ops.reshape(weights[:, k], (-1, 1, 1, 1)) * part for k, part in enumerate(parts))
        return images
