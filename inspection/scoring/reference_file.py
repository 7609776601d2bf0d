"""A reference as one file of plain arrays (``reference.npz`` of a bundle): nothing pickled, the same reference is the same bytes."""

from __future__ import annotations

import math
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np

from inspection.errors import BundleError, bounded
from inspection.scoring.cells import CellArrays
from inspection.scoring.reference import Reference

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

MOST_BYTES = 4 << 30
"""A reference that says it is larger is not read: two million wafers of a thousand numbers."""
_ARRAYS = {"centre": "f", "vectors": "f", "label": "i", "files": "U", "file_of": "i", "index": "i", "groups": "U", "group_of": "i"}
_CELLS = {"centres": "f", "cell": "i", "probes": "i", "recall": "f"}
"""Arrays of the file and the kind of their numbers; those of the cells only where there are any."""
_DIMENSIONS = {"vectors": 2, "centres": 2, "probes": 0, "recall": 0}  # of all others 1


def write_reference(path: Path, reference: Reference) -> None:
    """Write plain arrays; names that repeat are written once."""
    files, file_of = np.unique(reference.file_sha256, return_inverse=True)
    groups, group_of = np.unique(reference.group, return_inverse=True)
    arrays: dict[str, Any] = {
        "centre": reference.centre, "vectors": reference.vectors, "label": reference.label, "index": reference.index,
        "files": files, "file_of": file_of.astype(np.int32), "groups": groups, "group_of": group_of.astype(np.int32),
    }  # fmt: skip
    kept = reference.kept_cells
    if kept is not None:
        arrays |= {"centres": kept.centres, "cell": kept.cell, "probes": np.array(kept.probes), "recall": np.array(kept.recall)}
    np.savez(path, **arrays)


def read_reference(path: Path) -> Reference:
    """Read what ``write_reference`` wrote; what the file says of its sizes is checked before anything is made of it.

    Raises
    ------
    BundleError
        Not such a file, arrays missing, of another kind or not fitting one another, or more than ``MOST_BYTES``.
    """
    try:
        return _fitting(_read(path))
    except (OSError, ValueError, KeyError, IndexError, EOFError, zipfile.BadZipFile) as error:
        raise BundleError(
            f"No reference of labelled wafers in {path}: expected the arrays that training wrote, got: {error}. Register the model again."
        ) from error


def _read(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of ``path`` by name; ValueError unless their headers say what is expected."""
    with zipfile.ZipFile(path) as archive:
        names = {member.removesuffix(".npy") for member in archive.namelist()}
        kinds = _ARRAYS | (_CELLS if names & _CELLS.keys() else {})
        if names != kinds.keys():
            raise ValueError(f"the arrays {bounded(sorted(names))}")
        size = 0
        for name, kind in kinds.items():
            with archive.open(f"{name}.npy") as stream:
                version = np.lib.format.read_magic(stream)
                if version != (1, 0):
                    raise ValueError(f"{name} in NumPy format {version}")
                shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
            size += math.prod(shape) * dtype.itemsize
            if dtype.kind != kind or len(shape) != _DIMENSIONS.get(name, 1) or size > MOST_BYTES:
                raise ValueError(f"{name} of shape {shape}, {dtype}, together {size} bytes")
    with np.load(path, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in kinds}


def _fitting(found: dict[str, NDArray[Any]]) -> Reference:
    """ValueError or IndexError where the arrays do not fit one another."""
    files, groups = found["files"][found["file_of"]], found["groups"][found["group_of"]]
    kept = CellArrays(found["centres"], found["cell"], int(found["probes"]), float(found["recall"])) if "cell" in found else None
    made = Reference(found["centre"], found["vectors"], found["label"], files, found["index"], groups, kept)
    n, f = made.vectors.shape
    fits = all(column.shape == (n,) for column in (made.label, made.index, files, groups)) and made.centre.shape == (f,)
    if kept is not None:
        m = len(kept.centres)
        fits &= kept.cell.shape == (n,) and kept.centres.shape == (m, f) and kept.probes > 0
        fits &= not n or 0 <= int(kept.cell.min()) <= int(kept.cell.max()) < m
    if not fits or not np.isfinite(made.vectors).all() or not np.isfinite(made.centre).all():
        raise ValueError("arrays that do not fit one another, or numbers that are not finite")
    return made
