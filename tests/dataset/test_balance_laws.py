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


def two_clouds(seed, apart):
    """300 and 30 points in a plane, their centres ``apart``."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat([0, 1], [300, 30]))
    return rng.normal(size=(330, 2)) + np.outer(labels, [apart, 0.0]), labels


@pytest.mark.parametrize("sampler", ["borderline", "adasyn"])
@settings(max_examples=15, deadline=None)
@given(counts=COUNTS, tempering=st.floats(0, 1), seed=st.integers(0, 2**31), apart=st.floats(0, 20))
def test_samplers_that_look_at_wafers_leave_none_out_and_draw_as_often(sampler, counts, tempering, seed, apart):
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    features = rng.normal(size=(len(labels), 3)) + apart * labels[:, None]
    drawn = balanced_indices(labels, tempering, seed, sampler, features)
    assert (drawn[: len(labels)] == np.arange(len(labels))).all()
    assert (np.bincount(labels[drawn], minlength=len(counts)) == target_counts(np.array(counts), tempering)).all()
    assert (drawn == balanced_indices(labels, tempering, seed, sampler, features)).all()


@pytest.mark.parametrize("sampler", ["borderline", "adasyn"])
def test_they_draw_again_what_lies_near_another_class(sampler):
    features, labels = two_clouds(0, 2.5)
    drawn = balanced_indices(labels, 0.0, 0, sampler, features)
    again = drawn[len(labels) :]
    assert (labels[again] == 1).all()
    assert features[again, 0].mean() < features[labels == 1, 0].mean() - 0.2, "nearer to the other class than its members at large"
    anyone = balanced_indices(labels, 0.0, 0)[len(labels) :]
    assert features[again, 0].mean() < features[anyone, 0].mean() - 0.2


@pytest.mark.parametrize("sampler", ["borderline", "adasyn"])
def test_a_class_that_stands_apart_has_any_of_its_wafers_repeated(sampler):
    features, labels = two_clouds(1, 100.0)
    drawn = balanced_indices(labels, 0.0, 0, sampler, features)
    assert sorted(drawn) == sorted(balanced_indices(labels, 0.0, 0))


def test_units_of_a_feature_do_not_matter():
    features, labels = two_clouds(2, 2.0)
    scaled = features * [1e6, 1e-6] + [5, 0]
    for sampler in ("borderline", "adasyn"):
        assert (balanced_indices(labels, 0.0, 0, sampler, features) == balanced_indices(labels, 0.0, 0, sampler, scaled)).all()


def test_no_sampler_leaves_the_classes_as_they_come():
    assert balanced_indices([0, 0, 0, 1], 0.0, 0, "none").tolist() == [0, 1, 2, 3]


def test_missing_features_and_unknown_samplers_are_named():
    with pytest.raises(InputError, match=r"shape \(4, f\), got none"):
        balanced_indices([0, 0, 1, 1], 0.0, 0, "adasyn")
    with pytest.raises(InputError, match="1 values not finite"):
        balanced_indices([0, 0, 1, 1], 0.0, 0, "adasyn", np.array([[0.0], [1.0], [np.nan], [2.0]]))
    with pytest.raises(ParamsError, match="got 'smote'"):
        balanced_indices([0, 0, 1, 1], 0.0, 0, "smote")


@pytest.mark.parametrize(
    "name", ["RandomUnderSampler", "tomek_links", "NearMiss", "smote_enn", "EditedNearestNeighbours", "cluster centroids"]
)
def test_under_samplers_are_refused_with_the_reason(name):
    import yaml

    from inspection.params import Balance

    with pytest.raises(ValueError, match="leaving wafers out, and those are normal ones"):
        Balance.model_validate(yaml.safe_load(f"sampler: {name}"))
    with pytest.raises(ValueError, match="'none', 'random', 'borderline' or 'adasyn'"):
        Balance(sampler="smote")
