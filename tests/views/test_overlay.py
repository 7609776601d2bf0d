"""Heat over the picture of a wafer: where it lies in the wafer frame, and the defects still there."""

from __future__ import annotations

import numpy as np
import pytest

from inspection.errors import InputError
from inspection.views.overlay import HOT, draw_heat
from inspection.views.picture import DEFECT, DISC, draw
from inspection.views.renderer import Window
from inspection.wafer.maps import DefectMap, DieMap, WaferInfo

INFO = WaferInfo(lot="A12", wafer="07")
WHOLE = Window(-150_000.0, 150_000.0, 300_000.0)
SIZE = 480


def wafer(*xy_mm):
    return DefectMap(info=INFO, xy_um=np.array(xy_mm, float).reshape(-1, 2) * 1_000)


def wafer_part(picture):
    """Without the strip below; there is no title."""
    return picture[:SIZE].astype(int)


def blue(picture):
    """How much bluer than red each pixel is; the paper's own tinge left out."""
    return np.clip(picture[..., 2] - picture[..., 0] - 12, 0, None)


@pytest.mark.parametrize(("x", "y"), [(100, 0), (0, 100), (-70, -60), (0, 0)])
@pytest.mark.parametrize("cells", [6, 31, 96])
def test_heat_is_drawn_where_it_lies_in_the_wafer_frame(x, y, cells):
    heat = np.zeros((cells, cells))
    along = (np.arange(cells) + 0.5) / cells * 300 - 150
    heat[:] = np.exp(-((along[None, :] - x) ** 2 + (-along[:, None] - y) ** 2) / (2 * 30**2))
    amount = blue(wafer_part(draw_heat(wafer(), heat, WHOLE, level=1.0)))
    row, col = np.nonzero(amount > 0.6 * np.percentile(amount, 99.5))
    at = (col.mean() + 0.5) / (SIZE / 2) - 1, 1 - (row.mean() + 0.5) / (SIZE / 2)
    assert at == pytest.approx((x / 150 / 1.05, y / 150 / 1.05), abs=0.03)


def test_a_window_that_is_a_part_of_the_wafer_is_drawn_there():
    picture = wafer_part(draw_heat(wafer(), np.ones((4, 4)), Window(20_000, 80_000, 40_000), level=0.05))
    px_per_mm = SIZE / 315
    row, col = (round(SIZE / 2 + mm * px_per_mm) for mm in (-60, 40))
    assert blue(picture)[row, col] > 50
    np.testing.assert_array_equal(picture[:, : SIZE // 2], draw(wafer())[:, : SIZE // 2])


def test_defects_stay_in_sight_under_the_hottest_place():
    picture = wafer_part(draw_heat(wafer((40, 40)), np.ones((10, 10)), WHOLE, level=0.05))
    row, col = (round(SIZE / 2 + mm * SIZE / 315) for mm in (-40, 40))
    dot, beside = picture[row, col], picture[row, col + 15]
    assert dot.sum() < 0.5 * beside.sum()
    assert DEFECT[0] > DEFECT[2]  # red by itself
    np.testing.assert_allclose(beside, np.array(DISC) * HOT / 255, atol=2)


def test_hotter_is_darker_in_grey():
    heat = np.tile(np.linspace(0.1, 1, 40), (40, 1))
    line = wafer_part(draw_heat(wafer(), heat, WHOLE, level=1.0))[SIZE // 3, 60:420].mean(axis=-1)
    assert (np.diff(line) <= 1).all()
    assert line[0] - line[-1] > 40


@pytest.mark.parametrize("heat", [np.zeros((5, 5)), -np.ones((5, 5))])
def test_without_evidence_the_picture_stays_as_it_is_and_says_so(heat):
    plain = draw(wafer((10, 10)))
    drawn = draw_heat(wafer((10, 10)), heat, WHOLE, level=0.05)
    np.testing.assert_array_equal(drawn[:SIZE], plain)
    assert (drawn[SIZE:] < 128).any()


def test_nothing_is_drawn_beside_the_wafer():
    drawn = wafer_part(draw_heat(wafer(), np.ones((8, 8)), WHOLE, level=0.05))
    corner = drawn[: SIZE // 12, : SIZE // 12]
    assert (corner == 255).all()


def test_a_die_map_and_a_title_are_drawn_too():
    status = np.ones((20, 20), np.uint8)
    status[4, 5] = 2
    drawn = draw_heat(DieMap(info=INFO, status=status), np.eye(20), WHOLE, level=0.05, title="A12 · W07", size_px=200)
    assert drawn.shape[1] == 200
    assert len(drawn) > 230


@pytest.mark.parametrize("heat", [np.full((3, 3), np.nan), np.zeros(4), np.zeros((0, 0))])
def test_what_is_no_heat_is_refused(heat):
    with pytest.raises(InputError, match="Cannot draw heat"):
        draw_heat(wafer(), heat, WHOLE, level=0.05)
