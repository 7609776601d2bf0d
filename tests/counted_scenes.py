"""Pictures with objects to count, where each of them lies, and a classifier of their patches."""

from __future__ import annotations

import numpy as np

NAMES = ("background", "dot", "bar")
WINDOW, KEPT_APART = 20, 16


def scene(rows, cols, objects, seed=0):
    """A noisy picture with dots and bars, and the truth: centres (n, 2) and classes (n,). No two are nearer than ``KEPT_APART``."""
    rng = np.random.default_rng(seed)
    centres = np.zeros((0, 2))
    while len(centres) < objects:
        place = rng.uniform(4, (rows - 4, cols - 4))
        if np.abs(centres - place).max(axis=1).min(initial=KEPT_APART) >= KEPT_APART:
            centres = np.vstack((centres, place))
    classes = rng.integers(1, 3, objects)
    image = rng.normal(90, 12, (rows, cols))
    r, c = np.mgrid[:rows, :cols]
    for (y, x), k in zip(centres, classes, strict=True):
        mark = np.hypot(r - y, c - x) < 3.2 if k == 1 else (np.abs(r - y) < 1.6) & (np.abs(c - x) < 5.5)
        image[mark] += 100
    return np.clip(image, 0, 255).astype(np.uint8)[..., None], centres, classes


def patches(count, seed):
    """Windows with an object in the middle (within 2 px), and background: empty, or with an object aside."""
    rng = np.random.default_rng(seed)
    images, labels = [], []
    side = 320
    while len(labels) < count:
        image, centres, classes = scene(side, side, 60, seed=int(rng.integers(1 << 31)))
        for centre, k in zip(centres, classes, strict=True):
            for label, corner in (
                (k, np.rint(centre - WINDOW / 2 + rng.uniform(-2, 2, 2)).astype(int)),
                (0, np.rint(centre - WINDOW / 2 + rng.choice([-1, 1], 2) * rng.uniform(5, 12, 2)).astype(int)),
                (0, rng.integers(0, side - WINDOW, 2)),
            ):
                if corner.min() < 0 or corner.max() > side - WINDOW:
                    continue
                off = np.abs(centres - (corner + WINDOW / 2)).max(axis=1).min()
                if label == 0 and off < 4:
                    continue
                images.append(image[corner[0] : corner[0] + WINDOW, corner[1] : corner[1] + WINDOW])
                labels.append(label)
    return np.stack(images[:count]), np.array(labels[:count])


def patch_classifier(channels, epochs=6):
    """A small network that was trained on patches."""
    from inspection.models.backend import keras
    from inspection.models.convolutional import patch_net
    from inspection.models.network import NetworkSpec
    from inspection.views.renderer import ViewSpec

    keras.utils.set_random_seed(0)
    network = patch_net(NetworkSpec(ViewSpec(WINDOW, kind="image"), len(NAMES), channels=channels, width=8))
    images, labels = patches(2_000, 1)
    network.compile(keras.optimizers.Adam(3e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    network.fit([np.repeat(images, channels, axis=-1)], labels, batch_size=64, epochs=epochs, verbose=0)
    return network
