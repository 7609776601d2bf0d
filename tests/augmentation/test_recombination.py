"""Laws of new examples: the signature survives, the ground is a real wafer's, and nothing that a real wafer lacks appears."""

import numpy as np
import pytest

from inspection import params as parameters
from inspection.augmentation.background import fit_background, fit_backgrounds
from inspection.augmentation.donors import TrainingDonors, frame_of
from inspection.augmentation.policy import policy_for
from inspection.augmentation.recombination import Recombination, mix
from inspection.augmentation.signature import largest, regions, separate
from inspection.simulator.difficulty import EASY, HARD
from inspection.simulator.products import PRODUCTS
from inspection.simulator.signatures import draw_wafer
from inspection.wafer.maps import FAIL, NO_DIE, PASS, DefectMap, DieMap, WaferInfo
from inspection.wafer.taxonomy import choose

COMPACT = ("ClusterBig", "ClusterSmall", "Donut", "GeoScratch", "Ring", "ZigZag")
"""Signatures of the simulator that are denser than a background anywhere."""


def simulated(label, seed, difficulty=EASY):
    """A wafer of the simulated fab, and which of its points its signatures drew."""
    product = PRODUCTS[1]
    drawn = draw_wafer(label, product, difficulty, np.random.default_rng([seed, len(label)]))
    info = WaferInfo(product=product.name, diameter_mm=product.diameter_mm, wafer=f"{label}{seed}")
    wafer = DefectMap(info=info, xy_um=drawn.xy_um, pitch_um=product.pitch_um, origin_um=product.origin_um, dies=drawn.dies)
    own = {tuple(xy) for signature in drawn.signatures for xy in signature.xy_um}
    return wafer, np.array([tuple(xy) in own for xy in drawn.xy_um])


def die_map(label, seed, rows=30, cols=28):
    """A round wafer with a failed share, and a blob or a ring of failed dies; which dies the pattern drew."""
    rng = np.random.default_rng([seed, len(label)])
    y, x = (np.mgrid[:rows, :cols] + 0.5) / np.array([rows, cols])[:, None, None] - 0.5
    radius = np.hypot(x, y)
    pattern = np.zeros((rows, cols), bool)
    if label == "blob":
        where = rng.uniform(-0.2, 0.2, 2)
        pattern = np.hypot(x - where[0], y - where[1]) < rng.uniform(0.06, 0.12)
    elif label == "ring":
        pattern = np.abs(radius - 0.4) < rng.uniform(0.03, 0.06)
    failed = (rng.random(radius.shape) < 0.03) | pattern
    status = np.where(radius <= 0.5, np.where(failed, FAIL, PASS), NO_DIE).astype(np.uint8)
    return DieMap(info=WaferInfo(), status=status), pattern & (radius <= 0.5)


@pytest.fixture(scope="module")
def points():
    """Simulated training part: (maps, labels, classes) with Normal first."""
    classes = ("Normal", *COMPACT)
    made = [(simulated(name, seed)[0], k) for k, name in enumerate(classes) for seed in range(12)]
    return [wafer for wafer, _ in made], np.array([k for _, k in made]), classes


@pytest.fixture(scope="module")
def dies():
    classes = ("none", "blob", "ring")
    made = [(die_map(name, seed)[0], k) for k, name in enumerate(classes) for seed in range(15)]
    return [wafer for wafer, _ in made], np.array([k for _, k in made]), classes


def recombination(maps, labels, survive=0.5):
    normal = [m for m, k in zip(maps, labels, strict=True) if k == 0]
    return Recombination(fit_backgrounds(normal), TrainingDonors(maps, labels, frozenset({0})), survive)


@pytest.mark.parametrize("label", COMPACT)
def test_a_signature_of_points_is_found_and_the_background_left_out(points, label):
    maps, labels, _ = points
    backgrounds = fit_backgrounds(m for m, k in zip(maps, labels, strict=True) if k == 0)
    for seed in range(50, 56):
        wafer, truth = simulated(label, seed)
        parts = backgrounds.separate(wafer)
        assert parts is not None
        assert (parts[truth] > 0).mean() > 0.7, "found, but for outskirts as thin as the background"
        assert (parts[~truth] > 0).mean() < 0.4, "background that lies on the signature is part of it, the rest is not"


def test_nearly_no_normal_wafer_has_a_signature(points):
    maps, labels, _ = points
    backgrounds = fit_backgrounds(m for m, k in zip(maps, labels, strict=True) if k == 0)
    found = [backgrounds.separate(simulated("Normal", seed)[0]) is not None for seed in range(100, 200)]
    assert np.mean(found) < 0.2  # a clump larger than those of 19 in 20 of a dozen normal wafers


def test_a_signature_of_failed_dies_is_found(dies):
    maps, labels, _ = dies
    backgrounds = fit_backgrounds(m for m, k in zip(maps, labels, strict=True) if k == 0)
    for label in ("blob", "ring"):
        for seed in range(50, 60):
            wafer, pattern = die_map(label, seed)
            parts = backgrounds.separate(wafer)
            assert parts is not None
            assert (parts[pattern[wafer.status == FAIL]] > 0).all()


