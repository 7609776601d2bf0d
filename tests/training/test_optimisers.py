"""Optimisers, schedules and penalties against their published formulas, written once more in NumPy."""

from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as quietly
from hypothesis import strategies as st
from small_problem import settings

from inspection.errors import ParamsError
from inspection.params import OptimiserName, ScheduleName, Train, load

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning:keras.*"),  # see test_fit.py
]

STEPS, RATE, TOTAL = 12, 0.05, 40
START = np.array([[1.5, -2.0, 0.3]])
TARGET = np.array([[0.2, 0.4, -1.0]])
CURVATURE = np.array([[1.0, 4.0, 0.25]])


def train(name, **changes):
    """Only adamw decays weights."""
    return settings(optimiser=name, learning_rate=RATE, **{"weight_decay": 0.02 if name == "adamw" else 0.0, **changes})


def gradient(w):
    return CURVATURE * (w - TARGET)


def published(name, rates, momentum=0.9, decay=0.02):
    """The weights after each step. Adagrad's sum starts at .1, as in Keras; epsilon 1e-7 as there."""
    w, m, v, top = START.copy(), np.zeros_like(START), np.zeros_like(START), np.zeros_like(START)
    total, shift, product, eps = np.full_like(START, 0.1), np.zeros_like(START), 1.0, 1e-7
    for k, rate in enumerate(rates, 1):
        g = gradient(w)
        if name == "adamw":
            w = w - rate * decay * w
        if name == "sgd":
            w = w - rate * g
        elif name in {"momentum", "nesterov"}:
            m = momentum * m - rate * g
            w = w + (momentum * m - rate * g if name == "nesterov" else m)
        elif name == "adagrad":
            total = total + g**2
            w = w - rate * g / np.sqrt(total + eps)
        elif name == "rmsprop":
            v = 0.9 * v + 0.1 * g**2
            w = w - rate * g / np.sqrt(v + eps)
        elif name == "adadelta":
            v = 0.95 * v + 0.05 * g**2
            step = -np.sqrt(shift + eps) / np.sqrt(v + eps) * g
            shift = 0.95 * shift + 0.05 * step**2
            w = w + rate * step
        else:
            m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
            if name == "nadam":
                now, later = (0.9 * (1 - 0.5 * 0.96**t) for t in (k, k + 1))
                product *= now
                mean = later * m / (1 - product * later) + (1 - now) * g / (1 - product)
                w = w - rate * mean / (np.sqrt(v / (1 - 0.999**k)) + eps)
            else:
                top = np.maximum(top, v)
                w = w - rate * np.sqrt(1 - 0.999**k) / (1 - 0.9**k) * m / (np.sqrt(top if name == "amsgrad" else v) + eps)
        yield w


@pytest.mark.parametrize("name", get_args(OptimiserName))
def test_each_optimiser_takes_the_published_steps(name):
    from inspection.models.backend import keras
    from inspection.training.optimisers import optimiser_of

    params = train(name, schedule="exponential")
    optimiser = optimiser_of(params, TOTAL)
    weights = keras.Variable(START.astype(np.float32))
    rates = []
    for wanted in published(name, rates_of(params)):
        rates.append(float(optimiser.learning_rate))
        optimiser.apply([keras.ops.convert_to_tensor(gradient(weights.numpy()).astype(np.float32))], [weights])
        np.testing.assert_allclose(weights.numpy(), wanted, rtol=2e-4, atol=2e-5, err_msg=f"step {len(rates)}")
    np.testing.assert_allclose(rates, rates_of(params), rtol=1e-5)
    optimiser.finalize_variable_values([weights])
    averaged = START
    for k, one in enumerate(published(name, rates_of(params))):
        averaged = one if k == 0 else 0.75 * averaged + 0.25 * one  # 1 - 10 / TOTAL
    np.testing.assert_allclose(weights.numpy(), averaged, rtol=5e-4, atol=5e-5)


