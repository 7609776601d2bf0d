"""A training that is interrupted at any step ends as the undisturbed one: history, best network, and every value of its last step."""

import json
import os
import signal
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest
from small_problem import SEED, outcome, packaged_policy, settings, training_set

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning:keras.*"),  # see test_fit.py
]

WHOLE = os.environ.get("INSPECTION_SOAK") == "1"
KILLS = 20 if WHOLE else 2


class Interrupted(Exception):  # noqa: N818
    pass


def train(folder, params, stop_after=None, checkpoint_s=0.0, seed=SEED):
    """Train, and raise after step ``stop_after``; returns the outcome and the first step that was done."""
    from inspection.training.fit import fit

    steps = []

    def progress(done, _total, _text):
        steps.append(done)
        if done == stop_after:
            raise Interrupted

    fitted = fit(
        training_set(), packaged_policy(), params, folder, seed=seed, fingerprint="a", progress=progress, checkpoint_s=checkpoint_s
    )
    return outcome(fitted), steps[0]


@pytest.mark.soak
@pytest.mark.parametrize(
    ("changes", "stops"),
    [
        ({}, (7,)),
        ({"model": "mlp"}, (1, 4, 5, 6, 14, 15) if WHOLE else (4, 5, 14)),
        ({"model": "mlp", "optimiser": "nesterov", "weight_decay": 0, "schedule": "plateau", "plateau_patience": 1, "l2": 1e-3}, (3, 12)),
        ({"model": "mlp", "optimiser": "amsgrad", "weight_decay": 0, "schedule": "step", "l1": 1e-4, "l2": 1e-4}, (8,)),
        ({"model": "mlp", "precision": "mixed_float16"}, (8,)),
    ],
    ids=["the default", "any step", "plateau", "elastic", "scaled loss"],
)
def test_interrupted_at_any_step_a_training_ends_as_the_undisturbed_one(tmp_path, changes, stops):
    undisturbed, _ = train(tmp_path / "whole", settings(**changes))
    for stop in stops:
        with pytest.raises(Interrupted):
            train(tmp_path / "run", settings(**changes), stop)
    resumed, first = train(tmp_path / "run", settings(**changes))
    assert first == (stops[-1] + 1 if stops[-1] % 5 else stops[-1]), (
        "goes on where it was; the last step of an epoch counts when it is judged"
    )
    assert resumed == undisturbed


def test_seldom_checkpoints_cost_steps_and_not_the_result(tmp_path):
    params = settings(model="mlp")
    undisturbed, _ = train(tmp_path / "whole", params)
    with pytest.raises(Interrupted):
        train(tmp_path / "run", params, 8, checkpoint_s=3600)
    resumed, first = train(tmp_path / "run", params, checkpoint_s=3600)
    assert first == 6, "from the last whole epoch"
    assert resumed == undisturbed
    assert train(tmp_path / "other", params, seed=SEED + 1)[0] != undisturbed


def test_a_damaged_checkpoint_or_one_of_another_network_is_a_fresh_start(tmp_path):
    params = settings(model="mlp")
    undisturbed, _ = train(tmp_path / "run", params)
    state = tmp_path / "run" / "state.npz"
    content = state.read_bytes()
    for damaged in (content[: len(content) // 2], content.replace(content[2000:2100], bytes(100))):
        state.write_bytes(damaged)
        again, first = train(tmp_path / "run", params)
        assert (first, again) == (1, undisturbed)
    assert train(tmp_path / "run", settings(model="mlp", width=16))[1] == 1, "the code has changed, the fingerprint has not"
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [f"best-{undisturbed['epoch']}.keras", "state.npz"]


def test_the_best_network_is_there_when_the_state_names_it(tmp_path):
    """A kill between the two writes leaves the former pair."""
    from inspection.training.checkpoint import Checkpoint, Progress
    from inspection.training.fit import build_network
    from inspection.training.optimisers import optimiser_of

    params = settings(model="mlp")
    model = build_network(params, training_set())
    model.compile(optimizer=optimiser_of(params, 15), loss="mse")
    model.optimizer.build(model.trainable_variables)
    checkpoint = Checkpoint(tmp_path / "run", "a")
    assert checkpoint.load(model) == Progress("a")
    checkpoint.save_best(0, model)
    checkpoint.save(Progress("a", epoch=1, best=0.5, best_epoch=0), model)
    checkpoint.save_best(1, model)  # killed here
    assert Checkpoint(tmp_path / "run", "a").load(model).best_epoch == 0
    checkpoint.save(Progress("a", epoch=2, best=0.6, best_epoch=1), model)
    assert not checkpoint.best(0).exists()
    checkpoint.best(1).unlink()
    assert checkpoint.load(model) == Progress("a"), "without its network the rest is worth nothing"


def program(folder, checkpoint_s, changes):
    root = Path(__file__).parents[2]
    env = {**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    words = [sys.executable, str(Path(__file__).with_name("small_problem.py")), str(folder), str(checkpoint_s), json.dumps(changes)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=env)


@pytest.mark.soak(inside=True)
@pytest.mark.timeout(3_600)
def test_killed_at_any_moment_a_training_ends_as_the_undisturbed_one(tmp_path, record_property):
    """SIGKILL at a random step and a random moment after it: within a step, a judgement, or the writing of a checkpoint."""
    changes = {} if WHOLE else {"model": "mlp"}
    undisturbed, _ = train(tmp_path / "whole", settings(**changes))
    rng = np.random.default_rng(int(os.environ.get("INSPECTION_SEED", "0")))
    killed, left = 0, 0
    while killed < KILLS:
        folder = tmp_path / f"run-{left}"
        left += 1
        for _ in range(3):  # a training may be killed more than once
            process = program(folder, rng.choice([0.0, 0.05]), changes)
            after, delay = int(rng.integers(1, 15)), float(rng.exponential(0.05))
            done, last = 0, ""
            for line in process.stdout:
                last = line
                if line.startswith("step") and (done := int(line.split()[1])) >= after and killed < KILLS:
                    threading.Timer(delay, process.send_signal, [signal.SIGKILL]).start()
                    after = 99
            process.stdout.close()
            if process.wait() == 0:
                break
            assert process.returncode == -signal.SIGKILL, f"ended by itself after step {done}"
            killed += 1
        else:
            process = program(folder, 0.0, changes)
            last = process.communicate()[0].splitlines()[-1]
            assert process.returncode == 0
        assert json.loads(last) == undisturbed, f"training {left} of seed {rng.bit_generator.seed_seq.entropy}"
    record_property(
        "soak", {"table": "Trainings killed", "row": f"{settings(**changes).model}, 15 steps", "kills": killed, "trainings": left}
    )


def test_a_checkpoint_holds_arrays_and_no_code(tmp_path):
    train(tmp_path / "run", settings(model="mlp"))
    with zipfile.ZipFile(tmp_path / "run" / "state.npz") as archive:
        assert all(name.endswith(".npy") for name in archive.namelist())
    with np.load(tmp_path / "run" / "state.npz", allow_pickle=False) as kept:
        assert json.loads(kept["progress"].tobytes())["epoch"] == 3
