"""Each family against a slow literal implementation of its formula, or a closed form."""

import itertools

import cv2
import numpy as np
import pytest
from feature_views import noisy_view, pixel_places, view_of
from scipy import ndimage
from scipy.spatial import KDTree

from inspection.models.features import NAMES, cooccurrence, extract, gradients, granulometry, patterns, radon, regions, spread, zones
from inspection.models.features.planes import PIXEL_R, SIZE_PX, planes_of

SEEDS = range(3)
X, Y = pixel_places()
R = np.hypot(X, Y)


def planes(seed, share=0.15):
    return planes_of(noisy_view(seed, share)[None])


def columns(family, of):
    return dict(zip(family.NAMES, family.measure(of)[0].tolist(), strict=True))


def named(image):
    return dict(zip(NAMES, extract(image[None])[0].tolist(), strict=True))


@pytest.mark.parametrize("seed", SEEDS)
def test_zone_densities_are_those_of_a_loop_over_pixels(seed):
    of = planes(seed)
    part, whole = dict.fromkeys(zones.ZONES, 0.0), dict.fromkeys(zones.ZONES, 0.0)
    for row, col in itertools.product(range(SIZE_PX), repeat=2):
        x, y, r = X[row, col], Y[row, col], R[row, col]
        ring = "centre" if r < 0.3 else "inner" if r < 0.6 else "middle" if r < 0.85 else "edge"
        side = ("n" if y > 0 else "s") + ("e" if x > 0 else "w")
        name = "zone_centre" if ring == "centre" else f"zone_{ring}_{side}"
        part[name] += int(of.count[0, row, col])
        whole[name] += int(of.inspected[0, row, col])
    found = columns(zones, of)
    assert {n: found[n] for n in zones.ZONES} == pytest.approx({n: part[n] / whole[n] for n in zones.ZONES}, rel=1e-5)


def test_edge_arcs_of_a_quarter_ring():
    found = named(view_of((R > 0.85) & (R <= 1) & (X > 0) & (Y > 0)))
    assert found["edge_covered"] == found["edge_longest_arc"] == pytest.approx(0.25, abs=1.5 / zones.DIRECTIONS)
    assert found["edge_longest_gap"] == pytest.approx(0.75, abs=1.5 / zones.DIRECTIONS)
    two = named(view_of((R > 0.85) & (R <= 1) & (np.abs(X) > np.abs(Y))))  # left and right
    assert two["edge_covered"] == pytest.approx(0.5, abs=2.5 / zones.DIRECTIONS)
    assert two["edge_longest_gap"] == pytest.approx(0.25, abs=1.5 / zones.DIRECTIONS)
    assert two["angle_harmonic_2"] > 0.5
    assert two["angle_harmonic_1"] < 0.05


@pytest.mark.parametrize("seed", SEEDS)
def test_radon_is_a_literal_projection(seed):
    of = planes(seed)
    found = radon.transform(of.count)[0]
    for k in (0, 7, 30, 59):
        angle = np.pi * k / radon.DIRECTIONS
        expected = np.zeros(SIZE_PX)
        for row, col in itertools.product(range(SIZE_PX), repeat=2):
            if not of.count[0, row, col]:
                continue
            distance = X[row, col] * np.cos(angle) + Y[row, col] * np.sin(angle)
            place = min(max((distance + 1) / PIXEL_R - 0.5, 0.0), SIZE_PX - 1.0)
            lower = min(int(place), SIZE_PX - 2)
            expected[lower] += (1 - (place - lower)) * int(of.count[0, row, col]) / 255
            expected[lower + 1] += (place - lower) * int(of.count[0, row, col]) / 255
        np.testing.assert_allclose(found[k], expected * PIXEL_R, rtol=1e-4, atol=1e-6)


def test_radon_of_a_disc_is_the_length_of_its_chords():
    radius = 0.6
    found = named(view_of(radius > R))
    half = SIZE_PX // 2
    for k in range(radon.POINTS):
        distance = (k * (half - 1) / (radon.POINTS - 1) + 0.5) * PIXEL_R
        if abs(distance - radius) > 0.05:  # at the rim the profile is a step of one pixel
            assert found[f"radon_mean_{k:02d}"] == pytest.approx(2 * np.sqrt(max(radius**2 - distance**2, 0)), abs=0.03)
            assert found[f"radon_std_{k:02d}"] < 0.07


