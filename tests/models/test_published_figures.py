"""Networks as published: parameters to the last one, multiply-adds and receptive fields where somebody stated them.

Parameters: the table of https://keras.io/api/applications/ (its rows give the exact numbers up to version 2.6; batch statistics count),
trainable ones also in Chollet 2016, table 3 (Xception). AlexNet and GoogLeNet: the Caffe reference models, 60 965 224 and 6 998 552, which
the papers call 60 million and, in table 1, 6.8 million. LeNet-5: 60 000 (LeCun et al. 1998, section II.B), on one channel, up to F6; our
logits take the place of its fixed output. A perceptron has no published size: counted by hand.
Multiply-adds: the networks' own papers, rounded as there; Inception v3 and Xception from Zoph et al. 2017, table 2; VGG-19 from He et al.
2015, section 3; DenseNet from torchvision's table of models; AlexNet and VGG-16 by hand from their layers.
Receptive fields: Araujo, Norris and Sim 2019, "Computing receptive fields of convolutional neural networks", table of networks.
"""

from __future__ import annotations

import pytest

FIGURES = {
    # name: (size_px, parameters, trainable, multiply-adds and their tolerance, receptive field)
    "alexnet": (224, 60_965_224, 60_965_224, (724_406_816, 0.0), 195),
    "vgg16": (224, 138_357_544, 138_357_544, (15_470_264_320, 0.0), 212),
    "vgg19": (224, 143_667_240, 143_667_240, (19.6e9, 0.005), None),
    "googlenet": (224, 6_998_552, 6_998_552, (1.5e9, 0.06), None),
    "inception_v3": (299, 23_851_784, 23_817_352, (5.72e9, 0.01), 1311),
    "xception": (299, 22_910_480, 22_855_952, (8.38e9, 0.005), None),
    "resnet50": (224, 25_636_712, 25_583_592, (3.8e9, 0.02), 483),
    "densenet121": (224, 8_062_504, 7_978_856, (2.83e9, 0.01), None),
    "mobilenet_v2": (224, 3_538_984, 3_504_872, (300e6, 0.01), 491),
    "nasnet_mobile": (224, 5_326_716, 5_289_978, (564e6, 0.005), None),
    "efficientnet_b0": (224, 5_330_571, 5_288_548, (0.39e9, 0.02), None),
}


def anatomy_of(name, size, *, classes=1000, **more):
    from inspection.models.anatomy.stages import anatomy
    from inspection.models.builders import build
    from inspection.views.renderer import ViewSpec

    return anatomy(build(name, ViewSpec(size), classes, width=32, dropout=0.5, **more))


@pytest.mark.slow
@pytest.mark.parametrize("name", FIGURES)
def test_a_network_has_its_published_size_cost_and_view(name):
    size, parameters, trainable, (multiply_adds, tolerance), field = FIGURES[name]
    found = anatomy_of(name, size)
    assert (found.parameters, found.trainable) == (parameters, trainable)
    assert found.multiply_adds == pytest.approx(multiply_adds, rel=tolerance, abs=0)
    assert field is None or (found.receptive_fields[0].rows, found.receptive_fields[0].cols) == (field, field)


def test_lenet5_has_60_000_parameters_before_its_output():
    found = anatomy_of("lenet5", 32, classes=10, channels=1)
    by_layer = {layer.name: layer.parameters for layer in found.layers if layer.parameters}
    assert by_layer.pop("logits") == 84 * 10 + 10
    assert by_layer == {"c1": 156, "s2": 12, "c3": 1_516, "s4": 32, "c5": 48_120, "f6": 10_164}
    assert sum(by_layer.values()) == 60_000


def test_lenet5_has_the_papers_connections():
    """Its connections are our multiply-adds and one bias for every place of every map (C1 122 304, C3 151 600, C5 48 120, F6 10 164)."""
    found = anatomy_of("lenet5", 32, classes=10, channels=1)
    cost = {layer.name: layer.multiply_adds for layer in found.layers}
    assert cost["c1"] == 28 * 28 * 6 * 25 == 122_304 - 28 * 28 * 6
    assert cost["c3"] == 10 * 10 * 60 * 25 == 151_600 - 10 * 10 * 16
    assert cost["c5"] == 400 * 120 == 48_120 - 120
    assert cost["f6"] == 120 * 84 == 10_164 - 84
    assert cost["logits"] == 840
    assert found.multiply_adds == 117_600 + 150_000 + 48_000 + 10_080 + 840
    assert found.receptive_fields[0].window == ((0, 31), (0, 31))


def test_the_perceptron_counts_as_by_hand():
    found = anatomy_of("mlp", 32)
    assert found.parameters == (32 * 32 * 3 + 1) * 512 + (512 + 1) * 256 + (256 + 1) * 1000
    assert found.multiply_adds == 32 * 32 * 3 * 512 + 512 * 256 + 256 * 1000
