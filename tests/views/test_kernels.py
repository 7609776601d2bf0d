"""The compiled loops against plain NumPy: the same picture to the byte, for any turn, die grid and window."""

import numpy as np
import pytest

from inspection.simulator.products import PRODUCTS
from inspection.views.renderer import Window, code_count, render_points, turn_matrix
from inspection.views.tiles import fullest
from inspection.wafer.maps import DefectMap, WaferInfo

TURNS = (None, turn_matrix(0.7), turn_matrix(2.0, mirrored=True), turn_matrix(np.pi), turn_matrix(np.pi / 2), turn_matrix(mirrored=True))


def in_numpy(wafer, window, size, turn, clip):
    """`render_points` word by word."""
    xy = wafer.xy_um if turn is None else wafer.xy_um @ turn.T
    scale = size / window.side_um
    place = np.floor(np.column_stack(((window.top_um - xy[:, 1]) * scale, (xy[:, 0] - window.left_um) * scale))).astype(int)
    place = np.clip(place, 0, size - 1) if clip else place[((place >= 0) & (place < size)).all(axis=1)]
    count = np.zeros((size, size), int)
    np.add.at(count, tuple(place.T), 1)
    centre = (np.arange(size) + 0.5) * (window.side_um / size)
    x, y = window.left_um + centre[None, :], window.top_um - centre[:, None]
    inspected = x * x + y * y <= wafer.info.radius_um**2
    if wafer.dies is not None:
        if turn is not None:
            x, y = turn[0, 0] * x + turn[1, 0] * y, turn[0, 1] * x + turn[1, 1] * y
        x, y = np.broadcast_arrays(x, y)
        known = {tuple(die) for die in wafer.dies.tolist()}
        die = np.floor((np.stack((x, y), axis=-1) - wafer.origin_um) / wafer.pitch_um).astype(int)
        inspected = inspected & np.array([[tuple(d) in known for d in row] for row in die.tolist()])
    return np.stack((code_count(count), np.where(count > 0, 255, 0), np.where(inspected, 255, 0)), axis=-1).astype(np.uint8)


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("listed", [True, False])
def test_points_are_drawn_as_numpy_draws_them(turn, listed):
    rng = np.random.default_rng(0)
    for product in PRODUCTS:
        dies = product.dies[rng.random(len(product.dies)) < rng.uniform(0.3, 1)]
        grid = {"pitch_um": product.pitch_um, "origin_um": product.origin_um, "dies": dies} if listed else {}
        xy = rng.normal(0, rng.uniform(500, 90_000), (int(rng.integers(0, 3_000)), 2))
        wafer = DefectMap(info=WaferInfo(diameter_mm=product.diameter_mm), xy_um=xy, **grid)
        radius = product.radius_um
        for window, clip in (
            (Window(-radius, radius, 2 * radius), True),
            (Window(rng.uniform(-1, 0) * radius, radius / 3, 30_000.0), False),
        ):
            assert np.array_equal(render_points(wafer, window, 40, turn, clip=clip), in_numpy(wafer, window, 40, turn, clip))


@pytest.mark.parametrize("kind", [np.int64, np.float64])
def test_the_fullest_windows_are_those_that_a_search_finds(kind):
    rng = np.random.default_rng(1)
    for _ in range(30):
        cells = rng.poisson(rng.uniform(0.05, 2), rng.integers(2, 12, 2)).astype(kind)
        left, wanted = cells.copy(), []
        for _ in range(5):
            sums = {(r, c): left[r : r + 2, c : c + 2].sum() for r in range(len(left) - 1) for c in range(left.shape[1] - 1)}
            best = max(sums, key=lambda at: (sums[at], -at[0], -at[1]))
            if sums[best] <= 0:
                break
            wanted.append(best)
            left[best[0] : best[0] + 2, best[1] : best[1] + 2] = 0
        before = cells.copy()
        assert fullest(cells, 5) == wanted
        assert np.array_equal(cells, before)
