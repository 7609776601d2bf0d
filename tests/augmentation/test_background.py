"""Laws of a product's background: what was put in is found, and extra background follows it."""

import numpy as np
import pytest

from inspection.augmentation.background import FEW, RINGS, fit_background, fit_backgrounds
from inspection.augmentation.nuisances import ring_of
from inspection.wafer.maps import DefectMap, DieMap, WaferInfo

RADIUS_UM = 150_000.0


def wafers(mean, shape, count, seed=0, product=None, power=0.5):
    """Normal wafers whose counts are negative binomial, mean and shape given; ``power`` below a half crowds the edge."""
    rng = np.random.default_rng(seed)
    made = []
    for n in rng.poisson(mean * rng.gamma(shape, 1 / shape, count)):
        radius, angle = RADIUS_UM * rng.random(n) ** power, rng.random(n) * 2 * np.pi
        made.append(DefectMap(info=WaferInfo(product=product), xy_um=np.column_stack((radius * np.cos(angle), radius * np.sin(angle)))))
    return made


@pytest.mark.parametrize(("mean", "shape"), [(40.0, 2.5), (200.0, 6.0), (200.0, 1e9)])
def test_mean_and_dispersion_of_a_product_are_found(mean, shape):
    found = fit_background(wafers(mean, shape, 2_000))
    assert abs(found.mean(wafers(1, 1, 1)[0]) / mean - 1) < 0.06
    assert abs(found.excess - 1 / shape) < 0.2 / shape + 0.002


def test_extra_background_has_the_products_mean_and_dispersion():
    base = wafers(120.0, 3.0, 1_500)
    found, rng = fit_background(base), np.random.default_rng(1)
    for share in (1.0, 0.25):
        counts = np.array([found.draw(base[0], share, rng) for _ in range(4_000)])
        mean = share * found.mean(base[0])
        assert abs(counts.mean() / mean - 1) < 0.06
        assert abs(counts.var() / (mean + found.excess * mean**2) - 1) < 0.15


def test_the_density_about_the_centre_is_found():
    found = fit_background(wafers(300.0, 5.0, 64, power=0.4))  # radius ** 2.5 is uniform: the density grows to the edge
    edges = np.sqrt(np.arange(RINGS + 1) / RINGS) ** 2.5
    assert np.allclose(found.rings, np.diff(edges) * RINGS, rtol=0.1)
    flat = fit_background(wafers(300.0, 5.0, 64))
    assert np.abs(flat.rings - 1).max() < 0.1
    assert ring_of(np.array([[0.0, 0.0], [0.0, RADIUS_UM], [2 * RADIUS_UM, 0.0]]), RADIUS_UM, RINGS).tolist() == [0, RINGS - 1, RINGS - 1]


def test_each_product_has_its_own_and_one_with_few_normal_wafers_has_that_of_all():
    backgrounds = fit_backgrounds([
        *wafers(50, 1e9, 40, 1, "A"), *wafers(400, 1e9, 40, 2, "B"), *wafers(900, 1e9, FEW - 1, 3, "C"),
    ])  # fmt: skip
    means = {p: backgrounds.of(wafers(1, 1, 1, product=p)[0]).mean(wafers(1, 1, 1)[0]) for p in ("A", "B", "C", "D")}
    assert abs(means["A"] / 50 - 1) < 0.1
    assert abs(means["B"] / 400 - 1) < 0.1
    assert means["C"] == means["D"]
    assert 200 < means["C"] < 350
    assert backgrounds.of(DieMap(info=WaferInfo(), status=np.ones((4, 4), np.uint8))) is None, "no die map was seen"


def test_die_maps_without_a_product_are_told_apart_by_their_grid_and_rates_are_per_die():
    rng = np.random.default_rng(0)

    def maps(side, rate, count):
        return [
            DieMap(info=WaferInfo(), status=np.where(rng.random((side, side)) < rate, 2, 1).astype(np.uint8)) for _ in range(count)
        ]  # fmt: skip

    backgrounds = fit_backgrounds([*maps(20, 0.02, 60), *maps(40, 0.2, 60)])
    assert abs(backgrounds.of(maps(20, 0, 1)[0]).rate - 0.02) < 0.004
    assert abs(backgrounds.of(maps(40, 0, 1)[0]).rate - 0.2) < 0.01
    assert backgrounds.of(maps(20, 0, 1)[0]).clump < 8 < backgrounds.of(maps(40, 0, 1)[0]).clump


def test_wafers_without_any_defect_make_a_background_too():
    found = fit_background(wafers(0.0, 1.0, 12))
    assert (found.rate, found.excess, found.clump) == (0.0, 0.0, 0)
    assert found.draw(wafers(1, 1, 1)[0], 1.0, np.random.default_rng(0)) == 0
    assert np.allclose(found.rings, 1)