def test_a_signature_that_drowns_in_more_background_than_the_product_has_is_not_found():
    normal = fit_background([die_map("none", seed)[0] for seed in range(20)])
    wafer, _ = die_map("blob", 1)
    drowned = np.where((wafer.status == PASS) & (np.add.outer(np.arange(30) % 2, np.arange(28) % 3) == 0), FAIL, wafer.status)
    assert separate(wafer, normal) is not None
    assert separate(DieMap(info=wafer.info, status=drowned.astype(np.uint8)), normal) is None


def test_recombined_points_are_the_signature_on_a_normal_wafers_background(points):
    maps, labels, _ = points
    maker = recombination(maps, labels)
    rng = np.random.default_rng(0)
    for wafer, label in zip(maps, labels.tolist(), strict=True):
        made = maker.recombine(wafer, label, rng)
        if label == 0:
            continue
        assert made is not None
        own = {tuple(xy) for xy in wafer.xy_um[maker.backgrounds.separate(wafer) > 0]}
        laid = {tuple(xy) for xy in made.xy_um}
        assert own <= laid, "the whole signature survives"
        (ground,) = [m for m, k in zip(maps, labels, strict=True) if k == 0 and m.info == made.info]
        assert laid - own <= {tuple(xy) for xy in ground.xy_um}, "the rest is that wafer's own background"
        assert made.dies is ground.dies


def test_total_counts_of_recombined_wafers_are_those_of_real_ones(points):
    """A wafer's count is its signature's and a background's; recombining changes neither law (a class's mean within 15 %)."""
    maps, labels, classes = points
    maker = recombination(maps, labels)
    rng = np.random.default_rng(1)
    for label in range(1, len(classes)):
        real = [m for m, k in zip(maps, labels, strict=True) if k == label]
        made = [maker.recombine(m, label, rng).defects for m in real for _ in range(5)]
        assert abs(np.mean(made) / np.mean([m.defects for m in real]) - 1) < 0.15


@pytest.mark.parametrize("operation", ["recombine", "superpose", "mosaic"])
def test_die_maps_keep_their_dies_and_fail_where_a_real_wafer_of_the_class_or_a_normal_one_does(dies, operation):
    maps, labels, _ = dies
    maker = recombination(maps, labels)
    rng = np.random.default_rng(2)
    for label in (1, 2):
        real = [m for m, k in zip(maps, labels, strict=True) if k in (0, label)]
        anywhere = np.any([m.status == FAIL for m in real], axis=0)
        most = max(m.defects for m in real) + max(m.defects for m, k in zip(maps, labels, strict=True) if k == 0)
        made = [getattr(maker, operation)(m, label, rng) for m in real if m not in maps[:15] for _ in range(4)]
        made = [m for m in made if m is not None]
        assert made
        for one in made:
            assert np.array_equal(one.status == NO_DIE, maps[0].status == NO_DIE)
            assert not np.any((one.status == FAIL) & ~anywhere)
            assert one.defects <= most
            assert largest(regions(one, 0)) > maker.backgrounds.of(one).clump, "the signature survives"


@pytest.mark.parametrize("operation", ["superpose", "mosaic"])
def test_two_signatures_of_a_class_give_one_of_a_count_that_the_class_has(points, operation):
    maps, labels, classes = points
    maker = recombination(maps, labels)
    rng = np.random.default_rng(3)
    made = 0
    for label in range(1, len(classes)):
        real = [m for m, k in zip(maps, labels, strict=True) if k == label]
        counts = [np.count_nonzero(maker.backgrounds.separate(m)) for m in real]
        known = {tuple(xy) for m in real for xy in m.xy_um}
        for wafer in real:
            one = getattr(maker, operation)(wafer, label, rng)
            if one is None:
                continue
            made += 1
            assert one.dies is wafer.dies
            assert {tuple(xy) for xy in one.xy_um} <= known, "no place is invented"
            kept = {tuple(xy) for xy in one.xy_um}
            background = np.count_nonzero(maker.backgrounds.separate(wafer) == 0)
            assert 0.5 * min(counts) <= len(kept) <= max(counts) * 1.2 + background
    assert made > 20


def test_without_a_donor_of_the_same_frame_the_wafer_stays_as_it_is():
    alone, _ = die_map("blob", 1, rows=31)
    others = [die_map("none", seed)[0] for seed in range(12)]
    maker = recombination([*others, alone], np.array([0] * 12 + [1]))
    rng = np.random.default_rng(0)
    for operation in ("recombine", "superpose", "mosaic"):
        assert getattr(maker, operation)(alone, 1, rng) is None
    assert frame_of(alone) != frame_of(others[0])


