"""The frozen start: what training starts from is what lay there when the snapshot was taken, or nothing."""

import hashlib
import json

import pytest

from inspection.dataset.start import START, freeze_start, frozen_start, start_lineage
from inspection.errors import InputError, InputNotFoundError


def test_the_bytes_that_were_frozen_are_the_bytes_that_training_gets(tmp_path):
    source, folder = tmp_path / "a.keras", tmp_path / "snapshot"
    source.write_bytes(b"first")
    assert freeze_start(folder, "a.keras", source)
    source.write_bytes(b"second")
    assert frozen_start(folder, "a.keras").read_bytes() == b"first"
    before = (folder / START).read_bytes()
    assert freeze_start(folder, "a.keras", source)
    assert frozen_start(folder, "a.keras").read_bytes() == b"second"
    assert (folder / START).read_bytes() != before, "DVC sees other bytes"
    assert len(list((folder / "start").iterdir())) == 1, "the former one is gone"
    assert not freeze_start(folder, "a.keras", source), "the same again changes nothing"


def test_no_start_is_frozen_too_so_that_the_pipeline_has_its_dependency(tmp_path):
    assert freeze_start(tmp_path, None, None)
    assert json.loads((tmp_path / START).read_text())["sha256"] is None
    assert frozen_start(tmp_path, None) is None
    assert start_lineage(tmp_path) == start_lineage(tmp_path / "nowhere") == {}


def test_weights_alone_keep_their_ending(tmp_path):
    source = tmp_path / "b.weights.h5"
    source.write_bytes(b"x")
    freeze_start(tmp_path / "s", "registry:3", source)
    assert frozen_start(tmp_path / "s", "registry:3").name.endswith(".weights.h5")
    lineage = start_lineage(tmp_path / "s")
    assert lineage["started_from"] == "registry:3"
    assert lineage["start_sha256"] == hashlib.sha256(b"x").hexdigest()


def test_another_reference_a_lost_or_a_changed_copy_are_refused(tmp_path):
    source = tmp_path / "a.keras"
    source.write_bytes(b"first")
    with pytest.raises(InputError, match="got nothing there"):
        frozen_start(tmp_path / "s", "a.keras")
    freeze_start(tmp_path / "s", "a.keras", source)
    with pytest.raises(InputError, match="inspection snapshot"):
        frozen_start(tmp_path / "s", "registry:champion")
    kept = frozen_start(tmp_path / "s", "a.keras")
    kept.write_bytes(b"other")
    with pytest.raises(InputError, match="expected sha256"):
        frozen_start(tmp_path / "s", "a.keras")
    kept.unlink()
    with pytest.raises(InputNotFoundError, match="are gone"):
        frozen_start(tmp_path / "s", "a.keras")
