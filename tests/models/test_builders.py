"""What every builder promises, from the perceptron to EfficientNet: one contract, run on all of them."""

from __future__ import annotations

import typing

import numpy as np
import pytest
from small_networks import NAMES, OURS, fit_one_step, logits_of, views_of

from inspection.errors import ParamsError
from inspection.params import ModelName, Train

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning:keras.*"),  # see tests/training/test_fit.py
]

HEAVY = {"vgg19", "inception_v3", "xception", "resnet50", "densenet121", "mobilenet_v2", "nasnet_mobile", "efficientnet_b0"}
every_network = pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.soak] if n in HEAVY else []) for n in NAMES])


def build(name, size=32, *, classes=4, dropout=0.2, tiles=0, **more):
    from inspection.models import builders
    from inspection.views.renderer import ViewSpec

    return builders.build(name, ViewSpec(size, tiles=tiles, tile_px=16), classes, width=8, dropout=dropout, **more)


def test_params_accept_each_builder_and_no_other_name():
    from inspection.models.builders import BUILDERS

    assert typing.get_args(ModelName) == tuple(BUILDERS) == NAMES
    assert all(Train(model=name).model == name for name in NAMES)


def test_a_wrong_name_in_params_is_refused_at_the_door_and_lists_the_right_ones(tmp_path):
    from inspection import params

    (tmp_path / "params.yaml").write_text("train: {model: resnet5}")
    with pytest.raises(ParamsError, match="resnet5") as refused:
        params.load(tmp_path / "params.yaml")
    assert all(name in str(refused.value) for name in NAMES)


def test_a_wrong_name_lists_the_right_ones():
    with pytest.raises(ParamsError, match="resnet5") as refused:
        build("resnet5")
    assert all(name in str(refused.value) for name in NAMES)


@every_network
def test_a_network_has_the_stated_ends_learns_a_step_and_comes_back_from_its_file(name, tmp_path):
    from inspection.models.backend import keras
    from inspection.models.saved import load_network

    keras.utils.set_random_seed(0)
    network = build(name, tiles=2)
    inputs = {t.name: (tuple(t.shape), t.dtype) for t in network.inputs}
    assert inputs.pop("image") == ((None, 32, 32, 3), "uint8")
    assert inputs == ({"tiles": ((None, 2, 16, 16, 3), "uint8")} if name == "wafer_net" else {})
    assert network.layers[-1].name == "logits"
    assert network.output_shape == (None, 4)
    assert len(network.get_layer("embedding").output.shape) == 2
    assert network.get_layer("logits").input is network.get_layer("embedding").output

    views = views_of(network, 4)
    before = [keras.ops.convert_to_numpy(w) for w in network.trainable_weights]
    assert np.isfinite(fit_one_step(network, views))
    after = [keras.ops.convert_to_numpy(w) for w in network.trainable_weights]
    moved = sum(not np.array_equal(a, b) for a, b in zip(before, after, strict=True))
    assert moved > 0.9 * len(before), "the gradient reaches every layer"

    logits = logits_of(network, views)
    assert np.isfinite(logits).all()
    assert logits.dtype == np.float32
    assert np.abs(logits - logits[:1]).max() > 0, "the views make a difference"
    network.save(tmp_path / "n.keras")
    again = load_network(tmp_path / "n.keras")
    np.testing.assert_array_equal(logits_of(again, views), logits)


@every_network
def test_any_number_of_channels_and_an_odd_size_build_without_a_warning(name):
    for size, channels in ((33, 1), (50, 5)):
        network = build(name, size, channels=channels, tiles=1)
        assert all(t.shape[-1] == channels for t in network.inputs)
        assert np.isfinite(logits_of(network, views_of(network, 1))).all()


