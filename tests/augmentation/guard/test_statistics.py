"""Residual statistics count what they say, against plain NumPy."""

import cv2
import numpy as np
import pytest

from inspection.augmentation.guard.statistics import TILES, residual_statistics, statistic_names, view_statistics
from inspection.views.renderer import CHANNELS


@pytest.fixture(scope="module")
def views():
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, 256, (6, 40, 40, 3), np.uint8)
    drawn[rng.random(drawn.shape) < 0.5] = 0
    drawn[rng.random(drawn.shape) < 0.2] = 255
    return drawn


@pytest.fixture(scope="module")
def table(views):
    return dict(zip(statistic_names(CHANNELS), residual_statistics(views).T, strict=True))


def test_every_statistic_has_one_name_and_is_a_number(views, table):
    assert len(table) == len(statistic_names(CHANNELS)) == len(set(statistic_names(CHANNELS)))
    assert all(np.isfinite(column).all() for column in table.values())
    assert residual_statistics(views[..., :1]).shape[1] == len(statistic_names(("grey",)))


@pytest.mark.parametrize(("c", "name"), list(enumerate(CHANNELS)))
def test_values_steps_and_neighbours_are_counted_as_numpy_counts_them(views, table, c, name):
    image = views[..., c].astype(int)
    pixels = 40 * 40
    assert np.allclose(table[f"{name}: value 0"], (image == 0).sum((1, 2)) / pixels)
    assert np.allclose(table[f"{name}: value 32..47"], ((image >= 32) & (image < 48)).sum((1, 2)) / pixels)
    assert np.allclose(table[f"{name}: value divisible by 4"], ((image % 4 == 0) & (image > 0)).sum((1, 2)) / pixels)
    assert np.allclose(table[f"{name}: distinct values"], [len(np.unique(i)) for i in image])
    assert np.allclose(table[f"{name}: standard deviation"], image.std((1, 2)), rtol=1e-5)
    right = np.abs(np.diff(image, axis=2))
    assert np.allclose(table[f"{name}: step right to 8"], ((right > 2) & (right <= 8)).sum((1, 2)) / pixels)
    below = (image[:, :-1] == 0) & (image[:, 1:] == 255)
    assert np.allclose(table[f"{name}: empty with full below"], below.sum((1, 2)) / pixels)
    left = (image[:, :-1, 1:] == 255) & (image[:, 1:, :-1] == 0)
    assert np.allclose(table[f"{name}: full with empty below-left"], left.sum((1, 2)) / pixels)
    smoothed = np.stack([cv2.medianBlur(np.ascontiguousarray(views[k, :, :, c]), 3) for k in range(len(views))])
    assert np.allclose(table[f"{name}: median residual mean"], np.abs(image - smoothed).mean((1, 2)), rtol=1e-5)


def test_components_and_agreement(views, table):
    occupied = views[..., 1] > 0
    count = [cv2.connectedComponents(o.astype(np.uint8), connectivity=8)[0] - 1 for o in occupied]
    assert np.allclose(table["occupancy: components"], np.log1p(count))
    only = ((views[..., 0] > 0) & ~occupied).mean((1, 2))
    assert np.allclose(table["count and occupancy: only the first"], only)


def test_a_view_has_its_statistics_whatever_stands_beside_it(views):
    assert np.allclose(residual_statistics(views)[3], residual_statistics(views[3:4])[0], rtol=1e-5)


def test_lines_parity_borders_and_mirror_images(views, table):
    image = views[..., 0].astype(float)
    assert np.allclose(table["count: unevenness of rows"], np.abs(np.diff(image.sum(2), 2, axis=1)).sum(1) / 1600, rtol=1e-5)
    odd = np.indices((40, 40)).sum(axis=0) % 2 == 1
    expected = (image[:, odd].sum(1) - image[:, ~odd].sum(1)) / image.sum((1, 2))
    assert np.allclose(table["count: odd less even diagonals"], expected, atol=1e-6)
    assert np.allclose(table["count: outermost row below"], image[:, -1].mean(1))
    assert np.allclose(table["count: outermost column left"], image[:, :, 0].mean(1))
    assert np.allclose(table["count: unlike its transpose"], np.abs(image - image.transpose(0, 2, 1)).mean((1, 2)))
    assert np.allclose(table["count: unlike its half turn"], np.abs(image - image[:, ::-1, ::-1]).mean((1, 2)))


def test_detail_tiles_are_measured_as_the_mean_of_those_that_are_filled(views):
    tiles = np.zeros((2, TILES, 16, 16, 3), np.uint8)
    tiles[0, :2] = views[:2, :16, :16]
    found = view_statistics(views[:2], tiles)
    names = statistic_names(CHANNELS, tiles=True)
    whole = len(statistic_names(CHANNELS))
    assert found.shape == (2, len(names)) == (2, len(set(names)))
    assert np.allclose(found[:, :whole], residual_statistics(views[:2]), rtol=1e-5)
    assert np.allclose(found[0, whole:-1], residual_statistics(tiles[0, :2]).mean(axis=0), rtol=1e-4, atol=1e-6)
    assert np.all(found[1, whole:] == 0)
    assert found[0, -1] == 2
