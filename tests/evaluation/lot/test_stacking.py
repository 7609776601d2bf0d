import numpy as np
import pytest

from inspection.evaluation.lot.heat_map import colours, draw_stack, top_of
from inspection.evaluation.lot.stacking import one_grid, stack_dies, stack_points
from inspection.wafer.maps import DefectMap, DieMap, WaferInfo

INFO = WaferInfo(diameter_mm=200.0)


def die_map(status):
    return DieMap(info=INFO, status=np.asarray(status, np.uint8))


def test_the_share_of_each_die_is_counted_over_the_wafers_that_tested_it():
    rng = np.random.default_rng(0)
    statuses = rng.integers(0, 3, (6, 9, 7))
    stack = stack_dies([die_map(s) for s in statuses])
    assert stack.by_die
    for row in range(9):
        for col in range(7):
            seen = [s[row, col] for s in statuses if s[row, col] != 0]
            assert stack.wafers[row, col] == len(seen)
            assert stack.values[row, col] == pytest.approx(np.mean([v == 2 for v in seen])) or not seen


def test_other_grids_are_stacked_place_by_place_and_say_so():
    coarse, fine = die_map([[2, 1], [1, 0]]), die_map(np.full((8, 8), 1))
    assert not one_grid([coarse, fine])
    stack = stack_dies([coarse, fine], cells=40)
    assert not stack.by_die
    assert stack.values[5, 5] == 0.5  # failed on the coarse wafer, passed on the fine one
    assert stack.values[5, 35] == 0
    assert stack.wafers[35, 35] == 1  # the coarse wafer has no die there


def test_an_even_density_stays_even_up_to_the_rim_and_keeps_its_level():
    rng = np.random.default_rng(1)
    wafers = []
    for _ in range(20):
        xy = rng.uniform(-100_000, 100_000, (4_000, 2))
        wafers.append(DefectMap(info=INFO, xy_um=xy[np.hypot(*xy.T) < 100_000]))
    stack = stack_points(wafers)
    true = 4_000 / (20.0 * 20.0)
    y, x = np.mgrid[-1:1:240j, -1:1:240j]
    for low, high in ((0.0, 0.5), (0.5, 0.9), (0.9, 0.98)):
        ring = (np.hypot(x, y) >= low) & (np.hypot(x, y) < high)
        assert np.nanmean(stack.values[ring]) == pytest.approx(true, rel=0.03)
    assert np.isnan(stack.values[0, 0])


def test_what_was_inspected_on_few_wafers_counts_those_only():
    whole = DefectMap(info=INFO, xy_um=np.zeros((0, 2)))
    dies = np.array([(x, y) for x in range(-9, 0) for y in range(-9, 9)], np.int32)  # the left half
    half = DefectMap(info=INFO, xy_um=np.tile([[-50_000.0, 0.0]], (30, 1)), pitch_um=(1e4, 1e4), origin_um=(0.0, 0.0), dies=dies)
    stack = stack_points([half, whole, whole])
    assert (stack.wafers[120, 60], stack.wafers[120, 180]) == (3, 2)


def test_the_picture_has_its_dark_spot_where_the_defects_are():
    xy = np.random.default_rng(2).normal((50_000, 60_000), 3_000, (200, 2))  # upper right
    wafer = DefectMap(info=INFO, xy_um=xy)
    drawn = draw_stack(stack_points([wafer]), wafer, 210)
    dark = np.argwhere(drawn[:180].sum(axis=2) < 250)  # the scale bar is below
    centre = dark.mean(axis=0)
    assert centre == pytest.approx([105 - 60, 105 + 50], abs=4)  # row down, one pixel per mm


def test_the_scale_gets_darker_all_the_way_and_ends_at_a_positive_value():
    light = colours(np.linspace(0, 2.0, 50), 2.0) @ np.array([0.299, 0.587, 0.114])
    assert (np.diff(light) < 0).all()
    assert top_of(stack_points([DefectMap(info=INFO, xy_um=np.zeros((0, 2)))])) == 1.0
