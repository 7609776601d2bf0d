"""Class activation adds up to the logit, place by place, for every network whose head is linear; the others are refused."""

from __future__ import annotations

import numpy as np
import pytest
from small_networks import fit_one_step, logits_of, views_of

from inspection.errors import ParamsError

pytestmark = pytest.mark.slow  # builds networks
EXACT = ("wafer_net", "plain_cnn", "googlenet", "mobilenet_v2")
EXACT_AND_LARGE = ("inception_v3", "xception", "resnet50", "densenet121", "nasnet_mobile", "efficientnet_b0")
MEMBERSHIP = [[False, False], [True, False], [False, True], [True, True]]


def built(name="wafer_net", size=32, tiles=3, **more):
    from inspection.models.backend import keras
    from inspection.models.builders import build
    from inspection.views.renderer import ViewSpec

    keras.utils.set_random_seed(0)
    network = build(name, ViewSpec(size, tiles=tiles, tile_px=16), 4, width=8, dropout=0.2, **more)
    views = views_of(network)
    if name in ("wafer_net", "plain_cnn"):
        fit_one_step(network, views)  # biases and statistics that are anybody's
    return network, views


def activations(network, views, **more):
    from inspection.models.activation import ClassActivation

    return ClassActivation(network, **more)(views["image"], views.get("tiles"))


def adds_up(network, views, **more):
    found, logits = activations(network, views, **more), logits_of(network, views)
    np.testing.assert_allclose(found.logits, logits, rtol=1e-4, atol=1e-4 * np.abs(logits).max())
    assert np.abs(logits - found.bias).max() > 1e-2 * np.abs(logits).max()  # it is the places that say it
    return found


@pytest.mark.parametrize("name", [*EXACT, *(pytest.param(n, marks=[pytest.mark.slow, pytest.mark.soak]) for n in EXACT_AND_LARGE)])
def test_the_places_and_the_bias_add_up_to_the_logit(name):
    adds_up(*built(name))


@pytest.mark.parametrize("name", ["wafer_net", "plain_cnn"])
@pytest.mark.parametrize("size", [32, 70])
def test_also_where_the_network_is_symmetric(name, size):
    from inspection.models.symmetry import SquareGroup

    turns = [((1, 0), (0, 1)), ((-1, 0), (0, -1)), ((1, 0), (0, -1)), ((-1, 0), (0, 1))]
    adds_up(*built(name, size, group=SquareGroup.of(turns)))


def test_also_where_patterns_combine_and_for_the_patterns_themselves():
    network, views = built(membership=MEMBERSHIP)
    classes = adds_up(network, views)
    patterns = activations(network, views, patterns=True)
    from inspection.models.backend import keras

    logits = keras.Model(network.inputs, network.get_layer("patterns").output)
    np.testing.assert_allclose(patterns.logits, logits_of(logits, views), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(classes.image, patterns.image @ np.transpose(MEMBERSHIP), atol=1e-5)


def test_beside_a_table_it_adds_up_to_the_share_that_the_network_has():
    from inspection.models.backend import keras
    from inspection.models.fusion import FEATURES, fused, table_network
    from inspection.models.head import Head

    network, views = built()
    own = logits_of(network, views)
    table = table_network(np.zeros(5), np.ones(5), 4, Head(), 0.0)
    both = fused(network, table, 0.4)
    found = activations(both, views)
    np.testing.assert_allclose(found.logits, 0.6 * own, rtol=1e-4, atol=1e-4)
    numbers = np.random.default_rng(0).normal(size=(2, 5)).astype(np.float32)
    whole = np.asarray(both([views["image"], views["tiles"], numbers]))
    np.testing.assert_allclose(found.logits + 0.4 * np.asarray(table(numbers)), whole, rtol=1e-4, atol=1e-4)
    assert FEATURES in {t.name for t in both.inputs}
    assert isinstance(both, keras.Model)


def test_an_empty_tile_has_no_share_and_a_wafer_without_any_neither():
    network, views = built()
    views["tiles"][0, 1] = 0
    views["tiles"][1] = 0
    found = adds_up(network, views)
    assert np.abs(found.tile_shares[0, [0, 2]]).min() > 0
    assert not found.tiles[0, 1].any()
    assert not found.tiles[1].any()


def test_a_tile_counts_as_much_as_the_attention_says():
    """Against the network itself: of a wafer with one tile alone, the logit's change is the tile's share."""
    network, views = built()
    views["tiles"][:, 1:] = 0
    without = {**views, "tiles": np.zeros_like(views["tiles"])}
    change = logits_of(network, views) - logits_of(network, without)
    np.testing.assert_allclose(activations(network, views).tile_shares[:, 0], change, atol=1e-4)


def test_the_result_does_not_depend_on_the_batch():
    network, _ = built()
    views = views_of(network, 5)
    alone = activations(network, views)
    for size in (2, 5, 8):
        found = activations(network, views, batch_size=size)
        np.testing.assert_allclose(found.image, alone.image, atol=1e-5)
        np.testing.assert_allclose(found.tiles, alone.tiles, atol=1e-5)


def test_a_map_turns_with_the_view_of_a_symmetric_network():
    from inspection.models.symmetry import SquareGroup

    network, views = built("plain_cnn", group=SquareGroup.of([((1, 0), (0, 1)), ((-1, 0), (0, -1))]))
    turned = {"image": views["image"][:, ::-1, ::-1]}
    np.testing.assert_allclose(activations(network, turned).image, activations(network, views).image[:, ::-1, ::-1], atol=1e-4)


@pytest.mark.parametrize(
    "name", ["mlp", "lenet5", pytest.param("alexnet", marks=pytest.mark.slow), pytest.param("vgg16", marks=pytest.mark.slow)]
)
def test_a_head_that_is_not_linear_is_refused_and_says_what_works(name):
    size = 63 if name == "alexnet" else 32
    with pytest.raises(ParamsError, match="occlusion"):
        activations(*built(name, size))


def test_patterns_of_a_network_without_patterns_are_refused():
    with pytest.raises(ParamsError, match="head of patterns"):
        activations(*built("plain_cnn"), patterns=True)