@every_network
def test_batch_statistics_have_a_short_memory(name):
    """A network that is trained for 200 steps must not be judged by statistics that remember 10 000."""
    from inspection.models.backend import keras

    layers = [layer for layer in build(name).layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert all(layer.momentum == 0.9 for layer in layers)
    assert layers or name in {"mlp", "lenet5", "alexnet", "vgg16", "vgg19", "googlenet"}, "these were before it"


@pytest.mark.parametrize(("name", "low", "high"), [("mlp", 0, 1), ("vgg16", 0, 1), ("xception", -1, 1), ("efficientnet_b0", 0, 1)])
def test_pixels_reach_the_first_weights_in_the_stated_range(name, low, high):
    from inspection.models.backend import keras

    network = build(name, 75)
    place = "normalization" if name == "efficientnet_b0" else "scale_image"
    layer = next(layer for layer in network.layers if layer.name.startswith(place))
    seen = np.asarray(keras.Model(network.inputs, layer.output)([np.array([0, 255], np.uint8).repeat(75 * 75 * 3).reshape(2, 75, 75, 3)]))
    assert (seen[0].min(), seen[0].max(), seen[1].min(), seen[1].max()) == pytest.approx((low, low, high, high), abs=1e-6)


def test_a_small_view_is_enlarged_by_repeating_pixels_and_nothing_else():
    from inspection.models.backend import keras

    network = build("xception", 32)
    enlarged = keras.Model(network.inputs, network.get_layer("enlarge").output)
    (image,) = views_of(network, 1).values()
    np.testing.assert_allclose(np.asarray(enlarged([image])), (image / 127.5 - 1).repeat(3, axis=1).repeat(3, axis=2), atol=1e-6)


def test_a_view_too_small_is_refused_with_the_smallest_size_that_works():
    with pytest.raises(ParamsError, match="at least 19 px") as refused:
        build("inception_v3", 18)
    assert "tile" in str(refused.value)
    build("lenet5", 8)
    with pytest.raises(ParamsError, match="at least 8 px"):
        build("lenet5", 7)


@pytest.mark.parametrize("name", OURS)
def test_the_same_seed_gives_the_same_network(name):
    from inspection.models.backend import keras

    weights = []
    for seed in (0, 0, 1):
        keras.utils.set_random_seed(seed)
        weights.append(build(name, tiles=1).get_weights())
    assert all(np.array_equal(a, b) for a, b in zip(weights[0], weights[1], strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(weights[0], weights[2], strict=True))


def test_lenets_third_layer_reads_what_the_paper_says():
    """LeCun et al. 1998, table 1: 60 connections; a map that filter j does not read cannot move it."""
    from inspection.models.backend import keras
    from inspection.models.zoo.classic import THIRD_LAYER
    from inspection.models.zoo.layers import TableConv2D

    assert [len(read) for read in THIRD_LAYER] == [3] * 6 + [4] * 9 + [6]
    assert sum(map(len, THIRD_LAYER)) == 60
    assert all(sum(channel in read for read in THIRD_LAYER) == 10 for channel in range(6)), "each map is read as often as any other"
    layer = TableConv2D(THIRD_LAYER, 5)
    maps = np.random.default_rng(0).normal(size=(1, 5, 5, 6)).astype(np.float32)
    base = np.asarray(layer(maps))[0, 0, 0]
    for channel in range(6):
        changed = maps.copy()
        changed[..., channel] += 1
        moved = np.abs(np.asarray(layer(keras.ops.convert_to_tensor(changed)))[0, 0, 0] - base) > 1e-6
        assert moved.tolist() == [channel in read for read in THIRD_LAYER]


def test_local_response_normalisation_is_the_papers_formula():
    from inspection.models.zoo.layers import LocalResponseNormalization

    maps = np.random.default_rng(1).normal(size=(2, 3, 3, 9)).astype(np.float32) * 20
    expected = np.empty_like(maps)
    for i in range(9):
        around = maps[..., max(0, i - 2) : min(9, i + 3)]
        expected[..., i] = maps[..., i] / (2 + 1e-4 * (around**2).sum(-1)) ** 0.75
    np.testing.assert_allclose(np.asarray(LocalResponseNormalization()(maps)), expected, rtol=1e-5)
