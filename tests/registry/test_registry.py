"""Registration and promotion with the real MLflow on SQLite."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from inspection.errors import GateError, InputError, InputNotFoundError
from inspection.registry.promotion import promote, register, resolve
from inspection.registry.tracking import Registry
from inspection.scoring.bundle import Bundle, bundle_sha256, write_bundle
from inspection.store import audit, champions
from inspection.store.database import Store
from inspection.views.renderer import ViewSpec
from inspection.wafer.taxonomy import Taxonomy, WaferClass

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.slow,
    # MLflow's and its dependencies' own use of deprecated names, and SQLite connections that its pool leaves to the collector.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*type hint is inferred as AnyType:UserWarning"),  # of a class of MLflow itself
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
LINEAGE = {"snapshot_sha256": "a" * 64, "params_sha256": "b" * 64, "code_version": "0.1.0"}


def make_bundle(folder: Path, network: bytes) -> Path:
    folder.parent.mkdir(parents=True, exist_ok=True)
    source = folder.with_suffix(".keras")
    source.write_bytes(network)
    taxonomy = Taxonomy((WaferClass("Normal", True, frozenset(), "none"), WaferClass("Ring", False, frozenset(), "high")))
    write_bundle(folder, Bundle(taxonomy, ViewSpec(size_px=16, tiles=0, tile_px=8, tile_mm=30.0), np.array([0.5, 0.5]), 1.0), source)
    return folder


class Fab:
    """A registry, a store and a place for bundles in one folder."""

    def __init__(self, root: Path) -> None:
        self.root, self.bundles = root, root / "bundles"
        self.store = Store(f"sqlite:///{root}/store.sqlite")
        self.opened = 0

    def registry(self) -> Registry:
        self.opened += 1
        return Registry(f"sqlite:///{self.root}/mlflow.sqlite", self.root / "mlartifacts")

    def register(self, bundle: Path, macro_f1: float = 0.9, **options):
        report = self.root / "report"
        report.mkdir(exist_ok=True)
        (report / "report.html").write_text("<p>looks good</p>")
        values = {
            "actor": "alice",
            "reason": "test",
            "metrics": {"macro_f1": macro_f1, "recall": {"Edge Ring": 0.5, "none": None}, "model": "net"},
            "lineage": LINEAGE,
            "guard": "pass",
        }
        values |= {"params": {"train": {"epochs": 3}, "many": {f"p{n}": [n] for n in range(120)}}, "report": report}
        return register(self.registry, self.store, bundle, bundles=self.bundles, **(values | options))

    def promote(self, version: str, **options):
        values = {"actor": "bob", "reason": "better", "profile": "production", "margin": 0.01, "bundles": self.bundles}
        return promote(self.registry(), self.store, version, **(values | options))


@pytest.fixture(scope="module")
def fab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fab]:
    # One registry for all tests here: creating MLflow's database takes seconds, and each test brings its own bundles.
    fab = Fab(tmp_path_factory.mktemp("fab"))
    yield fab
    fab.store.close()


def test_the_same_bundle_twice_is_one_version_in_the_log_and_in_the_registry(fab: Fab, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle", b"network one")
    first = fab.register(bundle)
    assert first.created
    opened = fab.opened
    again = fab.register(bundle)
    assert (again.version, again.created, fab.opened) == (first.version, False, opened), "the audit log knows it: MLflow is not asked"
    direct = fab.registry().register(bundle, actor="eve", reason="again", metrics={"macro_f1": 0.9}, params={}, lineage={})
    assert (direct.version, direct.run_id, direct.created) == (first.version, first.run_id, False)

    record = fab.registry().describe("candidate")
    assert record.version == first.version
    assert record.metrics == {"macro_f1": 0.9, "recall.Edge Ring": 0.5}
    assert record.lineage == LINEAGE
    assert (record.guard, record.registered_by) == ("pass", "alice")
    assert bundle_sha256(fab.bundles / record.bundle_sha256) == record.bundle_sha256 == first.bundle_sha256
    assert resolve(fab.store, fab.bundles, first.version) == resolve(fab.store, fab.bundles, "candidate")


def test_nothing_that_was_logged_is_a_pickle(fab: Fab, tmp_path: Path) -> None:
    version = fab.register(make_bundle(tmp_path / "bundle", b"network two"))
    files = [path for path in (fab.root / "mlartifacts").rglob("*") if path.is_file()]
    assert {path.name for path in files} >= {"serving.py", "bundle.json", "model.keras", "report.html", "params.json"}
    assert not [path for path in files if path.suffix in (".pkl", ".pickle", ".joblib")]
    fetched = fab.registry().fetch("candidate", tmp_path / "new" / "folder")
    assert bundle_sha256(fetched) == version.bundle_sha256


def test_promotion_twice_is_one_champion_and_one_audit_row(fab: Fab, tmp_path: Path) -> None:
    version = fab.register(make_bundle(tmp_path / "bundle", b"network three"), macro_f1=0.95).version
    champion = fab.promote(version)
    rows = len(audit.entries(fab.store))
    fab.registry().set_alias("champion", "1")  # as if the process had died before the alias was set
    assert fab.promote(version) == champion == champions.current(fab.store)
    assert len(audit.entries(fab.store)) == rows
    assert "champion" in fab.registry().describe(version).aliases
    assert Path(champion.bundle_path).is_dir()
    assert audit.verify(fab.store) == []
    assert resolve(fab.store, fab.bundles, "champion") == Path(champion.bundle_path)

    worse = fab.register(make_bundle(tmp_path / "worse", b"network four"), macro_f1=0.5).version
    with pytest.raises(GateError, match=r"macro_f1 0\.5000 lies more than"):
        fab.promote(worse)
    assert champions.current(fab.store) == champion
    assert audit.entries(fab.store)[-1].action == "refuse"


def test_one_person_may_promote_locally_but_not_in_production(fab: Fab, tmp_path: Path) -> None:
    version = fab.register(make_bundle(tmp_path / "bundle", b"network five"), macro_f1=0.95, actor="carol").version
    with pytest.raises(GateError, match="another person"):
        fab.promote(version, actor="carol")
    assert fab.promote(version, actor="carol", profile="local").version == version


def test_a_damaged_copy_is_fetched_again_from_the_registry_before_it_is_served(fab: Fab, tmp_path: Path) -> None:
    version = fab.register(make_bundle(tmp_path / "bundle", b"network six"), macro_f1=0.95)
    copy = fab.bundles / version.bundle_sha256
    (copy / "model.keras").write_bytes(b"something else")
    champion = fab.promote(version.version)
    assert bundle_sha256(Path(champion.bundle_path)) == version.bundle_sha256
    assert [path for path in fab.bundles.iterdir() if path.suffix == ".part" or path.name.startswith("fetch-")] == []


def test_what_the_user_got_wrong_is_said(fab: Fab, tmp_path: Path) -> None:
    with pytest.raises(InputNotFoundError, match="inspection evaluate"):
        fab.register(tmp_path / "nothing")
    with pytest.raises(InputNotFoundError, match="No version '4711'"):
        fab.promote("4711")
    with pytest.raises(InputError, match="reason"):
        fab.promote("1", reason=" ")
    with pytest.raises(InputNotFoundError, match="expected champion, candidate"):
        resolve(fab.store, fab.bundles, "4711")


def test_the_logged_model_declares_what_it_takes_and_gives(fab: Fab, tmp_path: Path) -> None:
    fab.register(make_bundle(tmp_path / "bundle", b"network seven"))
    text = max((fab.root / "mlartifacts").rglob("MLmodel"), key=lambda p: p.stat().st_mtime).read_text()
    assert "path" in text
    for name in ("label", "decision", "probability"):
        assert json.dumps(name) in text or name in text
