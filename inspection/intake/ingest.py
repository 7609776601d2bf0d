"""Ingest: every claimed file becomes a canonical shard with its rows, or goes to quarantine with the reason.

Guarantees: one outcome per file. The shard is a function of the file's bytes and is renamed into place before the one
transaction that writes all rows and the outcome; killed anywhere, the file is still claimed and the next run does the
same again.
"""

from __future__ import annotations

import os
import struct
import time
import zipfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from inspection.aside import sweep
from inspection.errors import EngineError, FormatError, InputError, InspectionError, PhysicsError, Reason
from inspection.formats.canonical import CanonicalWafer, write_shard
from inspection.intake import quarantine
from inspection.intake.physics import check
from inspection.intake.relabel import LabelReport, relabel
from inspection.store.database import as_stored
from inspection.store.files import CLAIMED, INGESTED, move, state_of
from inspection.store.wafers import QUARANTINED, VALID, replace_wafers
from inspection.wafer.maps import DieMap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from inspection.intake.labels import Labels
    from inspection.intake.landing import Claim
    from inspection.params import Ingest, Params
    from inspection.settings import Workspace
    from inspection.store.database import Store
    from inspection.wafer.maps import SourceWafer

    Read = Callable[[Path, Ingest], Iterator[SourceWafer]]

PARSER_FAULTS = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)
"""What a reader's libraries raise on bytes that nobody foresaw. One such file must not stop all others for good."""

_COUNT_EVERY = 500


class Named(Protocol):
    """A recognised format."""

    @property
    def name(self) -> str:
        """Short name, for example ``klarf1``."""


@dataclass(frozen=True)
class IngestReport:
    """What came of one ingest: ``files`` and ``wafers`` taken in, those refused, and the seconds it took.

    ``labels`` says what the label table did; None without one.
    """

    files: int
    wafers: int
    quarantined_files: int
    quarantined_wafers: int
    seconds: float
    labels: LabelReport | None = None


@dataclass(frozen=True)
class Outcome:
    """What came of one file."""

    ingested: bool
    wafers: int = 0
    quarantined_wafers: int = 0


class _RefusedError(Exception):
    """Carries the reason past the writer of the shard."""

    def __init__(self, reason: Reason) -> None:
        self.reason = reason
        super().__init__(str(reason))


def ingest(
    claims: Sequence[Claim],
    workspace: Workspace,
    store: Store,
    params: Params,
    read: Read,
    *,
    recognise: Callable[[Path], Named] | None = None,
    labels: Labels | None = None,
    progress: Callable[[int, int], None] | None = None,
    counted: Callable[[int], None] | None = None,
) -> IngestReport:
    """Give every claim its outcome.

    Parameters
    ----------
    claims : sequence of Claim
        From :func:`inspection.intake.landing.claim`; a claim that has its outcome already is passed over.
    read : callable (path, limits) -> iterator of SourceWafer
        The formats' reader.
    recognise : callable (path) -> object with a ``name``, optional
        Names the format for the ``files`` table.
    labels : Labels, optional
        Applied to all wafers of the store, not only to new ones: a table that came later counts too.
    progress : callable (done, total), optional
        Files.
    counted : callable (wafers), optional
        Wafers taken in so far, every few hundred: one file may hold tens of thousands.

    Raises
    ------
    EngineError
        The disk or the store refuses. Nothing is half done and no good file is quarantined; run again after making
        room.
    """
    started = time.perf_counter()
    intake = _Intake(workspace, store, params, read, recognise)
    outcomes: list[Outcome] = []
    before = 0
    sweep(workspace.canonical)
    for done, claim in enumerate(claims, 1):
        outcome = intake.take(claim, _offset(counted, before))
        if outcome is not None:
            outcomes.append(outcome)
            before += outcome.wafers
        if progress is not None:
            progress(done, len(claims))
    applied = None if labels is None else relabel(store, labels)
    return IngestReport(
        files=sum(outcome.ingested for outcome in outcomes),
        wafers=sum(outcome.wafers for outcome in outcomes),
        quarantined_files=sum(not outcome.ingested for outcome in outcomes),
        quarantined_wafers=sum(outcome.quarantined_wafers for outcome in outcomes),
        seconds=time.perf_counter() - started,
        labels=applied,
    )


def _offset(counted: Callable[[int], None] | None, before: int) -> Callable[[int], None]:
    def count(wafers: int) -> None:
        if counted is not None:
            counted(before + wafers)

    return count


