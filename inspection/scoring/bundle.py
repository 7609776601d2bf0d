"""The bundle: everything that a served model needs, in plain files with their sha256. Nothing in it is pickled.

::

    BUNDLE/
      bundle.json     format version, classes, view spec, what turns logits into a decision, lineage, sha256 of the other files
      model.keras     the network (Keras 3 archive; loaded only when its sha256 is the one written here)
      unknown.npz     the unknown detector with its limit
      reference.npz   labelled wafers in latent space, for look-alikes

Changing the layout: raise ``FORMAT_VERSION``, keep reading the old one, and keep a test with an old bundle. Version 1 had no prediction
sets, no reference, no vector scaling, no first look (every wafer was scored in every turn), and detectors by Mahalanobis distance alone.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from inspection.errors import BundleError
from inspection.scoring.calibration import VectorScaling, softmax
from inspection.scoring.decision import DecisionRule
from inspection.scoring.reference_file import read_reference, write_reference
from inspection.scoring.unknown import UnknownDetector
from inspection.views.renderer import ViewSpec
from inspection.wafer.taxonomy import Taxonomy, WaferClass

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from inspection.scoring.reference import Reference

FORMAT_VERSION = 2
READABLE = (1, 2)
MANIFEST, NETWORK, DETECTOR, REFERENCE = "bundle.json", "model.keras", "unknown.npz", "reference.npz"
FILES = (NETWORK, DETECTOR, REFERENCE)


@dataclass(frozen=True, slots=True, eq=False)
class FirstLook:
    """Which wafers are worth a look at their other turns: those whose first look leaves more than one class, or another, or none.

    ``temperature`` and ``least`` (k,) are those of a single look; of the wafers that are not sure by them, those whose two likeliest
    classes lie at most ``margin`` apart are looked at again (the budget: ``evaluate.looks``).
    """

    temperature: float
    least: NDArray[np.float64]
    margin: float = 1.0

    def again(self, logits: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Whether a wafer with these logits (n, k) of its first look is looked at again, shape (n,)."""
        return ~self.sure(logits) & (margins(softmax(logits, self.temperature)) <= self.margin)

    def sure(self, logits: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Whether the first look with these logits (n, k) leaves the likeliest class alone, shape (n,)."""
        rule = DecisionRule(("",) * len(self.least), np.zeros(len(self.least)), self.least)
        return rule.sure(softmax(logits, self.temperature))


def margins(probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """How far the two likeliest classes lie apart, shape (n,)."""
    if probabilities.shape[1] < 2:
        return np.ones(len(probabilities))
    two = np.partition(np.asarray(probabilities, np.float64), -2, axis=1)[:, -2:]
    return two[:, 1] - two[:, 0]


@dataclass(frozen=True, eq=False)
class Bundle:
    """A bundle without its network.

    ``thresholds`` (k,) in [0, 1]; ``temperature`` > 0 divides the logits, after ``vector`` where there is one; ``least`` (k,): from which
    probability on a class belongs to the prediction set. ``turns`` are the (2, 2) symmetries of the square that the predictor averages
    over (the identity alone = no test-time augmentation), for all wafers or, with ``first_look``, for those that need it.
    ``new_combination``: how much a wafer must insist on a combination that is no class to be called so (``combinations``), None where the
    network has no logits of patterns. ``lineage`` says where it came from.
    """

    taxonomy: Taxonomy
    spec: ViewSpec
    thresholds: NDArray[np.float64]
    temperature: float
    turns: tuple[NDArray[np.float64], ...] = (np.eye(2),)
    detector: UnknownDetector | None = None
    new_combination: float | None = None
    lineage: dict[str, Any] = field(default_factory=dict)
    vector: VectorScaling | None = None
    least: NDArray[np.float64] | None = None
    first_look: FirstLook | None = None
    reference: Reference | None = None

    @property
    def rule(self) -> DecisionRule:
        """What decides."""
        return DecisionRule(self.taxonomy.names, self.thresholds, self.least)

    def scaled(self, logits: NDArray[np.floating]) -> NDArray[np.float64]:
        """Calibrated logits (..., k), whose softmax are the probabilities."""
        return np.asarray(logits if self.vector is None else self.vector(logits), np.float64) / self.temperature

    def probabilities(self, logits: NDArray[np.floating]) -> NDArray[np.float64]:
        """Calibrated probabilities (n, k) of logits (n, k)."""
        return softmax(self.scaled(logits))


def write_bundle(folder: Path, bundle: Bundle, network: Path) -> str:
    """Write ``bundle`` and a copy of the ``network`` file to ``folder`` (aside, then renamed) and return the bundle's sha256."""
    aside = folder.with_name(folder.name + ".part")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    shutil.copyfile(network, aside / NETWORK)
    if bundle.detector is not None:
        bundle.detector.save(aside / DETECTOR)
    if bundle.reference is not None:
        write_reference(aside / REFERENCE, bundle.reference)
    content = {
        "format_version": FORMAT_VERSION,
        "classes": [
            {"name": c.name, "normal": c.normal, "symmetries": sorted(c.symmetries), "severity": c.severity}
            for c in bundle.taxonomy.classes
        ],
        "views": bundle.spec.to_dict(),
        "thresholds": [float(t) for t in bundle.thresholds],
        "temperature": float(bundle.temperature),
        "turns": [np.rint(t).astype(int).tolist() for t in bundle.turns],
        **({} if bundle.new_combination is None else {"new_combination": float(bundle.new_combination)}),
        **({} if bundle.vector is None else {"vector": {"scale": bundle.vector.scale.tolist(), "bias": bundle.vector.bias.tolist()}}),
        **({} if bundle.least is None else {"least": bundle.least.tolist()}),
        **({} if (look := bundle.first_look) is None else {"first_look": {**asdict(look), "least": look.least.tolist()}}),
        "lineage": bundle.lineage,
        "files": {p.name: file_sha256(p) for p in sorted(aside.iterdir())},
    }
    (aside / MANIFEST).write_text(json.dumps(content, indent=1, sort_keys=True), encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(aside, folder)  # noqa: PTH105  (os.replace is the atomic rename)
    return bundle_sha256(folder)


def read_bundle(folder: Path) -> Bundle:
    """Read and verify the bundle in ``folder``.

    Raises
    ------
    BundleError
        A missing file, another format version, or a file whose sha256 is not the one written in ``bundle.json``.
    """
    content = _manifest(folder)
    for name, expected in content["files"].items():
        if name not in FILES:
            raise BundleError(f"Bundle {folder} names the file {name!r}: expected one of {FILES}. Register the model again.")
        path = folder / name
        got = file_sha256(path) if path.is_file() else "no such file"
        if got != expected:
            raise BundleError(f"Bundle {folder} was changed: {name} should have sha256 {expected}, got {got}. Register the model again.")
    if NETWORK not in content["files"]:
        raise BundleError(f"Bundle {folder} has no {NETWORK}. Register the model again.")
    classes = tuple(WaferClass(c["name"], c["normal"], frozenset(c["symmetries"]), c["severity"]) for c in content["classes"])
    return Bundle(
        taxonomy=Taxonomy(classes),
        spec=ViewSpec(**content["views"]),
        thresholds=np.array(content["thresholds"]),
        temperature=content["temperature"],
        turns=tuple(np.array(t, float) for t in content["turns"]),
        detector=UnknownDetector.load(folder / DETECTOR) if DETECTOR in content["files"] else None,
        new_combination=content.get("new_combination"),
        lineage=content["lineage"],
        vector=VectorScaling(*(np.array(content["vector"][key]) for key in ("scale", "bias"))) if "vector" in content else None,
        least=np.array(content["least"]) if "least" in content else None,
        first_look=_first_look(content.get("first_look")),
        reference=read_reference(folder / REFERENCE) if REFERENCE in content["files"] else None,
    )


def bundle_sha256(folder: Path) -> str:
    """The bundle's identity: sha256 over the names and sha256 of its files."""
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.iterdir() if p.is_file()):
        digest.update(f"{path.name} {file_sha256(path)}\n".encode())
    return digest.hexdigest()


def config_sha256(folder: Path) -> str:
    """Identity of what turns logits into a decision: all of the manifest but the lineage and the files' sums."""
    chosen = {key: value for key, value in _manifest(folder).items() if key not in ("lineage", "files")}
    return hashlib.sha256(json.dumps(chosen, sort_keys=True).encode()).hexdigest()


def file_sha256(path: Path) -> str:
    """Sha256 of a file's bytes, as hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _first_look(content: dict[str, Any] | None) -> FirstLook | None:
    return None if content is None else FirstLook(**{**content, "least": np.array(content["least"])})


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    if not path.is_file():
        raise BundleError(f"No model bundle in {folder}: expected {MANIFEST}. Train and register a model first.")
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if content.get("format_version") not in READABLE:
        raise BundleError(
            f"Bundle {folder} has format version {content.get('format_version')!r}, this software reads {READABLE}. "
            "Register the model again with this version."
        )
    return content
