"""Network builders: one table, one signature.

Every builder takes ``(spec, classes, width, dropout)`` and returns an uncompiled ``keras.Model``:

- inputs ``image`` (n, size_px, size_px, 3) uint8 and, when ``spec.tiles`` > 0 and the network looks at them,
  ``tiles`` (n, tiles, tile_px, tile_px, 3) uint8; scaling to 0..1 float32 is the first layer;
- output ``logits`` (n, classes) float32 without softmax; the layer before it, ``embedding`` (n, features), feeds the
  unknown detector.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from inspection.errors import ParamsError
from inspection.models.backend import keras
from inspection.models.layers import AttendTiles, FoldTiles
from inspection.views.renderer import CHANNELS

if TYPE_CHECKING:
    from inspection.views.renderer import ViewSpec


STATISTICS_MOMENTUM = 0.9
"""Short memory of batch statistics, so that a run of a few hundred steps has forgotten where it began."""


class Builder(Protocol):
    """What every entry of ``BUILDERS`` is."""

    def __call__(self, spec: ViewSpec, classes: int, *, width: int, dropout: float) -> keras.Model:
        """Build the network."""


def wafer_net(spec: ViewSpec, classes: int, *, width: int, dropout: float) -> keras.Model:
    """The default: a residual network on the global view, and a small one on the detail tiles pooled by attention."""
    image, features = _global_branch(spec, width)
    inputs: list[Any] = [image]
    if spec.tiles:
        tiles = keras.Input((spec.tiles, spec.tile_px, spec.tile_px, len(CHANNELS)), dtype="uint8", name="tiles")
        x = keras.layers.Rescaling(1 / 255, name="scale_tiles")(FoldTiles(name="fold_tiles")(tiles))
        for filters in (width // 2, width, 2 * width):
            x = _conv(x, filters, stride=2)
            x = _residual(x, filters, stride=1)
        x = keras.layers.Concatenate()([keras.layers.GlobalAveragePooling2D()(x), keras.layers.GlobalMaxPooling2D()(x)])
        x = AttendTiles(width, name="attend_tiles")([x, tiles])
        features = keras.layers.Concatenate(name="both_views")([features, x])
        inputs.append(tiles)
    return _head(inputs, features, classes, dropout, "wafer_net")


def plain_cnn(spec: ViewSpec, classes: int, *, width: int, dropout: float) -> keras.Model:
    """The global branch of ``wafer_net`` alone: the yardstick that the simulator's hard setting is frozen against."""
    image, features = _global_branch(spec, width)
    return _head([image], features, classes, dropout, "plain_cnn")


BUILDERS: dict[str, Builder] = {"wafer_net": wafer_net, "plain_cnn": plain_cnn}


def build(name: str, spec: ViewSpec, classes: int, *, width: int, dropout: float) -> keras.Model:
    """The network called ``name``.

    Raises
    ------
    ParamsError
        No builder of that name; lists those there are.
    """
    if name not in BUILDERS:
        raise ParamsError(f"No such model: expected one of {', '.join(BUILDERS)}, got {name!r} (params.yaml: train.model).")
    return BUILDERS[name](spec, classes, width=width, dropout=dropout)


def _global_branch(spec: ViewSpec, width: int) -> tuple[Any, Any]:
    """Input and pooled features of the global view; strides until about 8 px remain."""
    image = keras.Input((spec.size_px, spec.size_px, len(CHANNELS)), dtype="uint8", name="image")
    x = keras.layers.Rescaling(1 / 255, name="scale_image")(image)
    x = _conv(x, (3 * width) // 4, stride=1 if spec.size_px <= 64 else 2)
    for filters in (width, 2 * width, 4 * width):
        x = _residual(x, filters, stride=2)
        x = _residual(x, filters, stride=1)
    return image, keras.layers.Concatenate()([keras.layers.GlobalAveragePooling2D()(x), keras.layers.GlobalMaxPooling2D()(x)])


def _head(inputs: list[Any], features: Any, classes: int, dropout: float, name: str) -> keras.Model:
    embedding = keras.layers.Dropout(dropout, name="embedding")(features)
    return keras.Model(inputs, keras.layers.Dense(classes, name="logits")(embedding), name=name)


def _conv(x: Any, filters: int, stride: int) -> Any:
    x = keras.layers.Conv2D(filters, 3, stride, padding="same", use_bias=False)(x)
    return keras.layers.ReLU()(keras.layers.BatchNormalization(momentum=STATISTICS_MOMENTUM)(x))


def _residual(x: Any, filters: int, stride: int) -> Any:
    """Two convolutions and a shortcut (He et al. 2016); the shortcut averages before its 1x1, so that no pixel is skipped."""
    y = _conv(x, filters, stride)
    y = keras.layers.BatchNormalization(momentum=STATISTICS_MOMENTUM)(keras.layers.Conv2D(filters, 3, padding="same", use_bias=False)(y))
    if stride > 1:
        x = keras.layers.AveragePooling2D(stride, padding="same")(x)
    if x.shape[-1] != filters:
        x = keras.layers.BatchNormalization(momentum=STATISTICS_MOMENTUM)(keras.layers.Conv2D(filters, 1, use_bias=False)(x))
    return keras.layers.ReLU()(keras.layers.Add()([x, y]))
