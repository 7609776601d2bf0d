"""A folder of images from landing to a served model, through the stages that the flows call, with the real engines."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
import yaml
from image_samples import picture, write, write_folders

from inspection import params as parameters
from inspection import stages
from inspection.errors import InputError
from inspection.formats.canonical import CanonicalWafer, read_shard, write_shard
from inspection.views.renderer import ViewSpec
from inspection.views.tiles import render
from inspection.wafer.maps import DefectMap, ImageMap, SourceWafer, WaferInfo

if TYPE_CHECKING:
    from pathlib import Path

    from inspection.settings import Workspace

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # Keras and MLflow, on the Python and NumPy of today
    pytest.mark.filterwarnings("ignore:.*type hint is inferred as AnyType:UserWarning"),  # of a class of MLflow itself
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
EACH = 30


class Life:
    """A workspace in which every stage ran once, in order."""

    def __init__(self, home: Path) -> None:
        self.images, self.workspace = home / "images", stages.open_workspace(home / "space")
        write_folders(self.images, EACH)
        (self.images / "good" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno picture")
        self.workspace.root.mkdir()
        shipped = yaml.safe_load((parameters.PACKAGED / "params.yaml").read_text(encoding="utf-8"))
        shipped["tile"]["images"]["size_px"] = 32
        shipped["train"] |= {"width": 8, "epochs": 3, "min_steps": 100, "min_epoch_steps": 1, "batch_size": 12}
        shipped["guard"] |= {"maps": 24, "looks": 1, "delta": 0.4}
        shipped["evaluate"] |= {"bootstrap": 20, "test_time_augmentation": False}
        shipped["baselines"]["enabled"] = False
        shipped["infer"]["batch_sizes"] = [8]
        square = ["quarter_turn", "half_turn", "flip"]
        shipped["taxonomy"] |= {"good": {"normal": True, "symmetries": square, "severity": "none"}, "scratched": {"symmetries": square}}
        (self.workspace.root / "params.yaml").write_text(yaml.safe_dump(shipped, sort_keys=False), encoding="utf-8")
        self.said = {"ingest": run(self.workspace, "ingest", source=self.images)}
        for name in ("snapshot", "materialise", "validate_snapshot", "tile", "split", "guard", "train", "evaluate"):
            self.said[name] = run(self.workspace, name)
        self.said["register"] = run(self.workspace, "register", override_guard="24 images decide nothing")
        self.said["promote"] = run(self.workspace, "promote", reason="the first one", actor="an engineer")
        for name in ("enqueue", "work"):
            self.said[name] = run(self.workspace, name)


def run(workspace: Workspace, name: str, **options: Any) -> dict[str, Any]:
    return json.loads(json.dumps(getattr(stages, name)(workspace, stages.params_of(workspace), **options), default=str))


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Life:
    return Life(tmp_path_factory.mktemp("camera"))


def test_every_picture_is_learnt_from_or_in_quarantine(life: Life) -> None:
    assert (life.said["ingest"]["new"], life.said["ingest"]["quarantined_files"]) == (3 * EACH, 1)
    assert life.said["snapshot"]["classes"] == {"good": EACH, "pitted": EACH, "scratched": EACH}
    assert life.said["ingest"]["labels"]["without_entry"] == ["pitted"]
    assert [entry.wafer.map.kind for entry in read_shard(life.workspace.data / "wafers.parquet")] == ["image"] * 3 * EACH


def test_neighbours_by_name_are_in_one_part(life: Life) -> None:
    split = pd.read_parquet(life.workspace.data / "split.parquet")
    assert len(split[["group", "part"]].drop_duplicates()) == split["group"].nunique()
    assert any("name no lot" in note for note in life.said["split"]["notes"])


def test_the_guard_has_seen_the_policy(life: Life) -> None:
    assert life.said["guard"]["verdict"] != "fail"
    assert [row["class"] for row in life.said["guard"]["tests"][0]["classes"]] == ["good", "scratched", "pitted"]
    assert "</html>" in (life.workspace.data / "guard" / "guard.html").read_text(encoding="utf-8")


def test_the_network_tells_the_kinds_apart(life: Life) -> None:
    assert life.said["evaluate"]["macro_f1"] > 0.6
    assert life.said["work"]["scored"] == life.said["enqueue"]["new"] > 0
    assert (life.said["work"]["failed"], life.said["work"]["dead"]) == (0, 0)


def test_classify_reads_any_raster_as_an_image(life: Life, tmp_path: Path) -> None:
    write(tmp_path / "new.bmp", picture("pitted", 4_711))
    run(life.workspace, "classify", paths=[tmp_path / "new.bmp"], out=tmp_path / "found.parquet")
    (row,) = pd.read_parquet(tmp_path / "found.parquet").to_dict("records")
    assert row["wafer"] == "new"
    assert {name for name in row if name.startswith("p_")} == {"p_good", "p_scratched", "p_pitted"}


def test_a_champion_stands_beside_its_replacement_and_does_not_fail_it_when_it_is_gone(life: Life) -> None:
    page = life.workspace.data / "report" / "report.html"
    run(life.workspace, "evaluate")
    assert "could not be judged" not in page.read_text(encoding="utf-8")
    assert "champion 1" in page.read_text(encoding="utf-8")
    (bundle,) = (folder for folder in life.workspace.bundles.iterdir() if folder.is_dir())
    gone = bundle.rename(life.workspace.root / "gone")
    try:
        assert run(life.workspace, "evaluate")["macro_f1"] == life.said["evaluate"]["macro_f1"]
        assert "champion 1 could not be judged" in page.read_text(encoding="utf-8")
    finally:
        gone.rename(bundle)


def test_maps_and_images_are_not_learnt_together(tmp_path: Path) -> None:
    workspace = stages.open_workspace(tmp_path / "space")
    maps = (DefectMap(info=WaferInfo(), xy_um=np.zeros((1, 2))), ImageMap(info=WaferInfo(), planes=np.zeros((4, 4, 1), np.uint8)))
    entries = [CanonicalWafer("0" * 64, "one", SourceWafer(i, m, label="good")) for i, m in enumerate(maps)]
    workspace.data.mkdir(parents=True)
    write_shard(workspace.data / "wafers.parquet", entries)
    with pytest.raises(InputError, match="workspaces of their own"):
        run(workspace, "tile")
    for kind, wrong in (("image", maps[0]), ("map", maps[1])):
        with pytest.raises(InputError, match="workspaces of their own"):
            render(wrong, ViewSpec(8, kind=kind))  # type: ignore[arg-type]
