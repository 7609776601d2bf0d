"""The YAML that makes an image of a raster: ``NAME.png.yaml`` beside it, or ``images.yaml`` for a folder.

Keys, all but ``kind`` optional::

    kind: image              (in NAME.png.yaml; images.yaml need not say it)
    lot: L00007              wafer, slot, product, layer, tool, chamber, recipe, inspected_at as for a raster
    range: [0, 4095]         the values that are black and white; without it those of the pixels' type
    classes: first           (images.yaml only) which folder names the class: first, last, or none

A raster without either stays what it was: a sparse map of defects.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from inspection.formats.raster.sidecar import sidecar_path
from inspection.formats.sidecar import SIDECARS, OfWafer, parse

if TYPE_CHECKING:
    from pathlib import Path

CODE = "image.sidecar"
MAX_SIDECAR_BYTES = 1 << 16
FOR_ALL = "images"
"""Stem of the YAML that makes images of all pictures of a folder."""
_KIND = re.compile(rb"^\s*[\"']?kind[\"']?\s*:\s*[\"']?image\b", re.MULTILINE)

Range = tuple[float, float]
"""The values that are black and white; the first may be the larger one, which turns the picture into its negative."""


class ImageSidecar(OfWafer):
    """The keys of both kinds of YAML."""

    kind: Literal["image"] = "image"
    range: Range | None = Field(default=None)
    classes: Literal["first", "last", "none"] | None = None


def describes_image(raster: Path) -> bool:
    """Whether the sidecar of ``raster`` says ``kind: image``, or its folder has an ``images.yaml``; cheap, never raises."""
    try:
        path = sidecar_path(raster)
        if path is None:
            return folder_sidecar(raster.parent) is not None
        if path.stat().st_size > MAX_SIDECAR_BYTES:
            return False
        return _KIND.search(path.read_bytes()) is not None
    except OSError:
        return False


def folder_sidecar(folder: Path) -> Path | None:
    """``images.yaml`` of ``folder``; None = there is none."""
    return next((c for c in (folder / (FOR_ALL + end) for end in SIDECARS) if c.is_file()), None)


def read_sidecar(raster: Path) -> ImageSidecar:
    """What is known of the image ``raster``; nothing where there is no YAML.

    Raises
    ------
    FormatError
        ``image.sidecar``: too long, not YAML, not a mapping, or a value outside its domain.
    """
    path = sidecar_path(raster) or folder_sidecar(raster.parent)
    return ImageSidecar() if path is None else parse(ImageSidecar, path, CODE, MAX_SIDECAR_BYTES)


def read_folder_sidecar(path: Path) -> ImageSidecar:
    """The ``images.yaml`` at ``path``; errors as `read_sidecar`."""
    return parse(ImageSidecar, path, CODE, MAX_SIDECAR_BYTES)
