"""Claiming one file after the other, in one look at a landing place.

To claim is to copy the bytes into the archive and to enter one row in ``files``. The source is never changed. A content
is known by its sha256, computed on the way of the copy, so the same bytes under two names are one file. A file that looks
as it did when it was last read (``sightings``) is not read again.
"""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from inspection.aside import scratch
from inspection.errors import Reason
from inspection.intake.archive import CHANGED, UnreadableError, archived, fetch, keep, writing
from inspection.intake.endmarks import still_written
from inspection.intake.quarantine import record
from inspection.store.database import utc_now
from inspection.store.files import CLAIMED, QUARANTINED, add_claimed
from inspection.store.sightings import Sighting, put_sightings
from inspection.store.supersession import put_times

if TYPE_CHECKING:
    from inspection.intake.place import Landed, Notice, Place
    from inspection.params import Ingest
    from inspection.settings import Workspace
    from inspection.store.database import Store

GROWING = "left for later: still being written"
_STEADY = timedelta(seconds=2)
"""A file that changed later than this before it was read may change again within the same tick of its clock, unseen."""
_REMEMBER_EVERY = 500


@dataclass
class Claiming:
    """One look at a place; ``known`` is state and name by sha256, ``sizes`` the lengths of these, and both grow with each claim.

    ``entered`` are the claimed contents that were found, ``new`` those of them that nobody had claimed before.
    """

    place: Place
    workspace: Workspace
    store: Store
    limits: Ingest
    settle_s: float
    notice: Notice
    known: dict[str, tuple[str, str]]
    sizes: set[int]
    seen: dict[str, Sighting]
    entered: set[str] = field(default_factory=set)
    new: set[str] = field(default_factory=set)
    refused: Counter[str] = field(default_factory=Counter)
    known_again: int = 0
    _new_sightings: dict[str, Sighting] = field(default_factory=dict)

    def claim(self, one: Landed, *, settled: bool = False) -> bool:
        """Claim ``one``; True = it is still being written and nothing was done. ``settled``: two looks found it the same."""
        try:
            seen = self.seen.get(one.name)
            if seen is not None and seen.fingerprint == one.fingerprint and self._has_bytes(seen.sha256):
                self._again(seen.sha256)
            elif not settled and still_written(self.place, one, self.settle_s, utc_now()):
                return True
            else:
                self._take(one)
        except UnreadableError as error:
            self.leave(one, str(error))
        except FileNotFoundError:
            self.leave(one, "left for later: it went away while it was read")
        except OSError as error:
            self.leave(one, f"refused: it cannot be read: {error.strerror or error}")
        return False

    def claim_settled(self, one: Landed) -> None:
        """Claim what was still being written, if it still looks the same."""
        try:
            same = self.place.look(one).fingerprint == one.fingerprint
        except OSError:
            same = False
        if same:
            self.claim(one, settled=True)
        else:
            self.leave(one, GROWING)

    def remember(self) -> None:
        """Write down what was seen, so that it need not be read again."""
        if not self._new_sightings:
            return
        with self.store.write() as connection:
            put_sightings(connection, self.place.name, self._new_sightings)
        self._new_sightings = {}

    def leave(self, one: Landed, why: str) -> None:
        """Leave ``one`` and tell why."""
        self.notice(one.name, why)

    def _has_bytes(self, sha256: str) -> bool:
        """Whether a content needs no bytes: it has its outcome, or its copy is there."""
        state, name = self.known.get(sha256, (None, ""))
        if state != CLAIMED:
            return state is not None
        return archived(self.workspace, sha256, name).exists() or (self.workspace.quarantine / sha256).is_dir()

    def _again(self, sha256: str) -> None:
        """Count a content that has its row already."""
        if self.known[sha256][0] == CLAIMED and sha256 not in self.entered:
            self.entered.add(sha256)
        else:
            self.known_again += 1

    def _take(self, one: Landed) -> None:
        too_large = one.size > self.limits.max_file_bytes
        # Of a known length it is likely a known content: on a disk it costs less to read it twice than to copy it for nothing.
        likely_known = self.place.is_near and one.size in self.sizes
        sha256 = fetch(self.place, one, None) if too_large or likely_known else None
        if sha256 is not None and self._has_bytes(sha256):
            self._require_same(one)
            self._again(sha256)
        elif too_large and sha256 is not None:
            self._require_same(one)
            self._enter(one, sha256, one.name)
            self._refuse_large(one, sha256)
        else:
            sha256 = self._copy(one)
        if one.changed_at is not None and utc_now() - one.changed_at > _STEADY:
            self._new_sightings[one.name] = Sighting(one.fingerprint, sha256)
            if len(self._new_sightings) >= _REMEMBER_EVERY:
                self.remember()

    def _copy(self, one: Landed) -> str:
        """Have the copy in the archive and its row; the sha256 of the content."""
        with ExitStack() as stack:
            with writing(one, self.workspace.archive):
                folder = stack.enter_context(scratch(self.workspace.archive))
            sha256 = fetch(self.place, one, folder)
            self._require_same(one)
            if self._has_bytes(sha256):
                self._again(sha256)
            else:
                _, name = self.known.get(sha256, (None, one.name))
                kept = archived(self.workspace, sha256, name)
                with writing(one, kept.parent):
                    keep(one, folder, kept)
                self._enter(one, sha256, name)
        return sha256

    def _require_same(self, one: Landed) -> None:
        if self.place.look(one).fingerprint != one.fingerprint:
            raise UnreadableError(CHANGED)

    def _enter(self, one: Landed, sha256: str, name: str) -> None:
        with self.store.write() as connection:
            if add_claimed(connection, sha256=sha256, name=name, size=one.size):
                put_times(connection, sha256, modified_at=one.modified_at or utc_now())
                self.new.add(sha256)
        self.entered.add(sha256)
        self.sizes.add(one.size)
        self.known[sha256] = (CLAIMED, name)

    def _refuse_large(self, one: Landed, sha256: str) -> None:
        # One outcome for this file too, but no second copy of what is too large to keep.
        reason = Reason(
            "file.too_large",
            where=one.name[-200:],
            expected=f"at most {self.limits.max_file_mb} MiB",
            got=f"{one.size} bytes",
            action="Raise ingest.max_file_mb in params.yaml and release the file; it stays where it landed.",
        )
        record(self.store, sha256, reason.to_dict())
        self.entered.discard(sha256)
        self.refused[reason.code] += 1
        self.known[sha256] = (QUARANTINED, one.name)