def test_radon_sums_to_the_area_in_every_direction():
    image = view_of((np.abs(X - 0.2) < 0.3) & (np.abs(Y) < 0.1))
    sums = radon.transform(planes_of(image[None]).count)[0].sum(axis=1) * PIXEL_R
    np.testing.assert_allclose(sums, (image[..., 1] > 0).sum() * PIXEL_R**2, rtol=1e-5)


@pytest.mark.parametrize("seed", SEEDS)
def test_local_binary_patterns_are_those_of_a_literal_reading(seed):
    rng = np.random.default_rng(seed)
    values, chosen = rng.integers(0, 4, (1, 17, 13)).astype(np.int32), rng.random((1, 17, 13)) < 0.8
    counts = np.zeros(10)
    ring = [(-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1)]
    for row, col in itertools.product(range(1, 16), range(1, 12)):
        if chosen[0, row, col]:
            bits = [bool(values[0, row + r, col + c] >= values[0, row, col]) for r, c in ring]
            changes = sum(a != b for a, b in zip(bits, bits[1:] + bits[:1], strict=True))
            counts[sum(bits) if changes <= 2 else 9] += 1
    np.testing.assert_allclose(patterns.histogram(values, chosen)[0], counts / counts.sum(), rtol=1e-6)


def test_lone_defects_are_pattern_0_and_flat_ground_is_pattern_8():
    mask = np.zeros_like(X, bool)
    mask[20:44:6, 20:44:6] = True
    found = columns(patterns, planes_of(view_of(mask)[None]))
    inspected = (view_of(mask)[1:-1, 1:-1, 2] > 0).sum()
    assert found["lbp_fine_0"] == pytest.approx(mask.sum() / inspected)
    assert found["lbp_fine_8"] == pytest.approx(1 - mask.sum() / inspected)


