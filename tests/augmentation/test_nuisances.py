"""Laws of the nuisances and turns: how much they change, and what they never touch."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspection import params as parameters
from inspection.augmentation import nuisances
from inspection.augmentation.turns import common_turns, draw_turn, rotate_dies, turn_points
from inspection.simulator.products import PRODUCTS
from inspection.wafer.die_grid import die_grid
from inspection.wafer.maps import FAIL, NO_DIE, DefectMap, DieMap, WaferInfo, inside_wafer
from inspection.wafer.taxonomy import choose


def wafer(n=10_000):
    return DefectMap(info=WaferInfo(), xy_um=np.random.default_rng(1).uniform(-80_000, 80_000, (n, 2)))


def die_map(seed, shape=(30, 26), failed=0.1):
    rng = np.random.default_rng(seed)
    row, col = np.mgrid[: shape[0], : shape[1]]
    on = np.hypot((row + 0.5) / shape[0] - 0.5, (col + 0.5) / shape[1] - 0.5) <= 0.5
    return DieMap(info=WaferInfo(), status=np.where(on, np.where(rng.random(shape) < failed, 2, 1), 0).astype(np.uint8))


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


def test_common_turns_keep_every_label():
    classes = parameters.load().classes
    assert len(common_turns(choose(["none", "Center", "Scratch"], classes))) == 8
    assert len(common_turns(choose(["Normal", "Incomplete"], classes))) == 2
    assert len(common_turns(choose(["Normal", "Logo"], classes))) == 1


def test_a_class_of_its_own_turns_the_points_and_what_leaves_the_dies_is_turned_again():
    partial = DefectMap(
        info=WaferInfo(),
        xy_um=np.array([[1.0, 1.0], [9.0, 2.0]]),
        pitch_um=(10.0, 5.0),
        origin_um=(0.0, 0.0),
        dies=np.array([[0, 0], [-1, 0]]),
    )
    quarter = np.array([[0.0, -1.0], [1.0, 0.0]])  # to (-1, 1) and (-2, 9), which nobody inspected
    mirrored = np.diag([-1.0, 1.0])
    turned = turn_points(partial, quarter, lambda: mirrored)
    assert turned.xy_um.tolist() == [[-1.0, 1.0], [-9.0, 2.0]]
    assert turned.dies is partial.dies
    assert turn_points(partial, quarter, lambda: None).xy_um.tolist() == [[-1.0, 1.0], [9.0, 2.0]]
    assert turn_points(partial, quarter, lambda: quarter).xy_um.tolist() == [[-1.0, 1.0], [9.0, 2.0]], "where it was, when no turn helps"


@pytest.mark.parametrize("group", [{"rotation", "flip"}, {"quarter_turn", "flip"}, {"flip"}])
def test_a_turned_background_is_as_dense_near_the_edge_as_one_that_is_not_turned(group):
    product, rng = PRODUCTS[1], np.random.default_rng(3)
    base = DefectMap(info=WaferInfo(), xy_um=np.zeros((0, 2)), pitch_um=product.pitch_um, origin_um=product.origin_um, dies=product.dies)
    whole = nuisances.add_background(base, 20_000, rng)
    for _ in range(10):
        turn = draw_turn(frozenset(group), rng)
        turned = whole if turn is None else turn_points(whole, turn, lambda: draw_turn(frozenset(group), rng))
        assert turned.defects == whole.defects
        assert np.allclose(np.hypot(*turned.xy_um.T), np.hypot(*whole.xy_um.T)), "each at its distance from the centre"
        assert die_grid(whole).holds(turned.xy_um).all()


def test_thinning_and_jitter_act_as_stated():
    rng = np.random.default_rng(4)
    base = wafer()
    assert abs(nuisances.thin(base, 0.2, rng).defects - 8_000) < 200
    moved = nuisances.jitter(base, 100.0, rng).xy_um - base.xy_um
    assert np.allclose(moved, moved[0])


@pytest.mark.parametrize("rings", [None, np.array([0.0, 0.0, 1.0, 3.0])])
def test_extra_background_has_its_number_its_rings_and_falls_on_inspected_dies_only(rings):
    product = PRODUCTS[0]
    whole = DefectMap(info=WaferInfo(), xy_um=np.zeros((3, 2)), pitch_um=product.pitch_um, origin_um=product.origin_um, dies=product.dies)
    for base in (whole, wafer(3)):
        added = nuisances.add_background(base, 4_000, np.random.default_rng(5), rings).xy_um[3:]
        assert len(added) == 4_000
        if base is whole:
            assert product.on_dies(added, product.dies)[np.hypot(*added.T) < 147_000.0].all()
        assert inside_wafer(added, base.info.radius_um).all()
        found = np.bincount(nuisances.ring_of(added, base.info.radius_um, 4), minlength=4) / 4_000
        expected = np.full(4, 0.25) if rings is None else rings / rings.sum()
        assert np.abs(found - expected).max() < 0.04
    partial = DefectMap(
        info=WaferInfo(), xy_um=np.zeros((0, 2)), pitch_um=(5e3, 4e3), origin_um=(-2.5e3, -2e3), dies=np.array([[0, 0], [3, 2]])
    )
    added = nuisances.add_background(partial, 1_000, np.random.default_rng(5), rings).xy_um
    assert {tuple(d) for d in np.floor((added - partial.origin_um) / partial.pitch_um).astype(int)} == {(0, 0), (3, 2)}


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 999), extra=st.integers(0, 2_000), share=st.floats(0, 1))
def test_nuisances_of_die_maps_change_the_status_of_dies_and_never_which_dies_there_are(seed, extra, share):
    base, rng = die_map(seed), np.random.default_rng(seed)
    more = nuisances.add_failed_dies(base, extra, rng, np.array([1.0, 1.0, 2.0]))
    fewer = nuisances.thin_dies(base, share, rng)
    for changed in (more, fewer):
        assert np.array_equal(changed.status == NO_DIE, base.status == NO_DIE)
    assert more.defects == min(base.defects + extra, np.count_nonzero(base.status))
    assert np.all(more.status[base.status == FAIL] == FAIL)
    assert np.all(base.status[fewer.status == FAIL] == FAIL)


def test_polar_jitter_is_measured_at_the_edge_and_keeps_the_centre():
    edge = np.array([[150_000.0, 0.0], [0.0, 150_000.0], [0.0, 0.0]])
    base = DefectMap(info=WaferInfo(), xy_um=edge)
    rng = np.random.default_rng(3)
    moves = np.stack([nuisances.jitter_polar(base, 300.0, 500.0, rng).xy_um - edge for _ in range(2_000)])
    assert np.abs(moves[:, 2]).max() == 0
    assert abs(moves[:, 0, 0].std() / 300 - 1) < 0.1, "radial"
    assert abs(moves[:, 0, 1].std() / 500 - 1) < 0.1, "lateral"
    assert np.allclose(moves[:, 0, 0], moves[:, 1, 1], atol=3), "the whole map alike"


def test_jitter_of_each_point_goes_along_its_radius_and_across_it():
    angle = np.random.default_rng(0).uniform(0, 2 * np.pi, 5_000)
    along = np.column_stack((np.cos(angle), np.sin(angle)))
    base = DefectMap(info=WaferInfo(), xy_um=100_000 * along)
    step = nuisances.jitter_points(base, 100.0, 30.0, np.random.default_rng(1)).xy_um - base.xy_um
    assert abs((step * along).sum(axis=1).std() / 100 - 1) < 0.05
    assert abs((step[:, 1] * along[:, 0] - step[:, 0] * along[:, 1]).std() / 30 - 1) < 0.05


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 999), st.floats(0, 0.05))
def test_another_die_pitch_keeps_each_point_in_its_die(seed, sigma):
    product = PRODUCTS[2]
    rng = np.random.default_rng(seed)
    die = product.dies[rng.integers(0, len(product.dies), 50)]
    xy = (die + rng.uniform(0.01, 0.99, (50, 2))) * product.pitch_um + product.origin_um
    base = DefectMap(info=WaferInfo(diameter_mm=200.0), xy_um=xy, pitch_um=product.pitch_um, origin_um=product.origin_um, dies=product.dies)
    scaled = nuisances.scale(base, sigma, rng)
    place = (scaled.xy_um - scaled.origin_um) / scaled.pitch_um
    was = (xy - product.origin_um) / product.pitch_um
    assert all(np.isclose(was, p, atol=1e-6).all(axis=1).any() for p in place)
    gone = 50 - scaled.defects
    assert gone <= np.count_nonzero(
        np.hypot(*xy.T) > 100_000 / max(scaled.pitch_um[0] / product.pitch_um[0], scaled.pitch_um[1] / product.pitch_um[1])
    )
    assert inside_wafer(scaled.xy_um, 100_000.0).sum() >= inside_wafer(xy, 100_000.0).sum() - gone
    assert scaled.info == base.info


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 999), angle=st.floats(0, 6.28))
def test_die_maps_turned_by_any_angle_keep_their_dies_and_their_inner_failures(seed, angle):
    base = die_map(seed, (31, 31))
    turned = rotate_dies(base, angle)
    assert np.array_equal(turned.status == NO_DIE, base.status == NO_DIE)
    # An inner failed die is found again within one die of where it goes.
    row, col = np.nonzero(base.status == FAIL)
    x, y = col - 15.0, 15.0 - row
    inner = np.hypot(x, y) < 12
    to = np.column_stack((x * np.cos(angle) - y * np.sin(angle), x * np.sin(angle) + y * np.cos(angle)))[inner]
    row, col = np.nonzero(turned.status == FAIL)
    there = np.column_stack((col - 15.0, 15.0 - row))
    assert all(np.abs(there - place).max(axis=1).min() <= 1.01 for place in to)


def test_quarter_turns_of_a_square_die_map_are_exact():
    base = die_map(0, (31, 31))
    for quarters in range(4):
        assert np.array_equal(rotate_dies(base, quarters * np.pi / 2).status, np.rot90(base.status, quarters))
