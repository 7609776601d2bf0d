"""What the warm predictor promises: the training renderer, any number of wafers, the same answer in any batch."""

import numpy as np
import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning:keras.*"),  # see tests/training/test_fit.py
]


@pytest.fixture(scope="module")
def bundle_folder(tmp_path_factory):
    import keras

    from inspection import params
    from inspection.augmentation.turns import common_turns
    from inspection.models.builders import build
    from inspection.scoring.bundle import Bundle, write_bundle
    from inspection.views.renderer import ViewSpec
    from inspection.wafer.taxonomy import choose

    keras.utils.set_random_seed(0)
    folder = tmp_path_factory.mktemp("bundle")
    taxonomy = choose(["Normal", "ZigZag", "Donut"], params.load().classes)
    spec = ViewSpec(32, tiles=2, tile_px=16)
    network = build("wafer_net", spec, 3, width=8, dropout=0.0)
    network.save(folder / "n.keras")
    write_bundle(folder / "b", Bundle(taxonomy, spec, np.full(3, 0.3), 1.0, tuple(common_turns(taxonomy))), folder / "n.keras")
    return folder / "b"


@pytest.fixture(scope="module")
def predictor(bundle_folder):
    from inspection.scoring.predictor import Predictor

    return Predictor.load(bundle_folder, (4, 8))


def maps(count, seed=0):
    from inspection.wafer.maps import DefectMap, DieMap, WaferInfo

    rng = np.random.default_rng(seed)
    points = [DefectMap(info=WaferInfo(), xy_um=rng.uniform(-90_000, 90_000, (rng.integers(0, 80), 2))) for _ in range(count)]
    return [
        DieMap(info=WaferInfo(), status=rng.integers(0, 3, (9, 12)).astype(np.uint8)) if i % 4 == 3 else m for i, m in enumerate(points)
    ]


@pytest.mark.parametrize("count", [0, 1, 4, 5, 8, 19])
def test_a_wafer_scores_alike_in_any_batch(predictor, count):
    wafers = maps(count)
    together = predictor.score(predictor.prepare(wafers))
    assert len(together) == count
    for wafer, scored in zip(wafers, together, strict=True):
        (alone,) = predictor.score(predictor.prepare([wafer]))
        assert alone.label == scored.label
        assert abs(alone.probability - scored.probability) < 1e-5
        assert abs(sum(scored.probabilities.values()) - 1) < 1e-6


def test_the_score_does_not_change_under_a_symmetry_common_to_all_classes(predictor):
    from dataclasses import replace

    from inspection.views.renderer import turn_matrix

    # Pixel centres, so that a turn maps pixels on pixels; tiles are cut anew, hence none here.
    rng = np.random.default_rng(5)
    wafer = maps(1)[0]
    wafer = replace(wafer, xy_um=(rng.integers(4, 28, (30, 2)) + 0.5) * 300_000 / 32 - 150_000)
    from inspection.views.renderer import render_global
    from inspection.views.shards import Views

    def score(turn):
        images = render_global(wafer, 32, turn)[None]
        return predictor.score(Views(images, np.zeros((1, 2, 16, 16, 3), np.uint8), predictor.bundle.spec))[0]

    assert abs(score(None).probability - score(turn_matrix(np.pi / 2)).probability) < 1e-5


def test_the_backend_neutral_network_has_the_stated_inputs_and_outputs(bundle_folder):
    import keras

    network = keras.saving.load_model(bundle_folder / "model.keras", compile=False)
    assert [tuple(t.shape) for t in network.inputs] == [(None, 32, 32, 3), (None, 2, 16, 16, 3)]
    assert network.output_shape == (None, 3)
    blank = network([np.zeros((2, 32, 32, 3), np.uint8), np.zeros((2, 2, 16, 16, 3), np.uint8)])
    assert np.isfinite(np.asarray(blank)).all(), "a wafer without tiles has a score too"


def test_a_second_look_is_given_to_those_who_need_it_and_is_the_mean_of_all_turns(predictor):
    views = predictor.prepare(maps(19))
    every = predictor.look(views)
    assert (every.looks == 8).all()
    first = predictor.first_look(views)
    again = np.arange(19) % 3 == 0
    some = predictor.look_again(views, first, again)
    assert some.looks.tolist() == [8 if a else 1 for a in again]
    np.testing.assert_allclose(some.logits[again], every.logits[again], atol=1e-5)
    np.testing.assert_array_equal(some.logits[~again], first.logits[~again])
    np.testing.assert_array_equal(some.embedding, every.embedding)


def test_the_bundle_says_who_is_looked_at_again(bundle_folder, tmp_path):
    from dataclasses import replace

    from inspection.scoring.bundle import FirstLook, read_bundle, write_bundle
    from inspection.scoring.predictor import Predictor

    plain = Predictor.load(bundle_folder, (8,))
    views = plain.prepare(maps(19))
    share = plain.bundle.probabilities(plain.first_look(views).logits)
    least = np.quantile(share, 0.5, axis=0)
    rule = FirstLook(1.0, least)
    write_bundle(tmp_path / "b", replace(read_bundle(bundle_folder), first_look=rule), bundle_folder / "model.keras")
    adaptive = Predictor.load(tmp_path / "b", (8,))
    again = rule.again(plain.first_look(views).logits)
    assert 0 < again.sum() < 19
    assert [s.looks for s in adaptive.score(views)] == [8 if a else 1 for a in again]
