"""The bundle: everything that a served model needs, in plain files with their sha256. Nothing in it is pickled.

::

    BUNDLE/
      bundle.json     format version, classes, view spec, thresholds, temperature, turns, lineage, sha256 of the other files
      model.keras     the network (Keras 3 archive; loaded only when its sha256 is the one written here)
      unknown.npz     means, precision and limit of the unknown detector

Changing the layout: raise ``FORMAT_VERSION``, keep reading the old one, and keep a test with an old bundle.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from inspection.errors import BundleError
from inspection.scoring.unknown import UnknownDetector
from inspection.views.renderer import ViewSpec
from inspection.wafer.taxonomy import Taxonomy, WaferClass

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

FORMAT_VERSION = 1
MANIFEST, NETWORK, DETECTOR = "bundle.json", "model.keras", "unknown.npz"


@dataclass(frozen=True, eq=False)
class Bundle:
    """A bundle without its network.

    ``thresholds`` (k,) in [0, 1]; ``temperature`` > 0 divides the logits; ``turns`` are the (2, 2) symmetries of the square that
    the predictor averages over (the identity alone = no test-time augmentation). ``new_combination``: how much a wafer must insist on a
    combination that is no class to be called so (``combinations``), None where the network has no logits of patterns. ``lineage`` says
    where it came from.
    """

    taxonomy: Taxonomy
    spec: ViewSpec
    thresholds: NDArray[np.float64]
    temperature: float
    turns: tuple[NDArray[np.float64], ...] = (np.eye(2),)
    detector: UnknownDetector | None = None
    new_combination: float | None = None
    lineage: dict[str, Any] = field(default_factory=dict)


def write_bundle(folder: Path, bundle: Bundle, network: Path) -> str:
    """Write ``bundle`` and a copy of the ``network`` file to ``folder`` (aside, then renamed) and return the bundle's sha256."""
    aside = folder.with_name(folder.name + ".part")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    shutil.copyfile(network, aside / NETWORK)
    if bundle.detector is not None:
        bundle.detector.save(aside / DETECTOR)
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
        if name not in (NETWORK, DETECTOR):
            raise BundleError(f"Bundle {folder} names the file {name!r}: expected {NETWORK} or {DETECTOR}. Register the model again.")
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
    )


def bundle_sha256(folder: Path) -> str:
    """The bundle's identity: sha256 over the names and sha256 of its files."""
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.iterdir() if p.is_file()):
        digest.update(f"{path.name} {file_sha256(path)}\n".encode())
    return digest.hexdigest()


def config_sha256(folder: Path) -> str:
    """Identity of what turns logits into a decision: thresholds, temperature, turns, views and the limit of new combinations."""
    content = _manifest(folder)
    read = ("format_version", "classes", "views", "thresholds", "temperature", "turns", "new_combination")
    chosen = {k: content[k] for k in read if k in content}
    return hashlib.sha256(json.dumps(chosen, sort_keys=True).encode()).hexdigest()


def file_sha256(path: Path) -> str:
    """Sha256 of a file's bytes, as hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    if not path.is_file():
        raise BundleError(f"No model bundle in {folder}: expected {MANIFEST}. Train and register a model first.")
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if content.get("format_version") != FORMAT_VERSION:
        raise BundleError(
            f"Bundle {folder} has format version {content.get('format_version')!r}, this software reads {FORMAT_VERSION}. "
            "Register the model again with this version."
        )
    return content
