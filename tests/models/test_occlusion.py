"""Hiding parts of a view: exact where the answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from inspection.errors import InputError
from inspection.models.occlusion import occlusion


def defects_by_side(views):
    """Two logits: occupied pixels on the left and on the right half; and one that reads what was inspected."""
    occupied = views[..., 1] > 0
    half = views.shape[2] // 2
    return np.stack((occupied[:, :, :half].sum((1, 2)), occupied[:, :, half:].sum((1, 2)), views[..., 2].sum((1, 2))), axis=1)


@pytest.mark.parametrize("parts", [1, 4, 8])
def test_of_a_sum_over_pixels_each_part_loses_its_own_pixels(parts):
    image = np.random.default_rng(0).integers(0, 2, (16, 16, 3), np.uint8) * 255
    found = occlusion(defects_by_side, image, parts)
    side = 16 // parts
    own = (image[..., 1] > 0).reshape(parts, side, parts, side).sum((1, 3))
    left = np.arange(parts) < parts / 2
    if parts > 1:
        np.testing.assert_array_equal(found[..., 0], own * left)
        np.testing.assert_array_equal(found[..., 1], own * ~left)
    np.testing.assert_array_equal(found[..., :2].sum(-1), own)
    assert not found[..., 2].any()  # what was inspected is not hidden


def test_it_works_where_class_activation_does_not_and_leaves_the_view_alone():
    from inspection.models.builders import build
    from inspection.views.renderer import ViewSpec

    network = build("mlp", ViewSpec(24), 3, width=4, dropout=0.0)
    image = np.random.default_rng(1).integers(0, 256, (24, 24, 3), np.uint8)
    before = image.copy()
    found = occlusion(lambda views: np.asarray(network([views])), image, 3)
    assert found.shape == (3, 3, 3)
    assert np.abs(found).max() > 0
    np.testing.assert_array_equal(image, before)


def test_an_inspection_image_is_hidden_behind_a_grey():
    image = np.full((8, 8, 3), 200, np.uint8)
    assert not occlusion(lambda views: views.sum((1, 2)).astype(float), image, 2, fill=200).any()


@pytest.mark.parametrize("parts", [0, 9])
def test_parts_smaller_than_a_pixel_are_refused(parts):
    with pytest.raises(InputError, match="1 to 8 parts"):
        occlusion(defects_by_side, np.zeros((8, 8, 3), np.uint8), parts)
