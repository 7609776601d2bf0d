"""Balanced batches: each holds its share of every class, the epoch holds it exactly, and no wafer is forgotten."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspection.dataset.balance import balanced_indices
from inspection.dataset.batches import balanced_order, epoch_counts
from inspection.errors import InputError

COUNTS = st.lists(st.integers(0, 60), min_size=1, max_size=6).filter(any)
CASES = settings(max_examples=60, deadline=None)


def labels_of(counts, seed):
    return np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))


@CASES
@given(counts=COUNTS, steps=st.integers(1, 12), batch_size=st.integers(1, 20), tempering=st.floats(0, 1), seed=st.integers(0, 2**31))
def test_the_epoch_holds_the_shares_exactly_and_each_batch_its_part(counts, steps, batch_size, tempering, seed):
    labels = labels_of(counts, seed)
    drawn = balanced_indices(labels, tempering, seed)
    order = balanced_order(drawn, labels, steps=steps, batch_size=batch_size, seed=seed, epoch=seed % 5)
    totals = np.bincount(labels[order], minlength=len(counts))
    shares = np.bincount(labels[drawn], minlength=len(counts))
    assert (totals == epoch_counts(shares, steps * batch_size)).all()
    batches = np.stack([np.bincount(labels[b], minlength=len(counts)) for b in order.reshape(steps, batch_size)])
    assert (batches >= totals // steps).all()
    assert (batches <= -(-totals // steps)).all()


@CASES
@given(counts=COUNTS, draws=st.integers(1, 500))
def test_an_epochs_counts_are_the_shares_to_one_draw_and_forget_no_class(counts, draws):
    drawn = np.array(counts)
    found = epoch_counts(drawn, draws)
    assert found.sum() == draws
    assert (found[drawn == 0] == 0).all()
    exact = draws * drawn / drawn.sum()
    if draws >= (drawn > 0).sum():
        assert (found[drawn > 0] >= 1).all()
        # Only what rare classes got beyond their share, to have one at all, is missing elsewhere.
        given_away = np.maximum(1 - exact[drawn > 0], 0).sum()
        assert (found - exact < 1 + 1e-9).all()
        assert (exact - found < 1 + given_away + 1e-9).all()
    if (draws * drawn % drawn.sum() == 0).all():
        assert (found == exact).all()


@CASES
@given(counts=COUNTS, steps=st.integers(1, 6), batch_size=st.integers(1, 12), seed=st.integers(0, 2**31))
def test_every_wafer_is_seen_before_any_is_seen_twice_more_than_another(counts, steps, batch_size, seed):
    """From epoch to epoch: an epoch too short for a large class goes on in the next one."""
    labels = labels_of(counts, seed)
    drawn = np.arange(len(labels))
    seen = np.zeros(len(labels), int)
    per_epoch = epoch_counts(np.bincount(labels, minlength=len(counts)), steps * batch_size)
    present = per_epoch > 0
    epochs = int(np.ceil(np.array(counts)[present] / per_epoch[present]).max())
    for epoch in range(epochs):
        order = balanced_order(drawn, labels, steps=steps, batch_size=batch_size, seed=seed, epoch=epoch)
        np.add.at(seen, order, 1)
        for kind in np.flatnonzero(present):
            assert np.ptp(seen[labels == kind]) <= 1
    assert (seen[present[labels]] >= 1).all()


def test_the_order_depends_on_seed_and_epoch_and_on_nothing_before():
    labels = labels_of([40, 9, 3], 1)
    drawn = balanced_indices(labels, 0.5, 0)

    def order(seed=0, epoch=3):
        return balanced_order(drawn, labels, steps=5, batch_size=8, seed=seed, epoch=epoch).tolist()

    assert order() == order()
    assert order() != order(seed=1)
    assert order() != order(epoch=2)
    assert order(seed=0, epoch=1) != order(seed=1, epoch=0)


def test_within_a_batch_classes_come_in_no_order():
    """Each of several devices gets a piece of the batch."""
    labels = np.repeat([0, 1], 400)
    order = balanced_order(np.arange(800), labels, steps=25, batch_size=32, seed=0, epoch=0)
    first = labels[order.reshape(25, 32)[:, :16]].mean(axis=1)
    assert 0.3 < first.mean() < 0.7
    assert np.unique(first).size > 3


def test_repeated_draws_come_as_often_as_they_are_drawn():
    labels = np.array([0] * 6 + [1] * 2)
    drawn = np.array([0, 1, 2, 3, 4, 5, 6, 6, 6, 6, 6, 7])  # the wafer 6 near a border, five times
    order = balanced_order(drawn, labels, steps=3, batch_size=4, seed=0, epoch=7)
    assert np.bincount(order, minlength=8).tolist() == [1, 1, 1, 1, 1, 1, 5, 1]


def test_nothing_drawn_is_refused():
    with pytest.raises(InputError, match="at least one draw"):
        balanced_order(np.arange(0), np.arange(0), steps=1, batch_size=1, seed=0, epoch=0)