def expected_rate(params, total, step, dropped=0):
    """The rate at ``step`` of ``total``, by the formulas of the field."""
    warm = max(1, int(total * params.warm_up))
    left = max(1, total - warm)
    if step < warm:
        return 1e-6 + (params.learning_rate - 1e-6) * step / warm
    done = step - warm
    share = {
        "constant": 1.0,
        "exponential": params.final_rate ** (done / left),
        "inverse_time": 1 / (1 + (1 / params.final_rate - 1) * done / left),
        "cosine": 0.5 * (1 + np.cos(np.pi * min(done / left, 1))),
        "step": params.final_rate ** (sum(done > k * left // (params.drops + 1) for k in range(1, params.drops + 1)) / params.drops),
        "plateau": params.final_rate ** (dropped / params.drops),
    }
    return params.learning_rate * share[params.schedule]


def rates_of(params):
    return [expected_rate(params, TOTAL, step) for step in range(STEPS)]


@quietly(deadline=None)  # on a busy machine
@given(
    st.sampled_from(get_args(ScheduleName)),
    st.integers(1, 3000),
    st.floats(0, 0.9),
    st.floats(1e-3, 1),
    st.integers(1, 5),
    st.integers(0, 5),
)
def test_each_schedule_is_its_formula_and_survives_saving(name, total, warm_up, final, drops, dropped):
    from inspection.models.backend import keras
    from inspection.training.schedules import schedule_of

    params = settings(schedule=name, warm_up=warm_up, final_rate=final, drops=drops)
    schedule = schedule_of(params, total, dropped)
    saved = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(schedule))
    for step in {0, 1, total // 3, total // 2, total - 1}:
        wanted = expected_rate(params, total, step, dropped)
        assert float(schedule(step)) == pytest.approx(wanted, rel=2e-3, abs=1e-8)
        assert float(saved(step)) == float(schedule(step))


@given(st.lists(st.floats(0, 1), max_size=12), st.integers(1, 4), st.integers(1, 4))
def test_a_plateau_drops_only_when_nothing_got_better_and_never_takes_it_back(scores, patience, most):
    from inspection.training.schedules import drops

    params = settings(schedule="plateau", plateau_patience=patience, drops=most)
    found = [drops(scores[:k], params) for k in range(len(scores) + 1)]
    assert found[0] == 0
    assert found[-1] <= most
    for k in range(1, len(found)):
        fell = found[k] - found[k - 1]
        assert fell in {0, 1}
        if fell:
            assert k > patience, "the first epoch is the first best"
            assert max(scores[k - patience : k]) <= max(scores[: k - patience])
    assert drops(sorted(set(scores)), params) == 0
    assert drops([0.5] * (1 + patience * most + 9), params) == most


def test_penalties_are_on_kernels_alone_and_in_the_loss_not_in_the_file(tmp_path):
    from small_problem import training_set

    from inspection.models.saved import load_network
    from inspection.training.fit import build_network
    from inspection.training.optimisers import penalise

    params = settings(weight_decay=0, l1=1e-2, l2=1e-3)
    network = build_network(params, training_set())
    penalise(network, params)
    kernels = [v for v in network.trainable_variables if v.name == "kernel"]
    wanted = sum(1e-2 * np.abs(k.numpy()).sum() + 1e-3 * (k.numpy() ** 2).sum() for k in kernels)
    assert sum(float(loss) for loss in network.losses) == pytest.approx(wanted, rel=1e-4)
    assert 0 < len(network.losses) < len(network.trainable_variables)
    network.save(tmp_path / "n.keras")
    assert load_network(tmp_path / "n.keras").losses == []


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("{optimiser: adamm}", "optimiser"),
        ("{optimiser: sgd}", "weight_decay is adamw's alone"),
        ("{l2: 0.001}", "weight_decay and l2 both shrink"),
        ("{schedule: plateau, plateau_patience: 6}", "plateau_patience below patience"),
        ("{precision: float16}", "precision"),
    ],
)
def test_settings_that_make_no_sense_together_are_refused(tmp_path, text, named):
    path = tmp_path / "params.yaml"
    path.write_text(f"train: {text}")
    with pytest.raises(ParamsError, match=named) as refused:
        load(path)
    assert "Correct" in str(refused.value)


def test_the_tables_hold_the_names_that_params_may_name():
    from inspection.training.optimisers import OPTIMISERS
    from inspection.training.schedules import SCHEDULES

    assert tuple(OPTIMISERS) == get_args(OptimiserName)
    assert tuple(SCHEDULES) == get_args(ScheduleName)
    for name in OPTIMISERS:
        assert Train(optimiser=name, weight_decay=0.0).optimiser == name
