"""`inspection explain`: the places that it names hold what it says, and it says when another model had to answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

from inspection import params, stages
from inspection.formats.klarf.writer import write_klarf12
from inspection.scoring.bundle import Bundle, bundle_sha256, write_bundle
from inspection.settings import Workspace
from inspection.stages.place import open_store, params_of
from inspection.store import champions
from inspection.views.renderer import ViewSpec
from inspection.wafer.maps import DefectMap, WaferInfo
from inspection.wafer.taxonomy import choose

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning:keras.*"),  # see tests/training/test_fit.py
]
CLASSES = ("Donut", "Normal", "ZigZag")
LOT, WAFERS = "A", 3


def promoted(place: Workspace, network: Path, version: str, temperature: float) -> Path:
    """A bundle of ``network``, champion from now on; its folder."""
    folder = place.bundles / "new"
    write_bundle(folder, Bundle(choose(CLASSES, params.load().classes), ViewSpec(32, 2), np.full(3, 0.3), temperature), network)
    sha256 = bundle_sha256(folder)
    kept = folder.rename(place.bundles / sha256)
    with open_store(place) as store, store.write() as connection:
        champions.replace(connection, version=version, bundle_sha256=sha256, bundle_path=kept, promoted_by="me", reason="test")
    return kept


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import keras

    from inspection.models.builders import build

    keras.utils.set_random_seed(0)
    file = tmp_path_factory.mktemp("network") / "network.keras"
    build("wafer_net", ViewSpec(32, 2), 3, width=8, dropout=0.0).save(file)
    return file


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, network: Path) -> Workspace:
    """One lot of wafers with a cluster each, on a grid of dies, scored by a network that was taught nothing."""
    tmp_path = tmp_path_factory.mktemp("explain")
    (tmp_path / "maps").mkdir()
    for n in range(1, WAFERS + 1):
        rng = np.random.default_rng(n)
        xy = rng.normal(rng.uniform(-60_000, 60_000, 2), 9_000, (80, 2))
        wafer = DefectMap(
            info=WaferInfo(lot=LOT, wafer=f"{n:02}", slot=n),
            xy_um=np.round(np.clip(xy, -90_000, 90_000), 3),
            pitch_um=(8_000.0, 6_000.0),
            origin_um=(-4_000.0, -3_000.0),
        )
        write_klarf12(tmp_path / "maps" / f"{n}.klarf", [wafer])
    place = Workspace(tmp_path / "workspace")
    place.root.mkdir()
    place.bundles.mkdir()
    stages.ingest(place, params_of(place), source=tmp_path / "maps")
    promoted(place, network, "1", 1.0)
    stages.enqueue(place, params_of(place))
    stages.work(place, params_of(place))
    return place


def explain(place: Workspace, wafer: int, **more: Any) -> dict[str, Any]:
    return stages.explain(place, params_of(place), lot=LOT, wafer=f"{wafer:02}", **more)


def test_the_places_hold_the_defects_that_they_name_and_the_picture_shows_them(place: Workspace, tmp_path: Path) -> None:
    found = [explain(place, n, png=tmp_path / f"{n}.png") for n in range(1, WAFERS + 1)]
    assert not any(one["stand_in"] for one in found)
    shown = [n for n, one in enumerate(found, 1) if one["likeliest"] != "Normal"]
    assert shown
    for n, one in enumerate(found, 1):
        assert (tmp_path / f"{n}.png").is_file() == bool(one["png"]) == (n in shown)
        assert bool(one["where"]) <= (n in shown)
        assert sum(region["share"] for region in one["where"]) <= 1 + 1e-6
    for n in shown:
        one = found[n - 1]
        assert cv2.imread(one["png"]).shape[1] == 800
        for region in one["where"]:
            assert region["left_mm"] < region["right_mm"]
            assert region["bottom_mm"] < region["top_mm"]
            assert len(region["dies"]) <= region["defects"] <= 80
    assert any(region["defects"] > 40 for n in shown for region in found[n - 1]["where"])


def test_another_model_that_answers_is_said_to_be_one(place: Workspace, network: Path) -> None:
    first = explain(place, 1)
    second = promoted(place, network, "2", 2.0)
    scored = place.bundles / first["model"]
    assert explain(place, 1)["model"] == first["model"]  # the one that scored it
    gone = scored.rename(place.root / "gone")
    try:
        after = explain(place, 1)
    finally:
        gone.rename(scored)
    assert (after["model"], after["stand_in"], after["stored"]) == (second.name, True, first["stored"])
