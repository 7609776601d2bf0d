"""What a bundle promises: what is served is what was judged, or nothing."""

import json

import numpy as np
import pytest

from inspection.errors import BundleError
from inspection.scoring.bundle import Bundle, bundle_sha256, config_sha256, read_bundle, write_bundle
from inspection.scoring.unknown import fit
from inspection.views.renderer import ViewSpec
from inspection.wafer.taxonomy import Taxonomy, WaferClass


def bundle(**changes):
    rng = np.random.default_rng(0)
    taxonomy = Taxonomy((WaferClass("none", normal=True), WaferClass("Scratch", symmetries=frozenset({"flip"}), severity="high")))
    detector = fit(rng.normal(size=(40, 5)), np.arange(40) % 2, 2).with_limit(rng.normal(size=(40, 5)), 0.9)
    content = {"taxonomy": taxonomy, "spec": ViewSpec(64), "thresholds": np.array([0.4, 0.6]), "temperature": 1.5, "detector": detector}
    return Bundle(**{**content, **changes})


@pytest.fixture
def network(tmp_path):
    path = tmp_path / "network.keras"
    path.write_bytes(b"stands for a network: bundles only copy and hash it")
    return path


def test_a_bundle_written_is_the_bundle_read(tmp_path, network):
    sha = write_bundle(tmp_path / "b", bundle(), network)
    back = read_bundle(tmp_path / "b")
    assert back.taxonomy == bundle().taxonomy
    assert back.spec == ViewSpec(64)
    assert np.allclose(back.thresholds, [0.4, 0.6])
    assert sha == bundle_sha256(tmp_path / "b")
    points = np.random.default_rng(1).normal(size=(7, 5))
    assert np.allclose(back.detector.distance(points), bundle().detector.distance(points))


def test_the_same_content_has_the_same_identity(tmp_path, network):
    assert write_bundle(tmp_path / "a", bundle(), network) == write_bundle(tmp_path / "b", bundle(), network)


def test_a_threshold_changes_identity_and_configuration(tmp_path, network):
    one = write_bundle(tmp_path / "a", bundle(), network)
    other = write_bundle(tmp_path / "b", bundle(thresholds=np.array([0.4, 0.7])), network)
    assert one != other
    assert config_sha256(tmp_path / "a") != config_sha256(tmp_path / "b")


@pytest.mark.parametrize("name", ["model.keras", "unknown.npz"])
def test_a_changed_or_missing_file_is_refused(tmp_path, network, name):
    write_bundle(tmp_path / "b", bundle(), network)
    path = tmp_path / "b" / name
    path.write_bytes(path.read_bytes() + b"!")
    with pytest.raises(BundleError, match="was changed"):
        read_bundle(tmp_path / "b")
    path.unlink()
    with pytest.raises(BundleError, match="no such file"):
        read_bundle(tmp_path / "b")


@pytest.mark.parametrize("change", [{"format_version": 99}, {"files": {"../evil": "0"}}, {"files": {}}])
def test_an_unknown_version_a_foreign_file_and_no_network_are_refused(tmp_path, network, change):
    write_bundle(tmp_path / "b", bundle(), network)
    path = tmp_path / "b" / "bundle.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(BundleError):
        read_bundle(tmp_path / "b")


def test_an_interrupted_write_leaves_the_old_bundle(tmp_path, network):
    write_bundle(tmp_path / "b", bundle(), network)
    (tmp_path / "b.part").mkdir()
    (tmp_path / "b.part" / "bundle.json").write_text("{")
    assert read_bundle(tmp_path / "b").temperature == 1.5
    write_bundle(tmp_path / "b", bundle(temperature=2.0), network)
    assert read_bundle(tmp_path / "b").temperature == 2.0
