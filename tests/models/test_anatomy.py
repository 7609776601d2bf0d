"""What is told of a network from its graph, held against the network itself: gradients, shapes, counts by hand."""

from __future__ import annotations

from math import prod

import numpy as np
import pytest

pytestmark = [
    pytest.mark.slow,  # builds networks
    pytest.mark.filterwarnings("ignore::DeprecationWarning:keras.*"),  # see tests/training/test_fit.py
]


def network(name, size, *, tiles=0, **more):
    from inspection.models.backend import keras
    from inspection.models.builders import build
    from inspection.views.renderer import ViewSpec

    keras.utils.set_random_seed(0)
    return build(name, ViewSpec(size, tiles=tiles, tile_px=24), 4, width=8, dropout=0.0, **more)


def up_to(model, layer):
    """The part of ``model`` from its pixels, still bare, to the map that ``layer`` writes."""
    from inspection.models.backend import keras

    pixels = next(layer for layer in model.layers if layer.name == "scale_image").output
    return keras.Model(pixels, model.get_layer(layer).output)


def support(part, size, at):
    """First and last row and column of the pixels with a gradient at place ``at``, over some random views."""
    import tensorflow as tf

    views = tf.Variable(np.random.default_rng(0).uniform(-1, 1, (3, size, size, 3)).astype(np.float32))
    with tf.GradientTape() as tape:
        maps = part(views, training=False)
        seen = tf.reduce_sum(maps[:, at[0], at[1], :] * np.random.default_rng(1).normal(size=maps.shape[-1]).astype(np.float32))
    touched = np.abs(np.asarray(tape.gradient(seen, views))).max(axis=(0, 3)) > 0
    rows, cols = np.flatnonzero(touched.any(axis=1)), np.flatnonzero(touched.any(axis=0))
    return (rows[0], rows[-1]), (cols[0], cols[-1])


