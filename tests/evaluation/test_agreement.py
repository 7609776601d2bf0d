"""Agreement with the truth: right where both are the same, wrong where they are not, and the figures by class."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspection.evaluation.localisation import Agreement, Truth, agreement, by_class
from inspection.views.renderer import Window
from inspection.wafer.maps import DefectMap, WaferInfo

WINDOW = Window(-150_000.0, 150_000.0, 300_000.0)
SHAPE = (30, 30)  # cells of 10 mm
CLUSTER, ASIDE = (55_000.0, 55_000.0), (-95_000.0, -5_000.0)


def wafer_with(own=40, other=10, **more):
    """``own`` defects in one cell, ``other`` in another one far away."""
    xy = np.concatenate((np.tile(CLUSTER, (own, 1)), np.tile(ASIDE, (other, 1))))
    return DefectMap(info=WaferInfo(), xy_um=xy, **more), np.arange(own + other) < own


def heat_at(*places):
    from inspection.evaluation.regions import cell_of

    heat = np.zeros(SHAPE)
    heat[tuple(cell_of(np.array(places), WINDOW, SHAPE).T)] = 1.0
    return heat


def found(heat, **more):
    wafer, own = wafer_with(**more)
    return agreement(heat, WINDOW, wafer, Truth.of_defects(wafer, own, WINDOW, SHAPE))


def test_heat_on_the_signature_alone_is_perfect_and_heat_elsewhere_is_nothing():
    grid = {"pitch_um": (10_000.0, 10_000.0), "origin_um": (0.0, 0.0)}
    assert found(heat_at(CLUSTER), **grid) == Agreement(points=True, iou=1.0, die_iou=1.0)
    assert found(heat_at(ASIDE), **grid) == Agreement(points=False, iou=0.0, die_iou=0.0)
    assert found(heat_at(CLUSTER, ASIDE), **grid) == Agreement(points=True, iou=0.8, die_iou=0.5)
    assert found(np.zeros(SHAPE)) == Agreement(points=False, iou=0.0, die_iou=0.0)
    assert np.isnan(found(heat_at(CLUSTER)).die_iou)


@pytest.mark.parametrize(("off_mm", "hit"), [(0, True), (10, True), (20, False)])
def test_a_neighbour_of_the_signature_is_a_hit_and_the_next_but_one_is_not(off_mm, hit):
    assert found(heat_at((CLUSTER[0] + off_mm * 1000, CLUSTER[1]))).points is hit


def test_missing_dies_are_compared_by_cells():
    cells = np.zeros(SHAPE, bool)
    cells[:10] = True
    heat = np.zeros(SHAPE)
    heat[5:15] = 1.0
    wafer, _ = wafer_with()
    one = agreement(heat, WINDOW, wafer, Truth(cells))
    assert (one.points, one.iou) == (True, pytest.approx(1 / 3))
    assert np.isnan(one.die_iou)


@settings(deadline=None)
@given(st.integers(0, 1 << 31), st.floats(0.05, 1.0), st.floats(1e-6, 1e6))
def test_overlap_is_a_share_and_does_not_depend_on_the_unit_of_the_heat(seed, level, unit):
    rng = np.random.default_rng(seed)
    wafer = DefectMap(info=WaferInfo(), xy_um=rng.uniform(-1e5, 1e5, (50, 2)))
    truth = Truth.of_defects(wafer, rng.uniform(size=50) < 0.3, WINDOW, SHAPE)
    heat = rng.integers(0, 1000, SHAPE).astype(float)
    one, other = (agreement(h, WINDOW, wafer, truth, level=level) for h in (heat, heat * 2.0 ** round(np.log2(unit))))
    assert 0 <= one.iou <= 1
    assert (one.points, one.iou) == (other.points, other.iou)


def test_figures_by_class_count_and_average_and_say_how_sure_they_are():
    rows = [
        Agreement(points=True, iou=0.5, die_iou=0.4),
        Agreement(points=False, iou=0.7, die_iou=np.nan),
        Agreement(points=True, iou=1.0, die_iou=1.0),
    ]
    ring, scratch = by_class(rows, ["Ring", "Ring", "Scratch"], np.array(["a", "b", "a"]), bootstrap=200, rng=np.random.default_rng(0))
    assert (ring.name, ring.wafers, ring.pointing.hits, ring.pointing.trials) == ("Ring", 2, 1, 2)
    assert (ring.iou, ring.die_iou) == (pytest.approx(0.6), pytest.approx(0.4))
    assert ring.iou_interval == pytest.approx((0.5, 0.7))
    assert scratch.iou == 1.0
    assert np.isnan(scratch.iou_interval).all()
