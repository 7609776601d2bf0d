"""A program for test_devices.py: trains on one processor, and on two virtual ones, and prints both histories.

TensorFlow takes its virtual devices at its start only, so this needs a process of its own.
"""

import json
import sys
import warnings
from pathlib import Path

warnings.simplefilter("ignore")
import tensorflow as tf  # noqa: E402

tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2)

from small_problem import SEED, SIZE, outcome, packaged_policy, settings, training_set  # noqa: E402

from inspection.models.backend import keras  # noqa: E402
from inspection.training import fit as fitting  # noqa: E402

NAMES = ("CPU:0", "CPU:1")


def normalised(_params, _data):
    """The least network with batch statistics and a random generator of its own: what devices do not share by themselves."""
    image = keras.Input((SIZE, SIZE, 3), dtype="uint8", name="image")
    x = keras.layers.Conv2D(4, 3, use_bias=False)(keras.layers.Rescaling(1 / 255)(image))
    x = keras.layers.ReLU()(keras.layers.BatchNormalization(momentum=0.9)(x))
    x = keras.layers.Dropout(0.3)(keras.layers.GlobalAveragePooling2D()(x))
    return keras.Model(image, keras.layers.Dense(2, name="logits")(x))


class Interrupted(Exception):  # noqa: N818
    pass


def train(folder, params, devices, stop_after=0):
    def progress(done, _total, _text):
        if done == stop_after:
            raise Interrupted

    fitted = fitting.fit(
        training_set(), packaged_policy(), params, folder, seed=SEED, fingerprint="a", progress=progress, devices=devices, checkpoint_s=0.0
    )
    return outcome(fitted)


if __name__ == "__main__":
    place, found = Path(sys.argv[1]), {}
    exact = settings(model="mlp", dropout=0.0)
    found["one"] = train(place / "one", exact, ())
    found["two"] = train(place / "two", exact, NAMES)
    try:
        train(place / "resumed", exact, NAMES, stop_after=7)
    except Interrupted:
        found["resumed"] = train(place / "resumed", exact, NAMES)
    fitting.build_network = normalised
    found["normalised"] = train(place / "normalised", settings(), NAMES)
    print(json.dumps(found))  # noqa: T201
