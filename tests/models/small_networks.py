"""Networks and views for the tests of models."""

from __future__ import annotations

import numpy as np

NAMES = (
    "wafer_net", "plain_cnn", "mlp", "lenet5", "alexnet", "vgg16", "vgg19", "googlenet", "inception_v3", "xception", "resnet50",
    "densenet121", "mobilenet_v2", "nasnet_mobile", "efficientnet_b0", "patch_net",
)  # fmt: skip
OURS = ("wafer_net", "plain_cnn")


def views_of(network, count: int = 2, seed: int = 0) -> dict[str, np.ndarray]:
    """Random views for every input of ``network``, by name."""
    rng = np.random.default_rng(seed)
    return {t.name: rng.integers(0, 256, (count, *t.shape[1:]), np.uint8) for t in network.inputs}


def logits_of(network, views: dict[str, np.ndarray]) -> np.ndarray:
    return np.asarray(network([views[t.name] for t in network.inputs], training=False))


def fit_one_step(network, views: dict[str, np.ndarray]) -> float:
    """Loss of one step; not compiled, which would take longer than the step."""
    from inspection.models.backend import keras

    network.compile(keras.optimizers.SGD(1e-3), keras.losses.CategoricalCrossentropy(from_logits=True), run_eagerly=True)
    count, classes = len(next(iter(views.values()))), network.output_shape[-1]
    return float(network.train_on_batch(views, np.eye(classes, dtype=np.float32)[np.arange(count) % classes]))
