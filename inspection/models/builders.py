"""The one table of networks: a name, a builder, one signature.

Every builder takes a ``NetworkSpec`` and returns an uncompiled ``keras.Model``:

- inputs ``image`` (n, size_px, size_px, c) uint8 and, when the views have tiles and the network looks at them,
  ``tiles`` (n, tiles, tile_px, tile_px, c) uint8; scaling to float32 is in the graph;
- output ``logits`` (n, classes) float32 without softmax or sigmoid (``head``); the layer before it, ``embedding`` (n, features), feeds the
  unknown detector.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from inspection.errors import ParamsError
from inspection.models.convolutional import patch_net
from inspection.models.network import NetworkSpec
from inspection.models.wafer_net import plain_cnn, wafer_net
from inspection.models.zoo.applications import densenet121, efficientnet_b0, inception_v3, mobilenet_v2, nasnet_mobile, resnet50, xception
from inspection.models.zoo.classic import alexnet, lenet5, mlp, vgg16, vgg19
from inspection.models.zoo.inception import googlenet

if TYPE_CHECKING:
    from inspection.models.backend import keras
    from inspection.views.renderer import ViewSpec


class Builder(Protocol):
    """What every entry of ``BUILDERS`` is; the first line of its docstring says what the network is."""

    def __call__(self, spec: NetworkSpec) -> keras.Model:
        """Build the network."""


BUILDERS: dict[str, Builder] = {
    builder.__name__: builder
    for builder in (
        wafer_net, plain_cnn, mlp, lenet5, alexnet, vgg16, vgg19, googlenet, inception_v3, xception, resnet50, densenet121, mobilenet_v2,
        nasnet_mobile, efficientnet_b0, patch_net,
    )
}  # fmt: skip
SYMMETRIC = ("wafer_net", "plain_cnn")
"""Those that can be built symmetric under a group."""


def build(name: str, spec: ViewSpec, classes: int, *, width: int, dropout: float, **more: Any) -> keras.Model:
    """The network called ``name`` for the views of ``spec``.

    ``more`` are ``channels``, ``group`` and ``membership`` of ``NetworkSpec``.

    Raises
    ------
    ParamsError
        No builder of that name, and lists those there are; a group for a network that cannot be symmetric; a view too small for it.
    """
    if name not in BUILDERS:
        raise ParamsError(f"No such model: expected one of {', '.join(BUILDERS)}, got {name!r} (params.yaml: train.model).")
    if more.get("group") is not None and name not in SYMMETRIC:
        raise ParamsError(
            f"{name} cannot be symmetric: expected one of {', '.join(SYMMETRIC)} with train.symmetric, got {name!r}. "
            "Choose one of them, or set train.symmetric to false (params.yaml)."
        )
    return BUILDERS[name](NetworkSpec(spec, classes, width=width, dropout=dropout, **more))
