"""Laws of the sum and max pyramid and of packed views."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from inspection.views.pyramid import from_counts, from_points
from inspection.views.renderer import ViewSpec
from inspection.views.shards import read_views, write_views
from inspection.wafer.maps import DefectMap, DieMap, WaferInfo

counts = arrays(np.int64, (64, 64), elements=st.integers(0, 3))


@given(counts)
def test_every_level_holds_every_defect(finest):
    for level in from_counts(finest, 6):
        assert level.sum.sum() == finest.sum()
        assert np.array_equal(level.max > 0, level.sum > 0)


@given(counts, st.integers(1, 5))
def test_downsampling_commutes_with_cropping_on_the_grid(finest, level):
    block = 2**level
    whole = from_counts(finest, level + 1)[level]
    cropped = from_counts(finest[block:, : 64 - block], level + 1)[level]
    assert np.array_equal(whole.sum[1:, :-1], cropped.sum)
    assert np.array_equal(whole.max[1:, :-1], cropped.max)


def test_points_beyond_the_edge_are_kept():
    xy = np.array([[150_900.0, 0.0], [0.0, -150_900.0], [0.0, 0.0]])
    assert all(level.sum.sum() == 3 for level in from_points(DefectMap(info=WaferInfo(), xy_um=xy), 64, 6))


def test_an_odd_side_is_refused():
    with pytest.raises(ValueError, match="even side"):
        from_counts(np.zeros((6, 6), np.int64), 3)


def test_views_written_are_views_read(tmp_path):
    rng = np.random.default_rng(0)
    maps = [
        DefectMap(info=WaferInfo(), xy_um=rng.uniform(-90_000, 90_000, (50, 2))),
        DieMap(info=WaferInfo(), status=rng.integers(0, 3, (20, 30)).astype(np.uint8)),
    ]
    drawn = write_views(tmp_path, maps, 2, ViewSpec(32, tiles=2, tile_px=16))
    views = read_views(tmp_path)
    assert drawn["wafers"] == len(views) == 2
    assert drawn["defects"] == sum(m.defects for m in maps)
    assert views.tiles.shape == (2, 2, 16, 16, 3)
    assert views.take(np.array([1])).images.shape == (1, 32, 32, 3)
