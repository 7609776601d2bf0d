"""Laws of the policy: symmetries belong to a class, nuisances to all, and what would teach a trace is refused."""

import numpy as np
import pytest

from inspection import params as parameters
from inspection.augmentation.donors import TrainingDonors
from inspection.augmentation.policy import policy_for
from inspection.errors import ParamsError
from inspection.simulator.products import PRODUCTS
from inspection.views.renderer import render_global
from inspection.wafer.maps import DefectMap, DieMap, WaferInfo
from inspection.wafer.taxonomy import choose

EVERY_NUISANCE = {
    "thinning": 0.3, "background": 0.5, "jitter_um": 300.0, "radial_um": 300.0, "lateral_um": 300.0, "point_radial_um": 200.0,
    "point_lateral_um": 200.0, "pitch": 0.01, "die_thinning": 0.3, "die_background": 0.5,
}  # fmt: skip


@pytest.fixture(scope="module")
def packaged():
    return parameters.load()


def wafer(n=400):
    return DefectMap(info=WaferInfo(), xy_um=np.random.default_rng(1).uniform(-80_000, 80_000, (n, 2)))


def on_dies(n=400, seed=1):
    product = PRODUCTS[1]
    return DefectMap(
        info=WaferInfo(diameter_mm=product.diameter_mm), xy_um=np.random.default_rng(seed).uniform(-80_000, 80_000, (n, 2)),
        pitch_um=product.pitch_um, origin_um=product.origin_um, dies=product.dies,
    )  # fmt: skip


def die_map(seed=1, failed=0.1):
    status = np.ones((20, 24), np.uint8)
    status[np.random.default_rng(seed).random(status.shape) < failed] = 2
    status[:3, :3] = 0
    return DieMap(info=WaferInfo(), status=status)


def augment(packaged, **changes):
    return parameters.Augment.model_validate({**packaged.augment.model_dump(), **changes})


def test_a_class_without_symmetries_is_never_turned(packaged):
    taxonomy = choose(["Normal", "Logo"], packaged.classes)
    policy = policy_for(taxonomy, packaged.augment).without("thinning", "background", "jitter_um")
    rng = np.random.default_rng(2)
    for _ in range(20):
        drawn = policy.draw(wafer(), taxonomy.index("Logo"), rng)
        assert drawn.turn is None
        assert np.array_equal(drawn.wafer.xy_um, wafer().xy_um)
        assert not np.array_equal(policy.draw(wafer(), taxonomy.index("Normal"), rng).wafer.xy_um, wafer().xy_um)


@pytest.mark.parametrize("changes", [{}, {"nuisance": EVERY_NUISANCE}])
def test_the_inspected_area_tells_nothing_of_the_class(packaged, changes):
    taxonomy = choose(["Normal", "Donut", "Grid", "BasketBall", "Incomplete"], packaged.classes)
    policy = policy_for(taxonomy, augment(packaged, **changes))
    shown = []
    for label in range(len(taxonomy)):
        rng = np.random.default_rng(7)
        seeds = rng.integers(1 << 40, size=15)
        drawn = [policy.without("thinning", "background").draw(on_dies(), label, np.random.default_rng(s)) for s in seeds]
        shown.append({render_global(one.wafer, 96, one.turn)[..., 2].tobytes() for one in drawn})
    assert shown[1:] == shown[:-1]


def test_die_maps_meet_symmetries_of_the_square_only(packaged):
    taxonomy = choose(["none", "Scratch"], packaged.classes)
    policy = policy_for(taxonomy, packaged.augment)
    dies = DieMap(info=WaferInfo(), status=np.ones((6, 9), np.uint8))
    rng = np.random.default_rng(3)
    for _ in range(40):
        drawn = policy.draw(dies, 1, rng)
        assert drawn.wafer is dies
        assert drawn.turn is None or np.allclose(drawn.turn, np.rint(drawn.turn), atol=1e-9)


def test_die_maps_meet_any_other_angle_only_where_every_class_draws_it_alike(packaged):
    asked = augment(packaged, die_symmetries=("rotation", "flip"))
    with pytest.raises(ParamsError, match="Incomplete"):
        policy_for(choose(["Normal", "Donut", "Incomplete"], packaged.classes), asked)
    policy = policy_for(choose(["none", "Scratch"], packaged.classes), asked)
    turned = [[policy.draw(die_map(), k, np.random.default_rng(s)).wafer.status for s in range(5)] for k in (0, 1)]
    assert np.array_equal(*turned), "the same generator, the same angle, whatever the class"
    assert len({t.tobytes() for t in turned[0]}) == 5


