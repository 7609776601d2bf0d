"""The head: one logit for each class, or sums of logits of patterns that are sigmoids conditioned on the classes."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from inspection.errors import ParamsError
from inspection.models.backend import keras
from inspection.models.builders import build
from inspection.models.head import PATTERN_LAYER, Combinations, Head, HeadKind, pattern_projection
from inspection.scoring.calibration import softmax
from inspection.views.renderer import ViewSpec
from inspection.wafer.taxonomy import Taxonomy, WaferClass

pytestmark = [
    pytest.mark.slow,  # builds networks
    pytest.mark.filterwarnings("ignore::DeprecationWarning:keras.*"),  # see tests/training/test_fit.py
]
PATTERNS = ("Center", "Donut", "Loc", "Scratch")
SUBSETS = list(product([False, True], repeat=len(PATTERNS)))
few = settings(max_examples=25, deadline=None)


def taxonomy_of(subsets):
    names = ["+".join(p for p, on in zip(PATTERNS, row, strict=True) if on) for row in subsets]
    return Taxonomy(tuple(WaferClass(name or "Normal", normal=not name) for name in names))


@st.composite
def heads(draw):
    """Classes that hold every single pattern, so that each has a logit of its own, and pattern logits of some wafers."""
    single = [tuple(i == k for i in range(len(PATTERNS))) for k in range(len(PATTERNS))]
    others = draw(st.lists(st.sampled_from([s for s in SUBSETS if s not in single]), unique=True))
    subsets = draw(st.permutations(single + others))
    return subsets, draw(arrays(np.float32, st.tuples(st.integers(1, 4), st.just(4)), elements=st.floats(-20, 20, width=32)))


def logits_of(subsets, patterns):
    return keras.ops.convert_to_numpy(Combinations(subsets)(patterns))


@few
@given(heads())
def test_the_softmax_over_the_classes_is_a_sigmoid_per_pattern_given_the_classes(drawn):
    subsets, z = drawn
    found = softmax(logits_of(subsets, z))
    p = 1 / (1 + np.exp(-z.astype(np.float64)))
    # The reference: independent patterns, each combination's probability written out, those that are classes kept.
    chances = np.array([[np.prod([p[n, k] if on else 1 - p[n, k] for k, on in enumerate(row)]) for row in subsets] for n in range(len(z))])
    np.testing.assert_allclose(found, chances / chances.sum(axis=1, keepdims=True), rtol=1e-3, atol=1e-6)


@few
@given(heads())
def test_with_every_subset_a_class_the_patterns_are_plain_sigmoids(drawn):
    _, z = drawn
    found = softmax(logits_of(SUBSETS, z)) @ np.array(SUBSETS, float)
    np.testing.assert_allclose(found, 1 / (1 + np.exp(-z.astype(np.float64))), rtol=1e-4, atol=1e-6)


@few
@given(heads())
def test_the_patterns_come_back_from_the_classes(drawn):
    subsets, z = drawn
    np.testing.assert_allclose(logits_of(subsets, z) @ pattern_projection(subsets), z, atol=1e-3)


def test_patterns_never_seen_apart_share_their_sum():
    z = np.array([[3.0, 1.0]], np.float32)
    both = [(False, False), (True, True)]
    np.testing.assert_allclose(logits_of(both, z) @ pattern_projection(both), [[2.0, 2.0]], rtol=1e-6)


def test_a_network_of_patterns_has_a_layer_of_them_and_is_saved_with_it(tmp_path):
    taxonomy = taxonomy_of(SUBSETS[:11])
    more = {"width": 4, "dropout": 0.0, "membership": taxonomy.membership()}
    model = build("plain_cnn", ViewSpec(size_px=16, tiles=0, tile_px=8, tile_mm=1.0), len(taxonomy), **more)
    assert model.get_layer(PATTERN_LAYER).output.shape == (None, len(taxonomy.patterns))
    model.save(tmp_path / "n.keras")
    again = keras.saving.load_model(tmp_path / "n.keras")
    images = np.random.default_rng(0).integers(0, 255, (3, 16, 16, 3), np.uint8)
    np.testing.assert_array_equal(model.predict(images, verbose=0), again.predict(images, verbose=0))


def test_what_is_learnt_of_a_combination_is_learnt_of_its_parts():
    """One step on wafers of Center+Scratch alone raises Center and Scratch, and no pattern that no class here opposes to them."""
    layer, patterns = Combinations(SUBSETS), keras.Variable(np.zeros((1, 4), np.float32))
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    truth = np.eye(16, dtype=np.float32)[[SUBSETS.index((True, False, False, True))]]
    before = float(loss(truth, layer(patterns)))
    steps = [np.eye(4, dtype=np.float32)[[k]] * 1e-2 for k in range(4)]
    slopes = [(float(loss(truth, layer(patterns + step))) - before) / 1e-2 for step in steps]
    np.testing.assert_allclose(slopes, [-0.5, 0.5, 0.5, -0.5], atol=0.01)


def test_auto_is_a_head_of_patterns_where_they_combine_and_a_softmax_elsewhere():
    mixed = taxonomy_of(SUBSETS[:11])
    assert Head.of(mixed) == Head(HeadKind.joint, mixed.membership())
    assert Head.of(mixed, "patterns").kind is HeadKind.patterns
    assert Head.of(mixed, "softmax") == Head()
    single = taxonomy_of([row for row in SUBSETS if sum(row) < 2])
    assert Head.of(single) == Head()
    assert Head.of(single, "sigmoid").membership == single.membership()


def test_classes_that_their_patterns_do_not_tell_apart_have_no_head_of_patterns():
    two = Taxonomy((*taxonomy_of(SUBSETS).classes, WaferClass("none", normal=True)))
    assert Head.of(two) == Head()
    with pytest.raises(ParamsError, match="Normal, none"):
        Head.of(two, "sigmoid")
