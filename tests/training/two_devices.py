"""A program for test_devices.py: trains on one processor and on two virtual ones, and prints the histories.

TensorFlow takes its virtual devices at its start only, so this needs a process of its own.
"""

import json
import sys
import warnings
from pathlib import Path

warnings.simplefilter("ignore")
import tensorflow as tf  # noqa: E402

tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2)

from small_problem import SEED, outcome, packaged_policy, settings, training_set  # noqa: E402

from inspection.training.fit import fit  # noqa: E402

NAMES = ("CPU:0", "CPU:1")


class Interrupted(Exception):  # noqa: N818
    pass


def train(folder, params, devices, stop_after=0):
    def progress(done, _total, _text):
        if done == stop_after:
            raise Interrupted

    fitted = fit(
        training_set(), packaged_policy(), params, folder, seed=SEED, fingerprint="a", progress=progress, devices=devices, checkpoint_s=0.0
    )
    return outcome(fitted)


if __name__ == "__main__":
    place, wanted, found = Path(sys.argv[1]), sys.argv[2], {}
    if wanted == "normalised":
        found["normalised"] = train(place / "normalised", settings(model="plain_cnn"), NAMES)
    else:
        exact = settings(model="mlp", dropout=0.0, precision="float32")
        found["one"] = train(place / "one", exact, ())
        found["two"] = train(place / "two", exact, NAMES)
        try:
            train(place / "resumed", exact, NAMES, stop_after=7)
        except Interrupted:
            found["resumed"] = train(place / "resumed", exact, NAMES)
    print(json.dumps(found))  # noqa: T201
