"""What a file of this name could be, what belongs together, and the identity of a content."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from inspection.formats.compressed import inner_name, sidecar_of
from inspection.formats.points import sidecar as points_sidecar
from inspection.formats.raster.sidecar import INSIDE, SIDECARS
from inspection.intake.labels import LABELS_NAME
from inspection.intake.place import PIECE, clean_name

if TYPE_CHECKING:
    from collections.abc import Sequence

RASTERS = (".npy", ".tif", ".tiff", ".png", ".jpg", ".jpeg", ".bmp", ".raw", ".bin", ".dat", ".zarr", ".zip")
TABLES = (".csv", ".tsv", ".txt", ".parquet", ".pq")
_LONGEST_NAME = 120


class NotPlainError(OSError):
    """A folder that is one source holds more than plain files."""


def is_input(name: str) -> bool:
    """Whether a file of this name (its last component) could be input: not hidden, no sidecar, no label or truth table."""
    low = name.lower()
    return not (low.startswith((".", "truth.")) or low == LABELS_NAME or low.endswith(SIDECARS))


def safe_name(name: str) -> str:
    """The last part of ``name`` with letters, digits and ``._-`` only, at most 120 characters, never hidden or empty.

    The suffix stays, for it tells a raster from its sidecar.
    """
    base = re.sub(r"[^A-Za-z0-9._-]", "_", name.replace("\\", "/").rpartition("/")[2]).lstrip(".")
    stem, dot, suffix = base.rpartition(".")
    if dot and len(suffix) <= 16:
        return f"{stem[: _LONGEST_NAME - len(suffix) - 1] or 'file'}.{suffix}" if suffix else stem[:_LONGEST_NAME] or "file"
    return base[:_LONGEST_NAME] or "file"


def sidecar(path: Path) -> Path | None:
    """The YAML file that belongs to a raster or a table of points, packed or not, as its reader will look for it; None = it has none."""
    suffix = Path(inner_name(path.name)).suffix.lower()
    if suffix in TABLES:
        return sidecar_of(path) or points_sidecar.sidecar_path(path)
    return sidecar_of(path) if suffix in RASTERS else None


def content_sha256(parts: Sequence[Path]) -> str:
    """Identity of a content, ``parts`` as :func:`with_sidecar` gives them: sha256 of all their bytes in order.

    Two rasters with equal pixels and different sidecars are different wafers; hence the sidecar counts. For every other
    file this is the plain sha256. A folder that is one source is hashed as :func:`member_head` says.
    """
    digest = hashlib.sha256()
    for path in parts:
        is_folder = path.is_dir()
        for member, at in members(path).items() if is_folder else [("", path)]:
            if is_folder:
                digest.update(member_head(member, at.stat().st_size))
            with at.open("rb") as stream:
                while piece := stream.read(PIECE):
                    digest.update(piece)
    return digest.hexdigest()


def member_head(name: str, size: int) -> bytes:
    """What is hashed before the bytes of each file of a folder, in the order of their names: a moved chunk is another content."""
    return b"%s\0%d\0" % (os.fsencode(name), size)


def with_sidecar(path: Path) -> tuple[Path, ...]:
    """A file and its sidecar, if it has one; of a folder that is one source, the sidecar counts among its files."""
    beside = None if path.is_dir() else sidecar(path)
    # A sidecar that is a link could lead out of the source: it is not taken.
    return (path,) if beside is None or beside.is_symlink() else (path, beside)


def members(folder: Path) -> dict[str, Path]:
    """All files of a folder that is one source, by their paths in it, in the order of these; its sidecar as if it lay in it.

    Raises
    ------
    NotPlainError
        There is a link or a device in it, or no file at all.
    """
    found = {}
    for here, folders, names in os.walk(folder):
        for path in (Path(here, name) for name in (*folders, *names)):
            member = path.relative_to(folder).as_posix()
            if path.is_symlink() or not (path.is_file() or path.is_dir()):
                raise NotPlainError(f"{clean_name(member)} in it is a link or not a plain file")
            if path.is_file():
                found[member] = path
    if not found:
        raise NotPlainError("a folder without files")
    beside = sidecar_of(folder)
    if beside is not None and not beside.is_symlink() and not any(INSIDE + end in found for end in SIDECARS):
        found[INSIDE + beside.suffix] = beside
    return dict(sorted(found.items()))
