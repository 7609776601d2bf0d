"""Hand-made features that vote beside a network: the mixture is what it says, the vote forgets turns, validation says what it is worth."""

from __future__ import annotations

import zipfile
from dataclasses import replace

import numpy as np
import pytest
from small_problem import SIZE, training_set

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning:keras.*"),  # see tests/training/test_fit.py
]


def pair(classes=3, size=32):
    """A network and a table network, both with random weights."""
    from inspection.models.builders import build
    from inspection.models.fusion import COLUMNS, table_network
    from inspection.models.head import Head
    from inspection.views.renderer import ViewSpec

    rng = np.random.default_rng(0)
    table = table_network(rng.normal(size=len(COLUMNS)), rng.uniform(0.5, 2, len(COLUMNS)), classes, Head(), 0.4)
    return build("plain_cnn", ViewSpec(size), classes, width=8, dropout=0.0), table


def test_the_logits_are_the_weighted_sum_of_both_and_the_file_says_the_same(tmp_path):
    from inspection.models.fusion import COLUMNS, fused, reads_features
    from inspection.models.saved import load_network

    network, table = pair()
    rng = np.random.default_rng(1)
    images, numbers = rng.integers(0, 256, (5, 32, 32, 3), np.uint8), rng.normal(size=(5, len(COLUMNS))).astype(np.float32)
    both = fused(network, table, 0.3)
    expected = 0.7 * network({"image": images}).numpy() + 0.3 * table(numbers).numpy()
    np.testing.assert_allclose(both({"image": images, "features": numbers}).numpy(), expected, rtol=1e-5, atol=1e-5)
    both.save(tmp_path / "both.keras")
    again = load_network(tmp_path / "both.keras")
    np.testing.assert_allclose(again({"image": images, "features": numbers}).numpy(), expected, rtol=1e-5, atol=1e-5)
    assert reads_features(again)
    assert not reads_features(network)


def test_numbers_far_from_all_seen_count_no_more_than_four_sigmas():
    from inspection.models.fusion import COLUMNS, table_network
    from inspection.models.head import Head

    table = table_network(np.zeros(len(COLUMNS)), np.ones(len(COLUMNS)), 2, Head(), 0.0)
    far, near = (np.full((1, len(COLUMNS)), value, np.float32) for value in (1e9, 4.0))
    np.testing.assert_allclose(table(far).numpy(), table(near).numpy(), rtol=1e-5)


def test_another_training_can_start_from_a_fused_network(tmp_path):
    from inspection.models.fusion import fused
    from inspection.models.weights import saved_layers

    network, table = pair()
    network.save(tmp_path / "alone.keras")
    fused(network, table, 0.2).save(tmp_path / "both.keras")
    with saved_layers(tmp_path / "alone.keras") as alone, saved_layers(tmp_path / "both.keras") as both:
        assert set(alone) < set(both)
        for name, arrays in alone.items():
            for place, values in arrays.items():
                np.testing.assert_array_equal(values[()], both[name][place][()], err_msg=f"{name}/{place}")


def test_the_vote_is_the_same_for_a_wafer_and_its_turns():
    from inspection.models.fusion import fused
    from inspection.scoring.bundle import Bundle
    from inspection.scoring.predictor import Predictor
    from inspection.views.renderer import ViewSpec, render_global
    from inspection.views.shards import Views
    from inspection.wafer.maps import DieMap, WaferInfo
    from inspection.wafer.taxonomy import Taxonomy, WaferClass

    rng = np.random.default_rng(2)
    status = np.where(rng.random((16, 16)) < 0.2, 2, 1).astype(np.uint8)
    turns = [np.rot90(status, k) for k in range(4)] + [status[:, ::-1]]
    images = np.stack([render_global(DieMap(info=WaferInfo(), status=np.ascontiguousarray(t)), 32) for t in turns])
    views = Views(images, np.zeros((5, 0, 32, 32, 3), np.uint8), ViewSpec(32))
    taxonomy = Taxonomy((WaferClass("none", normal=True), WaferClass("a"), WaferClass("b")))
    predictor = Predictor(Bundle(taxonomy, ViewSpec(32), np.full(3, 0.5), 1.0), fused(*pair(), 1.0), (4,))
    seen = predictor.look(views)
    logits, embedding = seen.logits, seen.embedding
    np.testing.assert_allclose(logits, np.broadcast_to(logits[0], logits.shape), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(predictor.embeddings(views), embedding, rtol=1e-5, atol=1e-5)
    assert predictor.embeddings(views.take(np.arange(0))).shape == (0, embedding.shape[1])


@pytest.mark.parametrize("better", ["own", "theirs", "both"])
def test_the_weight_is_what_makes_the_validation_wafers_likeliest(better):
    from inspection.training.fusion import WEIGHTS, best_weight

    rng = np.random.default_rng(3)
    truth = rng.integers(0, 4, 2_000)
    signal = 3.0 * np.eye(4)[truth]
    noise = [rng.normal(size=(2_000, 4)) for _ in range(2)]
    own = signal * (better != "theirs") + 2 * noise[0]
    theirs = signal * (better != "own") + 2 * noise[1]
    weight = best_weight(own, theirs, truth)
    assert {"own": weight == 0.0, "theirs": weight == max(WEIGHTS), "both": weight >= 0.4}[better]


def test_it_helps_a_network_that_knows_nothing_and_leaves_alone_where_nobody_can_know(tmp_path):
    from inspection.models.builders import build
    from inspection.models.fusion import reads_features
    from inspection.models.saved import load_network
    from inspection.params import Train
    from inspection.training.fusion import LEAST_VALIDATION, fuse
    from inspection.views.renderer import render_global

    data = training_set(held_out=LEAST_VALIDATION)
    images = np.stack([render_global(m, SIZE) for m in data.maps])
    build("plain_cnn", data.validation.spec, 2, width=8, dropout=0.0).save(tmp_path / "model.keras")
    before = (tmp_path / "model.keras").read_bytes()
    few = replace(data, validation=data.validation.take(np.arange(20)), validation_labels=data.validation_labels[:20])
    assert fuse(tmp_path / "model.keras", few, images, Train(), seed=1) is None
    assert (tmp_path / "model.keras").read_bytes() == before
    found = fuse(tmp_path / "model.keras", data, images, Train(focal_gamma=1.0), seed=1)
    assert found.weight == 0.5
    assert found.both > max(0.95, found.alone)
    assert reads_features(load_network(tmp_path / "model.keras"))
    assert [p.name for p in tmp_path.iterdir()] == ["model.keras"]
    with zipfile.ZipFile(tmp_path / "model.keras") as archive:
        assert b"Crossentropy" not in archive.read("config.json"), "a worker does not know the losses of training"
