"""What every builder is given, how a view's pixels come in, and how features become logits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from inspection.errors import ParamsError
from inspection.models.backend import keras
from inspection.models.head import class_logits
from inspection.views.renderer import CHANNELS

if TYPE_CHECKING:
    from inspection.models.head import Membership
    from inspection.models.symmetry import SquareGroup
    from inspection.views.renderer import ViewSpec

STATISTICS_MOMENTUM = 0.9
"""Short memory of batch statistics, so that a run of a few hundred steps has forgotten where it began."""
MOST_ENLARGEMENT = 4
"""A view is enlarged at most so many times a side: beyond it, a network for photographs spends its work on copies of pixels."""


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """What a network is built for.

    Attributes
    ----------
    views : ViewSpec
        Sizes of the global view and the detail tiles.
    classes : int
        Logits.
    channels : int
        Of a view; 3 as the renderer draws them.
    width : int
        Filters of our own networks' first stage; the published ones have their published widths.
    dropout : float
        Share of the features left out before the logits in training; also after the hidden layers of ``mlp``, ``alexnet`` and the VGGs.
    group : SquareGroup, optional
        Logits shall be the same for a view and all its turns by this group. Our own networks only.
    membership : Membership, optional
        Which patterns each class has: there is a logit for each pattern, and the classes' are their sums (``head``).
    """

    views: ViewSpec
    classes: int
    channels: int = len(CHANNELS)
    width: int = 32
    dropout: float = 0.0
    group: SquareGroup | None = None
    membership: Membership | None = None


def image_pixels(spec: NetworkSpec, name: str, *, smallest_px: int, low: float = 0.0, high: float = 1.0) -> tuple[Any, Any]:
    """The input ``image`` (n, size_px, size_px, channels) uint8, and its pixels as float32 from ``low`` (0) to ``high`` (255).

    A view smaller than the network's ``smallest_px`` is enlarged in the graph by a whole factor, every pixel repeated: nothing is invented
    or blurred, and each network works on each recipe of ``params.yaml``.

    Raises
    ------
    ParamsError
        A view that would have to be enlarged more than ``MOST_ENLARGEMENT`` times; says from which size on it works.
    """
    size = spec.views.size_px
    factor = -(-smallest_px // size)
    if factor > MOST_ENLARGEMENT:
        raise ParamsError(
            f"Views too small for {name}: expected at least {-(-smallest_px // MOST_ENLARGEMENT)} px a side (it needs {smallest_px} px and "
            f"enlarges {MOST_ENLARGEMENT} times at most), got {size}. Raise size_px (params.yaml: tile) or choose another train.model."
        )
    image = keras.Input((size, size, spec.channels), dtype="uint8", name="image")
    pixels = keras.layers.Rescaling((high - low) / 255, low, name="scale_image")(image)
    if factor > 1:
        pixels = keras.layers.UpSampling2D(factor, interpolation="nearest", name="enlarge")(pixels)
    return image, pixels


def finish(spec: NetworkSpec, inputs: list[Any], features: Any, name: str) -> keras.Model:
    """The network from ``inputs`` over ``features`` (n, f), its layer ``embedding``, to ``logits`` (n, classes) float32.

    Batch statistics get a short memory in every layer that keeps them: published networks
    remember a thousand steps and more, and one that was trained for a few hundred would be judged by statistics of its first ones.
    """
    embedding = keras.layers.Dropout(spec.dropout, name="embedding")(features)
    model = keras.Model(inputs, class_logits(embedding, spec.classes, spec.membership), name=name)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = STATISTICS_MOMENTUM
    return model
