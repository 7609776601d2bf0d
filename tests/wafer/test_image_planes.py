"""Smaller versions of an image: no bright and no dark pixel is lost, whatever the sizes."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inspection.views.renderer import render_global
from inspection.wafer.image_planes import BRIGHTEST, DARKEST, MEAN, drawn_small, fitted, resized
from inspection.wafer.maps import ImageMap, WaferInfo

slow_machine = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def pixels(seed: int, rows: int, cols: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (rows, cols, 1)).astype(np.uint8)


@given(st.integers(0, 2**32), st.integers(1, 40), st.integers(1, 40), st.floats(0.05, 1.0))
@slow_machine
def test_each_pixel_sums_up_all_that_it_touches(seed, rows, cols, share):
    image = pixels(seed, rows, cols)
    shape = max(1, round(rows * share)), max(1, round(cols * share))
    small = resized(image, shape)
    for row in range(shape[0]):
        for col in range(shape[1]):
            top, left = (int(np.floor(at * old / new)) for at, old, new in ((row, rows, shape[0]), (col, cols, shape[1])))
            bottom, right = (int(np.ceil((at + 1) * old / new)) for at, old, new in ((row, rows, shape[0]), (col, cols, shape[1])))
            below = image[top:bottom, left:right, 0]
            assert small[row, col, BRIGHTEST] == below.max()
            assert small[row, col, DARKEST] == below.min()
            assert below.min() <= small[row, col, MEAN] <= below.max()
    assert small[..., BRIGHTEST].max() == image.max()
    assert small[..., DARKEST].min() == image.min()


@given(st.integers(0, 2**32), st.integers(1, 8), st.integers(1, 8), st.integers(1, 5))
@slow_machine
def test_whole_blocks_have_their_mean(seed, rows, cols, side):
    image = pixels(seed, rows * side, cols * side)
    exact = image[..., 0].reshape(rows, side, cols, side).mean(axis=(1, 3))
    assert np.abs(resized(image, (rows, cols))[..., MEAN] - exact).max() <= 0.5 + 1e-4


@given(st.integers(0, 2**32), st.integers(1, 60), st.integers(1, 60), st.integers(2, 40))
@slow_machine
def test_what_is_made_small_for_a_view_shows_the_same_view(seed, rows, cols, side):
    image = ImageMap(info=WaferInfo(), planes=pixels(seed, rows, cols))
    np.testing.assert_array_equal(render_global(drawn_small(image, side), side), render_global(image, side))


@given(st.integers(0, 2**32), st.integers(1, 20), st.integers(1, 20))
@slow_machine
def test_a_small_image_is_enlarged_without_new_values(seed, rows, cols):
    image = pixels(seed, rows, cols)
    large = resized(image, fitted((rows, cols), 64))
    assert max(large.shape[:2]) == 64
    assert set(np.unique(large)) <= set(np.unique(image))
    assert (large == large[..., :1]).all()


@pytest.mark.parametrize(("rows", "cols"), [(10, 40), (40, 10), (7, 7), (1, 40)])
def test_a_view_keeps_the_proportions_and_leaves_the_rest_black(rows, cols):
    view = render_global(ImageMap(info=WaferInfo(), planes=np.full((rows, cols, 1), 200, np.uint8)), 40)
    lit = np.argwhere(view[..., MEAN] > 0)
    height, width = np.ptp(lit, axis=0) + 1
    assert (height, width) == fitted((rows, cols), 40)
    assert set(np.unique(view)) <= {0, 200}
