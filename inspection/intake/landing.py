"""Landing: find what arrived, leave what is still being written, claim the rest (`claiming` says how one file is)."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from inspection.aside import sweep
from inspection.intake.archive import archived
from inspection.intake.claiming import GROWING, Claiming
from inspection.intake.place import open_place
from inspection.store.files import CLAIMED, in_state, known_files
from inspection.store.sightings import seen_in

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Collection

    from inspection.intake.place import Notice, OneSource, Place
    from inspection.params import Ingest
    from inspection.settings import Workspace
    from inspection.store.database import Store

SETTLE_S = 2.0


@dataclass(frozen=True)
class Claim:
    """A file that waits to be ingested: its content, its path inside the landing place, and its copy in the archive.

    ``resumed``: an earlier run claimed it and was interrupted, or it was released from quarantine. It is the same claim.
    """

    sha256: str
    name: str
    path: Path
    resumed: bool = field(default=False, compare=False)


@dataclass(frozen=True)
class Landing:
    """What one look at a landing place came to.

    Attributes
    ----------
    claims : list of Claim
        All that waits to be ingested, in the order they landed; also of earlier, interrupted runs, and released ones.
    read : int
        Files found or waiting. Each is one of ``claims``, known, refused at once, or left:
        ``read == len(claims) + known + refused.total() + left``.
    known : int
        Those whose content has its outcome already, or was found twice.
    refused : Counter of str
        Files refused at once, by the code of the reason.
    left : int
        What was found and left where it is; ``notice`` was told of each.
    """

    claims: list[Claim]
    read: int
    known: int
    refused: Counter[str]
    left: int


def claim(source: Path | str | Place, workspace: Workspace, store: Store, limits: Ingest, **options: object) -> list[Claim]:
    """:func:`land`, and of its answer only what waits to be ingested."""
    return land(source, workspace, store, limits, **options).claims  # type: ignore[arg-type]


def land(
    source: Path | str | Place,
    workspace: Workspace,
    store: Store,
    limits: Ingest,
    *,
    settle_s: float = SETTLE_S,
    wait: bool = False,
    notice: Notice | None = None,
    progress: Callable[[int, int], None] | None = None,
    one_source: OneSource | None = None,
) -> Landing:
    """Claim every complete file of ``source`` and return all that waits to be ingested.

    ``labels.csv``, ``truth.*``, hidden files and the workspace's own folders are no input; a ``.yaml`` sidecar travels with
    its raster. What cannot be read stops nothing: it is told and left.

    Parameters
    ----------
    source : Path, str or Place
        A file, a folder (searched through all its folders), or a URL.
    settle_s : float
        A file without its end mark that changed less than this many seconds ago is still being written.
    wait : bool
        Look at such files a second time, ``settle_s`` later, and take those that kept still; otherwise the next call does.
    notice : callable (name, why), optional
        Told of every file that was left or refused: still being written, a link that leaves the source, not a plain
        file, unreadable.
    progress : callable (done, total), optional
        Files looked at.
    one_source : callable (folder) -> bool, optional
        Says which folders are one source each, such as a zarr store.

    Raises
    ------
    InputNotFoundError
        ``source`` does not exist.
    InputError
        ``source`` cannot be read at all.
    EngineError
        The disk, the store or the server refuses; run again after making room.
    """
    told = 0

    def tell(name: str, why: str) -> None:
        nonlocal told
        told += 1
        if notice is not None:
            notice(name, why)

    place = open_place(source, workspace, one_source) if isinstance(source, str | Path) else source
    sweep(workspace.archive)
    landed = list(place.find(tell))
    no_input = told
    with store.read() as connection:
        known = known_files(connection)
        sizes = {size for _, _, size in known.values()}
        names = {sha256: (str(state), name) for sha256, (state, name, _) in known.items()}
        seen = seen_in(connection, place.name)
    claiming = Claiming(place, workspace, store, limits, settle_s, tell, names, sizes, seen)
    fresh = []
    for done, one in enumerate(landed, 1):
        if claiming.claim(one):
            fresh.append(one)
        if progress is not None:
            progress(done, len(landed))
    if fresh and wait:
        time.sleep(settle_s)
        for one in fresh:
            claiming.claim_settled(one)
    else:
        for one in fresh:
            claiming.leave(one, GROWING)
    claiming.remember()
    claims = waiting(workspace, store, claiming.new)
    ours = {one.sha256 for one in claims}
    elsewhere = len(claiming.entered - ours)  # another process gave them their outcome meanwhile
    found = len(landed) + no_input + len(ours - claiming.entered)
    return Landing(claims, found, claiming.known_again + elsewhere, claiming.refused, told)


def waiting(workspace: Workspace, store: Store, new: Collection[str] = ()) -> list[Claim]:
    """Every claimed file that has no outcome yet, in the order they landed; all but the ``new`` ones (sha256) are resumed."""
    with store.read() as connection:
        rows = in_state(connection, CLAIMED)
    return [Claim(row["sha256"], row["name"], archived(workspace, row["sha256"], row["name"]), row["sha256"] not in new) for row in rows]
