"""A folder of images lands: each picture once, with its class, or in quarantine with the reason."""

import json

import numpy as np
import pytest
import yaml
from image_samples import picture, write, write_folders

from inspection import params as parameters
from inspection import stages
from inspection.errors import InputError, LabelError
from inspection.intake.file_table import inside

pytestmark = pytest.mark.slow


@pytest.fixture
def workspace(tmp_path):
    return stages.open_workspace(tmp_path / "space")


def ingest(workspace, folder):
    return stages.ingest(workspace, parameters.load(), source=folder)


def landed(workspace) -> dict[str, dict]:
    """Every wafer of the store, by the name of its file."""
    from sqlalchemy import select

    from inspection.stages.place import open_store
    from inspection.store.tables import wafers

    with open_store(workspace) as store, store.read() as connection:
        return {row["source"]: dict(row) for row in connection.execute(select(wafers)).mappings()}


def test_each_folder_is_a_class_and_each_picture_has_one_outcome(workspace, tmp_path):
    folder = tmp_path / "images"
    write_folders(folder, 2)
    write(folder / "good" / "colour.jpg", np.dstack([picture("good", 8)] * 3))
    (folder / "good" / "cut.png").write_bytes((folder / "good" / "0.png").read_bytes()[:500])
    (folder / "pitted" / "text.bmp").write_text("no picture", encoding="utf-8")
    done = ingest(workspace, folder)
    assert (done["read"], done["new"], done["quarantined_files"], done["left"]) == (9, 7, 2, [])
    found = landed(workspace)
    assert {name: row["label"] for name, row in found.items()} == {
        **{f"{kind}/{n}.png": kind for kind in ("good", "pitted", "scratched") for n in (0, 1)},
        "good/colour.jpg": "good",
    }
    assert {row["kind"] for row in found.values()} == {"image"}
    assert done["labels"]["without_entry"] == ["good", "pitted", "scratched"]
    reasons = [json.loads(path.read_text()) for path in workspace.quarantine.glob("*/reason.json")]
    assert sorted(reason["name"] for reason in reasons) == ["good/cut.png", "pitted/text.bmp"]
    assert all(reason[key] for reason in reasons for key in ("code", "where", "expected", "got", "action"))
    again = ingest(workspace, folder)
    assert (again["new"], again["known"], again["idle"]) == (0, 9, True)


def test_a_later_picture_does_not_touch_the_others(workspace, tmp_path):
    folder = tmp_path / "images"
    write_folders(folder, 1)
    ingest(workspace, folder)
    write(folder / "good" / "00.png", picture("good", 77))
    assert ingest(workspace, folder)["new"] == 1


def test_a_table_says_class_lot_wafer_product_and_time(workspace, tmp_path):
    folder = tmp_path / "images"
    (folder / "deep").mkdir(parents=True)
    for number, name in enumerate(["a.png", "deep/b.tif", "c.bmp"]):
        write(folder / name, picture("good", number))
    rows = ["file,label,lot,wafer,product,time", "a.png,fine,L1,01,P1,2026-01-05T06:00:00", "./deep/b.tif,torn,L2,,,", "gone.png,fine,,,,"]
    (folder / "labels.csv").write_text("\n".join(rows), encoding="utf-8")
    done = ingest(workspace, folder)
    found = landed(workspace)
    shown = {name: tuple(row[key] for key in ("label", "lot", "wafer", "product")) for name, row in found.items()}
    assert shown == {"a.png": ("fine", "L1", "01", "P1"), "deep/b.tif": ("torn", "L2", "b", None), "c.bmp": (None, "", "c", None)}
    assert found["a.png"]["inspected_at"].isoformat() == "2026-01-05T06:00:00"
    assert done["labels"]["unmatched"] == ["gone.png 0"]