@pytest.mark.parametrize("kind", [wafer, on_dies, die_map])
@pytest.mark.parametrize("changes", [{}, {"nuisance": EVERY_NUISANCE}])
def test_nuisances_have_one_distribution_for_all_classes(packaged, kind, changes):
    """Not only the same law: the same generator gives every class the same disturbance."""
    taxonomy = choose(["Normal", "Donut", "ZigZag", "Incomplete", "Logo"], packaged.classes)
    policy = policy_for(taxonomy, augment(packaged, **changes)).without("symmetry")
    for seed in range(10):
        drawn = [policy.draw(kind(), k, np.random.default_rng(seed)) for k in range(len(taxonomy))]
        assert len({render_global(d.wafer, 64, d.turn).tobytes() for d in drawn}) == 1


def test_normal_wafers_have_the_same_mean_count_through_every_classs_policy(packaged):
    """No trace in the plainest statistic, with the symmetries in play that drop points at the edge: difference within 3 standard errors."""
    taxonomy = choose(["Normal", "Donut", "GeoScratch", "Incomplete"], packaged.classes)
    policy = policy_for(taxonomy, augment(packaged, nuisance=EVERY_NUISANCE))
    counts = np.array([
        [policy.draw(on_dies(300, seed=s), k, np.random.default_rng(1_000 * k + s)).wafer.defects for s in range(200)]
        for k in range(len(taxonomy))
    ])  # fmt: skip
    error = counts.std(axis=1, ddof=1) / np.sqrt(counts.shape[1])
    assert np.ptp(counts.mean(axis=1)) < 3 * np.sqrt(2) * error.max()


def test_the_same_generator_draws_the_same_and_another_another(packaged):
    taxonomy = choose(["Normal", "Donut"], packaged.classes)
    policy = policy_for(taxonomy, augment(packaged, nuisance=EVERY_NUISANCE))
    one, same, other = (policy.draw(on_dies(), 1, np.random.default_rng(s)).wafer.xy_um for s in (0, 0, 1))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_without_leaves_out_what_it_names_and_nothing_else(packaged):
    taxonomy = choose(["Normal", "Donut", "Scratch"], packaged.classes)
    policy = policy_for(
        taxonomy, augment(packaged, nuisance=EVERY_NUISANCE, mixup=0.2, classes={"Donut": {"recombine": 0.3, "mosaic": 0.1}})
    )
    donut, scratch = taxonomy.index("Donut"), taxonomy.index("Scratch")
    assert policy.operations(donut) == ("recombine", "mosaic", "mixup", "symmetry", *EVERY_NUISANCE)
    assert policy.operations(scratch) == ("mixup", "symmetry", *EVERY_NUISANCE)
    for name in policy.operations(donut):
        assert policy.without(name).operations(donut) == tuple(n for n in policy.operations(donut) if n != name)
    bare = policy.without(*policy.operations(donut))
    drawn = bare.draw(on_dies(), 1, np.random.default_rng(0), TrainingDonors([on_dies()], np.array([1]), frozenset()))
    assert drawn.turn is None
    assert np.array_equal(drawn.wafer.xy_um, on_dies().xy_um)
    with pytest.raises(ParamsError, match="blur"):
        policy.without("blur")


def test_multiplicity_limits_the_versions_of_a_wafer_and_leaves_the_nuisances_new(packaged):
    taxonomy = choose(["none", "Scratch"], packaged.classes)  # in this order
    limited = policy_for(taxonomy, augment(packaged, classes={"Scratch": {"multiplicity": 3}}))
    still = limited.without("thinning", "background", "jitter_um")
    draws = [still.draw(wafer(), 1, np.random.default_rng(s), copies=(5, 0)).wafer.xy_um for s in range(60)]
    versions = {d.tobytes() for d in draws}
    assert len(versions) == 4, "itself and three copies"
    assert wafer().xy_um.tobytes() in versions
    other = {still.draw(wafer(), 1, np.random.default_rng(s), copies=(5, 1)).wafer.xy_um.tobytes() for s in range(60)}
    assert versions != other, "another wafer's copies are others"
    unlimited = {still.draw(wafer(), 0, np.random.default_rng(s), copies=(5, 0)).wafer.xy_um.tobytes() for s in range(60)}
    assert len(unlimited) == 60
    disturbed = {limited.draw(wafer(), 1, np.random.default_rng(s), copies=(5, 0)).wafer.xy_um.tobytes() for s in range(60)}
    assert len(disturbed) == 60


