"""What the losses promise: their limits are the plain ones, their gradients are those of the formulas, and they survive saving."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:keras.*")  # see test_fit.py

COUNTS = st.lists(st.integers(1, 30_000), min_size=2, max_size=9)
SEEDS = st.integers(0, 2**31)
QUICK = settings(max_examples=25, deadline=None)
SHARE = st.floats(0, 1)


def train(**changes):
    from inspection.params import Train

    return Train(**{"label_smoothing": 0.0, **changes})


def case(classes, seed, wafers=5):
    """Logits and mixed labels."""
    rng = np.random.default_rng(seed)
    return rng.normal(0, 4, (wafers, classes)).astype(np.float32), rng.dirichlet(np.full(classes, 0.3), wafers).astype(np.float32)


def cost(loss, labels, logits):
    """(n,) costs."""
    import keras

    tensors = (keras.ops.convert_to_tensor(a, dtype="float32") for a in (labels, logits))
    return np.asarray(keras.ops.convert_to_numpy(loss.call(*tensors)), np.float64)


def log_softmax(logits):
    z = np.asarray(logits, np.float64)
    return z - np.logaddexp.reduce(z, axis=-1, keepdims=True)


def reference(labels, logits, weights, added, gamma, smoothing):
    """The softmax loss wafer by wafer and class by class, in plain loops and double precision."""
    log_p = log_softmax(np.asarray(logits, np.float64) + added)
    out = np.zeros(len(labels))
    for i, label in enumerate(np.asarray(labels, np.float64)):
        for c, share in enumerate(label):
            one = np.full(len(label), smoothing / len(label))
            one[c] += 1 - smoothing
            out[i] += share * weights[c] * sum(one[k] * (1 - np.exp(log_p[i, k])) ** gamma * -log_p[i, k] for k in range(len(label)))
    return out


@QUICK
@given(
    counts=COUNTS,
    seed=SEEDS,
    smoothing=st.sampled_from([0.0, 0.1]),
    gamma=st.sampled_from([0.0, 0.5, 2.0]),
    beta=SHARE,
    tau=st.floats(0, 2),
)
def test_the_softmax_loss_is_its_formula(counts, seed, smoothing, gamma, beta, tau):
    from inspection.training.losses import BalancedCrossentropy, class_weights, cross_entropy

    logits, labels = case(len(counts), seed)
    params = train(label_smoothing=smoothing, focal_gamma=gamma, class_weight_beta=beta, logit_adjustment=tau)
    weights = class_weights(np.array(counts), beta)
    added = tau * np.log(counts * weights / np.sum(counts * weights))
    wanted = reference(labels, logits, weights, added, gamma, smoothing)
    got = cross_entropy(params, np.array(counts))
    assert isinstance(got, BalancedCrossentropy) or beta == gamma == tau == 0
    assert cost(got, labels, logits) == pytest.approx(wanted, rel=2e-4, abs=1e-5)


@QUICK
@given(counts=COUNTS, seed=SEEDS, smoothing=SHARE)
def test_each_part_at_nothing_is_cross_entropy(counts, seed, smoothing):
    """Focal with gamma 0, class weights with beta 0 and logit adjustment with tau 0 or equal counts."""
    import keras

    from inspection.training.losses import BalancedCrossentropy, class_weights, cross_entropy, log_shares

    k = len(counts)
    logits, labels = case(k, seed)
    plain = cost(keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=smoothing), labels, logits)
    assert (class_weights(np.array(counts), 0.0) == 1).all()
    assert not log_shares(np.full(k, counts[0]), np.ones(k)).any()
    ours = BalancedCrossentropy(np.ones(k), np.zeros(k), label_smoothing=smoothing)
    alike = cross_entropy(train(label_smoothing=smoothing, logit_adjustment=1.0), np.full(k, counts[0]))
    for loss in (ours, alike, cross_entropy(train(label_smoothing=smoothing), np.array(counts))):
        assert cost(loss, labels, logits) == pytest.approx(plain, rel=1e-4, abs=1e-5)


@QUICK
@given(counts=COUNTS, beta=SHARE)
def test_weights_have_mean_one_over_wafers_and_fall_with_the_count(counts, beta):
    from inspection.training.losses import class_weights

    n = np.array(counts)
    weights = class_weights(n, beta)
    assert np.sum(n * weights) == pytest.approx(n.sum())
    order = np.argsort(n)
    assert (np.diff(weights[order]) <= 1e-9 * weights.max()).all()


def test_the_effective_number_is_the_published_one_between_its_two_limits():
    from inspection.training.losses import class_weights

    n = np.array([1, 10, 1_000])
    assert class_weights(n, 1.0) / class_weights(n, 1.0)[0] == pytest.approx([1, 0.1, 0.001])
    published = (1 - 0.99) / (1 - 0.99**n)  # Cui et al., equation 2
    assert class_weights(n, 0.99) / class_weights(n, 0.99)[0] == pytest.approx(published / published[0])
    nearly = class_weights(n, 1 - 1e-9)
    assert nearly == pytest.approx(class_weights(n, 1.0), rel=1e-5), "the limit is reached without a jump"
    assert np.isfinite(class_weights(np.array([0, 5, 0]), 0.9)).all(), "a class without wafers has a weight"


@QUICK
@given(counts=COUNTS, seed=SEEDS, lam=SHARE, combined=st.booleans())
def test_a_mixed_wafer_costs_the_mixture_of_what_its_parts_cost(counts, seed, lam, combined):
    from inspection.training.losses import cross_entropy

    k = len(counts)
    logits, _ = case(k, seed)
    rng = np.random.default_rng(seed)
    one, other = (np.eye(k, dtype=np.float32)[rng.integers(k, size=5)] for _ in range(2))
    membership = np.eye(k) if combined else None
    if combined:
        one, other = (rng.integers(0, 2, (5, k)).astype(np.float32) for _ in range(2))
    params = train(label_smoothing=0.1, focal_gamma=1.5, class_weight_beta=0.99, logit_adjustment=1.0)
    loss = cross_entropy(params, np.array(counts), membership, wafers=40_000)
    mixed = cost(loss, np.float32(lam) * one + np.float32(1 - lam) * other, logits)
    assert mixed == pytest.approx(lam * cost(loss, one, logits) + (1 - lam) * cost(loss, other, logits), rel=1e-4, abs=1e-5)


@QUICK
@given(seed=SEEDS, gamma=st.sampled_from([0.5, 1.0, 2.0, 5.0]))
def test_focal_and_weights_agree_with_keras_where_it_has_them(seed, gamma):
    import keras

    from inspection.training.losses import BalancedCrossentropy, BalancedPatternCrossentropy

    logits, labels = case(4, seed)
    logits = logits / 4  # Keras clips probabilities at 1e-7
    alpha = [0.1, 1.0, 2.0, 0.5]
    theirs = keras.losses.CategoricalFocalCrossentropy(alpha=alpha, gamma=gamma, from_logits=True)
    assert cost(BalancedCrossentropy(alpha, np.zeros(4), gamma=gamma), labels, logits) == pytest.approx(
        cost(theirs, labels, logits), rel=1e-3, abs=1e-6
    )
    hard = (labels > 0.3).astype(np.float32)
    theirs = keras.losses.BinaryFocalCrossentropy(apply_class_balancing=True, alpha=0.3, gamma=gamma, from_logits=True)
    ours = BalancedPatternCrossentropy(np.eye(4), np.full(4, 0.3), np.full(4, 0.7), np.zeros(4), gamma=gamma)
    assert cost(ours, hard, logits) / 4 == pytest.approx(cost(theirs, hard, logits), rel=1e-3, abs=1e-6)


@QUICK
@given(counts=COUNTS, seed=SEEDS, smoothing=SHARE)
def test_each_part_at_nothing_is_binary_cross_entropy_for_patterns_that_combine(counts, seed, smoothing):
    import keras

    from inspection.training.losses import cross_entropy

    k = len(counts)
    logits, labels = case(k, seed)
    plain = cost(keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=smoothing), labels, logits)
    off = cross_entropy(train(label_smoothing=smoothing), np.array(counts), np.eye(k), wafers=40_000)
    # Present in just half of the wafers: nothing to adjust, nothing to weigh.
    params = train(label_smoothing=smoothing, logit_adjustment=1.0, class_weight_beta=0.99)
    half = cross_entropy(params, np.full(k, counts[0]), np.eye(k), wafers=2 * counts[0])
    for loss in (off, half):
        assert cost(loss, labels, logits) / k == pytest.approx(plain, rel=1e-4, abs=1e-5)


@QUICK
@given(seed=SEEDS, smoothing=SHARE)
def test_classes_that_combine_patterns_cost_what_their_patterns_cost(seed, smoothing):
    """Labels and logits of classes in, the loss of their patterns out; a class is as likely as all its patterns, and no other, together."""
    from inspection.training.losses import cross_entropy

    membership = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 1], [1, 0, 1]])
    counts = np.array([500, 40, 30, 20, 10, 5])
    z, _ = case(3, seed)
    _, labels = case(6, seed)
    params = train(label_smoothing=smoothing, focal_gamma=1.0, class_weight_beta=0.99, logit_adjustment=1.0)
    by_pattern = cross_entropy(params, counts @ membership, np.eye(3), wafers=counts.sum())
    got = cost(cross_entropy(params, counts, membership), labels, z @ membership.T)
    assert got == pytest.approx(cost(by_pattern, labels @ membership, z), rel=1e-3, abs=1e-4)
    plain = cost(cross_entropy(train(), counts, membership), np.eye(6, dtype=np.float32)[:5], z @ membership.T)
    sign = np.where(membership[:5] == 1, 1, -1)
    assert plain == pytest.approx(np.logaddexp(0, -sign * z.astype(np.float64)).sum(axis=1), rel=1e-3, abs=1e-4)


def test_present_and_absent_of_a_pattern_are_two_classes_of_the_softmax_loss():
    """A sigmoid of z is a softmax of (z, 0): weights, focus and adjustment must be those of two classes, for each pattern by itself."""
    from inspection.training.losses import cross_entropy

    params = train(label_smoothing=0.1, focal_gamma=2.0, class_weight_beta=0.999, logit_adjustment=0.7)
    counts, wafers = np.array([30, 900, 4_000]), 5_000
    logits, _ = case(3, 5, wafers=20)
    labels = np.random.default_rng(1).random((20, 3)).astype(np.float32)
    per_pattern = [
        cost(
            cross_entropy(params, np.array([n, wafers - n])),
            np.stack([labels[:, k], 1 - labels[:, k]], axis=1),
            np.stack([logits[:, k], np.zeros(20, np.float32)], axis=1),
        )
        for k, n in enumerate(counts)
    ]
    combined = cross_entropy(params, counts, np.eye(3), wafers=wafers)
    assert cost(combined, labels, logits) == pytest.approx(np.sum(per_pattern, axis=0), rel=1e-4)


def test_fewer_draws_than_show_one_pattern_are_refused():
    from inspection.errors import InputError
    from inspection.training.losses import cross_entropy

    with pytest.raises(InputError, match=r"show one pattern \(10\), got 9"):
        cross_entropy(train(focal_gamma=1.0), np.array([10, 2]), np.eye(2), wafers=9)


@pytest.mark.parametrize("beta", [0.0, 0.99, 1.0])
def test_logit_adjustment_teaches_the_likelihoods_whatever_the_shares(beta):
    """Menon et al., theorem 1, on a table: what is learnt is p(x | class) up to a factor of x, so that the least mean error is taken.

    The gradient of the expected loss is nothing there, and the weights do not change it: what they balance is not adjusted again.
    """
    from inspection.training.losses import class_weights, log_shares

    rng = np.random.default_rng(3)
    counts = np.array([9_000, 700, 30])
    likelihood = rng.dirichlet(np.ones(6), 3).T  # (x, class)
    weights = class_weights(counts, beta)
    learnt = np.log(likelihood) + rng.normal(size=(6, 1))
    adjusted = np.exp(log_softmax(learnt + log_shares(counts, weights)))
    joint = likelihood * counts * weights
    gradient = adjusted * joint.sum(axis=1, keepdims=True) - joint
    assert np.abs(gradient).max() < 1e-9 * joint.max()


def test_what_weights_have_balanced_the_adjustment_leaves():
    from inspection.training.losses import class_weights, log_shares

    counts = np.array([9_000, 700, 30])
    assert log_shares(counts, class_weights(counts, 1.0)) == pytest.approx(np.zeros(3), abs=1e-12)


def test_nothing_pulls_up_a_class_that_was_never_seen():
    from inspection.training.losses import cross_entropy

    logits, labels = np.zeros((1, 3), np.float32), np.array([[1, 0, 0]], np.float32)
    for gamma in (0.0, 2.0):
        with_it = cost(cross_entropy(train(logit_adjustment=1.0, focal_gamma=gamma), np.array([100, 10, 0])), labels, logits)
        assert np.isfinite(with_it).all()
        higher = logits + np.array([[0, 0, 1]], np.float32)
        assert cost(cross_entropy(train(logit_adjustment=1.0, focal_gamma=gamma), np.array([100, 10, 0])), labels, higher) > with_it


def gradient_in_training(loss, labels, logits):
    """d loss / d logits as `fit` sees it on the backend in use: one step of plain descent on logits that are the weights themselves."""
    import keras

    n, k = logits.shape
    table = keras.layers.Embedding(n, k)
    model = keras.Sequential([keras.Input((), dtype="int32"), table])
    table.set_weights([logits])
    model.compile(optimizer=keras.optimizers.SGD(1.0), loss=loss)
    model.train_on_batch(np.arange(n), labels)
    return (logits - table.get_weights()[0]) * n


@pytest.mark.slow
@pytest.mark.parametrize("combined", [False, True])
@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_gradients_are_those_of_finite_differences(combined, gamma):
    from inspection.training.losses import cross_entropy

    counts = np.array([2_000, 150, 11, 400])
    logits, labels = case(4, 11, wafers=6)
    params = train(label_smoothing=0.05, focal_gamma=gamma, class_weight_beta=0.995, logit_adjustment=1.0)
    loss = cross_entropy(params, counts, np.eye(4) if combined else None)

    def exact(z):
        if not combined:
            return reference(labels, z, np.array(loss.weights), np.array(loss.added), gamma, 0.05)
        out = np.zeros(len(z))
        for c in range(4):  # each pattern as two classes, proven equal above
            two = np.stack([z[:, c], np.zeros(len(z))], axis=1)
            label = np.stack([labels[:, c], 1 - labels[:, c]], axis=1)
            weights = np.array([loss.present[c], loss.absent[c]])
            out += reference(label, two, weights, np.array([loss.added[c], 0.0]), gamma, 0.05)
        return out

    step = 1e-5
    wanted = np.zeros((6, 4))
    for c in range(4):
        moved = np.zeros(4)
        moved[c] = step
        wanted[:, c] = (exact(logits.astype(np.float64) + moved) - exact(logits.astype(np.float64) - moved)) / (2 * step)
    assert gradient_in_training(loss, labels, logits) == pytest.approx(wanted, rel=2e-3, abs=2e-5)


@pytest.mark.slow
@pytest.mark.parametrize("combined", [False, True])
def test_gradients_of_hopeless_and_of_perfect_wafers_are_finite(combined):
    from inspection.training.losses import cross_entropy

    membership = np.eye(3) if combined else None
    logits = np.array([[500, -500, 0], [-500, 500, 0], [0, 0, 0], [1e4, 0, -1e4]], np.float32)
    labels = np.array([[1, 0, 0], [1, 0, 0], [0, 0, 1], [1, 0, 0]], np.float32)
    for gamma in (0.3, 1.0, 2.0):
        loss = cross_entropy(train(focal_gamma=gamma, logit_adjustment=1.0), np.array([50, 5, 1]), membership)
        assert np.isfinite(cost(loss, labels, logits)).all()
        assert np.isfinite(gradient_in_training(loss, labels, logits)).all()


@pytest.mark.slow
@pytest.mark.parametrize("combined", [False, True])
def test_a_compiled_network_keeps_its_loss_when_it_is_saved(tmp_path, combined):
    import keras

    from inspection.training.losses import cross_entropy

    membership = np.eye(3) if combined else None
    params = train(focal_gamma=1.5, class_weight_beta=0.99, logit_adjustment=1.0, label_smoothing=0.1)
    loss = cross_entropy(params, np.array([100, 20, 3]), membership)
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(3)])
    model.compile(optimizer="adam", loss=loss)
    x = np.random.default_rng(0).normal(size=(8, 5)).astype(np.float32)
    logits, labels = case(3, 2, wafers=8)
    model.train_on_batch(x, labels)
    before = model.evaluate(x, labels, verbose=0)
    path = tmp_path / "model.keras"
    model.save(path)
    again = keras.saving.load_model(path)
    assert type(again.loss) is type(loss)
    assert again.loss.get_config() == loss.get_config()
    assert cost(again.loss, labels, logits).tolist() == cost(loss, labels, logits).tolist()
    assert again.evaluate(x, labels, verbose=0) == before


@pytest.mark.slow
def test_scoring_reads_a_network_without_knowing_its_loss(tmp_path):
    import keras

    from inspection.training.losses import cross_entropy

    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(3)])
    model.compile(optimizer="adam", loss=cross_entropy(train(focal_gamma=1.0), np.array([9, 2, 1])))
    model.save(tmp_path / "model.keras")
    code = (
        "import sys; from inspection.models.saved import load_network; print(load_network(sys.argv[1]).count_params());"
        "assert not any(name.startswith('inspection.training') for name in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code, str(tmp_path / "model.keras")], check=True, timeout=500, capture_output=True)
    assert int(said.stdout) == 18


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_loss_and_gradient_are_the_same_on_another_backend(tmp_path, backend):
    from importlib.util import find_spec

    from inspection.training.losses import cross_entropy

    if find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    logits, labels = case(3, 4, wafers=6)
    np.savez(tmp_path / "case.npz", logits=logits, labels=labels)
    params = train(focal_gamma=1.5, class_weight_beta=0.99, logit_adjustment=1.0, label_smoothing=0.1)
    code = f"""
import sys
import numpy as np
from test_losses import cost, gradient_in_training
from inspection.models.backend import keras
from inspection.params import Train
from inspection.training.losses import cross_entropy
assert keras.backend.backend() == {backend!r}
case = np.load(sys.argv[1])
for membership in (None, np.eye(3)):
    loss = cross_entropy(Train.model_validate({params.model_dump()}), np.array([100, 20, 3]), membership)
    for values in (cost, gradient_in_training):
        print(*np.ravel(values(loss, case["labels"], case["logits"])).tolist())
"""
    path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    said = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "case.npz")],
        env={**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": path}, check=True, capture_output=True, timeout=500,
    )  # fmt: skip
    here = []
    for membership in (None, np.eye(3)):
        loss = cross_entropy(params, np.array([100, 20, 3]), membership)
        here += [cost(loss, labels, logits), gradient_in_training(loss, labels, logits).ravel()]
    assert np.array(said.stdout.split(), np.float64) == pytest.approx(np.concatenate(here), rel=1e-3, abs=1e-5)
