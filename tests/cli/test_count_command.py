"""`inspection count`: every object of an image by class, with its errors against a truth, and what is said where it cannot count."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from counted_scenes import NAMES, WINDOW, patch_classifier, scene

from inspection import params as parameters
from inspection import stages
from inspection.errors import FormatError, InputError, InputNotFoundError
from inspection.scoring.bundle import Bundle, bundle_sha256, write_bundle
from inspection.settings import Workspace
from inspection.stages.place import open_store, params_of
from inspection.store import champions
from inspection.views.renderer import ViewSpec
from inspection.wafer.taxonomy import Taxonomy, WaferClass

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning:keras.*"),  # see tests/training/test_fit.py
]
TAXONOMY = Taxonomy(tuple(WaferClass(name, normal=name == "background") for name in NAMES))
SPEC = ViewSpec(WINDOW, kind="image")


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("network") / "network.keras"
    patch_classifier(channels=3).save(file)
    return file


def champion(root: Path, network: Path, spec: ViewSpec = SPEC) -> Workspace:
    place = Workspace(root)
    folder = place.bundles / "one"
    folder.parent.mkdir(parents=True)
    write_bundle(folder, Bundle(TAXONOMY, spec, np.full(3, 0.3), 1.0), network)
    with open_store(place) as store, store.write() as connection:
        champions.replace(
            connection, version="1", bundle_sha256=bundle_sha256(folder), bundle_path=folder, promoted_by="me", reason="first"
        )  # fmt: skip
    return place


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, network: Path) -> Workspace:
    """A champion, an image ``scene.png`` and where its objects are (``truth.csv``)."""
    place = champion(tmp_path_factory.mktemp("count"), network)
    image, centres, classes = scene(260, 340, 60, seed=11)
    cv2.imwrite(str(place.root / "scene.png"), image[..., 0])
    with (place.root / "truth.csv").open("w", newline="") as opened:
        csv.writer(opened).writerows([("row", "col", "label"), *((r, c, NAMES[k]) for (r, c), k in zip(centres, classes, strict=True))])
    return place


def count(place: Workspace, name: str = "scene.png", **more):
    return stages.count(place, params_of(place), image=place.root / name, **more)


def test_objects_are_counted_against_the_truth_and_written_where_they_are(place: Workspace) -> None:
    out, png = place.root / "objects.csv", place.root / "objects.png"
    result = count(place, truth=place.root / "truth.csv", out=out, png=png)
    assert [row["class"] for row in result["classes"]] == ["dot", "bar"]
    for row in result["classes"]:
        assert abs(row["error"]) <= 0.05
        assert row["matched"] >= 0.95 * row["true"]
    with out.open(newline="") as opened:
        written = list(csv.DictReader(opened))
    assert len(written) == result["objects"] == sum(row["counted"] for row in result["classes"])
    again = count(place, truth=out)  # what is written can be read as a truth
    assert all(row["matched"] == row["counted"] for row in again["classes"])
    assert cv2.imread(str(png)).shape[1] >= 340
    assert [p.name for p in place.root.iterdir() if p.name.startswith("count-")] == []


def test_a_pyramid_gives_the_same_as_its_image(place: Workspace) -> None:
    stages.pyramid(place.root / "scene.png", place.root / "pyramid", place, tiles=0)
    assert count(place, "pyramid")["classes"] == count(place)["classes"]


def test_calibration_moves_the_probabilities_and_so_the_threshold(tmp_path: Path, network: Path, place: Workspace) -> None:
    doubtful = champion(tmp_path, network)
    folder = doubtful.bundles / "one"
    write_bundle(folder, Bundle(TAXONOMY, SPEC, np.full(3, 0.3), 40.0), network)
    found = stages.count(doubtful, params_of(doubtful), image=place.root / "scene.png", threshold=0.6)
    assert found["objects"] < count(place, threshold=0.6)["objects"] / 2


def test_a_network_that_pads_is_slid_window_by_window(tmp_path: Path, place: Workspace) -> None:
    from inspection.models.builders import build

    build("plain_cnn", SPEC, 3, width=8, dropout=0.0).save(tmp_path / "network.keras")
    padded = champion(tmp_path / "space", tmp_path / "network.keras")
    result = stages.count(padded, params_of(padded), image=place.root / "scene.png", threshold=0.0)
    assert (result["window_px"], result["stride_px"]) == (WINDOW, WINDOW // 4)


def test_what_cannot_be_counted_is_refused_with_advice(tmp_path: Path, network: Path, place: Workspace) -> None:
    with pytest.raises(InputNotFoundError, match=r"nothing\.png"):
        count(place, "nothing.png")
    with pytest.raises(InputError, match="--background"):
        count(place, background="sky")
    of_wafers = champion(tmp_path / "wafers", network, ViewSpec(WINDOW))
    with pytest.raises(InputError, match="folder of patches"):
        stages.count(of_wafers, params_of(of_wafers), image=place.root / "scene.png")
    for content, code in (
        ("x,y\n1,2\n", "truth.columns"),
        ("row,col,label\n1,two,dot\n", "truth.number"),
        ("row,col,label\n1,2\n", "truth.label"),
        ("row,col,label\n1,nan,dot\n", "truth.label"),
        ("row,col,label\n1,2,background\n", "truth.label"),
    ):
        (tmp_path / "truth.csv").write_text(content)
        with pytest.raises(FormatError, match=code):
            count(place, truth=tmp_path / "truth.csv")


def test_a_truth_of_another_image_or_a_place_that_cannot_be_written_is_refused_before_the_image_is_slid_over(
    tmp_path: Path, place: Workspace
) -> None:
    (tmp_path / "truth.csv").write_text("row,col,label\n1,900,dot\n")
    with pytest.raises(FormatError, match=r"truth\.place.*260 rows x 340 columns.*col 900"):
        count(place, truth=tmp_path / "truth.csv")
    for named in ("out", "png"):
        with pytest.raises(InputError, match="got a folder"):
            count(place, **{named: tmp_path})
    count(place, out=tmp_path / "new" / "objects.csv", png=tmp_path / "other" / "objects.png")  # folders are made
    assert (tmp_path / "new" / "objects.csv").is_file()
    assert (tmp_path / "other" / "objects.png").is_file()


def test_the_command_prints_a_table_and_json(place: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    from inspection.cli.entry import app

    words = ["count", str(place.root / "scene.png"), "--truth", str(place.root / "truth.csv"), "--workspace", str(place.root)]
    app(words, standalone_mode=False)
    assert "matched" in capsys.readouterr().out
    app([*words, "--json"], standalone_mode=False)
    assert json.loads(capsys.readouterr().out)["classes"][0]["class"] == "dot"


def test_patch_net_can_be_chosen_and_trained() -> None:
    from inspection.models.builders import BUILDERS

    shipped = parameters.load().model_dump(by_alias=True)
    shipped["train"]["model"] = "patch_net"
    assert parameters.Params.model_validate(shipped).train.model in BUILDERS
