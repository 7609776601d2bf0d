"""`inspection similar`: the true neighbours of a stored wafer or of a file, a picture of them, and advice where there can be none."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from inspection import params, stages
from inspection.errors import BundleError, InputError, InputNotFoundError
from inspection.formats.klarf.writer import write_klarf12
from inspection.inference.shards import ShardReader
from inspection.scoring.bundle import Bundle, bundle_sha256, write_bundle
from inspection.scoring.reference import Reference
from inspection.settings import Workspace
from inspection.stages.place import open_store, params_of
from inspection.store import champions
from inspection.store.wafers import names_and_labels
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


def wafer_map(lot: str, wafer: str, seed: int) -> DefectMap:
    rng = np.random.default_rng(seed)
    xy = rng.normal(rng.uniform(-60_000, 60_000, 2), rng.uniform(2_000, 20_000), (60, 2))
    return DefectMap(info=WaferInfo(lot=lot, wafer=wafer, slot=int(wafer)), xy_um=np.round(np.clip(xy, -65_000, 65_000), 3))


@pytest.fixture(scope="module")
def bundle_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import keras

    from inspection.models.builders import build

    keras.utils.set_random_seed(0)
    folder = tmp_path_factory.mktemp("bundle")
    taxonomy, spec = choose(CLASSES, params.load().classes), ViewSpec(32)
    build("wafer_net", spec, 3, width=8, dropout=0.0).save(folder / "network.keras")
    write_bundle(folder / "b", Bundle(taxonomy, spec, np.full(3, 0.3), 1.0), folder / "network.keras")
    return folder / "b"


@pytest.fixture
def workspace(tmp_path: Path, bundle_folder: Path) -> Workspace:
    """Lots A and B of six wafers each; B/01 is a copy of A/01. The champion has no reference."""
    folder = tmp_path / "maps"
    folder.mkdir()
    for lot in "AB":
        for n in range(1, 7):
            write_klarf12(folder / f"{lot}{n}.klarf", [wafer_map(lot, f"{n:02}", n + 100 * (lot == "B" and n > 1))])
    place = Workspace(tmp_path / "workspace")
    place.root.mkdir()
    stages.ingest(place, params_of(place), source=folder)
    sha256 = bundle_sha256(bundle_folder)
    with open_store(place) as store, store.write() as connection:
        champions.replace(connection, version="1", bundle_sha256=sha256, bundle_path=bundle_folder, promoted_by="me", reason="first")
    return place


@pytest.fixture
def with_reference(workspace: Workspace, tmp_path: Path) -> Reference:
    """Makes the champion one that holds all ingested wafers, and one that this workspace does not have."""
    from inspection.scoring.predictor import Predictor

    with open_store(workspace) as store, store.read() as connection:
        rows = names_and_labels(connection)
    keys = [{"file_sha256": row.file_sha256, "index": row.index} for row in rows]
    maps = [*ShardReader(workspace.canonical)(keys), wafer_map("C", "01", 1)]
    before = _champion(workspace)
    bare = Predictor.load(before, (1, 8))
    reference = Reference.of(
        bare.embeddings(bare.prepare(maps)),
        np.arange(13) % 3,
        [*(key["file_sha256"] for key in keys), "f" * 64],
        [*(key["index"] for key in keys), 7],
        [*(row.lot for row in rows), "C"],
    )
    sha256 = write_bundle(tmp_path / "b", replace(bare.bundle, reference=reference), before / "model.keras")
    with open_store(workspace) as store, store.write() as connection:
        champions.replace(connection, version="2", bundle_sha256=sha256, bundle_path=tmp_path / "b", promoted_by="me", reason="it knows")
    return reference


def _champion(workspace: Workspace) -> Path:
    from pathlib import Path

    with open_store(workspace) as store:
        return Path(champions.current(store).bundle_path)


def similar(workspace: Workspace, target: str, wafer: str | None = None, **options: object) -> dict:
    return stages.similar(workspace, params_of(workspace), target=target, wafer=wafer, **options)


@pytest.mark.usefixtures("with_reference")
def test_a_copy_is_the_nearest_and_the_wafer_itself_no_neighbour(workspace: Workspace, tmp_path: Path) -> None:
    png = tmp_path / "new" / "sheet.png"
    result = similar(workspace, "A", "01", k=5, png=png)
    json.dumps(result)
    first, second = result["neighbours"][:2]
    assert {(first["lot"], first["wafer"]), (second["lot"], second["wafer"])} == {("B", "01"), ("", "")}, (
        "the copies, one of them elsewhere"
    )
    assert max(first["distance"], second["distance"]) < 1e-3
    assert ("A", "01") not in {(one["lot"], one["wafer"]) for one in result["neighbours"]}
    distances = [one["distance"] for one in result["neighbours"]]
    assert distances == sorted(distances)
    assert distances[2] > 1e-3
    assert [one["rank"] for one in result["neighbours"]] == [1, 2, 3, 4, 5]
    assert sum(result["classes"].values()) == 5
    assert (result["reference"], result["exact"], result["not_drawn"]) == (13, True, 1)
    assert result["asked"]["decision"] in {*CLASSES, "Unknown", "Review"}
    picture = cv2.imread(str(png))
    assert picture.shape[1] == 3 * 320
    assert picture.shape[0] > 2 * 320


def test_a_class_is_that_of_the_reference(workspace: Workspace, with_reference: Reference) -> None:
    at = {
        (str(f), int(i)): CLASSES[k] for f, i, k in zip(with_reference.file_sha256, with_reference.index, with_reference.label, strict=True)
    }
    for one in similar(workspace, "B", "03", k=20)["neighbours"]:
        assert one["class"] == at[one["file_sha256"], one["index"]]


@pytest.mark.usefixtures("with_reference")
def test_a_file_is_looked_up_as_the_wafer_in_the_store(workspace: Workspace, tmp_path: Path) -> None:
    stored = similar(workspace, "B", "04", k=6)
    named = similar(workspace, str(tmp_path / "maps" / "B4.klarf"), k=6)
    assert named["neighbours"] == stored["neighbours"]
    assert named["asked"]["lot"] == "B"
    write_klarf12(tmp_path / "new.klarf", [replace(wafer_map("Z", "04", 104), attributes={})])
    new = similar(workspace, str(tmp_path / "new.klarf"), k=1)
    assert (new["neighbours"][0]["lot"], new["neighbours"][0]["wafer"]) == ("B", "04"), "another file: its twin is found"


@pytest.mark.usefixtures("with_reference")
def test_wafers_of_the_own_lot_can_be_left_out(workspace: Workspace) -> None:
    lots = [one["lot"] for one in similar(workspace, "A", "02", k=50, other_lots=True)["neighbours"]]
    assert sorted(lots) == ["", *"BBBBBB"]


def test_a_model_without_labelled_wafers_says_what_to_do(workspace: Workspace) -> None:
    with pytest.raises(BundleError, match=r"reference\.npz.*Train and promote a new model"):
        similar(workspace, "A", "01")


def test_what_is_not_there_is_told_before_a_model_is_loaded(workspace: Workspace, tmp_path: Path) -> None:
    for lot, wafer in (("A", "99"), ("no such lot", "01")):
        with pytest.raises(InputNotFoundError, match="inspection history LOT WAFER"):
            similar(workspace, lot, wafer)
    with pytest.raises(InputNotFoundError, match="similar LOT WAFER"):
        similar(workspace, "A")
    with pytest.raises(InputNotFoundError, match="it holds 1, counted from 0"):
        similar(workspace, str(tmp_path / "maps" / "A1.klarf"), index=3)
    with pytest.raises(InputError, match="1 to 1000"):
        similar(workspace, "A", "01", k=0)
