"""The fully convolutional form says what the classifier says of every window, and who pads is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_networks import fit_one_step, views_of

from inspection.errors import ParamsError

pytestmark = pytest.mark.slow  # builds networks
SIDES = st.integers(1, 45)


def patch_classifier(side=20, channels=1, seed=0):
    from inspection.models.backend import keras
    from inspection.models.convolutional import patch_net
    from inspection.models.network import NetworkSpec
    from inspection.views.renderer import ViewSpec

    keras.utils.set_random_seed(seed)
    network = patch_net(NetworkSpec(ViewSpec(side), 3, channels=channels, width=4, dropout=0.1))
    for _ in range(2):
        fit_one_step(network, views_of(network, 6))  # statistics that are anybody's
    return network


def window_by_window(network, image, side, stride):
    """Cut out, one at a time: the meaning of sliding."""
    from inspection.models.backend import keras

    asked = keras.Model(network.inputs[0], network.output)
    rows = [
        [np.asarray(asked(image[None, r : r + side, c : c + side], training=False))[0] for c in range(0, image.shape[1] - side + 1, stride)]
        for r in range(0, image.shape[0] - side + 1, stride)
    ]
    return np.array(rows, np.float32)


def image_of(rows, cols, channels=1, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (rows, cols, channels), np.uint8)


@pytest.fixture(scope="module")
def slid():
    from inspection.models.convolutional import convolutional, sliding

    network = patch_classifier()
    return network, convolutional(network), sliding(network, 4, batch_size=16)


def test_it_is_the_classifier_slid_over_the_image(slid):
    network, fully, _ = slid
    assert (fully.window_px, fully.stride_px, fully.classes) == (20, 4, 3)
    image = image_of(47, 62)
    wanted = window_by_window(network, image, 20, 4)
    assert wanted.shape == (7, 11, 3)
    np.testing.assert_allclose(fully(image), wanted, atol=1e-4)


@given(SIDES, SIDES)
@settings(max_examples=5, deadline=None)
def test_both_ways_agree_on_images_of_any_size(slid, rows, cols):
    _, fully, one_by_one = slid
    image = image_of(rows, cols, seed=rows * 100 + cols)
    found, wanted = fully(image), one_by_one(image)
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, atol=1e-4)


@pytest.mark.parametrize("side", [18, 19, pytest.param(22, marks=pytest.mark.slow)])
def test_windows_of_any_side(side):
    """Where halving leaves a row unread, too."""
    from inspection.models.convolutional import convolutional

    network = patch_classifier(side, channels=2)
    image = image_of(side + 13, side + 9, 2)
    np.testing.assert_allclose(convolutional(network)(image), window_by_window(network, image, side, 4), atol=1e-4)


@pytest.mark.parametrize("branches", ["mean and maximum", "shortcut"])
def test_pooling_over_the_whole_map_and_shortcuts_have_their_form(branches):
    from inspection.models.backend import keras
    from inspection.models.convolutional import convolutional

    keras.utils.set_random_seed(0)
    image = keras.Input((18, 18, 3), dtype="uint8", name="image")
    x = keras.layers.Conv2D(6, 3, 2, activation="relu")(keras.layers.Rescaling(1 / 255)(image))
    if branches == "shortcut":
        x = keras.layers.Add()([keras.layers.Conv2D(6, 3)(x), keras.layers.Cropping2D(1)(x)])
        x = keras.layers.Conv2D(6, 1, padding="same", activation="relu")(x)
    x = keras.layers.Concatenate()([keras.layers.GlobalAveragePooling2D()(x), keras.layers.GlobalMaxPooling2D()(x)])
    x = keras.layers.BatchNormalization()(keras.layers.Dense(5, activation="tanh")(x))
    network = keras.Model(image, keras.layers.Dense(4, name="logits")(x))
    picture = image_of(41, 37, 3)
    np.testing.assert_allclose(convolutional(network)(picture), window_by_window(network, picture, 18, 2), atol=1e-4)


def test_lenet5_is_one_as_its_authors_say():
    from inspection.models.builders import build
    from inspection.models.convolutional import convolutional
    from inspection.views.renderer import ViewSpec

    network = build("lenet5", ViewSpec(32), 4, width=8, dropout=0.0)
    image = image_of(53, 40, 3)
    np.testing.assert_allclose(convolutional(network)(image), window_by_window(network, image, 32, 4), atol=1e-4)


def test_the_network_stays_as_it_was(slid):
    network, _, _ = slid
    from inspection.models.convolutional import convolutional

    image = image_of(30, 30)
    np.testing.assert_array_equal(convolutional(network)(image), convolutional(network)(image))


@pytest.mark.parametrize("name", ["wafer_net", "plain_cnn", pytest.param("mobilenet_v2", marks=pytest.mark.slow)])
def test_a_network_that_pads_is_refused_and_sliding_takes_it(name):
    from inspection.models.builders import build
    from inspection.models.convolutional import convolutional, sliding
    from inspection.views.renderer import ViewSpec

    network = build(name, ViewSpec(32), 4, width=8, dropout=0.0)
    with pytest.raises(ParamsError, match="sliding"):
        convolutional(network)
    if name == "plain_cnn":
        image = image_of(40, 44, 3)
        np.testing.assert_allclose(sliding(network, 4, 8)(image), window_by_window(network, image, 32, 4), atol=1e-4)


def test_a_network_of_two_inputs_is_no_patch_classifier():
    from inspection.models.builders import build
    from inspection.models.convolutional import sliding
    from inspection.views.renderer import ViewSpec

    with pytest.raises(ParamsError, match="no patch classifier"):
        sliding(build("wafer_net", ViewSpec(32, tiles=2, tile_px=16), 4, width=8, dropout=0.0), 4)
