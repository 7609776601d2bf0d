import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lot_wafers import PRODUCT

from inspection.errors import InputError
from inspection.evaluation.lot.zones import RING_EDGES, RINGS, SECTORS, measure, zones
from inspection.wafer.maps import FAIL, NO_DIE, DefectMap, DieMap, WaferInfo

PLACES = st.lists(st.tuples(st.floats(-110_000, 110_000), st.floats(-110_000, 110_000)), max_size=40)
RETICLES = st.sampled_from([None, (1, 2), (2, 3), (4, 1)])


def wafer(xy, **more):
    return DefectMap(info=WaferInfo(diameter_mm=200.0), xy_um=np.array(xy, np.float64).reshape(-1, 2), **more)


def on_product(xy):
    return wafer(xy, pitch_um=PRODUCT.pitch_um, origin_um=PRODUCT.origin_um, dies=PRODUCT.dies)


def of_kind(counts, kind, values):
    return values[:, [zone.kind == kind for zone in counts.zones]]


@settings(max_examples=60, deadline=None)
@given(PLACES, RETICLES)
def test_rings_sectors_and_reticle_positions_each_cover_every_defect_and_all_area_once(xy, reticle):
    counts = measure([on_product(xy), on_product(xy[::2])], reticle)
    assert counts.defects[:, 0].tolist() == [len(xy), len(xy[::2])]
    for kind in {zone.kind for zone in counts.zones}:
        assert of_kind(counts, kind, counts.defects).sum(axis=1).tolist() == [len(xy), len(xy[::2])]
        assert of_kind(counts, kind, counts.inspected).sum(axis=1) == pytest.approx(counts.inspected[:, 0])


def test_the_area_of_a_whole_disc_is_that_of_its_rings_and_sectors():
    counts = measure([wafer([])])
    whole = np.pi * 10.0**2
    ends = np.array([0.0, *RING_EDGES, 1.0])
    assert counts.inspected[0, 0] == pytest.approx(whole, rel=1e-3)
    assert of_kind(counts, "ring", counts.inspected)[0] == pytest.approx(whole * np.diff(ends**2), rel=0.01)
    assert of_kind(counts, "sector", counts.inspected)[0] == pytest.approx(np.full(8, whole / 8), rel=0.01)


def test_the_inspected_area_is_that_of_the_listed_dies():
    few = PRODUCT.dies[((PRODUCT.dies >= -4) & (PRODUCT.dies < 4)).all(axis=1)]  # all of them well on the wafer
    counts = measure([wafer([], pitch_um=PRODUCT.pitch_um, origin_um=PRODUCT.origin_um, dies=few)], (2, 2))
    assert counts.inspected[0, 0] == pytest.approx(len(few) * np.prod(PRODUCT.pitch_um) * 1e-8, rel=0.01)
    assert counts.inspected[0, 1 + len(RINGS) + len(SECTORS) :] == pytest.approx(counts.inspected[0, 0] / 4, rel=0.02)


@settings(max_examples=40, deadline=None)
@given(st.floats(0.05, 0.9), st.integers(0, 7), st.floats(-0.45, 0.45))
def test_a_quarter_turn_moves_a_defect_two_sectors_on_and_keeps_its_ring(radius, sector, inside):
    angle = (sector + inside) * np.pi / 4
    at = 100_000 * radius * np.array([np.cos(angle), np.sin(angle)])
    here, turned = measure([wafer(at)]), measure([wafer([-at[1], at[0]])])
    assert int(of_kind(here, "sector", here.defects)[0].argmax()) == sector
    assert int(of_kind(turned, "sector", turned.defects)[0].argmax()) == (sector + 2) % 8
    assert of_kind(here, "ring", here.defects).tolist() == of_kind(turned, "ring", turned.defects).tolist()


def test_a_defect_that_repeats_in_every_field_has_one_reticle_position():
    fields = np.array([(x, y) for x in range(-6, 6) for y in range(-6, 6)])
    xy = (fields * (2, 3) + (1, 2) + (0.5, 0.25)) * PRODUCT.pitch_um + PRODUCT.origin_um
    xy = xy[np.hypot(*xy.T) < 95_000]
    counts = measure([on_product(xy)], (2, 3))
    by_name = {zone.name: n for zone, n in zip(counts.zones, counts.defects[0], strict=True) if zone.kind == "reticle"}
    assert by_name.pop("column 2, row 3") == len(xy)
    assert set(by_name.values()) == {0}


def test_without_a_die_grid_no_reticle_position_is_inspected():
    counts = measure([wafer([(0, 0)])], (2, 2))
    assert not of_kind(counts, "reticle", counts.inspected).any()


def test_failed_and_tested_dies_of_a_die_map_are_counted_where_their_centres_lie():
    rng = np.random.default_rng(0)
    status = rng.integers(0, 3, (21, 17)).astype(np.uint8)
    counts = measure([DieMap(info=WaferInfo(diameter_mm=200.0), status=status)], (2, 2))
    failed, tested = np.zeros(len(counts.zones), int), np.zeros(len(counts.zones), int)
    for row in range(21):
        for col in range(17):
            x, y = (col - 8) / 8.5, (10 - row) / 10.5  # in radii
            radius, turn = np.hypot(x, y), np.degrees(np.arctan2(y, x)) % 360
            ring = sum(radius >= edge for edge in RING_EDGES)
            sector = int(((turn + 22.5) % 360) // 45)
            field = (20 - row) % 2 * 2 + col % 2
            for zone in (0, 1 + ring, 6 + sector, 14 + field):
                failed[zone] += status[row, col] == FAIL
                tested[zone] += status[row, col] != NO_DIE
    assert counts.defects[0].tolist() == failed.tolist()
    assert counts.inspected[0].tolist() == tested.tolist()


@pytest.mark.parametrize("reticle", [(0, 3), (1, 1), (13, 2), (-1, 2)])
def test_a_field_that_cannot_be_is_refused(reticle):
    with pytest.raises(InputError, match="reticle"):
        zones(reticle)
