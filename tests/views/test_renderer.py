"""Laws of the one renderer: nothing lost, symmetries commute, dies cover their area."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from inspection.views.renderer import ViewSpec, bin_points, code_count, render_global, turn_dies, turn_matrix, whole_wafer
from inspection.views.tiles import choose_windows, render_tiles
from inspection.wafer.maps import DefectMap, DieMap, WaferInfo

RADIUS = 150_000.0
points = arrays(np.float64, st.tuples(st.integers(0, 60), st.just(2)), elements=st.floats(-RADIUS * 1.01, RADIUS * 1.01))
dies = arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40)), elements=st.integers(0, 2))
square = st.tuples(st.integers(0, 3), st.booleans()).map(lambda t: turn_matrix(t[0] * np.pi / 2, mirrored=t[1]))


def defect_map(xy, **kwargs):
    return DefectMap(info=WaferInfo(), xy_um=xy, **kwargs)


@given(points, st.sampled_from([8, 33, 64, 224]))
def test_every_defect_is_in_exactly_one_pixel(xy, size):
    counts = bin_points(xy, whole_wafer(defect_map(xy)), size, clip=True)
    assert counts.sum() == len(xy)
    image = render_global(defect_map(xy), size)
    assert np.array_equal(image[..., 0] > 0, counts > 0)
    assert np.array_equal(image[..., 1] == 255, counts > 0)


@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_count_code_is_monotone_and_never_hides_a_defect(a, b):
    low, high = sorted((a, b))
    codes = code_count(np.array([low, high]))
    assert codes[0] <= codes[1]
    assert (codes[0] > 0) == (low > 0)


def test_first_quadrant_is_drawn_upper_right():
    image = render_global(defect_map(np.array([[100_000.0, 50_000.0]])), 30)
    (row,), (col,) = np.nonzero(image[..., 1])
    assert row < 15 < col


@given(dies, square)
def test_symmetries_of_the_square_commute_with_rendering_dies(status, turn):
    wafer = DieMap(info=WaferInfo(), status=status)
    turned_view = np.stack([turn_dies(render_global(wafer, 32)[..., c], turn) for c in range(3)], axis=-1)
    view = render_global(wafer, 32, turn)
    assert np.abs(turned_view.astype(int) - view).max() <= 1  # float32 rounding of an area
    assert np.array_equal(turned_view[..., 1], view[..., 1])


@given(st.integers(0, 3), st.booleans(), st.integers(0, 2**31))
def test_symmetries_of_the_square_commute_with_rendering_points(quarter, mirrored, seed):
    # Pixel centres: a point on a pixel border may fall to either side after a turn.
    rng = np.random.default_rng(seed)
    xy = (rng.integers(0, 16, (40, 2)) + 0.5) * (2 * RADIUS / 16) - RADIUS
    turn = turn_matrix(quarter * np.pi / 2, mirrored=mirrored)
    wafer = defect_map(xy)
    assert np.array_equal(render_global(wafer, 16, turn), turn_dies(render_global(wafer, 16), turn))


@given(dies)
def test_die_areas_are_kept(status):
    image = render_global(DieMap(info=WaferInfo(), status=status), 64)
    assert abs(image[..., 2].mean() / 255 - np.mean(status > 0)) < 0.01
    assert (image[..., 0].max() > 0) == bool((status == 2).any())
    assert image[..., 0].mean() / 255 >= np.mean(status == 2) - 1e-6  # rounded up: a sliver of a failed die never vanishes


def test_a_die_map_refuses_any_other_angle():
    with pytest.raises(ValueError, match="quarter turns"):
        render_global(DieMap(info=WaferInfo(), status=np.ones((5, 5), np.uint8)), 16, turn_matrix(0.3))


def test_inspected_area_turns_with_the_wafer():
    half = defect_map(
        np.zeros((0, 2)),
        pitch_um=(10_000.0, 10_000.0),
        origin_um=(0.0, 0.0),
        dies=np.array([(x, y) for x in range(-15, 15) for y in range(15)], np.int32),
    )
    upright, turned = (render_global(half, 40, turn)[..., 2] for turn in (None, turn_matrix(np.pi)))
    assert upright[:20].any()
    assert not upright[20:].any()
    assert np.array_equal(turned, upright[::-1, ::-1])


@given(points, st.integers(1, 8), st.sampled_from([12.0, 15.0, 30.0]))
def test_tiles_lie_on_defects_and_the_fullest_comes_first(xy, tiles, tile_mm):
    wafer = defect_map(xy)
    windows = choose_windows(xy, wafer, tiles, tile_mm)
    assert len(windows) <= tiles
    assert windows == choose_windows(xy, wafer, tiles, tile_mm)
    inside = [int(bin_points(xy, w, 8).sum()) for w in windows]
    assert all(n > 0 for n in inside)
    assert not inside or inside[0] == max(inside)
    if len(xy) == 0:
        assert windows == []


def test_a_window_covers_its_points_so_that_the_next_one_goes_elsewhere():
    rng = np.random.default_rng(4)
    crowd = rng.uniform((20_000, 20_000), (39_000, 39_000), (2_000, 2))  # wider than one cell, within one window's reach
    flake = rng.uniform((-80_000, -80_000), (-79_000, -79_000), (30, 2))
    xy = np.concatenate((crowd, flake))
    wafer = DefectMap(info=WaferInfo(), xy_um=xy)
    windows = choose_windows(xy, wafer, 6, 30.0)
    left = np.ones(len(xy), bool)
    for window in windows:
        place = (xy - (window.left_um, window.top_um - window.side_um)) / window.side_um
        inside = ((place >= 0) & (place < 1)).all(axis=1)
        assert (inside & left).any()
        left &= ~inside
    assert not left.any()
    assert len(windows) <= 5


def test_a_die_map_has_no_tiles():
    tiles = render_tiles(DieMap(info=WaferInfo(), status=np.full((9, 9), 2, np.uint8)), ViewSpec(64, tiles=3, tile_px=8))
    assert tiles.shape == (3, 8, 8, 3)
    assert not tiles.any()