@dataclass(frozen=True)
class _Intake:
    """Everything but the file."""

    workspace: Workspace
    store: Store
    params: Params
    read: Read
    recognise: Callable[[Path], Named] | None

    def take(self, claim: Claim, counted: Callable[[int], None]) -> Outcome | None:
        """Give one claim its outcome; None = it has one already."""
        if self._state(claim) != CLAIMED:
            return None
        left = quarantine.reason_of(self.workspace, claim.sha256)
        if left is not None:  # a run was killed between the move into quarantine and its record
            quarantine.record(self.store, claim.sha256, left)
            return Outcome(ingested=False)
        reading = Reading(claim, self.params, self.read, counted)
        shard = self.workspace.canonical / f"{claim.sha256}.parquet"
        try:
            return self._take(claim, reading, shard)
        except OSError as error:
            if self._state(claim) != CLAIMED:  # another process gave it its outcome and moved it meanwhile
                return None
            raise EngineError(
                f"Cannot ingest {claim.name}: expected to read {claim.path} and write {shard}, got {error}. "
                "Free disk space and check both places, then run the same command again; nothing is half done."
            ) from error

    def _state(self, claim: Claim) -> str | None:
        with self.store.read() as connection:
            return state_of(connection, claim.sha256)

    def _take(self, claim: Claim, reading: Reading, shard: Path) -> Outcome | None:
        quarantine.restore(self.workspace, claim.sha256)
        sweep(claim.path.parent)
        if not claim.path.is_file():
            quarantine.record(self.store, claim.sha256, _lost(claim).to_dict())
            return Outcome(ingested=False)
        try:
            format_name = None if self.recognise is None else reading.guarded(self.recognise, claim.path).name
            valid = reading.written(write_shard, shard)
            reading.require_wafers()
        except _RefusedError as refused:
            shard.unlink(missing_ok=True)
            quarantine.put(self.workspace, self.store, claim.sha256, claim.name, refused.reason)
            return Outcome(ingested=False, quarantined_wafers=len(reading.rows))
        with self.store.write() as connection:
            values = {"format": format_name, "wafers": len(reading.rows), "reason": None}
            if not move(connection, claim.sha256, source=CLAIMED, target=INGESTED, values=values):
                return None
            replace_wafers(connection, claim.sha256, reading.rows)
        return Outcome(ingested=True, wafers=valid, quarantined_wafers=len(reading.rows) - valid)


def _lost(claim: Claim) -> Reason:
    return Reason(
        "file.lost",
        where=claim.name,
        expected=f"its copy at {claim.path}",
        got="no file",
        action="Let it land again, then release it.",
    )


class Reading:
    """One pass over a file: iterating gives its valid wafers; ``rows`` fills with the store's row of every wafer."""

    def __init__(self, claim: Claim, params: Params, read: Read, counted: Callable[[int], None]) -> None:
        self.rows: list[dict[str, Any]] = []
        self._claim, self._params, self._read, self._counted = claim, params, read, counted
        self._first_reason: Reason | None = None
        self._valid = 0

    def guarded(self, call: Callable[..., Any], *args: Any) -> Any:
        """``call(*args)``, with every fault of the file's bytes as the one refusal.

        Raises
        ------
        OSError
            With an ``errno``: the machine's fault, not the file's.
        """
        try:
            return call(*args)
        except (FormatError, PhysicsError) as error:
            raise _RefusedError(error.reason) from error
        except InspectionError:
            raise
        except OSError as error:
            if error.errno is not None:
                raise
            raise _RefusedError(self._parser_fault(error)) from error
        except PARSER_FAULTS as error:
            raise _RefusedError(self._parser_fault(error)) from error

    def written(self, write: Callable[[Path, Reading], int], shard: Path) -> int:
        """Have ``write`` write the valid wafers; a value that no shard can hold is the file's fault too."""
        try:
            return write(shard, self)
        except InputError as error:
            if isinstance(error, OSError):
                raise
            raise _RefusedError(self._parser_fault(error)) from error

    def __iter__(self) -> Iterator[CanonicalWafer]:
        wafers = self.guarded(lambda: iter(self._read(self._claim.path, self._params.ingest)))
        seen: set[int] = set()
        while (wafer := self.guarded(next, wafers, None)) is not None:
            if wafer.index in seen or len(seen) >= self._params.ingest.max_wafers:
                expected = f"at most {self._params.ingest.max_wafers} wafers, each with its own index"
                raise _RefusedError(self._reason("file.wafers", expected, f"index {wafer.index} after {len(seen)} wafers"))
            seen.add(wafer.index)
            try:
                notes = check(wafer.map, self._params.validate_)
            except PhysicsError as error:
                self._first_reason = self._first_reason or error.reason
                self.rows.append(self._row(wafer, QUARANTINED, wafer.notes, error.reason))
                continue
            self.rows.append(self._row(wafer, VALID, (*wafer.notes, *notes)))
            self._valid += 1
            yield CanonicalWafer(file_sha256=self._claim.sha256, source=self._claim.name, wafer=wafer)
            if len(seen) % _COUNT_EVERY == 0:
                self._counted(self._valid)
        self._counted(self._valid)

    def require_wafers(self) -> None:
        """Refuse the file when none of its wafers is valid."""
        if self._valid:
            return
        if self._first_reason is not None:
            raise _RefusedError(self._first_reason)
        raise _RefusedError(self._reason("file.no_wafer", "at least one wafer", "none"))

    def _row(self, wafer: SourceWafer, state: str, notes: tuple[str, ...], reason: Reason | None = None) -> dict[str, Any]:
        info = wafer.map.info
        return {
            "file_sha256": self._claim.sha256,
            "index": wafer.index,
            "source": self._claim.name,
            "row": wafer.row,
            "lot": info.lot,
            "wafer": info.wafer,
            "slot": info.slot,
            "product": info.product,
            "layer": info.layer,
            "tool": info.tool,
            "chamber": info.chamber,
            "inspected_at": None if info.inspected_at is None else as_stored(info.inspected_at),
            "kind": "dies" if isinstance(wafer.map, DieMap) else "points",
            "diameter_mm": info.diameter_mm,
            "defects": wafer.map.defects,
            "label": wafer.label,
            "state": state,
            "reason": None if reason is None else reason.to_dict(),
            "notes": [*notes],
        }

    def _parser_fault(self, error: BaseException) -> Reason:
        return self._reason("file.unreadable", "content that its format allows", f"{type(error).__name__}: {error}")

    def _reason(self, code: str, expected: str, got: str) -> Reason:
        action = "Send the file to whoever keeps the reader; after a mended reader, release it."
        return Reason(code, os.path.basename(self._claim.name), expected, got[:200], action)  # noqa: PTH119 - a stored name, not a path here
