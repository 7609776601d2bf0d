"""Several devices and mixed precision: the same training shared out, and a network that any machine can serve."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from small_problem import SEED, packaged_policy, settings, training_set

from inspection.errors import ParamsError

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning:keras.*"),  # see test_fit.py
]


def test_two_devices_share_each_batch_and_learn_the_same(tmp_path):
    root = Path(__file__).parents[2]
    env = {**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    program = Path(__file__).with_name("two_devices.py")
    found = {}
    for wanted in ("exact", "normalised"):  # a process each: TensorFlow's collective operations of two networks get into each other's way
        command = [sys.executable, str(program), str(tmp_path), wanted]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        found |= json.loads(done.stdout.splitlines()[-1])
    for key in ("loss", "validation_loss", "validation_macro_f1", "learning_rate"):
        one, two = ([row[key] for row in found[name]["history"]] for name in ("one", "two"))
        assert two == pytest.approx(one, rel=2e-3), f"{key}: the gradients of both halves are summed"
    assert found["resumed"] == found["two"]
    assert found["normalised"]["history"][-1]["validation_macro_f1"] > 0.9, "each device normalises its own half"


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_a_network_trained_in_mixed_precision_is_served_in_float32(tmp_path, precision):
    from inspection.models.backend import keras
    from inspection.models.saved import load_network
    from inspection.training.fit import fit

    fitted = fit(
        training_set(), packaged_policy(), settings(precision=precision, model="mlp"), tmp_path / "run", seed=SEED, fingerprint="a"
    )
    assert fitted.best > 0.9
    assert keras.config.dtype_policy().name == "float32", "of this training alone"
    served = load_network(fitted.network)
    assert {layer.dtype_policy.name for layer in served.layers} == {"float32"}
    logits = served({"image": training_set().validation.images}).numpy()
    assert logits.dtype == np.float32
    assert np.isfinite(logits).all()


def test_the_loss_is_scaled_for_float16_alone_and_logits_are_float32_in_any_precision():
    from inspection.models.backend import keras
    from inspection.training.devices import Devices, scale_loss
    from inspection.training.fit import build_network
    from inspection.training.optimisers import optimiser_of

    for precision in ("float32", "mixed_bfloat16", "mixed_float16"):
        with Devices((), precision).scope():
            network = build_network(settings(), training_set())
            optimiser = scale_loss(optimiser_of(settings(), 15), precision)
        assert network.outputs[0].dtype == "float32"
        assert isinstance(optimiser, keras.optimizers.LossScaleOptimizer) == (precision == "mixed_float16")


def test_without_an_accelerator_auto_is_what_the_processor_multiplies():
    from inspection.training.devices import Devices, accelerators, multiplies_bfloat16

    expected = "mixed_bfloat16" if multiplies_bfloat16() else "float32"
    assert Devices.found("auto", 64, ()) == Devices((), expected)
    if not accelerators():
        assert Devices.found("auto", 64) == Devices((), expected)
    assert Devices.found("float32", 64, ()).plain
    assert not Devices(("GPU:0", "GPU:1"), "float32").plain


def test_a_batch_is_never_smaller_than_its_devices():
    from inspection.training.devices import Devices

    with pytest.raises(ParamsError, match="at least 3"):
        Devices.found("float32", 2, ("GPU:0", "GPU:1", "GPU:2"))
