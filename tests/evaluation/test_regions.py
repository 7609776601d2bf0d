"""Regions of a heat map: every pixel has its micrometres, and no object is named twice."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from inspection.errors import InputError
from inspection.evaluation.regions import (
    boxes_to_um,
    cell_of,
    cells_to_um,
    defects_in,
    dies_in,
    find_regions,
    overlap,
    suppressed,
)
from inspection.views.renderer import Window, bin_points
from inspection.wafer.maps import DefectMap, DieMap, WaferInfo

WAFER = Window(-150_000.0, 150_000.0, 300_000.0)
SHAPES = st.tuples(st.integers(1, 300), st.integers(1, 300))
WINDOWS = st.builds(Window, st.floats(-2e5, 2e5), st.floats(-2e5, 2e5), st.floats(1e3, 4e5))
EDGES = hnp.arrays(np.float64, st.tuples(st.integers(1, 20), st.just(4)), elements=st.floats(0, 300))


def points(xy_um, **more):
    return DefectMap(info=WaferInfo(), xy_um=np.asarray(xy_um, float).reshape(-1, 2), **more)


def boxes_to_px(boxes_um, window, shape):
    """The way back: top, left, bottom, right in pixels, not rounded."""
    row_um, col_um = window.side_um / shape[0], window.side_um / shape[1]
    left, bottom, right, top = boxes_um.T
    return np.column_stack(
        (
            (window.top_um - top) / row_um,
            (left - window.left_um) / col_um,
            (window.top_um - bottom) / row_um,
            (right - window.left_um) / col_um,
        )
    )


@settings(deadline=None)
@given(EDGES, WINDOWS, SHAPES)
def test_a_box_comes_back_from_the_wafer_where_it_was(boxes, window, shape):
    """Half a pixel is asked for; it is a thousandth."""
    np.testing.assert_allclose(boxes_to_px(boxes_to_um(boxes, window, shape), window, shape), boxes, atol=1e-3)


@settings(deadline=None)
@given(WINDOWS, SHAPES)
def test_a_cell_s_centre_lies_in_the_cell(window, shape):
    centres = cells_to_um(shape, window)
    found = cell_of(centres.reshape(-1, 2), window, shape).reshape(*shape, 2)
    np.testing.assert_array_equal(found, np.stack(np.mgrid[: shape[0], : shape[1]], axis=-1))


@settings(deadline=None)
@given(hnp.arrays(np.float64, st.tuples(st.integers(1, 50), st.just(2)), elements=st.floats(-1.6e5, 1.6e5)), st.integers(1, 200))
def test_a_defect_lies_in_the_cell_that_the_renderer_draws_it_in(xy_um, size):
    count = np.zeros((size, size), int)
    np.add.at(count, tuple(cell_of(xy_um, WAFER, (size, size)).T), 1)
    np.testing.assert_array_equal(count, bin_points(xy_um, WAFER, size, clip=True))


def test_row_zero_is_at_the_top_of_the_wafer():
    heat = np.zeros((6, 6))
    heat[0, 4] = 1.0
    (region,) = find_regions(heat, WAFER)
    assert region.box_um == (50_000, 100_000, 100_000, 150_000)
    assert region.peak_um == (75_000, 125_000)


def test_touching_cells_are_one_region_and_others_another_by_score_and_share():
    heat = np.zeros((10, 10))
    heat[1:3, 1:3] = 2.0
    heat[3, 3] = 1.5  # touches at the corner
    heat[7, 7] = 3.0
    heat[9, 0] = 0.5  # below 40 % of the hottest
    heat[0, 9] = -5.0
    first, second = find_regions(heat, WAFER, level=0.4)
    assert (first.score, second.score) == (3.0, 2.0)
    assert (first.share, second.share) == (pytest.approx(3 / 13), pytest.approx(9.5 / 13))
    assert second.cells.sum() == 5
    np.testing.assert_array_equal(boxes_to_px(np.array([second.box_um]), WAFER, heat.shape), [[1, 1, 4, 4]])


def test_of_two_boxes_that_overlap_the_hotter_region_stays():
    heat = np.zeros((12, 12))
    heat[0, :9] = heat[:9, 0] = 1.0  # an angle
    heat[2:9, 2:9] = 2.0  # lies in its box
    assert [r.score for r in find_regions(heat, WAFER)] == [2.0]
    assert [r.score for r in find_regions(heat, WAFER, iou=0.99)] == [2.0, 1.0]


@pytest.mark.parametrize("heat", [np.zeros((5, 5)), -np.ones((5, 5))])
def test_no_positive_heat_is_no_region(heat):
    assert find_regions(heat, WAFER) == []


@pytest.mark.parametrize(("heat", "level"), [(np.full((3, 3), np.nan), 0.5), (np.ones((3, 3)), 0.0), (np.ones(3), 0.5)])
def test_what_is_no_map_is_refused(heat, level):
    with pytest.raises(InputError, match="Cannot find regions"):
        find_regions(heat, WAFER, level=level)


@st.composite
def detections(draw):
    corner = draw(hnp.arrays(np.int64, st.tuples(st.integers(0, 40), st.just(2)), elements=st.integers(0, 30)))
    side = draw(hnp.arrays(np.int64, corner.shape, elements=st.integers(1, 12)))
    scores = draw(st.permutations(range(1, len(corner) + 1)))  # no ties: the peer has no rule for them
    return np.column_stack((corner, corner + side)).astype(float), np.array(scores, float)


@settings(deadline=None)
@given(detections(), st.sampled_from([0.0, 0.3, 0.5, 0.9]))
def test_suppression_keeps_what_opencv_keeps(found, iou):
    boxes, scores = found
    peer = (
        cv2.dnn.NMSBoxes(np.column_stack((boxes[:, :2], boxes[:, 2:] - boxes[:, :2])).tolist(), scores.tolist(), 0.0, iou)
        if len(boxes)
        else []
    )
    assert suppressed(boxes, scores, iou) == list(peer)


@settings(deadline=None)
@given(detections(), st.floats(0, 1), st.randoms())
def test_what_stays_does_not_overlap_and_what_goes_does(found, iou, random):
    boxes, _ = found
    scores = np.round(np.linspace(0, 3, len(boxes)))  # with ties
    kept = suppressed(boxes, scores, iou)
    for place, i in enumerate(kept):
        assert not (overlap(boxes[kept[place + 1 :]], boxes[i]) > iou).any()
    for i in set(range(len(boxes))) - set(kept):
        assert any(overlap(boxes[[j]], boxes[i])[0] > iou and scores[j] >= scores[i] for j in kept)
    order = list(range(len(boxes)))
    random.shuffle(order)
    again = [order[i] for i in suppressed(boxes[order], scores[order], iou)]
    assert sorted(map(tuple, boxes[again].tolist())) == sorted(map(tuple, boxes[kept].tolist()))


def test_defects_and_dies_of_a_region():
    cells = np.zeros((6, 6), bool)
    cells[0, 4] = True
    wafer = points([(75_000, 125_000), (52_000, 101_000), (75_000, 99_000)], pitch_um=(10_000.0, 20_000.0), origin_um=(0.0, -10_000.0))
    np.testing.assert_array_equal(defects_in(cells, WAFER, wafer), [True, True, False])
    np.testing.assert_array_equal(dies_in(cells, WAFER, wafer), [[5, 5], [7, 6]])
    assert dies_in(cells, WAFER, points([(75_000, 125_000)])) is None
    status = np.ones((6, 6), np.uint8)
    status[0, 4] = status[1, 4] = 2
    np.testing.assert_array_equal(dies_in(cells, WAFER, DieMap(info=WaferInfo(), status=status)), [[0, 4]])