def test_a_class_may_draw_fewer_symmetries_than_it_has_and_the_common_ones_shrink_with_it(packaged):
    taxonomy = choose(["none", "Center", "Scratch"], packaged.classes)
    policy = policy_for(taxonomy, augment(packaged, classes={"Scratch": {"symmetries": ["half_turn"]}}))
    assert policy.symmetries[2] == {"half_turn"}
    assert policy.common == {"half_turn"}
    assert "rotation" in policy.symmetries[1]


TAXONOMY = "taxonomy: {Normal: {normal: true, symmetries: [flip]}, Logo: {symmetries: [half_turn]}, Logo+Dot: {}}\n"


@pytest.mark.parametrize(
    ("augmented", "named", "reason"),
    [
        ("classes: {Logo: {symmetries: [rotation]}}", "augment.classes.Logo", "breaks the taxonomy"),
        ("classes: {Logo: {symmetries: [flip, half_turn]}}", "flip", "breaks the taxonomy"),
        ("classes: {Lgo: {recombine: 0.1}}", "Lgo", "no such class"),
        ("classes: {Logo: {thinning: 0.1}}", "augment.classes.Logo", "gives one class its own nuisance"),
        ("classes: {Normal: {nuisance: {background: 0.3}}}", "augment.classes.Normal", "gives one class its own nuisance"),
        ("classes: {Normal: {recombine: 0.3}}", "Normal", "a normal class has none"),
        ("classes: {Logo: {union: 0.3}}", "Logo", "one part"),
        ("classes: {Logo: {recombine: 0.7, mosaic: 0.7}}", "augment.classes.Logo", "at most 1"),
        ("nuisance: {thinning: 1.0}", "augment.nuisance.thinning", "removes the object"),
        ("nuisance: {die_thinning: 0.9}", "augment.nuisance.die_thinning", "removes the object"),
        ("nuisance: {background: 5}", "augment.nuisance.background", "drowns"),
        ("nuisance: {point_radial_um: 4000}", "augment.nuisance.point_radial_um", "removes the object"),
        ("nuisance: {thinning: -0.1}", "augment.nuisance.thinning", "greater than or equal to 0"),
        ("nuisance: {jitter_um: .nan}", "augment.nuisance.jitter_um", "finite"),
        ("nuisance: {background: .inf}", "augment.nuisance.background", "finite"),
        ("survive: 0.1", "augment.survive", "removes the object"),
    ],
)
def test_a_policy_that_would_teach_a_trace_or_lose_the_object_is_refused_when_it_is_loaded(tmp_path, augmented, named, reason):
    path = tmp_path / "params.yaml"
    path.write_text(f"{TAXONOMY}augment:\n  {augmented}\n", encoding="utf-8")
    with pytest.raises(ParamsError, match=reason) as refused:
        parameters.load(path)
    assert named in str(refused.value)


def test_a_policy_may_be_written_for_classes_that_a_data_set_lacks(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text(f"{TAXONOMY}augment: {{classes: {{Logo: {{recombine: 0.2}}, Logo+Dot: {{union: 0.5}}}}}}\n", encoding="utf-8")
    given = parameters.load(path)
    assert policy_for(choose(["Normal"], given.classes), given.augment).operations(0)
    with pytest.raises(ParamsError, match="each part of its name"):
        policy_for(choose(["Normal", "Logo", "Logo+Dot"], given.classes), given.augment)


def test_a_symmetry_that_a_class_lacks_is_refused_where_the_policy_is_made(packaged):
    with pytest.raises(ParamsError, match="rotation"):
        policy_for(choose(["Normal", "Logo"], packaged.classes), augment(packaged, classes={"Logo": {"symmetries": ["rotation"]}}))
