"""The snapshot: deterministic, complete without the store, and it notices every change behind its back."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from inspection.dataset import snapshot
from inspection.dataset.materialise import materialise
from inspection.errors import InputError, InputNotFoundError, LabelError
from inspection.formats import table
from inspection.formats.canonical import read_shard, shard_index
from inspection.intake.ingest import ingest
from inspection.intake.landing import claim
from inspection.params import Ingest, Params
from inspection.settings import Workspace
from inspection.store.database import Store

CLASSES = ("none", "Donut", "Scratch, odd")
PARAMS = Params()
READ = partial(table.read, limits=Ingest())


def write_archive(path, seed, *, rows=None, labels=(0, 1, 2, 0, 1), classes=CLASSES):
    """A die-map archive of five wafers."""
    rng = np.random.default_rng(seed)
    maps = rng.integers(1, 3, (len(labels), 6, 7)).astype(np.uint8)
    arrays = {
        "pixels": maps.ravel(),
        "offsets": np.arange(len(labels) + 1) * 42,
        "shapes": np.tile([6, 7], (len(labels), 1)),
        "label": np.array(labels, dtype=np.uint8),
        "classes": np.array(classes),
    }
    if rows is not None:
        arrays["row"] = np.array(rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        np.savez(file, **arrays)


@pytest.fixture
def place(tmp_path):
    """A workspace that has taken in two archives, one of them with places in its source."""
    workspace = Workspace(tmp_path / "ws")
    write_archive(tmp_path / "in" / "a.npz", 1)
    write_archive(tmp_path / "in" / "deep" / "b.npz", 2, rows=[900, 700, 500, 300, 100])
    workspace.root.mkdir()
    with Store(f"sqlite:///{workspace.store}") as store:
        take_in(tmp_path / "in", workspace, store)
        yield workspace, store


def take_in(source, workspace, store):
    claims = claim(source, workspace, store, PARAMS.ingest, settle_s=0)
    ingest(claims, workspace, store, PARAMS, table.read, recognise=table.recognise)


def test_the_shard_holds_the_labelled_wafers_as_the_sources_gave_them(place, tmp_path):
    workspace, store = place
    report = snapshot.freeze(store, workspace, CLASSES)
    assert (report.files, report.wafers, report.changed) == (2, 10, True)
    assert report.classes == {"Donut": 4, "Scratch, odd": 2, "none": 4}
    frozen = snapshot.read(workspace.snapshot)
    seen = []
    written = materialise(frozen, workspace.root, READ, tmp_path / "out.parquet", progress=lambda *done: seen.append(done))
    assert written == 10
    assert seen == [(i, 10) for i in range(1, 11)]
    index = shard_index(tmp_path / "out.parquet")
    assert index["label"].tolist() == [w.label for w in frozen.wafers]
    assert index["row"].tolist() == [w.row for w in frozen.wafers]
    for source, rows in (("a.npz", [0, 1, 2, 3, 4]), ("b.npz", [900, 700, 500, 300, 100])):
        mine = index[index["source"].str.endswith(source)]
        assert mine["row"].tolist() == rows
        found = next(p for p in (tmp_path / "in").rglob(source))
        for wafer, truth in zip(read_shard(tmp_path / "out.parquet", mine.index.tolist()), READ(found), strict=True):
            assert (wafer.wafer.map.status == truth.map.status).all()
            assert wafer.wafer.label == truth.label


def test_the_same_store_gives_the_same_bytes_and_touches_nothing(place):
    workspace, store = place
    snapshot.freeze(store, workspace, CLASSES)
    files = [workspace.snapshot / snapshot.MANIFEST, workspace.snapshot / snapshot.WAFERS]
    before = [(f.read_bytes(), f.stat().st_mtime_ns, f.stat().st_ino) for f in files]
    assert not snapshot.freeze(store, workspace, CLASSES).changed
    assert [(f.read_bytes(), f.stat().st_mtime_ns, f.stat().st_ino) for f in files] == before


def test_the_order_of_arrival_does_not_matter(place, tmp_path):
    workspace, store = place
    snapshot.freeze(store, workspace, CLASSES)
    other = Workspace(tmp_path / "other")
    other.root.mkdir()
    with Store(f"sqlite:///{other.store}") as later:
        for source in ("in/deep", "in/a.npz"):  # b is claimed first and under another name
            take_in(tmp_path / source, other, later)
        snapshot.freeze(later, other, CLASSES)
    first, second = (snapshot.read(w.snapshot) for w in (workspace, other))
    assert [(w.file_sha256, w.index, w.row, w.label) for w in first.wafers] == [
        (w.file_sha256, w.index, w.row, w.label) for w in second.wafers
    ]


def test_a_new_file_changes_the_snapshot_and_keeps_what_was_in_it(place, tmp_path):
    workspace, store = place
    snapshot.freeze(store, workspace, CLASSES)
    before = snapshot.read(workspace.snapshot)
    write_archive(tmp_path / "in" / "c.npz", 3, labels=[1])
    take_in(tmp_path / "in", workspace, store)
    assert snapshot.freeze(store, workspace, CLASSES).changed
    after = snapshot.read(workspace.snapshot)
    assert set(before.wafers) < set(after.wafers)
    assert len(after.wafers) == 11


def test_an_unknown_class_is_named_with_the_known_ones(place):
    workspace, store = place
    with pytest.raises(LabelError, match=r"expected one of Donut, none, got 'Scratch, odd'"):
        snapshot.freeze(store, workspace, ["none", "Donut"])


def test_without_labels_the_snapshot_is_empty_and_there_is_nothing_to_train_on(tmp_path):
    workspace = Workspace(tmp_path)
    with Store(f"sqlite:///{workspace.store}") as store:
        assert snapshot.freeze(store, workspace, CLASSES).wafers == 0
    with pytest.raises(InputError, match=r"Nothing to train on.*labels\.csv"):
        materialise(snapshot.read(workspace.snapshot), workspace.root, READ, tmp_path / "out.parquet")


def test_a_changed_or_missing_file_is_refused_and_the_old_shard_stays(place, tmp_path):
    workspace, store = place
    snapshot.freeze(store, workspace, CLASSES)
    frozen = snapshot.read(workspace.snapshot)
    out = tmp_path / "out.parquet"
    materialise(frozen, workspace.root, READ, out)
    good = out.read_bytes()
    archived = workspace.root / frozen.files[1].path
    content = archived.read_bytes()
    archived.chmod(0o644)
    archived.write_bytes(content[:-1] + b"x")
    with pytest.raises(InputError, match="A file of the snapshot changed"):
        materialise(frozen, workspace.root, READ, out)
    archived.unlink()
    with pytest.raises(InputNotFoundError, match="A file of the snapshot is gone"):
        materialise(frozen, workspace.root, READ, out)
    assert out.read_bytes() == good


def test_a_wafer_that_its_file_does_not_hold_is_told(place, tmp_path):
    workspace, store = place
    snapshot.freeze(store, workspace, CLASSES)
    frozen = snapshot.read(workspace.snapshot)
    extra = replace(frozen.wafers[0], index=77)
    with pytest.raises(InputError, match=r"1 fewer \(indices 77\)"):
        materialise(snapshot.Snapshot(frozen.files, (*frozen.wafers, extra)), workspace.root, READ, tmp_path / "out.parquet")


def test_a_snapshot_edited_by_hand_is_refused(place):
    workspace, store = place
    with pytest.raises(InputNotFoundError, match="inspection snapshot"):
        snapshot.read(workspace.snapshot)
    snapshot.freeze(store, workspace, CLASSES)
    table_path, manifest = workspace.snapshot / snapshot.WAFERS, workspace.snapshot / snapshot.MANIFEST
    table_path.write_bytes(table_path.read_bytes().replace(b"Donut", b"none"))
    with pytest.raises(InputError, match="Cannot use the snapshot"):
        snapshot.read(workspace.snapshot)
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "version": 99}))
    with pytest.raises(InputError, match="expected version 1, got 99"):
        snapshot.read(workspace.snapshot)
    manifest.write_text("no json")
    with pytest.raises(InputError, match="expected JSON"):
        snapshot.read(workspace.snapshot)
    assert snapshot.freeze(store, workspace, CLASSES).changed
    assert len(snapshot.read(workspace.snapshot).wafers) == 10


def test_wafers_without_a_label_are_frozen_only_when_asked_for_and_kept_apart(tmp_path):
    workspace = Workspace(tmp_path / "ws")
    write_archive(tmp_path / "in" / "a.npz", 1, labels=(0, 255, 2, 255, 255))  # 255: none
    workspace.root.mkdir()
    with Store(f"sqlite:///{workspace.store}") as store:
        take_in(tmp_path / "in", workspace, store)
        report = snapshot.freeze(store, workspace, CLASSES)
        assert (report.wafers, report.unlabelled) == (2, 0)
        before = (workspace.snapshot / snapshot.WAFERS).read_bytes()
        report = snapshot.freeze(store, workspace, CLASSES, unlabelled=2, seed=3)
        assert (report.wafers, report.unlabelled, report.changed) == (2, 2, True)
        assert not snapshot.freeze(store, workspace, CLASSES, unlabelled=2, seed=3).changed, "the same seed, the same wafers"
        whole = snapshot.read(workspace.snapshot)
        assert whole.classes == {"Scratch, odd": 1, "none": 1}
        assert [w.index for w in whole.labelled.wafers] == [0, 2]
        assert {w.index for w in whole.unlabelled.wafers} < {1, 3, 4}
        out = tmp_path / "unlabelled.parquet"
        assert materialise(whole.unlabelled, workspace.root, READ, out, least=0) == 2
        assert {entry.wafer.label for entry in read_shard(out)} == {None}
        snapshot.freeze(store, workspace, CLASSES)
        assert (workspace.snapshot / snapshot.WAFERS).read_bytes() == before
    assert materialise(snapshot.read(workspace.snapshot).unlabelled, workspace.root, READ, out, least=0) == 0
    assert len(shard_index(out)) == 0, "the pipeline has its file, with nothing in it"
