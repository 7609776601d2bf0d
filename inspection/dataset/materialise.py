"""From the snapshot to the one shard that all later stages work on: its files are read again, and its labels put onto their wafers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from inspection.aside import sweep
from inspection.errors import InputError, InputNotFoundError, bounded
from inspection.formats.canonical import CanonicalWafer, write_shard
from inspection.intake.content import content_sha256, with_sidecar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from inspection.dataset.snapshot import Snapshot, SnapshotFile, SnapshotWafer
    from inspection.wafer.maps import SourceWafer


def materialise(
    snapshot: Snapshot,
    workspace_root: Path,
    read_wafers: Callable[[Path], Iterator[SourceWafer]],
    out: Path,
    progress: Callable[[int, int], None] | None = None,
    *,
    least: int = 1,
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
    least : int
        Wafers that there must be.

    Returns
    -------
    int
        Wafers written.

    Raises
    ------
    InputNotFoundError
        When an archived file is gone.
    InputError
        When there are fewer than ``least`` wafers in the snapshot, a file's bytes changed, or a wafer is not in its file.
    """
    if len(snapshot.wafers) < least:
        raise InputError(
            "Nothing to train on: expected labelled wafers in the snapshot, got none. Put a labels.csv beside the "
            "files (lot,wafer,label or source,index,label or file,label; images may lie in folders of their classes), ingest "
            "them and take the snapshot again; without labels, wafers can only be scored."
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
            yield CanonicalWafer(file.sha256, entry.source, replace(found, label=entry.label or None, row=entry.row))
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
