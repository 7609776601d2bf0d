"""The heat of a class lies on the wafer, where the network's shares and the defects are."""

from __future__ import annotations

import numpy as np
import pytest

from inspection.errors import InputError
from inspection.wafer.maps import DefectMap, DieMap, ImageMap, WaferInfo

INFO = WaferInfo(diameter_mm=300.0)


@pytest.fixture(scope="module")
def localiser():
    from inspection.models.backend import keras
    from inspection.models.builders import build
    from inspection.scoring.localisation import Localiser
    from inspection.views.renderer import ViewSpec

    keras.utils.set_random_seed(0)
    spec = ViewSpec(32, tiles=2, tile_px=16, tile_mm=20.0)
    return Localiser(build("wafer_net", spec, 3, width=8, dropout=0.0), spec)


def cluster(**more):
    xy = np.random.default_rng(0).normal((60_000, -40_000), 6_000, (300, 2))
    return DefectMap(info=INFO, xy_um=xy, **more)


def test_heat_is_never_negative_and_lies_where_defects_are(localiser):
    from inspection.evaluation.regions import cells_to_um

    wafer = cluster()
    for k in range(3):
        heat = localiser.heat(wafer, k)
        assert heat.values.shape == (32, 32)
        assert heat.values.min() >= 0
        far = np.hypot(*(cells_to_um(heat.values.shape, heat.window) - (60_000, -40_000)).transpose(2, 0, 1)) > 100_000
        assert heat.values[far].sum() <= 1e-6 * max(float(heat.values.sum()), 1e-9)
        assert heat.missing == 0.0
    assert sum(localiser.heat(wafer, k).values.sum() > 0 for k in range(3)) >= 1


def test_tiles_lie_where_they_were_cut_and_their_shares_are_the_network_s(localiser):
    from inspection.views.tiles import choose_windows, render

    wafer = cluster()
    heat = localiser.heat(wafer, 1)
    assert list(heat.tile_windows) == choose_windows(wafer.xy_um, wafer, 2, 20.0)
    image, tiles = render(wafer, localiser.spec)
    shares = localiser._activation(image[None], tiles[None]).tile_shares[0]
    np.testing.assert_allclose(heat.tile_shares, shares[:, 1] - shares[:, [0, 2]].mean(axis=1), atol=1e-5)


def test_the_same_wafer_has_the_same_heat(localiser):
    np.testing.assert_array_equal(localiser.heat(cluster(), 0).values, localiser.heat(cluster(), 0).values)


def test_what_hangs_on_missing_dies_lies_on_missing_dies(localiser, monkeypatch):
    """Of a network that sees nothing but what was inspected."""
    pitch = 20_000.0
    dies = np.array([(i, j) for i in range(-8, 8) for j in range(-8, 0)], np.int32)  # the lower half
    wafer = cluster(dies=dies, pitch_um=(pitch, pitch), origin_um=(0.0, 0.0))
    upper = localiser.heat(wafer, 0).values[:16]
    monkeypatch.setattr(type(localiser), "_hangs_on_missing", lambda *_: 1.0)
    heat = localiser.heat(wafer, int(np.argmax([localiser.heat(wafer, k).values.sum() for k in range(3)])))
    if heat.values.sum() > 0:
        assert heat.missing == pytest.approx(1.0)
        assert heat.values[:15].sum() >= upper.sum()
        assert not heat.values[18:].any()


def test_a_wafer_without_defects_and_a_die_map_have_their_heat_too(localiser):
    assert np.isfinite(localiser.heat(DefectMap(info=INFO, xy_um=np.zeros((0, 2))), 0).values).all()
    status = np.ones((20, 20), np.uint8)
    status[4:8, 12:16] = 2
    heat = localiser.heat(DieMap(info=INFO, status=status), 0)
    assert heat.values.min() >= 0
    assert not heat.tile_windows
    assert not heat.values[24:].any()


def test_an_inspection_image_has_no_place_on_the_wafer(localiser):
    with pytest.raises(InputError, match="inspection image"):
        localiser.heat(ImageMap(info=INFO, planes=np.zeros((8, 8, 1), np.uint8)), 0)
