"""Laws of the physical checks."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
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


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(22, 100), copies=st.integers(1, 20))
def test_some_repeated_points_are_counted_and_kept(seed, n, copies):
    xy = points_inside(np.random.default_rng(seed), n)
    notes = check(DefectMap(info=INFO, xy_um=np.concatenate((xy, np.repeat(xy[:1], copies, axis=0)))), PARAMS)
    assert notes == (f"{copies} points repeat another point's place",)


def test_minus_zero_and_zero_are_one_place():
    notes = check(DefectMap(info=INFO, xy_um=np.array([[0.0, 1.0], [-0.0, 1.0]])), PARAMS)
    assert notes == ("1 points repeat another point's place",)


@given(n=st.integers(0, 60), copies=st.integers(12, 60))
def test_a_map_that_is_mostly_one_row_is_refused_unless_its_columns_tell_the_rows_apart(n, copies):
    xy = np.concatenate((points_inside(np.random.default_rng(n), n), np.full((copies, 2), 7_000.0)))
    numbers = np.arange(len(xy))
    same = DefectMap(info=INFO, xy_um=xy, attributes={"DEFECTID": numbers, "DSIZE": np.full(len(xy), np.nan)})
    told_apart = DefectMap(info=INFO, xy_um=xy, attributes={"DSIZE": numbers + 1.0})
    assert check(told_apart, PARAMS) == (f"{copies - 1} points repeat another point's place",)
    if copies > n:
        assert code_of(same) == "wafer.repeated"
    else:
        assert check(same, PARAMS) == (f"{copies - 1} points repeat another point's place, {copies - 1} of them every column",)


@pytest.mark.parametrize("diameter", [0.0, -300.0, np.nan, np.inf, 3.0, 5_000.0])
def test_a_diameter_that_no_wafer_has_is_refused(diameter):
    assert code_of(DefectMap(info=WaferInfo(diameter_mm=diameter), xy_um=np.zeros((0, 2)))) == "wafer.diameter"


@pytest.mark.parametrize(("diameter", "unit"), [(0.3, "read as m "), (300_000.0, "read as um"), (3e8, "read as nm")])
def test_a_diameter_in_another_unit_is_refused_with_its_factor(diameter, unit):
    with pytest.raises(PhysicsError, match=rf"wafer.unit: .*300 mm when {unit}.*factor"):
        check(DefectMap(info=WaferInfo(diameter_mm=diameter), xy_um=np.zeros((0, 2))), PARAMS)


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
    assert check(DieMap(info=INFO, status=status, pitch_um=(2_000.0, 2_000.0)), PARAMS) == ()
    assert code_of(DieMap(info=INFO, status=status, pitch_um=(2_900.0, 2_900.0))) == "wafer.die_area"
    dies = np.argwhere(status).astype(np.int32) - 50
    wafer = DefectMap(info=INFO, xy_um=np.zeros((0, 2)), pitch_um=(3e4, 3e4), origin_um=(0.0, 0.0), dies=dies)
    assert code_of(wafer) == "wafer.die_area"


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
    assert all("not round" in note for note in check(DieMap(info=INFO, status=status), PARAMS))


def round_map(rows, cols, margin=0.0):
    y, x = np.mgrid[:rows, :cols]
    centre = np.hypot((x + 0.5) / cols - 0.5, (y + 0.5) / rows - 0.5)
    return (centre <= 0.5 - margin).astype(np.uint8)


@given(rows=st.integers(3, 80), cols=st.integers(3, 80), seed=st.integers(0, 2**32 - 1), share=st.floats(0, 1))
def test_a_round_map_is_clean_whatever_part_of_it_failed(rows, cols, seed, share):
    status = round_map(rows, cols)
    status[(status > 0) & (np.random.default_rng(seed).random(status.shape) < share)] = 2
    for turned in (status, status[::-1], status[:, ::-1], np.rot90(status)):
        assert check(DieMap(info=INFO, status=np.ascontiguousarray(turned)), PARAMS) == ()


def test_a_border_that_is_not_round_is_noted():
    assert check(DieMap(info=INFO, status=np.ones((30, 30), np.uint8)), PARAMS)[0].startswith("the border is not round: ")


@pytest.mark.parametrize(
    ("pitch", "code"),
    [
        ((5_000.0, 10_000.0), None),
        ((10_000.0, 5_000.0), "wafer.orientation"),  # 60 x 30 dies: the map or the pitch is turned
        ((9_000.0, 11_000.0), "wafer.die_extent"),
        ((5_000_000.0, 10_000_000.0), "wafer.unit"),
        ((5.0, 10.0), "wafer.unit"),
    ],
)
def test_a_die_map_fits_its_wafer_with_its_pitch(pitch, code):
    wafer = DieMap(info=INFO, status=round_map(30, 60), pitch_um=pitch)
    if code is None:
        assert check(wafer, PARAMS) == ()
    else:
        assert code_of(wafer) == code


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


def clean_wafer(seed, n=60, pitch=(12_000.0, 8_000.0), origin=(-3_000.0, -4_000.0)):
    """Points on the dies of a true grid, each with the index of its die; about one side of the wafer was inspected."""
    rng = np.random.default_rng(seed)
    pitch, origin = np.array(pitch), np.array(origin)
    dies = grid(pitch, origin)
    dies = dies[np.hypot(*((dies + 0.5) * pitch + origin).T) < 150_000.0 - np.hypot(*pitch)]
    dies = dies[(dies[:, 0] > 1) & (dies[:, 1] > -6)]
    index = dies[rng.integers(len(dies), size=n)]
    xy = (index + rng.uniform(0.05, 0.95, (n, 2))) * pitch + origin
    return DefectMap(
        info=INFO,
        xy_um=xy,
        pitch_um=tuple(pitch),
        origin_um=tuple(origin),
        dies=dies,
        attributes={"XINDEX": index[:, 0], "YINDEX": index[:, 1], "DSIZE": rng.random(n)},
    )


def turned(wafer, quarter_turns, mirror):
    """The same wafer in another orientation: points, dies, indices, pitch and origin together."""
    matrix = np.linalg.matrix_power(np.array([[0, -1], [1, 0]]), quarter_turns) @ np.diag([-1 if mirror else 1, 1])
    corners = np.array([wafer.origin_um, np.array(wafer.origin_um) + wafer.pitch_um]) @ matrix.T
    # Die (i, j) becomes the die whose lower-left corner is the turned die's, in a grid that keeps die (0, 0).
    index = np.column_stack((wafer.attributes["XINDEX"], wafer.attributes["YINDEX"])) @ matrix.T
    return replace(
        wafer,
        xy_um=np.ascontiguousarray(wafer.xy_um @ matrix.T),
        pitch_um=tuple(np.ptp(corners, axis=0)),
        origin_um=tuple(corners.min(axis=0)),
        dies=np.ascontiguousarray(wafer.dies @ matrix.T),
        attributes={**wafer.attributes, "XINDEX": index[:, 0], "YINDEX": index[:, 1]},
    )


@given(seed=st.integers(0, 2**32 - 1), quarter_turns=st.integers(0, 3), mirror=st.booleans())
def test_a_clean_wafer_is_clean_in_every_orientation(seed, quarter_turns, mirror):
    assert check(turned(clean_wafer(seed), quarter_turns, mirror), PARAMS) == ()


@given(seed=st.integers(0, 2**32 - 1), quarter_turns=st.integers(0, 3), mirror=st.booleans())
def test_points_in_another_orientation_than_the_dies_they_name_are_refused(seed, quarter_turns, mirror):
    assume(quarter_turns or mirror)
    wafer = clean_wafer(seed, n=100)
    moved = replace(wafer, xy_um=turned(wafer, quarter_turns, mirror).xy_um)
    assert code_of(moved) == "wafer.orientation"


@given(seed=st.integers(0, 2**32 - 1), turn=st.sampled_from([(0, True), (2, False)]))
def test_points_in_another_orientation_than_the_inspected_dies_are_refused(seed, turn):
    wafer = replace(clean_wafer(seed, n=100), attributes={})  # inspected on the right side only
    assert code_of(replace(wafer, xy_um=turned(clean_wafer(seed, n=100), *turn).xy_um)) == "wafer.orientation"


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 200))
def test_nanometres_read_as_micrometres_are_named(seed, n):
    wafer = clean_wafer(seed, n)
    assert code_of(DefectMap(info=INFO, xy_um=wafer.xy_um * 1_000)) == "wafer.unit"
    nanometres = replace(wafer, xy_um=wafer.xy_um * 1_000, pitch_um=(1.2e7, 8e6), origin_um=(-3e6, -4e6))
    with pytest.raises(PhysicsError, match=r"wafer.unit: .*12000 x 8000 um when read as nm \(factor 1000\)"):
        check(nanometres, PARAMS)


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 200))
def test_millimetres_read_as_micrometres_are_named_or_with_few_points_noted(seed, n):
    wafer = clean_wafer(seed, n)
    tiny = replace(wafer, xy_um=wafer.xy_um / 1_000, pitch_um=(12.0, 8.0), origin_um=(-3.0, -4.0))
    pointed = DefectMap(info=INFO, xy_um=tiny.xy_um)
    if n >= 20:
        assert code_of(tiny) == code_of(pointed) == "wafer.unit"
    elif n >= 5:
        assert all("a thousandth of the wafer" in check(one, PARAMS)[0] for one in (tiny, pointed))
    else:
        assert check(tiny, PARAMS) == check(pointed, PARAMS) == ()


def test_a_real_cluster_at_the_centre_is_a_wafer():
    rng = np.random.default_rng(3)
    wafer = replace(clean_wafer(3), xy_um=rng.normal(0, 40, (60, 2)).clip(-90, 90), attributes={}, dies=None)
    (note,) = check(wafer, PARAMS)
    assert "a thousandth of the wafer" in note


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(50, 300))
def test_points_counted_from_the_corner_are_named(seed, n):
    xy = points_inside(np.random.default_rng(seed), n) + 150_000.0
    assert code_of(DefectMap(info=INFO, xy_um=xy)) == "wafer.frame"


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(0, 400), angle=st.floats(0, 7), beyond=st.floats(1.0, 20_000.0))
def test_one_more_point_off_the_wafer_is_noted_or_refused_and_never_missed(seed, n, angle, beyond):
    radius = 151_000.0 + beyond
    xy = np.concatenate((points_inside(np.random.default_rng(seed), n), [[radius * np.cos(angle), radius * np.sin(angle)]]))
    wafer = DefectMap(info=INFO, xy_um=xy)
    if n + 1 < 100:
        assert code_of(wafer) == "wafer.outside"
    else:
        assert check(wafer, PARAMS) == ("1 points lie beyond the wafer edge",)


def test_points_on_dies_that_were_not_inspected_are_counted():
    wafer = clean_wafer(1)
    gone = (wafer.dies == (5, 0)).all(axis=1)
    xy = np.concatenate((wafer.xy_um, np.tile(np.array([5.5, 0.5]) * wafer.pitch_um + wafer.origin_um, (9, 1)) + np.arange(9)[:, None]))
    missing = replace(wafer, xy_um=xy, dies=wafer.dies[~gone], attributes={})
    (note,) = check(missing, PARAMS)
    assert "points lie on dies that were not inspected" in note
