"""Every signature obeys the physics that its name stands for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from inspection.simulator import lines, rings
from inspection.simulator.areas import grid
from inspection.simulator.background import background
from inspection.simulator.difficulty import EASY, HARD, HARD_VERSION, SETTINGS
from inspection.simulator.products import EDGE_EXCLUSION_UM, PRODUCTS
from inspection.simulator.signatures import BACKGROUND, CLASSES, DRAWINGS, draw_wafer, inspect_again, scene_of

SEEDS = range(12)


@pytest.fixture(params=list(SETTINGS.values()), ids=list(SETTINGS))
def setting(request):
    return request.param


def drawn(name: str, setting, seed: int, product=PRODUCTS[0]):
    return DRAWINGS[name](scene_of(product, setting), np.random.default_rng(seed))


def global_view(xy: np.ndarray, radius: float, size: int) -> np.ndarray:
    edges = np.linspace(-radius, radius, size + 1)
    return np.histogram2d(xy[:, 1], xy[:, 0], bins=(edges, edges))[0]


@pytest.mark.parametrize("label", CLASSES)
def test_points_lie_on_inspected_dies_and_within_the_edge_exclusion(label, setting):
    for seed in range(6):
        product = PRODUCTS[seed % len(PRODUCTS)]
        wafer = draw_wafer(label, product, setting, np.random.default_rng(seed))
        assert product.on_dies(wafer.xy_um, wafer.dies).all()
        assert np.hypot(*wafer.xy_um.T).max() <= product.radius_um - EDGE_EXCLUSION_UM
        index = np.floor((wafer.xy_um - product.origin_um) / product.pitch_um).astype(int)
        assert set(map(tuple, index.tolist())) <= set(map(tuple, wafer.dies.tolist()))
        assert len(wafer.xy_um) < 6_000


def test_donut_stays_in_its_band(setting):
    for seed in SEEDS:
        s = drawn("Donut", setting, seed)
        p = s.parameters
        radius = np.hypot(*(s.xy_um - (p["x_um"], p["y_um"])).T) / 150_000
        assert np.abs(radius - p["radius_radii"]).max() <= 2 * p["width_radii"] + 1e-9
        assert rings.DONUT_RADII[0] <= p["radius_radii"] <= rings.DONUT_RADII[1]
        assert np.hypot(p["x_um"], p["y_um"]) <= setting.off_centre_radii[1] * 150_000


def test_ring_hugs_the_edge(setting):
    for seed in SEEDS:
        radius = np.hypot(*drawn("Ring", setting, seed).xy_um.T) / 150_000
        assert np.median(radius) > 0.87


def test_slice_lies_in_its_sector(setting):
    for seed in SEEDS:
        s = drawn("Slice", setting, seed)
        p = s.parameters
        local = s.xy_um - (p["x_um"], p["y_um"])
        turn = np.angle(np.exp(1j * (np.arctan2(*local.T[::-1]) - np.radians(p["direction_deg"]))))
        assert np.abs(turn).max() <= np.radians(p["width_deg"]) / 2 + 1e-9


def test_half_moon_leaves_the_other_side_alone(setting):
    for seed in SEEDS:
        s = drawn("HalfMoon", setting, seed)
        direction = np.radians(s.parameters["direction_deg"])
        side = s.xy_um @ (np.cos(direction), np.sin(direction))
        assert np.mean(side > 0) > 0.85


def test_small_clusters_are_smaller_than_big_ones(setting):
    small = [drawn("ClusterSmall", setting, s) for s in SEEDS]
    big = [drawn("ClusterBig", setting, s) for s in SEEDS]
    assert max(s.parameters["spread_um"] for s in small) <= 5_000 < min(s.parameters["spread_um"] for s in big)
    for s in small + big:
        assert np.hypot(s.parameters["x_um"], s.parameters["y_um"]) < 0.83 * 150_000


def test_grid_is_a_lattice_tied_to_the_die(setting):
    for seed in SEEDS:
        product = PRODUCTS[seed % 3]
        s = grid(scene_of(product, setting), np.random.default_rng(seed))
        for axis, name in enumerate(("pitch_x_um", "pitch_y_um")):
            step, die = s.parameters[name], product.pitch_um[axis]
            ratio = max(step / die, die / step)
            assert ratio == pytest.approx(round(ratio))
            phase = np.exp(2j * np.pi * s.xy_um[:, axis] / step)
            assert abs(phase.mean()) > 0.95


def test_incomplete_is_the_share_of_dies_it_says_and_scanned_from_the_top(setting):
    for seed in SEEDS:
        wafer = draw_wafer("Incomplete", PRODUCTS[0], replace(setting, skipped_dies=0.0), np.random.default_rng(seed))
        p = wafer.signatures[0].parameters
        assert len(wafer.dies) == pytest.approx(p["inspected_share"] * len(PRODUCTS[0].dies), abs=1)
        if p["aborted"]:
            assert wafer.dies[:, 1].max() == PRODUCTS[0].dies[:, 1].max()
            assert wafer.dies[:, 1].min() > PRODUCTS[0].dies[:, 1].min()


def test_a_fine_zigzag_vanishes_in_the_global_view_of_224_px():
    scene = scene_of(PRODUCTS[0], HARD)
    for seed in SEEDS:
        bent = lines.scratch(scene, np.random.default_rng(seed), "ZigZag", amplitude_um=400.0, period_um=3_000.0)
        twin = lines.scratch(scene, np.random.default_rng(seed), "GeoScratch", amplitude_um=0.0, period_um=3_000.0)
        views = [global_view(s.xy_um, 150_000, 224) for s in (bent, twin)]
        assert views[0].sum() == views[1].sum()
        moved = np.abs(views[0] - views[1]).sum() / 2 / views[0].sum()
        assert moved < 0.35
        coarse = [global_view(s.xy_um, 150_000, 56) for s in (bent, twin)]
        assert np.abs(coarse[0] - coarse[1]).sum() / 2 / coarse[0].sum() < 0.12
        # At 20 000 px hardly a point stays where it was: the texture is there.
        fine = [set(map(tuple, np.floor(s.xy_um / 15).astype(int).tolist())) for s in (bent, twin)]
        assert len(fine[0] & fine[1]) < 0.1 * len(fine[0])


def test_zigzag_and_scratch_share_one_coarse_line():
    scene = scene_of(PRODUCTS[0], HARD)
    for seed in SEEDS:
        zig, geo = (
            lines.scratch(scene, np.random.default_rng(seed), n, amplitude_um=a, period_um=2_000.0)
            for n, a in (("ZigZag", 900.0), ("GeoScratch", 0.0))
        )
        assert np.hypot(*(zig.xy_um - geo.xy_um).T).max() <= 900.0 + 1e-6
        assert {k: v for k, v in zig.parameters.items() if k in geo.parameters} == geo.parameters


def test_background_is_wider_than_poisson_and_denser_at_the_edge(setting):
    scene = scene_of(PRODUCTS[0], setting)
    wafers = [background(scene, np.random.default_rng((9, s))) for s in range(150)]
    counts = np.array([len(w) for w in wafers])
    assert counts.mean() == pytest.approx(setting.background_per_cm2 * np.pi * 15**2, rel=0.2)
    # Negative binomial: variance = mean + mean^2 / shape, and clumps add to it.
    assert counts.var() > counts.mean() + 0.5 * counts.mean() ** 2 / setting.background_shape
    radius = np.hypot(*np.concatenate(wafers).T) / 150_000
    edge, middle = np.mean((radius > 0.9) & (radius <= 1)) / 0.19, np.mean(radius < 0.6) / 0.36
    assert edge > 1.2 * middle


def test_companions_are_weaker_than_the_dominant_signature():
    seen = 0
    for seed in range(60):
        wafer = draw_wafer("Donut", PRODUCTS[0], HARD, np.random.default_rng(seed))
        assert wafer.signatures[0].name == "Donut"
        if len(wafer.signatures) > 1:
            seen += 1
            assert len(wafer.signatures[1].xy_um) <= HARD.companion_share[1] * len(wafer.signatures[0].xy_um) + 1
    assert 5 < seen < 30


@pytest.mark.parametrize("label", CLASSES)
def test_every_defect_knows_what_made_it(label, setting):
    """The defects of each maker are those that it drew, also seen again."""
    for seed in range(6):
        product = PRODUCTS[seed % len(PRODUCTS)]
        wafer = draw_wafer(label, product, setting, np.random.default_rng(seed))
        assert len(wafer.made_by) == len(wafer.xy_um)
        for place, signature in enumerate(wafer.signatures):
            own = wafer.xy_um[wafer.made_by == place]
            assert sorted(map(tuple, own.tolist())) == sorted(map(tuple, signature.xy_um.tolist()))
        assert set(wafer.made_by.tolist()) <= {BACKGROUND, *range(len(wafer.signatures))}
        again = inspect_again(wafer, product, np.random.default_rng(seed))
        for maker in range(len(wafer.signatures)):
            before, after = wafer.xy_um[wafer.made_by == maker], again.xy_um[again.made_by == maker]
            if len(before):
                near = np.hypot(*(after[:, None] - before[None]).transpose(2, 0, 1)).min(axis=1, initial=np.inf)
                assert len(after) <= len(before)
                assert (near < 40).all()


def test_a_second_inspection_sees_nearly_the_same(setting):
    wafer = draw_wafer("Ring", PRODUCTS[1], setting, np.random.default_rng(1))
    again = inspect_again(wafer, PRODUCTS[1], np.random.default_rng(2))
    near = np.hypot(*(again.xy_um[:, None] - wafer.xy_um[None]).transpose(2, 0, 1)).min(axis=1)
    assert np.mean(near < 40) > 0.9
    assert again.xy_um.shape != wafer.xy_um.shape or not np.array_equal(again.xy_um, wafer.xy_um)


def test_hard_is_harder_than_easy():
    assert HARD_VERSION == 1
    assert HARD.background_per_cm2 > EASY.background_per_cm2
    assert HARD.strength[0] < EASY.strength[0]
    assert HARD.zigzag_amplitude_mm[0] < EASY.zigzag_amplitude_mm[0]
    assert HARD.small_points[0] < EASY.small_points[0]
