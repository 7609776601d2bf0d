"""The frozen training set: which files, which of their wafers, which labels. Pure files from here on, no store.

``manifest.json`` names the files by sha256, ``wafers.csv`` the wafers. Same content, same bytes, and files that would
not change are not written: what depends on their time or hash (DVC) then sees no change.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections import Counter
from dataclasses import dataclass, fields, replace
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

from inspection.aside import sweep, write_text
from inspection.errors import InputError, InputNotFoundError, bounded
from inspection.formats.canonical import CanonicalWafer, write_shard
from inspection.intake.archive import archived
from inspection.intake.search import content_sha256, with_sidecar
from inspection.store.labelled import labelled_wafers, names_and_formats
from inspection.wafer.taxonomy import unknown_label

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path

    from inspection.settings import Workspace
    from inspection.store.database import Store
    from inspection.wafer.maps import SourceWafer

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
    """One labelled wafer; ``row`` is its place in the source's order, >= 0."""

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
        return dict(sorted(Counter(w.label for w in self.wafers).items()))


@dataclass(frozen=True, slots=True)
class SnapshotReport:
    """What was frozen, and whether it differs from what lay there before."""

    files: int
    wafers: int
    classes: dict[str, int]
    changed: bool


def freeze(store: Store, workspace: Workspace, known: Collection[str], exclude: Collection[str] = ()) -> SnapshotReport:
    """Write the snapshot of all valid labelled wafers of the store.

    Parameters
    ----------
    store : Store
    workspace : Workspace
        ``workspace.snapshot`` is written.
    known : collection of str
        Names of the classes in params.yaml.
    exclude : collection of str
        Sha256 of files to leave out.

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
        named = names_and_formats(connection)
    wafers = []
    for row in rows:
        if row["label"] not in known:
            raise unknown_label(row["label"], known, f"wafer {row['index']} of {row['source']}")
        place = row["index"] if row["row"] < 0 else row["row"]
        wafers.append(SnapshotWafer(row["file_sha256"], row["index"], row["source"], place, row["lot"], row["wafer"], row["label"]))
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
    return SnapshotReport(len(files), len(wafers), snapshot.classes, any(changed))


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


def materialise(
    snapshot: Snapshot,
    workspace_root: Path,
    read_wafers: Callable[[Path], Iterator[SourceWafer]],
    out: Path,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Parse the snapshot's files again and write its wafers as one canonical shard, with labels.

    Reads the archived files, writes ``out``; the same snapshot gives the same shard. One wafer at a time is in memory.

    Parameters
    ----------
    snapshot : Snapshot
    workspace_root : Path
        Where the paths of the manifest start.
    read_wafers : callable
        A reader of one file, limits bound.
    out : Path
        The shard, written aside and renamed.
    progress : callable, optional
        Called with (wafers done, wafers in all).

    Returns
    -------
    int
        Wafers written.

    Raises
    ------
    InputNotFoundError
        When an archived file is gone.
    InputError
        When there is no wafer in the snapshot, a file's bytes changed, or a wafer is not in its file.
    """
    if not snapshot.wafers:
        raise InputError(
            "Nothing to train on: expected labelled wafers in the snapshot, got none. Put a labels.csv beside the "
            "files (lot,wafer,label or source,index,label), ingest them and take the snapshot again; without labels, "
            "wafers can only be scored."
        )
    sweep(out.parent)
    return write_shard(out, _wafers(snapshot, workspace_root, read_wafers, progress))


def _wafers(
    snapshot: Snapshot,
    root: Path,
    read_wafers: Callable[[Path], Iterator[SourceWafer]],
    progress: Callable[[int, int], None] | None,
) -> Iterator[CanonicalWafer]:
    by_file: dict[str, dict[int, SnapshotWafer]] = {f.sha256: {} for f in snapshot.files}
    for wafer in snapshot.wafers:
        by_file[wafer.file_sha256][wafer.index] = wafer
    done = 0
    for file in snapshot.files:
        path = _verified(root / file.path, file)
        wanted = by_file[file.sha256]
        # Not taken from the store's canonical shards: the snapshot is complete without them, on any machine.
        for found in read_wafers(path):
            entry = wanted.pop(found.index, None)
            if entry is None:
                continue
            yield CanonicalWafer(file.sha256, entry.source, replace(found, label=entry.label, row=entry.row))
            done += 1
            if progress is not None:
                progress(done, len(snapshot.wafers))
            if not wanted:
                break
        if wanted:
            raise InputError(
                f"Snapshot and file disagree: expected {file.wafers} wafers of the snapshot in {path}, got "
                f"{len(wanted)} fewer (indices {bounded([str(i) for i in sorted(wanted)])}). Run "
                "`inspection snapshot` again."
            )


def _verified(path: Path, file: SnapshotFile) -> Path:
    """``path``, if its bytes are those of the manifest."""
    if not path.is_file():
        raise InputNotFoundError(
            f"A file of the snapshot is gone: expected {file.name!r} at {path}, got nothing. Restore it (`dvc pull`, or ingest it again)."
        )
    sha256 = content_sha256(with_sidecar(path))
    if sha256 != file.sha256:
        raise InputError(
            f"A file of the snapshot changed: expected sha256 {file.sha256}, got {sha256} ({path}). Restore the "
            "original; archived files are never edited."
        )
    return path


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
