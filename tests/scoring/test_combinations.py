"""Patterns read from classes, and combinations that no training wafer had."""

from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from inspection.models.backend import keras
from inspection.models.head import Combinations
from inspection.params import Ingest
from inspection.scoring.bundle import Bundle, config_sha256, read_bundle, write_bundle
from inspection.scoring.combinations import LEAST_LIMIT, Reading, pattern_probabilities
from inspection.scoring.files import score_files
from inspection.scoring.predictor import Predictor
from inspection.views.renderer import ViewSpec
from inspection.wafer.taxonomy import UNKNOWN, Taxonomy, WaferClass

CLASSES = ("Normal", "Center", "Edge-Ring", "Scratch", "Center+Edge-Ring", "Edge-Ring+Scratch")
TAXONOMY = Taxonomy(tuple(WaferClass(name, normal=name == "Normal") for name in CLASSES))
MEMBERSHIP = np.array(TAXONOMY.membership(), float)
Z = arrays(np.float64, st.tuples(st.integers(1, 5), st.just(3)), elements=st.floats(-15, 15).filter(lambda z: abs(z) > 1e-3))


@settings(max_examples=50, deadline=None)
@given(Z)
def test_the_reading_is_the_best_of_all_subsets(z):
    reading = Reading(TAXONOMY, z @ MEMBERSHIP.T)
    subsets = np.array([[i >> k & 1 for k in range(3)] for i in range(8)], float)
    of_all = z @ subsets.T
    np.testing.assert_array_equal(reading.shown, subsets[of_all.argmax(axis=1)].astype(bool))
    np.testing.assert_allclose(reading.insistence, of_all.max(axis=1) - (z @ MEMBERSHIP.T).max(axis=1), atol=1e-4)
    np.testing.assert_allclose(reading.probabilities(2.0), 1 / (1 + np.exp(-z / 2)), atol=1e-5)


def test_a_combination_that_is_no_class_is_named_by_its_patterns():
    reading = Reading(TAXONOMY, np.array([[5.0, 4.0, 3.0], [5.0, 4.0, -9.0], [-1.0, -2.0, -3.0]]) @ MEMBERSHIP.T)
    assert reading.names() == ["Center+Edge-Ring+Scratch", "Center+Edge-Ring", ""]
    np.testing.assert_allclose(reading.insistence, [3.0, 0.0, 0.0], atol=1e-4)


def test_without_a_normal_class_no_pattern_at_all_is_no_new_combination():
    defects = Taxonomy(TAXONOMY.classes[1:])
    assert Reading(defects, np.array([[-1.0, -2.0, -3.0]]) @ MEMBERSHIP[1:].T).insistence == 0


def test_known_wafers_set_the_limit():
    z = np.full((1000, 3), 5.0) * [1, 1, -1]
    assert Reading(TAXONOMY, z @ MEMBERSHIP.T).limit(0.99) == LEAST_LIMIT
    z[:20, 2] = 4.0
    reading = Reading(TAXONOMY, z @ MEMBERSHIP.T)
    assert (reading.insistence > reading.limit(0.99)).mean() <= 0.01 < (reading.insistence > LEAST_LIMIT).mean()
    assert Reading(TAXONOMY, np.zeros((0, 6))).limit(0.99) == LEAST_LIMIT


@settings(max_examples=25, deadline=None)
@given(arrays(np.float64, (4, 6), elements=st.floats(0.01, 1)))
def test_a_pattern_is_as_likely_as_all_classes_that_have_it(shares):
    shares /= shares.sum(axis=1, keepdims=True)
    found = dict(zip(TAXONOMY.patterns, pattern_probabilities(shares, TAXONOMY).T, strict=True))
    np.testing.assert_allclose(found["Edge-Ring"], shares[:, 2] + shares[:, 4] + shares[:, 5])
    np.testing.assert_allclose(found["Center"], shares[:, 1] + shares[:, 4])


@pytest.fixture
def folder(tmp_path):
    """A bundle whose network reads its three pattern logits from the first pixel: channel c gives (pixel / 16) - 8 for pattern c."""
    image = keras.Input((4, 4, 3), dtype="uint8", name="image")
    first = keras.layers.Flatten(name="embedding")(keras.layers.Cropping2D(((0, 3), (0, 3)))(keras.layers.Rescaling(1 / 16, -8)(image)))
    logits = Combinations(TAXONOMY.membership(), name="logits")(keras.layers.Activation("linear", name="patterns")(first))
    keras.Model(image, logits).save(tmp_path / "n.keras")
    spec = ViewSpec(size_px=4, tiles=0, tile_px=4, tile_mm=1.0)
    write_bundle(tmp_path / "b", Bundle(TAXONOMY, spec, np.full(6, 0.3), 1.0, new_combination=2.0), tmp_path / "n.keras")
    return tmp_path


def views_of(predictor, rows):
    blank = predictor.prepare([])
    images = np.zeros((len(rows), 4, 4, 3), np.uint8)
    images[:, 0, 0] = rows
    return type(blank)(images, np.zeros((len(rows), 0, 4, 4, 3), np.uint8), blank.spec)


def test_a_bundle_says_a_combination_that_no_training_wafer_had(folder):
    predictor = Predictor.load(folder / "b", (4,))
    assert predictor.reads_patterns
    known, new, doubtful = predictor.score(views_of(predictor, [[255, 255, 0], [255, 240, 255], [255, 255, 144]]))
    assert (known.label, known.decision) == ("Center+Edge-Ring", "Center+Edge-Ring")
    assert (new.label, new.decision) == ("Center+Edge-Ring+Scratch", UNKNOWN)
    assert min(new.patterns.values()) > 0.99
    assert 0.99 < new.probability <= 1
    assert doubtful.label == "Center+Edge-Ring", "one logit above the best class is below the limit of two"
    for outcome in (known, doubtful):
        assert outcome.patterns["Center"] == pytest.approx(sum(p for n, p in outcome.probabilities.items() if "Center" in n))


def test_the_limit_belongs_to_the_configuration_and_older_bundles_have_none(folder):
    assert read_bundle(folder / "b").new_combination == 2.0
    plain = Bundle(TAXONOMY, ViewSpec(size_px=4, tiles=0, tile_px=4, tile_mm=1.0), np.full(6, 0.3), 1.0)
    write_bundle(folder / "old", plain, folder / "n.keras")
    assert read_bundle(folder / "old").new_combination is None
    assert config_sha256(folder / "old") != config_sha256(folder / "b")
    predictor = Predictor.load(folder / "old", (4,))
    assert predictor.score(views_of(predictor, [[255, 240, 255]]))[0].label in CLASSES


def test_the_table_of_a_scored_file_has_the_patterns(folder):
    np.savez(folder / "maps.npz", arr_0=np.full((2, 8, 8), 2, np.uint8), arr_1=np.zeros((2, 8), np.uint8))
    score_files(Predictor.load(folder / "b", (4,)), [folder / "maps.npz"], folder / "out.parquet", Ingest(), lambda *_: None)
    table = pq.read_table(folder / "out.parquet")
    assert {f"pattern_{name}" for name in TAXONOMY.patterns} <= set(table.column_names)
    assert len(table) == 2