def test_two_images_of_one_wafer_at_one_time_are_two(workspace, tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    for number in (0, 1):
        write(folder / f"{number}.png", picture("good", number))
    same = "fine,L1,01,2026-01-05T06:00:00"
    (folder / "labels.csv").write_text(f"file,label,lot,wafer,time\n0.png,{same}\n1.png,{same}\n", encoding="utf-8")
    ingest(workspace, folder)
    assert {row["state"] for row in landed(workspace).values()} == {"valid"}


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "a/../../b.png", "..\\b.png", "C:\\b.png", "", "."])
def test_a_table_that_leads_out_of_the_folder_is_refused(workspace, tmp_path, name):
    folder = tmp_path / "images"
    folder.mkdir()
    write(folder / "a.png", picture("good", 0))
    (folder / "labels.csv").write_text(f"file,label\na.png,fine\n{name},fine\n", encoding="utf-8")
    with pytest.raises(LabelError, match="line 3"):
        ingest(workspace, folder)
    assert not workspace.archive.exists() or not any(workspace.archive.iterdir())


@pytest.mark.parametrize(
    ("name", "clean"), [("a.png", "a.png"), ("./a/b.png", "a/b.png"), ("a\\b.png", "a/b.png"), ("a..b.png", "a..b.png")]
)
def test_a_name_inside_the_folder_is_taken(name, clean):
    assert inside(name, "here") == clean


@pytest.mark.parametrize("label", ["Unknown", "Review"])
def test_what_a_model_answers_is_no_class_to_learn(workspace, tmp_path, label):
    write(tmp_path / "a.png", picture("good", 0))
    (tmp_path / "labels.csv").write_text(f"file,label\na.png,{label}\n", encoding="utf-8")
    with pytest.raises(LabelError, match="answers of a model"):
        ingest(workspace, tmp_path)


@pytest.mark.parametrize(("classes", "label"), [("first", "train"), ("last", "good"), ("none", None)])
def test_images_yaml_says_which_folder_names_the_class(workspace, tmp_path, classes, label):
    folder = tmp_path / "images"
    (folder / "train" / "good").mkdir(parents=True)
    write(folder / "train" / "good" / "a.png", picture("good", 0))
    (folder / "images.yaml").write_text(yaml.safe_dump({"classes": classes, "lot": "L9"}), encoding="utf-8")
    ingest(workspace, folder)
    (row,) = landed(workspace).values()
    assert (row["label"], row["lot"], row["kind"]) == (label, "L9", "image")


def test_a_wrong_images_yaml_stops_before_anything_is_claimed(workspace, tmp_path):
    write(tmp_path / "a.png", picture("good", 0))
    (tmp_path / "images.yaml").write_text("rnge: [0, 1]", encoding="utf-8")
    with pytest.raises(InputError, match=r"images\.yaml"):
        ingest(workspace, tmp_path)


def sparse() -> np.ndarray:
    pixels = np.zeros((64, 64), np.uint8)
    pixels[[20, 30, 40], [20, 30, 40]] = 255
    return pixels


def test_sparse_pictures_stay_maps_of_defects_unless_their_folders_are_classes(workspace, tmp_path):
    for lot in ("LOT1", "LOT2"):
        (tmp_path / "lots" / lot).mkdir(parents=True)
        write(tmp_path / "lots" / lot / "1.png", sparse() if lot == "LOT1" else sparse().T[::-1].copy())
    ingest(workspace, tmp_path / "lots")
    assert {row["kind"] for row in landed(workspace).values()} == {"points"}
    (tmp_path / "classes" / "Donut").mkdir(parents=True)
    write(tmp_path / "classes" / "Donut" / "1.png", sparse())
    ingest(workspace, tmp_path / "classes")
    assert landed(workspace)["Donut/1.png"]["kind"] == "image"


def test_a_picture_with_a_sidecar_of_its_own_is_what_that_says(workspace, tmp_path):
    folder = tmp_path / "images"
    write_folders(folder, 1)
    write(folder / "map.png", sparse())
    (folder / "map.yaml").write_text("lot: L1\nthreshold: 128\n", encoding="utf-8")
    (folder / "images.yaml").write_text("", encoding="utf-8")
    ingest(workspace, folder)
    kinds = {name: row["kind"] for name, row in landed(workspace).items()}
    assert kinds == {"good/0.png": "image", "scratched/0.png": "image", "pitted/0.png": "image", "map.png": "points"}
