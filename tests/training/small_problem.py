"""Two classes that differ at a glance, for tests of training."""

import numpy as np

SIZE = 16


def problem(seed=0):
    """A training set of 40 wafers and 20 for validation: failed dies on the left half, or none."""
    from inspection.training.fit import TrainingSet
    from inspection.views.renderer import ViewSpec, render_global
    from inspection.views.shards import Views
    from inspection.wafer.maps import DieMap, WaferInfo

    rng = np.random.default_rng(seed)
    maps, labels = [], np.arange(60) % 2
    for label in labels:
        status = np.ones((SIZE, SIZE), np.uint8)
        status[rng.random((SIZE, SIZE)) < 0.05] = 2
        if label:
            status[:, : SIZE // 2] = 2
        maps.append(DieMap(info=WaferInfo(), status=status))
    images = np.stack([render_global(m, SIZE) for m in maps[40:]])
    held_out = Views(images, np.zeros((20, 0, 32, 32, 3), np.uint8), ViewSpec(SIZE))
    return TrainingSet(maps[:40], labels[:40], np.arange(40), held_out, labels[40:], 2)


def policy(names=("none", "Edge-Loc")):
    from inspection import params
    from inspection.augmentation.policy import policy_for
    from inspection.wafer.taxonomy import choose

    packaged = params.load()
    return policy_for(choose(names, packaged.classes), packaged.augment)


def settings(**changes):
    from inspection.params import Train

    small = {"model": "plain_cnn", "width": 8, "epochs": 2, "min_steps": 6, "min_epoch_steps": 1, "batch_size": 8, "patience": 9}
    return Train(**{**small, **changes})


class Killed(Exception):  # noqa: N818
    pass
