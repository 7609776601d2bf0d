"""Ingest: every claimed file becomes a canonical shard with its rows, or goes to quarantine with the reason.

Guarantees: one outcome per file. The shard is a function of the file's bytes and is renamed into place before the one
transaction that writes all rows, the outcome and what it supersedes; killed anywhere, the file is still claimed and the
next run does the same again. Files are read by many processes (``workers``), the store is written by this one alone.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from inspection.aside import sweep
from inspection.errors import EngineError
from inspection.intake import quarantine
from inspection.intake.notes import NotesTally
from inspection.intake.parsing import Parser
from inspection.intake.relabel import LabelReport, relabel
from inspection.intake.workers import WORTH_BYTES, processes, read_here, read_in_processes, read_surely
from inspection.store.files import CLAIMED, INGESTED, move, state_of
from inspection.store.supersession import put_times, settle
from inspection.store.wafers import VALID, replace_wafers
from inspection.system import refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from inspection.intake.labels import Labels
    from inspection.intake.landing import Claim
    from inspection.intake.parsing import Named, Parsed, Read
    from inspection.intake.workers import Spread
    from inspection.params import Params
    from inspection.settings import Workspace
    from inspection.store.database import Store


@dataclass
class IngestReport:
    """What came of one ingest: every claim is one of ``files``, ``refused_files`` and ``known``.

    Attributes
    ----------
    files, wafers : int
        Taken in; ``wafers`` are the valid ones.
    resumed_files, resumed_wafers : int
        Those of them that an earlier run had claimed and was interrupted, or that were released from quarantine.
    known : int
        Files that another process gave their outcome meanwhile.
    superseded : int
        Wafers replaced by a newer version of the same inspection, in this ingest.
    refused_files, refused_wafers : Counter of str
        By the code of the reason. The wafers are those of taken-in files, and all that were read of refused ones.
    notes : NotesTally
        What is odd about the valid wafers, and was survived.
    seconds : float
    labels : LabelReport or None
        What the label table did; None without one.
    """

    files: int = 0
    wafers: int = 0
    resumed_files: int = 0
    resumed_wafers: int = 0
    known: int = 0
    superseded: int = 0
    refused_files: Counter[str] = field(default_factory=Counter)
    refused_wafers: Counter[str] = field(default_factory=Counter)
    notes: NotesTally = field(default_factory=NotesTally)
    seconds: float = 0.0
    labels: LabelReport | None = None

    @property
    def quarantined_files(self) -> int:
        """Files refused whole."""
        return self.refused_files.total()

    @property
    def quarantined_wafers(self) -> int:
        """Wafers refused, as ``inspection status`` counts them."""
        return self.refused_wafers.total()


def ingest(
    claims: Sequence[Claim],
    workspace: Workspace,
    store: Store,
    params: Params,
    read: Read,
    *,
    recognise: Callable[[Path], Named] | None = None,
    labels: Labels | None = None,
    progress: Callable[[int, int, int], None] | None = None,
    spread: Spread | None = None,
    workers: int = 0,
    worth_bytes: int = WORTH_BYTES,
) -> IngestReport:
    """Give every claim its outcome.

    Parameters
    ----------
    claims : sequence of Claim
        From :func:`inspection.intake.landing.land`; a claim that has its outcome already is passed over.
    read : callable (path, limits) -> iterator of SourceWafer
        The formats' reader; with several processes, a function of a module.
    recognise : callable (path) -> object with a ``name``, optional
        Names the format for the ``files`` table.
    labels : Labels, optional
        Applied to all wafers of the store, not only to new ones: a table that came later counts too.
    progress : callable (done, total, wafers), optional
        Files with their outcome, all files, and wafers taken in so far: one file may hold tens of thousands.
    spread : callable, optional
        Reads the files elsewhere (other machines); default: ``workers`` processes of this one.
    workers : int
        Processes; 0 = one per core.
    worth_bytes : int
        Less than this is read in this process.

    Raises
    ------
    EngineError
        The disk or the store refuses. Nothing is half done and no good file is quarantined; run again after making
        room.
    """
    started = time.perf_counter()
    report = IngestReport()
    intake = _Intake(workspace, store, Parser(workspace.canonical, params, read, recognise), report, len(claims), progress)
    sweep(workspace.canonical)
    if spread is None:
        count = processes(workers, claims, worth_bytes)
        spread = partial(read_in_processes, count=count) if count > 1 else partial(read_here, counted=intake.tell)
    for claim, parsed in read_surely(intake.parser, intake.unsettled(claims), spread):
        intake.settle(claim, parsed)
        intake.done += 1
        intake.tell()
    report.labels = None if labels is None else relabel(store, labels)
    report.seconds = time.perf_counter() - started
    return report


@dataclass
class _Intake:
    """Writes the outcomes; ``report`` and ``done`` (files) grow with them."""

    workspace: Workspace
    store: Store
    parser: Parser
    report: IngestReport
    total: int
    progress: Callable[[int, int, int], None] | None
    done: int = 0

    def tell(self, wafers: int = 0) -> None:
        """Say how far it is; ``wafers`` are those of the file in hand."""
        if self.progress is not None:
            self.progress(self.done, self.total, self.report.wafers + wafers)

    def unsettled(self, claims: Sequence[Claim]) -> Iterator[Claim]:
        """The claims that must be read, looked at when their turn comes: another process may have been first."""
        for claim in claims:
            if self._state(claim) != CLAIMED:
                self.report.known += 1
            elif not self._refused_before(claim):
                quarantine.restore(self.workspace, claim.sha256)
                yield claim
                continue
            self.done += 1
            self.tell()

    def _refused_before(self, claim: Claim) -> bool:
        """Whether a run was killed between the move into quarantine and its record; the record is made good."""
        left = quarantine.left_behind(self.workspace, claim.sha256)
        if left is not None:
            first = quarantine.record(self.store, claim.sha256, *left)
            self._count_refused(left[0]["code"], left[1], first=first)
        return left is not None

    def settle(self, claim: Claim, parsed: Parsed) -> None:
        """Write what ``claim`` came to."""
        try:
            fault = parsed.fault
            if fault is None:
                self._settle(claim, parsed)
        except OSError as error:
            fault = refusal(error, self.workspace.quarantine).told(f"Cannot quarantine {claim.name}")
        if fault is None:
            return
        if self._state(claim) == CLAIMED:
            raise EngineError(f"{fault} Nothing is half done and no file is refused for it.")
        self.report.known += 1  # another process gave it its outcome and moved it meanwhile

    def _settle(self, claim: Claim, parsed: Parsed) -> None:
        if parsed.reason is not None:
            first = quarantine.put(self.workspace, self.store, claim.sha256, claim.name, parsed.reason, wafers=len(parsed.rows))
            self._count_refused(parsed.reason.code, len(parsed.rows), first=first)
            return
        with self.store.write() as connection:
            values = {"format": parsed.format, "wafers": len(parsed.rows), "reason": None}
            if not move(connection, claim.sha256, source=CLAIMED, target=INGESTED, values=values):
                self.report.known += 1
                return
            replace_wafers(connection, claim.sha256, parsed.rows)
            put_times(connection, claim.sha256, written_at=parsed.written_at)
            superseded = settle(connection, claim.sha256)
        self.report.files += 1
        self.report.wafers += parsed.valid
        self.report.resumed_files += claim.resumed
        self.report.resumed_wafers += parsed.valid * claim.resumed
        self.report.superseded += superseded
        self.report.notes.add(row for row in parsed.rows if row["state"] == VALID)
        self.report.refused_wafers.update(row["reason"]["code"] for row in parsed.rows if row["reason"] is not None)

    def _count_refused(self, code: str, wafers: int, *, first: bool) -> None:
        if not first:
            self.report.known += 1
            return
        self.report.refused_files[code] += 1
        self.report.refused_wafers[code] += wafers

    def _state(self, claim: Claim) -> str | None:
        with self.store.read() as connection:
            return state_of(connection, claim.sha256)
