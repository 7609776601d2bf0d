"""The loss of a sigmoid head, against scikit-learn and in a network that learns by it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import log_loss

from inspection.models.backend import keras
from inspection.models.head import Head, HeadKind
from inspection.params import Train
from inspection.training.losses import loss_of

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:keras.*")  # see tests/training/test_fit.py
MEMBERSHIP = ((False, False, False), (True, False, False), (False, True, False), (False, False, True), (True, True, False))


def loss_by(kind, smoothing=0.0, membership=MEMBERSHIP):
    return loss_of(Train(label_smoothing=smoothing), np.ones(len(membership), np.int64), Head(HeadKind(kind), membership))


LOGITS = arrays(np.float32, (6, 3), elements=st.floats(-15, 15, width=32))


@settings(max_examples=25, deadline=None)
@given(LOGITS, st.lists(st.integers(0, 4), min_size=6, max_size=6))
def test_it_is_the_log_loss_of_each_pattern_summed(z, labels):
    flags = np.array(MEMBERSHIP, np.float64)
    found = loss_by("sigmoid")(np.eye(5, dtype=np.float32)[labels], z @ flags.T.astype(np.float32))
    chances = 1 / (1 + np.exp(-z.astype(np.float64)))
    expected = sum(log_loss(flags[labels][:, k], chances[:, k], labels=[0, 1]) for k in range(3))
    assert float(found) == pytest.approx(expected, rel=1e-3, abs=1e-3)


@settings(max_examples=25, deadline=None)
@given(LOGITS, st.floats(0, 1))
def test_the_loss_of_mixed_labels_is_the_mixture_of_the_losses(z, share):
    loss, logits = loss_by("sigmoid", 0.1), z @ np.array(MEMBERSHIP, np.float32).T
    one, other = (np.eye(5, dtype=np.float32)[[k] * 6] for k in (1, 4))
    mixed = float(loss(share * one + (1 - share) * other, logits))
    assert mixed == pytest.approx(share * float(loss(one, logits)) + (1 - share) * float(loss(other, logits)), rel=1e-4, abs=1e-4)


def test_smoothing_puts_the_least_loss_at_its_share():
    """With smoothing s, a pattern that is there is best given the probability 1 - s / 2."""
    loss = loss_by("sigmoid", 0.2, ((True,), (False,)))
    grid = np.linspace(-6, 6, 1201)
    values = [float(loss(np.array([[1.0, 0.0]], np.float32), np.array([[z, 0.0]], np.float32))) for z in grid]
    assert 1 / (1 + np.exp(-grid[int(np.argmin(values))])) == pytest.approx(0.9, abs=0.01)


@settings(max_examples=25, deadline=None)
@given(LOGITS, st.floats(0, 1))
def test_the_whole_adds_the_cross_entropy_of_the_classes(z, smoothing):
    logits, truth = z @ np.array(MEMBERSHIP, np.float32).T, np.eye(5, dtype=np.float32)[[0, 1, 2, 3, 4, 4]]
    parts, both = (float(loss_by(kind, smoothing)(truth, logits)) for kind in ("sigmoid", "joint"))
    whole = float(keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=smoothing)(truth, logits))
    assert both == pytest.approx(parts + whole, rel=1e-4, abs=1e-4)


def test_it_is_saved_with_its_network(tmp_path):
    loss = loss_by("joint", 0.1)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(5)])
    model.compile(optimizer="sgd", loss=loss)
    model.save(tmp_path / "n.keras")
    again = keras.saving.load_model(tmp_path / "n.keras").loss
    truth, logits = np.eye(5, dtype=np.float32), np.random.default_rng(0).normal(size=(5, 5)).astype(np.float32)
    assert float(again(truth, logits)) == float(loss(truth, logits))
