"""Faults of inspection images: their bytes as of any raster, and what their sidecars claim."""

from __future__ import annotations

from typing import TYPE_CHECKING

import clean_files as clean
import yaml
from fault import NOTED, cut, faults
from raster_faults import sidecar

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.random import Generator


def image(rng: Generator, folder: Path) -> Path:
    """A grey picture that its sidecar calls an image."""
    path = clean.png(rng, folder)
    path.with_suffix(".yaml").write_text(yaml.safe_dump({"kind": "image", "lot": clean.named(rng), "wafer": "01"}))
    return path


IMAGE = [
    ("the file ends early", cut(0.3, 0.8), ("raster.truncated", "raster.damaged")),
    ("a misspelt key", sidecar({"labell": "scratch"}, {"lott": "A"}), "image.sidecar"),
    ("a key of a wafer's raster", sidecar({"pixel_um": 5.3}, {"threshold": 128}), "sidecar: unknown keys", NOTED),
    ("a range that is none", sidecar({"range": [5, 5]}, {"range": "wide"}, {"range": [1]}), ("image.sidecar", "image.range")),
]
KINDS = faults("image", image, IMAGE)
