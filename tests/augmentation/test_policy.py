"""Laws of augmentation: symmetries belong to a class, nuisances to all."""

from dataclasses import replace

import numpy as np
import pytest

from inspection import params as parameters
from inspection.augmentation.operations import add_background, jitter, thin, turn_points
from inspection.augmentation.policy import common_turns, draw_turn, policy_for
from inspection.simulator.products import PRODUCTS
from inspection.views.renderer import render_global
from inspection.wafer.maps import DefectMap, DieMap, WaferInfo, inside_wafer
from inspection.wafer.taxonomy import choose


@pytest.fixture(scope="module")
def packaged():
    return parameters.load()


def wafer(n=400):
    return DefectMap(info=WaferInfo(), xy_um=np.random.default_rng(1).uniform(-80_000, 80_000, (n, 2)))


def test_a_turn_is_orthogonal_and_stays_in_its_group():
    rng = np.random.default_rng(0)
    for allowed in ({"flip"}, {"half_turn"}, {"quarter_turn", "flip"}, {"rotation", "flip"}, set()):
        for _ in range(50):
            turn = draw_turn(frozenset(allowed), rng)
            turn = np.eye(2) if turn is None else turn
            assert np.allclose(turn @ turn.T, np.eye(2))
            if "flip" not in allowed:
                assert np.linalg.det(turn) > 0
            if "rotation" not in allowed:
                assert np.allclose(turn, np.rint(turn))
            if allowed == {"flip"}:
                assert np.allclose(np.abs(turn), np.eye(2))


def test_a_class_without_symmetries_is_never_turned(packaged):
    taxonomy = choose(["Normal", "Logo"], packaged.classes)
    policy = policy_for(taxonomy, packaged.augment)
    policy = replace(policy, thinning=0.0, background=0.0, jitter_um=0.0)
    rng = np.random.default_rng(2)
    for _ in range(20):
        same, turn = policy.draw(wafer(), taxonomy.index("Logo"), rng)
        assert turn is None
        assert np.array_equal(same.xy_um, wafer().xy_um)
        assert not np.array_equal(policy.draw(wafer(), taxonomy.index("Normal"), rng)[0].xy_um, wafer().xy_um)


def test_the_inspected_area_tells_nothing_of_the_class(packaged):
    product = PRODUCTS[1]
    whole = DefectMap(
        info=WaferInfo(diameter_mm=product.diameter_mm), xy_um=wafer().xy_um, pitch_um=product.pitch_um, origin_um=product.origin_um,
        dies=product.dies,
    )  # fmt: skip
    taxonomy = choose(["Normal", "Donut", "Grid", "BasketBall", "Incomplete"], packaged.classes)
    policy = policy_for(taxonomy, packaged.augment)
    shown = []
    for label in range(len(taxonomy)):
        rng = np.random.default_rng(7)
        drawn = [policy.draw(whole, label, rng) for _ in range(30)]
        shown.append({render_global(one, 96, turn)[..., 2].tobytes() for one, turn in drawn})
    assert shown[1:] == shown[:-1]


def test_a_class_of_its_own_turns_the_points_and_only_inspected_ones_are_seen():
    partial = DefectMap(
        info=WaferInfo(),
        xy_um=np.array([[1.0, 1.0], [9.0, 2.0]]),
        pitch_um=(10.0, 5.0),
        origin_um=(0.0, 0.0),
        dies=np.array([[0, 0], [-1, 0]]),
    )
    quarter = turn_points(partial, np.array([[0.0, -1.0], [1.0, 0.0]]))  # to (-1, 1) and (-2, 9)
    assert quarter.xy_um.tolist() == [[-1.0, 1.0]]
    assert quarter.dies is partial.dies


def test_die_maps_meet_symmetries_of_the_square_only(packaged):
    taxonomy = choose(["none", "Scratch"], packaged.classes)
    policy = policy_for(taxonomy, packaged.augment)
    dies = DieMap(info=WaferInfo(), status=np.ones((6, 9), np.uint8))
    rng = np.random.default_rng(3)
    for _ in range(40):
        same, turn = policy.draw(dies, 1, rng)
        assert same is dies
        assert turn is None or np.allclose(turn, np.rint(turn), atol=1e-9)


def test_nuisances_have_one_distribution_for_all_classes(packaged):
    taxonomy = choose(["Normal", "Donut", "ZigZag"], packaged.classes)
    policy = policy_for(taxonomy, packaged.augment)
    counts = [[policy.draw(wafer(), k, np.random.default_rng(s))[0].defects for s in range(30)] for k in range(3)]
    assert counts[0] == counts[1] == counts[2]


def test_thinning_and_background_act_as_stated():
    rng = np.random.default_rng(4)
    base = wafer(10_000)
    assert abs(thin(base, 0.2, rng).defects - 8_000) < 200
    more = add_background(base, 0.1, rng)
    assert abs(more.defects - 11_000) < 200
    assert inside_wafer(more.xy_um[10_000:], base.info.radius_um).all()
    moved = jitter(base, 100.0, rng).xy_um - base.xy_um
    assert np.allclose(moved, moved[0])


def test_background_falls_on_inspected_dies_only():
    partial = DefectMap(
        info=WaferInfo(),
        xy_um=np.zeros((1000, 2)),
        pitch_um=(5000.0, 4000.0),
        origin_um=(-2500.0, -2000.0),
        dies=np.array([[0, 0], [3, 2]]),
    )
    added = add_background(partial, 1.0, np.random.default_rng(5)).xy_um[1000:]
    die = np.floor((added - partial.origin_um) / partial.pitch_um).astype(int)
    assert {tuple(d) for d in die} == {(0, 0), (3, 2)}


def test_common_turns_keep_every_label(packaged):
    assert len(common_turns(choose(["none", "Center", "Scratch"], packaged.classes))) == 8
    assert len(common_turns(choose(["Normal", "Incomplete"], packaged.classes))) == 2
    assert len(common_turns(choose(["Normal", "Logo"], packaged.classes))) == 1


def test_die_maps_meet_no_other_angle_even_when_it_is_asked_for(packaged):
    taxonomy = choose(["none", "Scratch"], packaged.classes)
    asked = packaged.augment.model_copy(update={"die_symmetries": ("rotation", "flip")})
    policy = policy_for(taxonomy, asked)
    dies = DieMap(info=WaferInfo(), status=np.ones((6, 9), np.uint8))
    rng = np.random.default_rng(6)
    turns = [policy.draw(dies, 1, rng)[1] for _ in range(20)]
    assert all(turn is None or np.allclose(turn, np.rint(turn), atol=1e-9) for turn in turns)
