"""Laws of the physical checks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspection.errors import PhysicsError
from inspection.intake.physics import check
from inspection.params import Validate
from inspection.wafer.maps import DefectMap, DieMap, WaferInfo

PARAMS = Validate()
INFO = WaferInfo(lot="L1", wafer="W1", diameter_mm=300.0)


def points_inside(rng, n, radius_um=150_000.0):
    radius, angle = radius_um * np.sqrt(rng.random(n)), rng.random(n) * 2 * np.pi
    return np.column_stack((radius * np.cos(angle), radius * np.sin(angle)))


def code_of(wafer_map, params=PARAMS):
    with pytest.raises(PhysicsError) as caught:
        check(wafer_map, params)
    return caught.value.reason.code


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(0, 300), diameter=st.sampled_from([100.0, 150.0, 200.0, 300.0, 450.0]))
def test_any_points_on_the_wafer_are_valid(seed, n, diameter):
    rng = np.random.default_rng(seed)
    info = WaferInfo(diameter_mm=diameter)
    assert check(DefectMap(info=info, xy_um=points_inside(rng, n, info.radius_um)), PARAMS) == ()


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 200), outside=st.integers(0, 200), share=st.floats(0, 0.5))
def test_refused_exactly_when_more_than_the_allowed_share_lies_outside(seed, n, outside, share):
    outside = min(n, outside)
    xy = points_inside(np.random.default_rng(seed), n)
    xy[:outside] = (200_000.0, 10.0)
    params = Validate(max_outside_share=share)
    wafer = DefectMap(info=INFO, xy_um=xy)
    if outside > share * n:
        assert code_of(wafer, params) == "wafer.outside"
    else:
        assert any("beyond the wafer edge" in note for note in check(wafer, params)) == (outside > 0)


@pytest.mark.parametrize(("beyond", "valid"), [(999.0, True), (1_001.0, False)])
def test_the_edge_tolerance_is_the_stage_tolerance(beyond, valid):
    wafer = DefectMap(info=INFO, xy_um=np.array([[150_000.0 + beyond, 0.0]]))
    if valid:
        assert check(wafer, PARAMS) == ()
    else:
        assert code_of(wafer) == "wafer.outside"


@given(bad=st.sampled_from([np.nan, np.inf, -np.inf]), row=st.integers(0, 9), column=st.integers(0, 1))
def test_a_coordinate_that_is_not_finite_is_refused(bad, row, column):
    xy = np.zeros((10, 2)) + np.arange(10)[:, None]
    xy[row, column] = bad
    assert code_of(DefectMap(info=INFO, xy_um=xy)) == "wafer.coordinates"


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(2, 100), copies=st.integers(1, 20))
def test_repeated_points_are_counted_and_kept(seed, n, copies):
    xy = points_inside(np.random.default_rng(seed), n)
    notes = check(DefectMap(info=INFO, xy_um=np.concatenate((xy, np.repeat(xy[:1], copies, axis=0)))), PARAMS)
    assert notes == (f"{copies} points repeat another point's place",)


def test_minus_zero_and_zero_are_one_place():
    notes = check(DefectMap(info=INFO, xy_um=np.array([[0.0, 1.0], [-0.0, 1.0]])), PARAMS)
    assert notes == ("1 points repeat another point's place",)


@pytest.mark.parametrize("diameter", [0.0, -300.0, np.nan, np.inf, 0.3, 300_000.0])
def test_a_diameter_in_the_wrong_unit_is_refused(diameter):
    assert code_of(DefectMap(info=WaferInfo(diameter_mm=diameter), xy_um=np.zeros((0, 2)))) == "wafer.diameter"


@pytest.mark.parametrize("pitch", [(0.0, 1e4), (1e4, -1.0), (np.nan, 1e4), (np.inf, 1e4), (1e4, 300_001.0)])
def test_an_impossible_pitch_is_refused_in_both_kinds_of_map(pitch):
    assert code_of(DefectMap(info=INFO, xy_um=np.zeros((0, 2)), pitch_um=pitch)) == "wafer.pitch"
    assert code_of(DieMap(info=INFO, status=np.ones((2, 2), np.uint8), pitch_um=pitch)) == "wafer.pitch"


def test_columns_of_unequal_length_are_refused():
    assert code_of(DefectMap(info=INFO, xy_um=np.zeros((3, 2)), attributes={"DSIZE": np.zeros(2)})) == "wafer.columns"


def grid(pitch, origin=(0.0, 0.0), reach=20):
    xs, ys = np.meshgrid(np.arange(-reach, reach), np.arange(-reach, reach))
    dies = np.column_stack((xs.ravel(), ys.ravel())).astype(np.int32)
    centre = (dies + 0.5) * pitch + origin
    return dies[np.hypot(*centre.T) <= 150_000.0]


@given(width=st.floats(9_000, 40_000), height=st.floats(9_000, 40_000), data=st.data())
@settings(max_examples=50)
def test_any_part_of_a_true_die_grid_is_valid(width, height, data):
    dies = grid(np.array([width, height]))
    kept = dies[: data.draw(st.integers(1, len(dies)))]  # a partial map is valid
    wafer = DefectMap(info=INFO, xy_um=np.zeros((0, 2)), pitch_um=(width, height), origin_um=(0.0, 0.0), dies=kept)
    assert check(wafer, PARAMS) == ()


def test_dies_off_the_wafer_are_refused_when_many_and_noted_when_few():
    dies = grid(np.array([10_000.0, 10_000.0]))
    few = np.concatenate((dies, np.array([[100, 0], [0, 0]], np.int32)))
    wafer = DefectMap(info=INFO, xy_um=np.zeros((0, 2)), pitch_um=(1e4, 1e4), origin_um=(0.0, 0.0), dies=few)
    assert check(wafer, PARAMS) == ("1 inspected dies are listed twice", "1 inspected dies lie off the wafer")
    many = DefectMap(info=INFO, xy_um=np.zeros((0, 2)), pitch_um=(1e4, 1e4), origin_um=(0.0, 0.0), dies=dies + 12)
    assert code_of(many) == "wafer.dies_outside"


def test_more_die_area_than_the_wafer_has_is_refused():
    status = np.ones((100, 100), np.uint8)
    assert check(DieMap(info=INFO, status=status, pitch_um=(2_500.0, 2_500.0)), PARAMS) == ()
    assert code_of(DieMap(info=INFO, status=status, pitch_um=(30_000.0, 30_000.0))) == "wafer.die_area"


def test_points_outside_the_die_they_name_are_only_counted():
    wafer = DefectMap(
        info=INFO,
        xy_um=np.array([[500.0, 500.0], [1_500.0, 500.0], [1_000.0, 0.0]]),
        pitch_um=(1_000.0, 1_000.0),
        origin_um=(0.0, 0.0),
        attributes={"XINDEX": np.array([0, 0, 0]), "YINDEX": np.array([0, 0, 0])},
    )
    assert check(wafer, PARAMS) == ("1 points lie outside the die they name",)


@given(seed=st.integers(0, 2**32 - 1), rows=st.integers(1, 40), cols=st.integers(1, 40))
def test_any_die_map_with_a_die_is_valid(seed, rows, cols):
    status = np.random.default_rng(seed).integers(0, 3, (rows, cols), dtype=np.uint8)
    status[0, 0] = 1
    assert check(DieMap(info=INFO, status=status), PARAMS) == ()


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (np.zeros((3, 3), np.uint8), "wafer.no_die"),
        (np.full((3, 3), 3, np.uint8), "wafer.die_status"),
        (np.ones((3, 3), np.int64), "wafer.die_map"),
        (np.ones((0, 3), np.uint8), "wafer.die_map"),
        (np.ones(9, np.uint8), "wafer.die_map"),
    ],
)
def test_a_die_map_that_cannot_be_is_refused(status, code):
    assert code_of(DieMap(info=INFO, status=status)) == code


def test_a_refusal_says_who_what_and_what_to_do():
    with pytest.raises(PhysicsError, match=r"expected .* got .*lot L1, wafer W1.*Check the unit"):
        check(DefectMap(info=INFO, xy_um=np.full((4, 2), 1e9)), PARAMS)
