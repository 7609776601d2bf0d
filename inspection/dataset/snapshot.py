"""The frozen training set: which files, which of their wafers, which labels. Pure files from here on, no store (`materialise`).

``manifest.json`` names the files by sha256, ``wafers.csv`` the wafers; some may have no label, where pre-training asks for them. Same
content, same bytes, and files that would not change are not written: what depends on their time or hash (DVC) then sees no change.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections import Counter
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from inspection.aside import write_text
from inspection.errors import InputError, InputNotFoundError
from inspection.intake.archive import archived
from inspection.store.labelled import labelled_wafers, names_and_formats, unlabelled_wafers
from inspection.wafer.taxonomy import unknown_label

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from inspection.settings import Workspace
    from inspection.store.database import Store

VERSION = 1
MANIFEST, WAFERS = "manifest.json", "wafers.csv"


class SnapshotFile(NamedTuple):
    """One file: ``path`` is relative to the workspace, ``wafers`` counts those of the snapshot in it."""

    sha256: str
    name: str
    path: str
    format: str
    wafers: int


@dataclass(frozen=True, slots=True)
class SnapshotWafer:
    """One wafer; ``row`` is its place in the source's order, >= 0; ``label`` is empty where there is none."""

    file_sha256: str
    index: int
    source: str
    row: int
    lot: str
    wafer: str
    label: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Files by sha256, wafers by file and index."""

    files: tuple[SnapshotFile, ...]
    wafers: tuple[SnapshotWafer, ...]

    @property
    def classes(self) -> dict[str, int]:
        """Wafers of each class, by name."""
        return dict(sorted(Counter(w.label for w in self.wafers if w.label).items()))

    @property
    def labelled(self) -> Snapshot:
        """The wafers that have a label, and their files."""
        return _of([w for w in self.wafers if w.label], self.files)

    @property
    def unlabelled(self) -> Snapshot:
        """The wafers that have none, and their files."""
        return _of([w for w in self.wafers if not w.label], self.files)


@dataclass(frozen=True, slots=True)
class SnapshotReport:
    """What was frozen, and whether it differs from what lay there before. ``wafers`` have a label, ``unlabelled`` none."""

    files: int
    wafers: int
    classes: dict[str, int]
    changed: bool
    unlabelled: int = 0


def freeze(
    store: Store, workspace: Workspace, known: Collection[str], exclude: Collection[str] = (), *, unlabelled: int = 0, seed: int = 0
) -> SnapshotReport:
    """Write the snapshot of all valid labelled wafers of the store, and of some without a label.

    Parameters
    ----------
    store : Store
    workspace : Workspace
        ``workspace.snapshot`` is written.
    known : collection of str
        Names of the classes in params.yaml.
    exclude : collection of str
        Sha256 of files to leave out.
    unlabelled : int
        Wafers without a label, at most; drawn by ``seed``.
    seed : int

    Returns
    -------
    SnapshotReport
        With 0 wafers when nothing is labelled: the snapshot is then empty, and there is nothing to train on.

    Raises
    ------
    LabelError
        When a wafer bears a label that ``known`` lacks.
    """
    with store.read() as connection:
        rows = [row for row in labelled_wafers(connection) if row["file_sha256"] not in exclude]
        bare = [row for row in unlabelled_wafers(connection) if row["file_sha256"] not in exclude] if unlabelled and rows else []
        named = names_and_formats(connection)
    if len(bare) > unlabelled:
        bare = [bare[i] for i in np.sort(np.random.default_rng(seed).choice(len(bare), unlabelled, replace=False))]
    wafers = []
    for row in [*rows, *bare]:
        label = row["label"] or ""
        if label and label not in known:
            raise unknown_label(label, known, f"wafer {row['index']} of {row['source']}")
        place = row["index"] if row["row"] < 0 else row["row"]
        wafers.append(SnapshotWafer(row["file_sha256"], row["index"], row["source"], place, row["lot"], row["wafer"], label))
    wafers.sort(key=attrgetter("file_sha256", "index"))
    files = []
    for sha256, count in sorted(Counter(w.file_sha256 for w in wafers).items()):
        name, format_name = named[sha256]
        path = archived(workspace, sha256, name).relative_to(workspace.root).as_posix()
        files.append(SnapshotFile(sha256, name, path, format_name, count))
    snapshot = Snapshot(tuple(files), tuple(wafers))
    table = _to_csv(snapshot.wafers)
    manifest = {
        "version": VERSION,
        "wafers_csv_sha256": hashlib.sha256(table.encode()).hexdigest(),
        "classes": snapshot.classes,
        "files": [f._asdict() for f in snapshot.files],
    }
    # The manifest last: it names the table's hash, so that `read` notices a crash between the two.
    changed = [
        _write_if_new(workspace.snapshot / WAFERS, table),
        _write_if_new(workspace.snapshot / MANIFEST, json.dumps(manifest, indent=2, sort_keys=True) + "\n"),
    ]
    return SnapshotReport(len(files), len(rows), snapshot.classes, any(changed), len(bare))


def read(folder: Path) -> Snapshot:
    """Read a snapshot back.

    Raises
    ------
    InputNotFoundError
        When there is none.
    InputError
        When its two files do not belong together, or are not what `freeze` writes.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        table = (folder / WAFERS).read_bytes()
    except FileNotFoundError as error:
        raise InputNotFoundError(
            f"No snapshot: expected {MANIFEST} and {WAFERS} in {folder}, got no {error.filename}. Run `inspection snapshot` first."
        ) from error
    except ValueError as error:
        raise _unusable(folder, f"JSON in {MANIFEST}", str(error)) from error
    if not isinstance(manifest, dict) or manifest.get("version") != VERSION:
        got = manifest.get("version") if isinstance(manifest, dict) else type(manifest).__name__
        raise _unusable(folder, f"version {VERSION}", f"{got}")
    digest = hashlib.sha256(table).hexdigest()
    if manifest.get("wafers_csv_sha256") != digest:
        raise _unusable(folder, f"{WAFERS} of sha256 {manifest.get('wafers_csv_sha256')}", digest)
    try:
        files = tuple(SnapshotFile(**f) for f in manifest["files"])
        wafers = tuple(
            SnapshotWafer(**{**row, "index": int(row["index"]), "row": int(row["row"])})  # type: ignore[arg-type]
            for row in csv.DictReader(io.StringIO(table.decode("utf-8"), newline=""))
        )
    except (KeyError, TypeError, ValueError) as error:
        raise _unusable(folder, "the columns and fields that it writes", repr(error)) from error
    return Snapshot(files, wafers)


def _of(wafers: list[SnapshotWafer], files: tuple[SnapshotFile, ...]) -> Snapshot:
    """The snapshot of ``wafers`` alone."""
    counts = Counter(w.file_sha256 for w in wafers)
    return Snapshot(tuple(f._replace(wafers=counts[f.sha256]) for f in files if counts[f.sha256]), tuple(wafers))


def _to_csv(wafers: tuple[SnapshotWafer, ...]) -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    columns = [field.name for field in fields(SnapshotWafer)]
    writer.writerow(columns)
    writer.writerows(map(attrgetter(*columns), wafers))
    return text.getvalue()


def _write_if_new(path: Path, text: str) -> bool:
    """Write ``text`` unless ``path`` holds it already."""
    if path.is_file() and path.read_bytes() == text.encode("utf-8"):
        return False
    write_text(path, text)
    return True


def _unusable(folder: Path, expected: str, got: str) -> InputError:
    return InputError(f"Cannot use the snapshot in {folder}: expected {expected}, got {got:.200}. Run `inspection snapshot` again.")
