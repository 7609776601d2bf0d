"""From the perceptron to VGG: networks that end in layers which read every pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from inspection.models.backend import keras
from inspection.models.network import NetworkSpec, finish, image_pixels
from inspection.models.zoo.layers import LocalResponseNormalization, Subsampling, TableConv2D, scaled_tanh

if TYPE_CHECKING:
    from collections.abc import Callable

THIRD_LAYER = (
    *([i, (i + 1) % 6, (i + 2) % 6] for i in range(6)),
    *(sorted({i, (i + 1) % 6, (i + 2) % 6, (i + 3) % 6}) for i in range(6)),
    *([i, i + 1, (i + 3) % 6, (i + 4) % 6] for i in range(3)),
    list(range(6)),
)
"""Which of the six maps each of LeNet-5's sixteen reads (LeCun et al. 1998, table 1)."""


def mlp(spec: NetworkSpec) -> keras.Model:
    """Multilayer perceptron: two hidden layers on the bare pixels.

    ``image`` (n, size_px, size_px, c) -> 16 x width -> 8 x width -> ``logits`` (n, classes).
    """
    image, x = image_pixels(spec, "mlp", smallest_px=1)
    x = keras.layers.Flatten(name="flatten")(x)
    x = keras.layers.Dense(16 * spec.width, activation="relu", name="hidden1")(x)
    x = keras.layers.Dropout(spec.dropout, name="hidden1_dropout")(x)
    return finish(spec, [image], keras.layers.Dense(8 * spec.width, activation="relu", name="hidden2")(x), "mlp")


def lenet5(spec: NetworkSpec) -> keras.Model:
    """LeNet-5 (LeCun et al. 1998), 32 px: trainable subsampling, the third layer's table of connections, scaled tanh.

    ``image`` (n, size_px, size_px, c) -> 120 maps -> 84 features -> ``logits`` (n, classes), which take the place of the paper's distances
    from bitmaps of digits. On larger views C5 slides, as in the paper's section VII, and is averaged over the places.
    """
    image, x = image_pixels(spec, "lenet5", smallest_px=32)
    x = keras.layers.Conv2D(6, 5, activation=scaled_tanh, name="c1")(x)
    x = keras.layers.Activation(scaled_tanh, name="s2_tanh")(Subsampling(name="s2")(x))
    x = keras.layers.Activation(scaled_tanh, name="c3_tanh")(TableConv2D(THIRD_LAYER, 5, name="c3")(x))
    x = keras.layers.Activation(scaled_tanh, name="s4_tanh")(Subsampling(name="s4")(x))
    x = keras.layers.Conv2D(120, 5, activation=scaled_tanh, name="c5")(x)
    x = keras.layers.GlobalAveragePooling2D(name="places")(x)
    return finish(spec, [image], keras.layers.Dense(84, activation=scaled_tanh, name="f6")(x), "lenet5")


def alexnet(spec: NetworkSpec) -> keras.Model:
    """AlexNet (Krizhevsky et al. 2012), 224 px: both towers, local response normalisation, overlapping pooling.

    ``image`` (n, size_px, size_px, c) -> (6, 6, 256) at 224 px -> 4096 -> 4096 -> ``logits`` (n, classes). The paper's 55 x 55 maps ask for
    two pixels of padding around its 224.
    """
    image, x = image_pixels(spec, "alexnet", smallest_px=63)
    x = keras.layers.ZeroPadding2D(2, name="pad")(x)

    def towers(maps: list[Any], filters: int, side: int, layer: int, strides: int = 1) -> list[Any]:
        padding = "valid" if layer == 1 else "same"
        return [
            keras.layers.Conv2D(filters // 2, side, strides, padding=padding, activation="relu", name=f"conv{layer}{tower}")(x)
            for tower, x in zip("ab", maps, strict=True)
        ]

    def pool(x: Any, layer: int) -> Any:
        return keras.layers.MaxPooling2D(3, 2, name=f"pool{layer}")(x)

    def together(maps: list[Any], layer: int) -> Any:
        return keras.layers.Concatenate(name=f"towers{layer}")(maps)

    maps = towers([x, x], 96, 11, 1, strides=4)
    # Maps are normalised where they are read: the first layer's in their tower, the second's, which both towers read, together.
    maps = [pool(LocalResponseNormalization(name=f"norm1{t}")(x), f"1{t}") for t, x in zip("ab", maps, strict=True)]  # type: ignore[arg-type]
    maps = towers(maps, 256, 5, 2)
    x = pool(LocalResponseNormalization(name="norm2")(together(maps, 2)), 2)
    maps = towers(towers([x, x], 384, 3, 3), 384, 3, 4)
    x = pool(together(towers(maps, 256, 3, 5), 5), 5)
    return finish(spec, [image], _two_dense(spec, x), "alexnet")


def vgg16(spec: NetworkSpec) -> keras.Model:
    """VGG-16 (Simonyan and Zisserman 2014, configuration D), 224 px.

    ``image`` (n, size_px, size_px, c) -> (size_px // 32, size_px // 32, 512) -> 4096 -> 4096 -> ``logits`` (n, classes).
    """
    return _vgg(spec, keras.applications.VGG16, "vgg16")


def vgg19(spec: NetworkSpec) -> keras.Model:
    """VGG-19 (Simonyan and Zisserman 2014, configuration E), 224 px.

    ``image`` (n, size_px, size_px, c) -> (size_px // 32, size_px // 32, 512) -> 4096 -> 4096 -> ``logits`` (n, classes).
    """
    return _vgg(spec, keras.applications.VGG19, "vgg19")


def _vgg(spec: NetworkSpec, constructor: Callable[..., keras.Model], name: str) -> keras.Model:
    image, pixels = image_pixels(spec, name, smallest_px=32)
    maps = constructor(include_top=False, weights=None, input_tensor=pixels).output
    return finish(spec, [image], _two_dense(spec, maps), name)


def _two_dense(spec: NetworkSpec, maps: Any) -> Any:
    """The two layers of 4096 that AlexNet and VGG share; ``finish`` leaves out features after the second."""
    x = keras.layers.Dense(4096, activation="relu", name="fc1")(keras.layers.Flatten(name="flatten")(maps))
    x = keras.layers.Dropout(spec.dropout, name="fc1_dropout")(x)
    return keras.layers.Dense(4096, activation="relu", name="fc2")(x)
