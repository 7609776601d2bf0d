"""GoogLeNet, which keras.applications lacks."""

from __future__ import annotations

from typing import Any

from inspection.models.backend import keras
from inspection.models.network import NetworkSpec, finish, image_pixels
from inspection.models.zoo.layers import LocalResponseNormalization

MODULES = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}
"""Filters of each module: 1x1; 1x1 before 3x3, 3x3; 1x1 before 5x5, 5x5; 1x1 after the pooling (Szegedy et al. 2014, table 1)."""


def googlenet(spec: NetworkSpec) -> keras.Model:
    """GoogLeNet, Inception v1 (Szegedy et al. 2014), 224 px, without the two side classifiers of its training.

    ``image`` (n, size_px, size_px, c) -> (size_px / 32, size_px / 32, 1024) -> 1024 features -> ``logits`` (n, classes).
    """
    image, x = image_pixels(spec, "googlenet", smallest_px=32)
    x = _conv(x, 64, 7, "conv1", strides=2)
    x = LocalResponseNormalization(name="norm1")(_pool(x, "pool1"))
    x = _conv(_conv(x, 64, 1, "conv2_reduce"), 192, 3, "conv2")
    x = _pool(LocalResponseNormalization(name="norm2")(x), "pool2")
    for name, filters in MODULES.items():
        if name in {"4a", "5a"}:
            x = _pool(x, f"pool{int(name[0]) - 1}")
        x = _module(x, filters, f"inception_{name}")
    return finish(spec, [image], keras.layers.GlobalAveragePooling2D(name="pool5")(x), "googlenet")


def _module(x: Any, filters: tuple[int, ...], name: str) -> Any:
    one, before_three, three, before_five, five, after_pool = filters
    branches = [
        _conv(x, one, 1, f"{name}_1x1"),
        _conv(_conv(x, before_three, 1, f"{name}_3x3_reduce"), three, 3, f"{name}_3x3"),
        _conv(_conv(x, before_five, 1, f"{name}_5x5_reduce"), five, 5, f"{name}_5x5"),
        _conv(keras.layers.MaxPooling2D(3, 1, padding="same", name=f"{name}_pool")(x), after_pool, 1, f"{name}_pool_1x1"),
    ]
    return keras.layers.Concatenate(name=f"{name}_output")(branches)


def _conv(x: Any, filters: int, side: int, name: str, strides: int = 1) -> Any:
    # Without normalisation of batches, the start decides whether twenty layers learn at all.
    start = "he_normal"
    return keras.layers.Conv2D(filters, side, strides, padding="same", activation="relu", kernel_initializer=start, name=name)(x)


def _pool(x: Any, name: str) -> Any:
    return keras.layers.MaxPooling2D(3, 2, padding="same", name=name)(x)
