"""Our own networks: residual blocks on the global view, and a small branch on the detail tiles pooled by attention.

With ``spec.group`` every convolution commutes with the group's turns and every pooling forgets them (``orbit_layers``), so that logits are
the same for a view and its turns. The numbers of channels stay (a block's filters are ``order`` times fewer), hence the cost of the
convolutions, but for kernels that halve a map: 4x4 instead of 3x3. There are ``order`` times fewer weights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from inspection.models.backend import keras
from inspection.models.layers import AttendTiles, FoldTiles
from inspection.models.network import STATISTICS_MOMENTUM, NetworkSpec, finish, image_pixels
from inspection.models.orbit_layers import OrbitBatchNormalization, OrbitConv2D, OrbitPooling, halving

if TYPE_CHECKING:
    from inspection.models.symmetry import SquareGroup

SMALLEST_PX = 8


def wafer_net(spec: NetworkSpec) -> keras.Model:
    """The default: a residual network on the global view, and a small one on the detail tiles pooled by attention.

    ``image`` (n, size_px, size_px, c) and, when the views have tiles, ``tiles`` (n, tiles, tile_px, tile_px, c) -> ``logits`` (n, classes).
    """
    blocks = _blocks(spec)
    image, features = _global_branch(spec, blocks, "wafer_net")
    inputs: list[Any] = [image]
    views = spec.views
    if views.tiles:
        tiles = keras.Input((views.tiles, views.tile_px, views.tile_px, spec.channels), dtype="uint8", name="tiles")
        x = keras.layers.Rescaling(1 / 255, name="scale_tiles")(FoldTiles(name="fold_tiles")(tiles))
        for stage, filters in enumerate((spec.width // 2, spec.width, 2 * spec.width)):
            x = blocks.conv(x, filters, stride=2, lifting=stage == 0)
            x = blocks.residual(x, filters, stride=1)
        x = AttendTiles(spec.width, name="attend_tiles")([blocks.pool(x), tiles])
        features = keras.layers.Concatenate(name="both_views")([features, x])
        inputs.append(tiles)
    return finish(spec, inputs, features, "wafer_net")


def plain_cnn(spec: NetworkSpec) -> keras.Model:
    """The global branch of wafer_net alone: the yardstick that the simulator's hard setting is frozen against.

    ``image`` (n, size_px, size_px, c) -> ``logits`` (n, classes).
    """
    image, features = _global_branch(spec, _blocks(spec), "plain_cnn")
    return finish(spec, [image], features, "plain_cnn")


def _global_branch(spec: NetworkSpec, blocks: _Blocks, name: str) -> tuple[Any, Any]:
    """Input and pooled features of the global view; strides until about 8 px remain."""
    image, x = image_pixels(spec, name, smallest_px=SMALLEST_PX)
    x = blocks.conv(x, (3 * spec.width) // 4, stride=1 if spec.views.size_px <= 64 else 2, lifting=True)
    for filters in (spec.width, 2 * spec.width, 4 * spec.width):
        x = blocks.residual(x, filters, stride=2)
        x = blocks.residual(x, filters, stride=1)
    return image, blocks.pool(x)


def _blocks(spec: NetworkSpec) -> _Blocks:
    return _Blocks() if spec.group is None else _OrbitBlocks(spec.group)


class _Blocks:
    """What the networks are made of: ordinary layers."""

    def conv(self, x: Any, filters: int, stride: int, *, lifting: bool = False) -> Any:
        """3x3 convolution, batch normalisation, ReLU."""
        return keras.layers.ReLU()(self._normalise(self._convolve(x, filters, 3, stride, lifting=lifting)))

    def residual(self, x: Any, filters: int, stride: int) -> Any:
        """Two convolutions and a shortcut (He et al. 2016); the shortcut averages before its 1x1, so that no pixel is skipped."""
        y = self.conv(x, filters, stride)
        y = self._normalise(self._convolve(y, filters, 3, 1))
        if stride > 1:
            x = self._average(x, stride)
        if x.shape[-1] != y.shape[-1]:
            x = self._normalise(self._convolve(x, filters, 1, 1))
        return keras.layers.ReLU()(keras.layers.Add()([x, y]))

    def pool(self, x: Any) -> Any:
        """Mean and maximum over the pixels."""
        return keras.layers.Concatenate()([keras.layers.GlobalAveragePooling2D()(x), keras.layers.GlobalMaxPooling2D()(x)])

    def _convolve(self, x: Any, filters: int, side: int, stride: int, *, lifting: bool = False) -> Any:  # noqa: ARG002  (lifting: of the other kind)
        return keras.layers.Conv2D(filters, side, stride, padding="same", use_bias=False)(x)

    def _normalise(self, x: Any) -> Any:
        return keras.layers.BatchNormalization(momentum=STATISTICS_MOMENTUM)(x)

    def _average(self, x: Any, stride: int) -> Any:
        return keras.layers.AveragePooling2D(stride, padding="same")(x)


class _OrbitBlocks(_Blocks):
    """The same of layers that commute with ``group``; ``filters`` is still the number of channels, over all blocks."""

    def __init__(self, group: SquareGroup) -> None:
        self.group = group

    def pool(self, x: Any) -> Any:
        """Mean and maximum over pixels and the group."""
        return OrbitPooling(len(self.group))(x)

    def _convolve(self, x: Any, filters: int, side: int, stride: int, *, lifting: bool = False) -> Any:
        side = halving(x.shape[1])[0] if stride > 1 else side
        each = max(1, filters // len(self.group))
        return OrbitConv2D(each, side, self.group.elements, stride, lifting=lifting)(x)

    def _normalise(self, x: Any) -> Any:
        return OrbitBatchNormalization(len(self.group), momentum=STATISTICS_MOMENTUM)(x)

    def _average(self, x: Any, stride: int) -> Any:
        return keras.layers.AveragePooling2D(halving(x.shape[1])[1], stride, padding="same")(x)