@pytest.mark.parametrize("seed", SEEDS)
def test_oriented_gradients_are_those_of_a_loop_over_pixels(seed):
    of = planes(seed)
    smooth = cv2.GaussianBlur(of.count[0].astype(np.float32), (5, 5), 1.0, borderType=cv2.BORDER_CONSTANT)
    cells = np.zeros((2, 2, 9))
    for row, col in itertools.product(range(1, SIZE_PX - 1), repeat=2):
        right = float(smooth[row, col + 1]) - float(smooth[row, col - 1])
        up = float(smooth[row - 1, col]) - float(smooth[row + 1, col])
        degrees = np.degrees(np.arctan2(up, right)) % 180
        for k in range(9):
            away = min(abs(degrees - 20 * k), 180 - abs(degrees - 20 * k))
            cells[row // 32, col // 32, k] += np.hypot(right, up) * max(0.0, 1 - away / 20)
    expected = cells.reshape(-1) / np.linalg.norm(cells)
    np.testing.assert_allclose(gradients.measure(of)[0], expected, atol=2e-4)


def test_a_horizontal_line_has_vertical_gradients():
    found = columns(gradients, planes_of(view_of((np.abs(Y) < 0.05) & (np.abs(X) < 0.7))[None]))
    for quadrant in gradients.QUADRANTS:
        assert max(range(9), key=lambda k: found[f"hog_{quadrant}_{20 * k:03d}"]) in (4, 5)  # 80 and 100 degrees hold 90


@pytest.mark.parametrize("distance", cooccurrence.DISTANCES)
def test_cooccurrence_counts_every_pair_once_either_way(distance):
    rng = np.random.default_rng(distance)
    levels = rng.integers(-1, 8, (1, 9, 11)).astype(np.int8)
    counts = np.zeros((8, 8))
    for (r1, c1), (r2, c2) in itertools.permutations(itertools.product(range(9), range(11)), 2):
        straight = (abs(r1 - r2), abs(c1 - c2)) in ((0, distance), (distance, 0), (distance, distance))
        if straight and levels[0, r1, c1] >= 0 and levels[0, r2, c2] >= 0:
            counts[levels[0, r1, c1], levels[0, r2, c2]] += 1
    np.testing.assert_allclose(cooccurrence.matrices(levels, distance)[0], counts / counts.sum())


def test_cooccurrence_statistics_of_known_matrices():
    flat, board = np.zeros((1, 8, 8)), np.zeros((1, 8, 8))
    flat[0, 3, 3] = 1.0
    board[0, 0, 2] = board[0, 2, 0] = 0.5  # always 2 apart, always opposite
    uniform = np.full((1, 8, 8), 1 / 64)
    names = cooccurrence.STATISTICS
    found = [dict(zip(names, cooccurrence.statistics(m)[0].tolist(), strict=True)) for m in (flat, board, uniform, np.zeros((1, 8, 8)))]
    assert found[0] == pytest.approx({"contrast": 0, "homogeneity": 1, "energy": 1, "correlation": 1, "entropy": 0})
    half = {"contrast": 4, "homogeneity": 0.2, "energy": np.sqrt(0.5), "correlation": -1, "entropy": np.log(2)}
    assert found[1] == pytest.approx(half)
    assert found[2]["correlation"] == pytest.approx(0)
    assert found[2]["entropy"] == pytest.approx(np.log(64))
    assert set(found[3].values()) == {0.0}


@pytest.mark.parametrize("seed", SEEDS)
def test_openings_and_closings_are_those_of_scipy(seed):
    of = planes(seed)
    mask, found = of.mask[0] > 0, columns(granulometry, of)
    for side in granulometry.SQUARES:
        left = ndimage.binary_opening(np.pad(mask, 16), np.ones((side, side)))
        assert found[f"open_square_{side}"] == pytest.approx(left.sum() / mask.sum(), rel=1e-5)
    for side in granulometry.CLOSINGS:
        added = ndimage.binary_closing(np.pad(mask, 16), np.ones((side, side))).sum() - mask.sum()
        assert found[f"close_square_{side}"] == pytest.approx(added / (of.inspected[0] / 255).sum(), rel=1e-5)
    for length in granulometry.LINES:
        oblique = np.eye(2 * round((length / np.sqrt(2) - 1) / 2) + 1)
        lines = [np.ones((1, length)), np.ones((length, 1)), oblique, oblique[::-1]]
        left = [ndimage.binary_opening(np.pad(mask, 16), line).sum() / mask.sum() for line in lines]
        assert found[f"open_line_{length}_best"] == pytest.approx(max(left), rel=1e-5)
        assert found[f"open_line_{length}_mean"] == pytest.approx(np.mean(left), rel=1e-5)


@pytest.mark.parametrize("seed", range(8))
def test_what_an_opening_leaves_never_grows_with_its_side(seed):
    found = columns(granulometry, planes(seed, share=0.6))
    left = [found[f"open_square_{side}"] for side in granulometry.SQUARES]
    assert left == sorted(left, reverse=True)


def test_a_square_is_opened_away_above_its_side():
    mask = np.zeros_like(X, bool)
    mask[20:27, 30:37] = True
    found = columns(granulometry, planes_of(view_of(mask)[None]))
    assert [found[f"open_square_{side}"] for side in granulometry.SQUARES] == [1, 1, 1, 1, 1, 0, 0]


def test_geometry_of_a_disc():
    radius, at = 0.4, (0.3, -0.2)
    inside = (X - at[0]) ** 2 + (Y - at[1]) ** 2 < radius**2
    found = named(view_of(inside))
    for kind in regions.KINDS:
        assert found[f"{kind}_area"] == pytest.approx(radius**2, rel=0.03)
        assert found[f"{kind}_perimeter"] == pytest.approx(2 * np.pi * radius, rel=0.08)
        assert found[f"{kind}_major"] == pytest.approx(2 * radius, rel=0.02)
        assert found[f"{kind}_minor"] == pytest.approx(2 * radius, rel=0.02)
        assert found[f"{kind}_eccentricity"] < 0.2
        assert found[f"{kind}_solidity"] > 0.9
        assert found[f"{kind}_compactness"] == pytest.approx(1, abs=0.15)
        assert found[f"{kind}_holes"] == 0
        assert found[f"{kind}_thickness"] == pytest.approx(2 * radius, abs=2 * PIXEL_R)
        assert found[f"{kind}_distance"] == pytest.approx(np.hypot(*at), abs=0.01)
        assert found[f"{kind}_farthest"] == pytest.approx(np.hypot(*at) + radius, abs=0.05)


@pytest.mark.parametrize("degrees", [0, 30, 45, 90, 150])
def test_geometry_of_a_line(degrees):
    angle, half, width = np.radians(degrees), 0.7, 0.1
    along, across = X * np.cos(angle) + Y * np.sin(angle), Y * np.cos(angle) - X * np.sin(angle)
    found = named(view_of((np.abs(along) < half) & (np.abs(across) < width / 2)))
    assert found["region_major"] == pytest.approx(4 * 2 * half / np.sqrt(12), rel=0.05)
    assert found["region_minor"] == pytest.approx(4 * width / np.sqrt(12), rel=0.25)
    assert found["region_eccentricity"] > 0.98
    direction = np.degrees(np.arctan2(found["region_along_xy"], found["region_along_x"])) / 2
    assert (direction - degrees + 90) % 180 - 90 == pytest.approx(0, abs=2)
    assert found["region_thickness"] == pytest.approx(width, abs=2 * PIXEL_R)


def test_geometry_of_a_ring():
    found = named(view_of((R > 0.5) & (R < 0.7)))
    assert found["region_holes"] == 1
    assert found["region_arc"] == 1
    assert found["region_distance"] == pytest.approx(0, abs=1e-6)
    assert found["region_nearest"] == pytest.approx(0.5, abs=0.03)
    assert found["region_solidity"] == pytest.approx((0.7**2 - 0.5**2) / 0.7**2, rel=0.05)


@pytest.mark.parametrize("seed", range(6))
def test_the_euler_number_by_bit_quads_counts_regions_less_holes(seed):
    mask = (np.random.default_rng(seed).random((40, 40)) < 0.2 + 0.12 * seed).astype(np.uint8)
    padded = np.pad(mask, 1)
    one, _, three, diagonal = regions.bit_quads(padded)
    parts = ndimage.label(padded, np.ones((3, 3)))[1]
    holes = ndimage.label(padded == 0)[1] - 1
    assert (one - three - 2 * diagonal) / 4 == parts - holes


@pytest.mark.parametrize("seed", SEEDS)
def test_the_region_is_the_largest_one(seed):
    mask = planes(seed, share=0.25).mask[0]
    labels, _ = ndimage.label(mask, np.ones((3, 3)))
    sizes = np.bincount(labels.ravel())[1:]
    found = regions.largest(mask)
    assert found.sum() == sizes.max()
    assert len(np.unique(labels[found > 0])) == 1


def test_of_equally_large_regions_the_one_nearest_to_the_centre_is_taken():
    mask = np.zeros((SIZE_PX, SIZE_PX), np.uint8)
    mask[10:13, 10:13] = mask[40:43, 40:43] = 1
    assert regions.largest(mask)[40:43, 40:43].all()
    assert regions.largest(np.ascontiguousarray(mask[::-1, ::-1]))[21:24, 21:24].all()


@pytest.mark.parametrize("seed", SEEDS)
def test_neighbours_of_regions_are_those_of_a_tree(seed):
    of = planes(seed, share=0.08)
    labels, count = ndimage.label(of.mask[0], np.ones((3, 3)))
    centres = np.array(ndimage.center_of_mass(of.mask[0], labels, range(1, count + 1)))
    apart = KDTree(centres).query(centres, k=2)[0][:, 1]
    found = columns(spread, of)
    sizes = np.bincount(labels.ravel())[1:]
    assert found["regions"] == pytest.approx(np.log1p(count))
    assert found["lone_share"] == pytest.approx((sizes == 1).mean())
    assert found["neighbour_mean"] == pytest.approx(apart.mean() * PIXEL_R, rel=1e-5)
    assert found["neighbour_std"] == pytest.approx(apart.std() * PIXEL_R, rel=1e-4)
    assert found["second_share"] == pytest.approx(np.sort(sizes)[-2] / sizes.sum())


def test_the_neighbour_index_is_1_at_random_and_2_on_a_lattice():
    rng = np.random.default_rng(0)
    inside = R < 0.98
    lattice = np.zeros_like(inside)
    lattice[::6, ::6] = True
    assert named(view_of(lattice & inside))["neighbour_index"] == pytest.approx(2, abs=0.15)
    indices = [named(view_of((rng.random(inside.shape) < 0.01) & inside))["neighbour_index"] for _ in range(30)]
    assert np.mean(indices) == pytest.approx(1, abs=0.15)
