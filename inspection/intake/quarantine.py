"""Quarantine: refused files, byte-identical, each beside the reason why.

``quarantine/SHA256/NAME`` is the file (and its sidecar), ``quarantine/SHA256/reason.json`` the reason, and how many
wafers were read before it was refused. Putting a file
there and letting it go are renames of one folder: they need no disk space, and a crash leaves the file in one of the
two places.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from inspection.aside import write_text
from inspection.errors import InputNotFoundError, Reason
from inspection.store.files import CLAIMED, QUARANTINED, in_state, move
from inspection.store.wafers import remove_wafers

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from inspection.settings import Workspace
    from inspection.store.database import Store

REASON_NAME = "reason.json"


@dataclass(frozen=True)
class Quarantined:
    """A refused file: ``name`` is its path inside the landing place, ``path`` where its bytes lie now.

    ``wafers`` were read before it was refused; ``size`` is in bytes, ``landed_at`` UTC.
    """

    sha256: str
    name: str
    reason: dict[str, str]
    path: Path
    wafers: int
    size: int
    landed_at: datetime


def put(workspace: Workspace, store: Store, sha256: str, name: str, reason: Reason, *, wafers: int = 0) -> bool:
    """Move a claimed file from the archive into quarantine and record why; doing it twice changes nothing.

    False when the file has its outcome from another process.

    Parameters
    ----------
    wafers : int
        How many of its wafers were read before it was refused.

    Raises
    ------
    OSError
        The disk refuses; the file is still claimed.
    EngineError
        The store refuses; doing it again finishes.
    """
    kept, target = workspace.archive / sha256, workspace.quarantine / sha256
    content = {"sha256": sha256, "name": name, "wafers": wafers, **reason.to_dict()}
    if kept.is_dir():
        write_text(kept / REASON_NAME, json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n")
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_dir():
            shutil.rmtree(target)  # left by a run that was killed before it recorded the outcome; the same bytes
        kept.rename(target)
    return record(store, sha256, reason.to_dict(), wafers)


def record(store: Store, sha256: str, reason: dict[str, str], wafers: int = 0) -> bool:
    """Write the outcome of a file that lies in quarantine already; False when it has another one."""
    with store.write() as connection:
        first = move(connection, sha256, source=CLAIMED, target=QUARANTINED, values={"reason": reason, "wafers": wafers})
        if first:
            remove_wafers(connection, sha256)
    return first


def left_behind(workspace: Workspace, sha256: str) -> tuple[dict[str, str], int] | None:
    """The reason that lies beside a file in quarantine, and its wafers; None when the file is not there."""
    path = workspace.quarantine / sha256 / REASON_NAME
    if not path.is_file():
        return None
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    wafers = int(content.pop("wafers", 0))
    # In the order of `Reason`, not of the file: the row is the same, to the byte, whenever the run was killed.
    return {part.name: str(content.get(part.name, "")) for part in fields(Reason)}, wafers


def find(workspace: Workspace, store: Store, sha256: str) -> Quarantined:
    """The one file in quarantine whose sha256 begins with ``sha256``.

    Raises
    ------
    InputNotFoundError
        There is none, or there are several.
    """
    found = [entry for entry in list(workspace, store) if entry.sha256.startswith(sha256)] if sha256 else []
    if len(found) != 1:
        raise InputNotFoundError(
            f"Cannot find {sha256!r} in quarantine: expected the sha256 of one file, or its first characters, got {len(found)} matches. "
            "`inspection quarantine list` shows them."
        )
    return found[0]


def release(workspace: Workspace, store: Store, sha256: str) -> Quarantined:
    """Give a quarantined file back to the next ingest, for example after a reader was mended.

    The next ingest treats it as if it had just landed: the result is that of a clean path.

    Raises
    ------
    InputNotFoundError
        No file of this sha256 (or of these first characters) is in quarantine, or several are.
    """
    entry = find(workspace, store, sha256)
    # The state first: killed in between, the file is claimed and lies in quarantine, where the next ingest looks for a
    # reason. Hence the reason goes before the state: without it the next ingest moves the folder back and reads the
    # file.
    folder = workspace.quarantine / entry.sha256
    (folder / REASON_NAME).unlink(missing_ok=True)
    with store.write() as connection:
        move(
            connection,
            entry.sha256,
            source=QUARANTINED,
            target=CLAIMED,
            values={"reason": None, "wafers": None, "format": None},
        )
    restore(workspace, entry.sha256)
    return entry


def restore(workspace: Workspace, sha256: str) -> None:
    """Move a released file back to the archive, where it is not there already."""
    folder, kept = workspace.quarantine / sha256, workspace.archive / sha256
    if folder.is_dir() and not kept.is_dir() and not (folder / REASON_NAME).is_file():
        kept.parent.mkdir(parents=True, exist_ok=True)
        folder.rename(kept)


def list(workspace: Workspace, store: Store) -> Sequence[Quarantined]:  # noqa: A001 - reads as `quarantine.list`
    """Every file in quarantine, in the order they landed."""
    with store.read() as connection:
        rows = in_state(connection, QUARANTINED)
    return tuple(
        Quarantined(
            sha256=row["sha256"],
            name=row["name"],
            reason=row["reason"] or {},
            path=workspace.quarantine / row["sha256"],
            wafers=row["wafers"] or 0,
            size=row["bytes"],
            landed_at=row["landed_at"],
        )
        for row in rows
    )
