"""A problem that trains in seconds, for the tests here; and as a program, the process that they kill.

python small_problem.py FOLDER CHECKPOINT_S '{"model": "mlp"}'  trains in FOLDER and prints each step, then what it ended with.
"""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np

SIZE, SEED = 16, 3


def training_set(held_out=20, seed=0):
    """Two classes that differ at a glance: failed dies on the left half, or none. 40 wafers to learn from."""
    from inspection.training.fit import TrainingSet
    from inspection.views.renderer import ViewSpec, render_global
    from inspection.views.shards import Views
    from inspection.wafer.maps import DieMap, WaferInfo

    rng = np.random.default_rng(seed)
    maps, labels = [], np.arange(40 + held_out) % 2
    for label in labels:
        status = np.ones((SIZE, SIZE), np.uint8)
        status[rng.random((SIZE, SIZE)) < 0.05] = 2
        if label:
            status[:, : SIZE // 2] = 2
        maps.append(DieMap(info=WaferInfo(), status=status))
    images = np.array([render_global(m, SIZE) for m in maps[40:]], np.uint8).reshape(-1, SIZE, SIZE, 3)
    views = Views(images, np.zeros((held_out, 0, 32, 32, 3), np.uint8), ViewSpec(SIZE))
    return TrainingSet(maps[:40], labels[:40], np.arange(40), views, labels[40:], 2)


def packaged_policy(names=("none", "Edge-Loc")):
    from inspection import params
    from inspection.augmentation.policy import policy_for
    from inspection.wafer.taxonomy import choose

    packaged = params.load()
    return policy_for(choose(names, packaged.classes), packaged.augment)


def settings(**changes):
    """Three epochs of five steps."""
    from inspection.params import Train

    return Train(**{"width": 8, "epochs": 3, "min_steps": 15, "min_epoch_steps": 1, "batch_size": 8, "patience": 9, **changes})


def brief(**changes):
    """Two epochs of five steps of a plain network."""
    return settings(**{"model": "plain_cnn", "epochs": 2, "min_steps": 6, **changes})


class Killed(Exception):  # noqa: N818
    """What a test stops a training with."""


def outcome(fitted):
    """All that a training ends with and that must be the same again: history, best network, every value of its last step."""
    from inspection.models.saved import load_network

    best = hashlib.sha256(b"".join(w.tobytes() for w in load_network(fitted.network).get_weights()))
    with np.load(fitted.network.parent / "state.npz") as kept:
        last = hashlib.sha256(b"".join(kept[name].tobytes() for name in sorted(kept.files) if name != "progress"))
    history = [{key: value for key, value in row.items() if key != "seconds"} for row in fitted.history]
    return {"best": best.hexdigest(), "last": last.hexdigest(), "epoch": fitted.best_epoch, "history": history}


def main(folder, checkpoint_s, changes):
    import warnings

    warnings.simplefilter("ignore")
    from inspection.training.fit import fit

    fitted = fit(
        training_set(), packaged_policy(), settings(**changes), folder, seed=SEED, fingerprint="a", checkpoint_s=checkpoint_s,
        progress=lambda done, _total, _text: print("step", done, flush=True),  # noqa: T201  (the test reads it)
    )  # fmt: skip
    print(json.dumps(outcome(fitted)), flush=True)  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]), json.loads(sys.argv[3]))