def test_single_dies_that_were_left_out_of_an_inspection_take_no_points():
    """The hard setting skips dies at random: wafers of a product differ in what was inspected."""
    maps = [simulated("Normal", s, HARD)[0] for s in range(12)] + [simulated("Ring", s, HARD)[0] for s in range(6)]
    maker = recombination(maps, np.array([0] * 12 + [1] * 6))
    product, made = PRODUCTS[1], 0
    for wafer in maps[12:]:
        one = maker.recombine(wafer, 1, np.random.default_rng(4))
        if one is not None:
            made += 1
            assert product.on_dies(one.xy_um, one.dies).all()
            assert not np.array_equal(one.dies, wafer.dies)
    assert made


def test_a_union_holds_each_parts_signature_and_needs_them_all():
    made = [(die_map(name, seed)[0], k) for k, name in enumerate(("none", "blob", "ring")) for seed in range(12)]
    maps, labels = [m for m, _ in made], np.array([k for _, k in made])
    maker = recombination(maps, labels)
    combined, _ = die_map("blob", 99)
    for seed in range(5):
        one = maker.union((1, 2), combined, np.random.default_rng(seed))
        sizes = np.sort(np.bincount(regions(one, 0))[1:])[::-1]
        assert sizes[0] > 60, "a ring"
        assert sizes[1] > 5 or sizes[0] > 90, "and a blob, beside or upon it"
    assert maker.union((1, 7), combined, np.random.default_rng(0)) is None


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_mixing_takes_each_wafers_share(points, share):
    maps, _, _ = points
    one, other = maps[13], maps[30]
    rng = np.random.default_rng(5)
    counts = [mix(one, other, share, rng).defects for _ in range(100)]
    assert abs(np.mean(counts) - share * one.defects - (1 - share) * other.defects) < 0.05 * (one.defects + other.defects) / 2
    mixed = mix(die_map("blob", 1)[0], die_map("ring", 2)[0], share, rng)
    assert np.array_equal(mixed.status == NO_DIE, die_map("blob", 1)[0].status == NO_DIE)


def test_drawn_labels_are_mixed_as_the_wafers_are_and_sum_to_one(points):
    maps, labels, _ = points
    packaged = parameters.load()
    taxonomy = choose(["Normal", *COMPACT], packaged.classes)
    index = np.array([taxonomy.index(name) for name in ("Normal", *COMPACT)])[labels]
    mixing = parameters.Augment.model_validate({**packaged.augment.model_dump(), "mixup": 0.5})
    policy = policy_for(taxonomy, mixing)
    donors = TrainingDonors(maps, index, frozenset({taxonomy.index("Normal")}))
    rng = np.random.default_rng(6)
    drawn = [(policy.draw(maps[i], int(index[i]), rng, donors).label, index[i]) for i in rng.integers(0, len(maps), 300)]
    assert all(abs(float(label.sum()) - 1) < 1e-6 and (label >= 0).all() for label, _ in drawn)
    mixed = [np.count_nonzero(label) == 2 for label, _ in drawn]
    assert 0.35 < np.mean(mixed) < 0.65
    assert all(label[own] == 1 for (label, own), both in zip(drawn, mixed, strict=True) if not both)
    assert all(np.count_nonzero(policy.without("mixup").draw(maps[0], 0, rng, donors).label) == 1 for _ in range(20))


def test_new_examples_are_made_as_often_as_the_class_asks_and_repeat_with_the_generator(points):
    maps, labels, _ = points
    packaged = parameters.load()
    taxonomy = choose(["Normal", *COMPACT], packaged.classes)
    index = np.array([taxonomy.index(name) for name in ("Normal", *COMPACT)])[labels]
    normal = taxonomy.index("Normal")
    asked = parameters.Augment.model_validate({**packaged.augment.model_dump(), "classes": {"Ring": {"recombine": 0.4}}})
    policy = policy_for(taxonomy, asked, fit_backgrounds(m for m, k in zip(maps, index, strict=True) if k == normal))
    policy = policy.without("symmetry", "thinning", "background", "jitter_um")
    donors = TrainingDonors(maps, index, frozenset({normal}))
    assert policy.needs_donors
    assert policy.needs_backgrounds
    ring = int(np.flatnonzero(index == taxonomy.index("Ring"))[0])
    drawn = [policy.draw(maps[ring], int(index[ring]), np.random.default_rng(s), donors).wafer for s in range(200)]
    assert 0.3 < np.mean([d is not maps[ring] for d in drawn]) < 0.5
    again = [policy.draw(maps[ring], int(index[ring]), np.random.default_rng(s), donors).wafer for s in range(200)]
    assert all(np.array_equal(a.xy_um, b.xy_um) for a, b in zip(drawn, again, strict=True))
    other = int(np.flatnonzero(index == taxonomy.index("Donut"))[0])
    assert all(policy.draw(maps[other], int(index[other]), np.random.default_rng(s), donors).wafer is maps[other] for s in range(20))
