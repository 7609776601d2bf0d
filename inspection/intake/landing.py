"""Landing: find what arrived, leave what is still being written, claim the rest.

To claim is to copy the bytes into the archive and to enter one row in ``files``. The source is never changed. A content
is known by its sha256, so the same bytes under two names are one file.
"""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from inspection.aside import aside
from inspection.errors import EngineError, InputError, Reason
from inspection.intake.quarantine import record
from inspection.intake.search import PIECE, content_sha256, find, safe_name, still_written
from inspection.store.files import CLAIMED, QUARANTINED, add_claimed, in_state, known_files

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from inspection.intake.search import Landed, Notice
    from inspection.params import Ingest
    from inspection.settings import Workspace
    from inspection.store.database import Store

    Known = tuple[str | None, str]


@dataclass(frozen=True)
class Claim:
    """A file that waits to be ingested: its content, its path inside the landing place, and its copy in the archive."""

    sha256: str
    name: str
    path: Path


def claim(
    source: Path,
    workspace: Workspace,
    store: Store,
    limits: Ingest,
    *,
    settle_s: float = 2.0,
    notice: Notice | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Claim]:
    """Claim every complete file below ``source`` and return all that waits to be ingested.

    That includes what an earlier, interrupted run has claimed, and what was released from quarantine. ``labels.csv``,
    ``truth.*``, hidden files and the workspace's own folders are no input; a ``.yaml`` sidecar travels with its raster.

    Parameters
    ----------
    source : Path
        A file or a folder, searched through all its folders.
    settle_s : float
        A file without its end mark that changed less than this many seconds ago is still being written and is left for
        later.
    notice : callable (name, why), optional
        Told of every file that was left or refused: still being written, a link that leaves the source, not a plain
        file.
    progress : callable (done, total), optional
        Files looked at.

    Raises
    ------
    InputNotFoundError
        ``source`` does not exist.
    InputError
        A file or folder cannot be read.
    EngineError
        The disk or the store refuses the copy; run again after making room.
    """

    def tell(name: str, why: str) -> None:
        if notice is not None:
            notice(name, why)

    landed = list(find(source, workspace, tell))
    with store.read() as connection:
        known: dict[str, Known] = {**known_files(connection)}
    claiming = _Claiming(workspace, store, limits, known, settle_s, tell)
    for done, one in enumerate(landed, 1):
        claiming.claim(one)
        if progress is not None:
            progress(done, len(landed))
    return waiting(workspace, store)


def waiting(workspace: Workspace, store: Store) -> list[Claim]:
    """Every claimed file that has no outcome yet, in the order they landed."""
    with store.read() as connection:
        rows = in_state(connection, CLAIMED)
    return [Claim(row["sha256"], row["name"], archived(workspace, row["sha256"], row["name"])) for row in rows]


def archived(workspace: Workspace, sha256: str, name: str) -> Path:
    """Where the bytes of a claimed file lie."""
    return workspace.archive / sha256 / safe_name(name)


@dataclass(frozen=True)
class _Claiming:
    """Everything but the file; ``known`` is state and name by sha256, and grows with each claim."""

    workspace: Workspace
    store: Store
    limits: Ingest
    known: dict[str, Known]
    settle_s: float
    notice: Notice

    def claim(self, one: Landed) -> None:
        try:
            before = _look(one.parts)
            if still_written(one.path, self.settle_s):
                self.notice(one.name, "left for later: still being written")
                return
            sha256 = content_sha256(one.parts)
        except FileNotFoundError:
            self.notice(one.name, "left for later: it went away while it was read")
            return
        except OSError as error:
            raise InputError(f"Cannot read {one.path}: got {error.strerror or error}. Check its permissions and its disk.") from error
        state, name = self.known.get(sha256, (None, one.name))
        if state in {None, CLAIMED}:
            self._enter(one, before, sha256, name)

    def _enter(self, one: Landed, before: list[tuple[int, int]], sha256: str, name: str) -> None:
        size = sum(length for length, _ in before)
        too_large = size > self.limits.max_file_bytes
        if not too_large and not _keep(one, archived(self.workspace, sha256, name), sha256, before, self.workspace):
            self.notice(one.name, "left for later: it changed while it was read")
            return
        with self.store.write() as connection:
            add_claimed(connection, sha256=sha256, name=name, size=size)
        if too_large:
            _refuse_large(one, self.store, sha256, size, self.limits)
        self.known[sha256] = (QUARANTINED if too_large else CLAIMED, name)


def _keep(one: Landed, kept: Path, sha256: str, before: list[tuple[int, int]], workspace: Workspace) -> bool:
    """Have the copy in the archive; False when the file changed meanwhile."""
    if kept.is_file() or (workspace.quarantine / sha256).is_dir():  # an earlier run was killed after the copy
        return True
    if _copy(one, kept, sha256) and _look(one.parts) == before:
        return True
    shutil.rmtree(kept.parent, ignore_errors=True)
    return False


def _look(parts: Sequence[Path]) -> list[tuple[int, int]]:
    return [(status.st_size, status.st_mtime_ns) for status in (part.stat() for part in parts)]


def _refuse_large(one: Landed, store: Store, sha256: str, size: int, limits: Ingest) -> None:
    # One outcome for this file too, but no second copy of what is too large to keep.
    reason = Reason(
        "file.too_large",
        where=str(one.path)[-200:],
        expected=f"at most {limits.max_file_mb} MiB",
        got=f"{size} bytes",
        action="Raise ingest.max_file_mb in params.yaml and release the file; it stays where it landed.",
    )
    record(store, sha256, reason.to_dict())


def _copy(one: Landed, kept: Path, sha256: str) -> bool:
    """Copy the file and its sidecar; False when the bytes are no longer those that were hashed."""
    digest = hashlib.sha256()
    try:
        with aside(kept) as whole:
            _append(one.parts[0], whole, digest)
            for beside in one.parts[1:]:
                with aside(_sidecar_of(kept, one.path, beside)) as part:
                    _append(beside, part, digest)
            _require(digest.hexdigest(), sha256)
    except _ChangedError:
        return False
    except OSError as error:
        raise EngineError(
            f"Cannot copy {one.path} into {kept.parent}: expected room for {one.path.stat().st_size} bytes, got "
            f"{error.strerror or error}. Free disk space, then run the same command again; nothing is half done."
        ) from error
    return True


class _ChangedError(Exception):
    """The bytes changed between hashing and copying."""


def _require(found: str, sha256: str) -> None:
    if found != sha256:
        raise _ChangedError  # inside the block, so that the copy never gets its name


def _sidecar_of(kept: Path, path: Path, beside: Path) -> Path:
    # The copy keeps the form of the original: NAME.npy.yaml or NAME.yaml.
    return kept.with_name(kept.name + beside.suffix) if beside.stem == path.name else kept.with_suffix(beside.suffix)


def _append(source: Path, target: Path, digest: hashlib._Hash) -> None:
    with source.open("rb") as reading, target.open("wb") as writing:
        while piece := reading.read(PIECE):
            digest.update(piece)
            writing.write(piece)
