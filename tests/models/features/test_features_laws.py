"""Laws of all features together: finite, named, the same however they are computed, unchanged where they are said to be."""

import numpy as np
import pytest
from feature_views import dies, dies_view, noisy_view, points_view, turned, view_of, views
from hypothesis import given, settings
from hypothesis import strategies as st

from inspection.errors import InputError
from inspection.models.features import INVARIANT, NAMES, extract
from inspection.models.features.extraction import BATCH, FAMILIES
from inspection.models.features.planes import SIZE_PX, planes_of, strip, unstrip

square = st.tuples(st.integers(0, 3), st.booleans())


def one(image):
    return dict(zip(NAMES, extract(image[None])[0], strict=True))


def test_every_column_has_one_name_and_every_family_says_which_of_its_own_are_invariant():
    assert len(NAMES) == len(set(NAMES)) > 150
    assert set(NAMES) >= INVARIANT
    for family in FAMILIES:
        assert set(family.INVARIANT) <= set(family.NAMES)
        assert all(name.split("_")[0] in family.__doc__ for name in family.NAMES), family.__name__


@settings(deadline=None)
@given(views)
def test_any_view_of_points_or_dies_gives_finite_features(image):
    found = extract(image[None])
    assert found.shape == (1, len(NAMES))
    assert found.dtype == np.float32
    assert np.isfinite(found).all()


def test_a_wafer_without_defects_and_one_without_anything_have_no_shape():
    for image in (points_view([]), dies_view(np.ones((30, 30), np.uint8)), dies_view(np.zeros((30, 30), np.uint8))):
        found = one(image)
        about_defects = [n for n in NAMES if n.split("_")[0] in {"region", "core", "radon", "zone", "radius", "open", "hog", "neighbour"}]
        assert {found[name] for name in about_defects} == {0.0}
        assert found["fail_share"] == found["regions"] == 0


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**31), square, st.sampled_from([0.0, 0.05, 0.3, 0.8]))
def test_no_symmetry_of_the_square_changes_a_column_that_is_said_to_be_invariant(seed, turn, share):
    image = noisy_view(seed, share)
    first, other = extract(np.stack([image, turned(image, *turn)]))
    chosen = [i for i, name in enumerate(NAMES) if name in INVARIANT]
    np.testing.assert_allclose(first[chosen], other[chosen], rtol=1e-4, atol=2e-5)


def test_what_is_not_said_to_be_invariant_does_change():
    pairs = [extract(np.stack([noisy_view(s), turned(noisy_view(s), 1, mirrored=False)])) for s in range(8)]
    moved = np.max([np.abs(a - b) for a, b in pairs], axis=0)
    assert [n for i, n in enumerate(NAMES) if n not in INVARIANT and moved[i] < 1e-4] == []


@settings(deadline=None, max_examples=25)
@given(dies, st.integers(0, 3), st.booleans())
def test_features_of_a_turned_die_map_are_those_of_its_turned_view(status, quarter_turns, mirrored):
    """The renderer commutes with the square's symmetries up to one grey step, and features hardly feel one."""
    of_map = dies_view(np.ascontiguousarray(np.rot90(status[:, ::-1] if mirrored else status, quarter_turns)))
    of_view = turned(dies_view(status), quarter_turns, mirrored)
    assert np.abs(of_map.astype(int) - of_view).max() <= 1
    names = ["fail_share", "inspected_share", "mass_distance", "mass_gyration", *(n for n in NAMES if n.startswith(("zone_", "radon_")))]
    first, other = one(of_map), one(of_view)
    assert [first[n] for n in names] == pytest.approx([other[n] for n in names], abs=0.02)


def test_neither_company_nor_threads_change_a_wafer():
    images = np.stack([noisy_view(s) for s in range(BATCH + 9)])
    told = []
    together = extract(images, threads=3, progress=lambda done, total: told.append((done, total)))
    np.testing.assert_array_equal(together, extract(images))
    np.testing.assert_array_equal(together[:3], np.concatenate([extract(images[i : i + 1]) for i in range(3)]))
    assert told == [(BATCH, BATCH + 9), (BATCH + 9, BATCH + 9)]