# Layers whose field is smaller than the view, one for each way of making a map of another: pooling with stride and padding, zero padding,
# cropping, separable, depthwise, enlarged pixels, two towers, group convolutions on even and odd sizes.
SEEN = [
    ("lenet5", 64, "c5"),
    ("alexnet", 160, "pool2"),
    ("plain_cnn", 96, "re_lu_6"),
    ("googlenet", 96, "inception_3a_output"),
    ("vgg16", 48, "block3_conv2"),
    pytest.param("resnet50", 96, "conv3_block1_out", marks=pytest.mark.slow),
    pytest.param("inception_v3", 180, "mixed2", marks=pytest.mark.slow),
    pytest.param("xception", 40, "block3_sepconv1", marks=pytest.mark.slow),
    pytest.param("mobilenet_v2", 97, "block_6_expand", marks=pytest.mark.slow),
    pytest.param("nasnet_mobile", 96, "reduction_concat_stem_1", marks=pytest.mark.slow),
    pytest.param("densenet121", 100, "pool2_pool", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("name", "size", "layer"), SEEN)
def test_the_receptive_field_is_where_the_gradient_is(name, size, layer):
    from inspection.models.anatomy.receptive_field import receptive_fields
    from inspection.models.backend import keras

    model = network(name, size)
    target = next((one for one in model.layers if one.name == layer), None)
    if target is None:  # layers without a name of their own are counted through the whole process
        target = [one for one in model.layers if one.name.startswith("re_lu")][int(layer.rsplit("_", 1)[1])]
    part = up_to(model, target.name)
    whole = keras.Model(model.inputs, keras.layers.Flatten()(target.output))
    rows, cols = part.output.shape[1:3]
    for at in ((rows // 2, cols // 2), (0, cols - 1), (1, 0)):
        (field,) = receptive_fields(whole, at)
        assert field.seen == support(part, size, at)
        assert all(a <= c <= d <= b for (a, b), (c, d) in zip(field.window, field.seen, strict=True))
    assert field.seen != ((0, size - 1), (0, size - 1)), "the view is large enough to show a field"


@pytest.mark.parametrize("size", [128, 121])
def test_the_receptive_field_of_a_symmetric_network_is_where_the_gradient_is(size):
    from inspection.models.anatomy.receptive_field import receptive_fields
    from inspection.models.backend import keras
    from inspection.models.symmetry import SquareGroup

    model = network("plain_cnn", size, group=SquareGroup.of([np.diag([-1.0, 1.0])]))
    target = [one for one in model.layers if one.name.startswith("re_lu")][4]
    (field,) = receptive_fields(keras.Model(model.inputs, keras.layers.Flatten()(target.output)))
    assert field.seen == support(up_to(model, target.name), size, field.at)


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_the_receptive_field_of_oblong_dilated_and_unpadded_kernels_is_where_the_gradient_is(padding):
    from inspection.models.anatomy.receptive_field import receptive_fields
    from inspection.models.backend import keras

    keras.utils.set_random_seed(0)
    pixels = keras.Input((48, 48, 3))
    x = keras.layers.Conv2D(4, (1, 7), (2, 1), padding=padding)(pixels)
    y = keras.layers.Conv2D(4, (5, 2), dilation_rate=(2, 1), padding="same")(x)
    x = keras.layers.AveragePooling2D(3, 2, padding=padding)(keras.layers.Add()([x, y]))
    x = keras.layers.Cropping2D(((1, 0), (0, 2)))(keras.layers.ZeroPadding2D(((1, 0), (0, 1)))(x))
    part, whole = keras.Model(pixels, x), keras.Model(pixels, keras.layers.Flatten()(x))
    rows, cols = x.shape[1:3]
    for at in ((rows // 2, cols // 2), (0, 0), (rows - 1, cols - 1)):
        (field,) = receptive_fields(whole, at)
        assert field.seen == support(part, 48, at)


def test_both_views_have_a_field_and_gates_are_told():
    from inspection.models.anatomy.receptive_field import receptive_fields

    fields = receptive_fields(network("wafer_net", 96, tiles=2))
    assert [(f.source, f.gated) for f in fields] == [("image", False), ("tiles", False)]
    assert fields[0].last == (6, 6)
    (field,) = receptive_fields(network("mlp", 20))
    assert field.window == ((0, 19), (0, 19)), "dense layers see every pixel"


@pytest.mark.slow
def test_squeeze_and_excitation_is_told():
    from inspection.models.anatomy.receptive_field import receptive_fields

    (field,) = receptive_fields(network("efficientnet_b0", 64))
    assert field.gated
    assert field.rows == 851


@pytest.mark.parametrize("name", ["wafer_net", "lenet5", "googlenet", pytest.param("nasnet_mobile", marks=pytest.mark.slow)])
def test_totals_are_those_of_keras_and_stages_hold_every_layer_once(name):
    from inspection.models.anatomy.stages import anatomy

    model = network(name, 64, tiles=2)
    found = anatomy(model)
    assert found.parameters == model.count_params()
    assert found.trainable == sum(prod(w.shape) for w in model.trainable_weights)
    assert [layer.name for layer in found.layers] == [operation.name for operation in model.operations]
    assert sum(stage.parameters for stage in found.stages) == found.parameters
    assert sum(stage.multiply_adds for stage in found.stages) == found.multiply_adds
    assert found.stages[-1].name == "head"
    sides = [int(stage.name.split()[1]) for stage in found.stages if stage.name.startswith("image")]
    assert sides == sorted(sides, reverse=True)


@pytest.mark.slow
def test_tiles_are_counted_as_often_as_there_are():
    from inspection.models.anatomy.stages import anatomy

    costs = {}
    for tiles in (1, 2, 6):
        found = anatomy(network("wafer_net", 32, tiles=tiles))
        costs[tiles] = sum(stage.multiply_adds for stage in found.stages if stage.name.startswith("tiles"))
        attention = next(layer for layer in found.layers if layer.kind == "AttendTiles")
        assert attention.multiply_adds == tiles * (32 * 8 + 8 + 32)  # gate, vote, weighted sum of 2 x 16 features
    assert costs[6] == 3 * costs[2] == 6 * costs[1]


def test_memory_of_a_network_small_enough_to_follow_by_hand():
    from inspection.models.anatomy.stages import anatomy

    found = anatomy(network("mlp", 4))
    pixels, hidden = 4 * 4 * 3, (128, 128, 64, 64)
    assert found.training_bytes == 4 * (3 * pixels + sum(hidden) + 4)  # input, scaled, flat; hidden layers with their dropout; logits
    assert found.scoring_bytes == 4 * 2 * 128  # a hidden layer and its dropout


@pytest.mark.slow
def test_a_rate_is_measured_through_the_predictor():
    from inspection.scoring.speed import images_per_second
    from inspection.views.renderer import ViewSpec

    for name, channels in (("wafer_net", 3), ("lenet5", 1)):
        spec = ViewSpec(32, tiles=2, tile_px=24)
        assert images_per_second(network(name, 32, tiles=2, channels=channels), spec, 4, seconds=0.05) > 0
