"""The networks that keras.applications has, up to their pooled features.

``image`` (n, size_px, size_px, c) uint8 -> maps -> their mean over all pixels (n, features) -> ``logits`` (n, classes).

Pixels reach each network in the range it was published with: -1..1 where that is its paper's; 0..1 for ResNet and DenseNet, whose papers
subtract the mean colour of photographs, which our channels do not have; 0..255 for EfficientNet, which scales them itself (to 0..1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from inspection.models.backend import keras
from inspection.models.network import NetworkSpec, finish, image_pixels

if TYPE_CHECKING:
    from collections.abc import Callable


def inception_v3(spec: NetworkSpec) -> keras.Model:
    """Inception v3 (Szegedy et al. 2015), 299 px: ``image`` -> 2048 features -> ``logits``."""
    return _application(spec, keras.applications.InceptionV3, "inception_v3", smallest_px=75, low=-1.0)


def xception(spec: NetworkSpec) -> keras.Model:
    """Xception (Chollet 2016), 299 px: ``image`` -> 2048 features -> ``logits``."""
    return _application(spec, keras.applications.Xception, "xception", smallest_px=71, low=-1.0)


def resnet50(spec: NetworkSpec) -> keras.Model:
    """ResNet-50 (He et al. 2015), 224 px: ``image`` -> 2048 features -> ``logits``."""
    return _application(spec, keras.applications.ResNet50, "resnet50")


def densenet121(spec: NetworkSpec) -> keras.Model:
    """DenseNet-121 (Huang et al. 2016), 224 px: ``image`` -> 1024 features -> ``logits``."""
    return _application(spec, keras.applications.DenseNet121, "densenet121")


def mobilenet_v2(spec: NetworkSpec) -> keras.Model:
    """MobileNet v2 (Sandler et al. 2018), 224 px: ``image`` -> 1280 features -> ``logits``."""
    return _application(spec, keras.applications.MobileNetV2, "mobilenet_v2", low=-1.0)


def nasnet_mobile(spec: NetworkSpec) -> keras.Model:
    """NASNet-A 4 @ 1056, mobile (Zoph et al. 2017), 224 px: ``image`` -> 1056 features -> ``logits``."""
    return _application(spec, keras.applications.NASNetMobile, "nasnet_mobile", low=-1.0)


def efficientnet_b0(spec: NetworkSpec) -> keras.Model:
    """EfficientNet-B0 (Tan and Le 2019), 224 px: ``image`` -> 1280 features -> ``logits``."""
    return _application(spec, keras.applications.EfficientNetB0, "efficientnet_b0", high=255.0)


def _application(
    spec: NetworkSpec, constructor: Callable[..., keras.Model], name: str, *, smallest_px: int = 32, low: float = 0.0, high: float = 1.0
) -> keras.Model:
    # The shape is not passed: keras.applications would warn of any number of channels but 1 and 3, and builds them all the same.
    image, pixels = image_pixels(spec, name, smallest_px=smallest_px, low=low, high=high)
    features = constructor(include_top=False, weights=None, input_tensor=pixels, pooling="avg").output
    return finish(spec, [image], features, name)