def test_views_of_other_sizes_are_brought_to_one():
    rng = np.random.default_rng(0)
    angle = rng.uniform(0, 2 * np.pi, 4_000)
    ring = np.column_stack((np.cos(angle), np.sin(angle))) * (100_000 + rng.normal(0, 4_000, (4_000, 1)))
    found = {size: one(points_view(ring, size)) for size in (48, 64, 96, 128, 224)}
    for size in (48, 96, 128, 224):
        for name in ("region_farthest", "region_nearest", "region_arc", "region_distance", "mass_gyration", "inspected_share"):
            assert found[size][name] == pytest.approx(found[64][name], abs=0.06), (size, name)


def test_a_view_of_twice_the_size_is_the_view_itself_for_points_and_for_dies():
    rng = np.random.default_rng(0)
    xy = np.repeat(rng.normal(0, 60_000, (300, 2)), rng.integers(1, 5, 300), axis=0)
    status = rng.integers(0, 3, (40, 33)).astype(np.uint8)
    for draw in (lambda size: points_view(xy, size), lambda size: dies_view(status, size)):
        small, large = planes_of(draw(64)[None]), planes_of(draw(128)[None])
        for plane in ("count", "inspected"):
            away = np.abs(getattr(small, plane).astype(int) - getattr(large, plane))
            # Points: the inspected pixels of the rim are whole in one and shares in the other.
            assert np.quantile(away, 0.95) <= 2, plane
        assert (small.mask != large.mask).mean() < 0.01


@settings(deadline=None)
@given(views, st.sampled_from([40, 96, 130]))
def test_a_resized_view_is_defective_where_the_view_is(image, size):
    big = np.ascontiguousarray(image.repeat(3, axis=0).repeat(3, axis=1)[:size, :size])
    planes = planes_of(big[None])
    assert bool(planes.count.any()) == bool(big[..., 1].any())
    assert bool(planes.mask.any()) == bool(big[..., 1].any())


def test_the_mask_keeps_single_points_and_drops_slivers_of_dies():
    status = np.ones((21, 21), np.uint8)
    status[10, 8], status[10, 12] = 2, 2  # three passing dies apart: 9 pixels
    mask = planes_of(dies_view(status)[None]).mask[0]
    assert mask.sum() <= 2 * 4 * 4
    assert mask[:, 32].sum() == 0
    points = planes_of(points_view([[0.0, 0.0], [80_000.0, 0.0]])[None])
    assert points.mask.sum() == 2


@given(st.integers(0, 3))
def test_a_strip_keeps_its_pictures(n):
    pictures = np.random.default_rng(n).integers(0, 256, (n, SIZE_PX, SIZE_PX)).astype(np.uint8)
    np.testing.assert_array_equal(unstrip(strip(pictures), n), pictures)


@pytest.mark.parametrize(
    "images",
    [np.zeros((2, 64, 64), np.uint8), np.zeros((2, 64, 32, 3), np.uint8), np.zeros((0, 64, 64, 1), np.uint8), np.zeros((1, 64, 64, 3))],
)
def test_what_is_no_view_is_refused(images):
    with pytest.raises(InputError, match="expected uint8 views"):
        extract(images)


def test_no_wafers_give_no_rows():
    assert extract(np.zeros((0, 64, 64, 3), np.uint8)).shape == (0, len(NAMES))


def test_classes_that_look_different_differ_where_the_table_says():
    x, y = np.meshgrid(np.linspace(-1, 1, 64), np.linspace(1, -1, 64))
    r = np.hypot(x, y)
    ring, disc, line = (one(view_of(m)) for m in ((r > 0.88) & (r < 1), r < 0.3, (np.abs(y - x) < 0.04) & (r < 0.8)))
    assert ring["edge_covered"] == 1 > disc["edge_covered"] == 0
    assert ring["region_holes"] == 1
    assert disc["region_eccentricity"] < 0.1
    assert line["region_eccentricity"] > 0.95
    assert line["radon_std_00"] > 5 * disc["radon_std_00"]
    assert line["open_line_15_best"] > 0.8 > line["open_line_15_mean"]
