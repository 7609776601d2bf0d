"""Balance draws rare classes more often and never leaves a wafer out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspection.dataset.balance import balanced_indices, target_counts
from inspection.errors import InputError, ParamsError

COUNTS = st.lists(st.integers(0, 60), min_size=1, max_size=6).filter(any)


@settings(max_examples=40, deadline=None)
@given(counts=COUNTS, tempering=st.floats(0, 1), seed=st.integers(0, 2**31))
def test_every_wafer_is_drawn_and_every_class_as_often_as_tempered(counts, tempering, seed):
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    drawn = balanced_indices(labels, tempering, seed)
    assert (drawn[: len(labels)] == np.arange(len(labels))).all()
    assert (np.bincount(labels[drawn], minlength=len(counts)) == target_counts(np.array(counts), tempering)).all()
    assert (drawn == balanced_indices(labels, tempering, seed)).all()


def test_no_tempering_draws_all_classes_alike_and_full_tempering_leaves_them_as_they_come():
    counts = np.array([1_000, 100, 1, 0])
    assert target_counts(counts, 0.0).tolist() == [1_000, 1_000, 1_000, 0]
    assert target_counts(counts, 0.5).tolist() == [1_000, 316, 32, 0]
    assert target_counts(counts, 1.0).tolist() == counts.tolist()


def test_seeds_differ_and_zero_is_one():
    labels = np.repeat([0, 1], [200, 20])
    assert (balanced_indices(labels, 0.0, 0) == balanced_indices(labels, 0.0, 0)).all()
    assert (balanced_indices(labels, 0.0, 0) != balanced_indices(labels, 0.0, 1)).any()


def test_a_single_class_and_no_wafer_at_all_need_no_balance():
    assert balanced_indices([3, 3], 0.0, 0).tolist() == [0, 1]
    assert balanced_indices([], 0.5, 0).tolist() == []


def test_bad_arguments_say_what_was_expected():
    with pytest.raises(ParamsError, match=r"in \[0, 1\], got 2"):
        balanced_indices([0, 1], 2, 0)
    with pytest.raises(InputError, match="labels >= 0, got -1"):
        balanced_indices([0, -1], 0.5, 0)
