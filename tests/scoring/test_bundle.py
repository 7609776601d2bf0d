"""What a bundle promises: what is served is what was judged, or nothing."""

import json

import numpy as np
import pytest

from inspection.errors import BundleError
from inspection.scoring.bundle import Bundle, FirstLook, bundle_sha256, config_sha256, read_bundle, write_bundle
from inspection.scoring.calibration import VectorScaling, softmax
from inspection.scoring.reference import Reference
from inspection.scoring.unknown import fit
from inspection.views.renderer import ViewSpec
from inspection.wafer.taxonomy import Taxonomy, WaferClass


def bundle(**changes):
    rng = np.random.default_rng(0)
    taxonomy = Taxonomy((WaferClass("none", normal=True), WaferClass("Scratch", symmetries=frozenset({"flip"}), severity="high")))
    detector = fit("mahalanobis", rng.normal(size=(40, 5)), np.arange(40) % 2, rng).with_limits(
        rng.normal(size=(40, 5)), np.zeros((40, 2)), 0.1
    )
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
    assert np.allclose(back.detector.score(points, points), bundle().detector.score(points, points))
    assert back.least is back.vector is back.first_look is None
    logits = np.array([[1.0, 2.0], [3.0, 0.0]])
    np.testing.assert_array_equal(back.probabilities(logits), softmax(logits, 1.5))


def test_all_that_decides_is_written_and_read(tmp_path, network):
    rng = np.random.default_rng(5)
    reference = Reference.of(rng.normal(size=(9, 5)), np.arange(9) % 2, ["0" * 64] * 9, np.arange(9), ["L1"] * 9)
    full = bundle(
        reference=reference,
        vector=VectorScaling(np.array([0.5, 2.0]), np.array([0.1, -0.1])), least=np.array([0.9, 0.05]), temperature=1.0,
        first_look=FirstLook(0.7, np.array([0.8, 0.1]), 0.4),
    )  # fmt: skip
    write_bundle(tmp_path / "b", full, network)
    back = read_bundle(tmp_path / "b")
    logits = np.random.default_rng(2).normal(size=(50, 2)) * 3
    probabilities = full.probabilities(logits)
    np.testing.assert_array_equal(back.probabilities(logits), probabilities)
    assert back.rule.decide(probabilities) == full.rule.decide(probabilities)
    assert back.rule.set_names(probabilities) == full.rule.set_names(probabilities)
    np.testing.assert_array_equal(back.first_look.again(logits), full.first_look.again(logits))
    assert 0 < full.first_look.again(logits).sum() < 50
    asked = rng.normal(size=(3, 5))
    np.testing.assert_array_equal(back.reference.nearest(asked, 4).rows, reference.nearest(asked, 4).rows)


def test_a_bundle_of_version_1_is_read_as_it_was_meant(tmp_path, network):
    """No prediction sets, one temperature, every wafer in every turn."""
    write_bundle(tmp_path / "b", bundle(), network)
    path = tmp_path / "b" / "bundle.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format_version": 1}))
    back = read_bundle(tmp_path / "b")
    assert back.least is back.vector is back.first_look is None
    probabilities = np.array([[0.55, 0.45], [0.45, 0.55]])
    assert back.rule.decide(probabilities) == ["none", "Review"]


def test_the_same_content_has_the_same_identity(tmp_path, network):
    assert write_bundle(tmp_path / "a", bundle(), network) == write_bundle(tmp_path / "b", bundle(), network)


def test_what_decides_changes_identity_and_configuration(tmp_path, network):
    one = write_bundle(tmp_path / "a", bundle(), network)
    for change in ({"thresholds": np.array([0.4, 0.7])}, {"least": np.zeros(2)}, {"first_look": FirstLook(1.0, np.zeros(2))}):
        other = write_bundle(tmp_path / "b", bundle(**change), network)
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
