"""Reading many files at once, in processes of this machine; a process that dies costs only the file it had in hand.

The processes are spawned, never forked: a fork copies locks that other threads hold (TensorFlow, pyarrow) and may never
get free. They write shards, which are functions of the bytes, and hand everything else back; nobody but the caller
writes the store. So the number of processes changes no byte of the outcome.
"""

from __future__ import annotations

import multiprocessing
import pickle
from contextlib import suppress
from dataclasses import dataclass
from itertools import repeat
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING

from inspection.aside import sweep
from inspection.errors import EngineError, Reason
from inspection.intake.parsing import Parsed
from inspection.spawned import cores, deaf_to_ctrl_c

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from multiprocessing.context import SpawnProcess

    from inspection.intake.landing import Claim
    from inspection.intake.parsing import Parser

    Spread = Callable[[Parser, Iterable[Claim]], Iterator[tuple[Claim, Parsed | None]]]
    """Reads files elsewhere, in any order; None = that attempt died with its process."""

WORTH_BYTES = 128 << 20
"""From here on processes are started: they need two or three seconds before they read their first file."""
_FILE_BYTES = 256 << 10
"""What a small file costs, as bytes of a large one: about 8 ms."""
_BATCH_BYTES = 16 << 20
"""About half a second of work: what one task on another machine is given, since starting a task costs a tenth of that."""
_START_TRIES = 3
_READY = "ready"


def processes(workers: int, claims: Iterable[Claim], worth_bytes: int = WORTH_BYTES) -> int:
    """How many processes shall read ``claims``; 1 = this very one.

    Parameters
    ----------
    workers : int
        0 = one per core that this process may use.
    worth_bytes : int
        Less than this is read in this process.
    """
    sizes = [_size(claim) for claim in claims]
    # A daemonic process (a Dask worker) may have no children.
    if sum(sizes) + len(sizes) * _FILE_BYTES < worth_bytes or multiprocessing.current_process().daemon:
        return 1
    return max(1, min(workers or cores(), len(sizes)))


def read_here(parser: Parser, claims: Iterable[Claim], counted: Callable[[int], None]) -> Iterator[tuple[Claim, Parsed | None]]:
    """Read ``claims`` one after the other in this process; ``counted`` is told the wafers of the file in hand."""
    for claim in claims:
        yield claim, parser.parse(claim, counted)


def read_surely(parser: Parser, claims: Iterable[Claim], spread: Spread) -> Iterator[tuple[Claim, Parsed]]:
    """Read ``claims`` by ``spread``; what died there is tried once more, alone in a process, and then refused.

    Raises
    ------
    EngineError
        Processes cannot be started, or the reader failed in a way that is not the file's fault.
    """
    suspects = []
    for claim, parsed in spread(parser, claims):
        if parsed is None:
            suspects.append(claim)
        else:
            yield claim, parsed
    # After all others, one by one, so that nothing beside it takes memory.
    for claim, parsed in read_in_processes(parser, suspects, 1):
        yield claim, parsed or Parsed(reason=_deadly(claim))
    if suspects:
        sweep(parser.canonical)


def read_by(read_batches: Callable[[Iterable[list[Claim]]], Iterator[tuple[list[Claim], list[Parsed] | None]]]) -> Spread:
    """A spread over machines: ``read_batches`` reads many batches at once; None = the process of that batch died."""

    def spread(parser: Parser, claims: Iterable[Claim]) -> Iterator[tuple[Claim, Parsed | None]]:
        for batch, answer in read_batches(_batches(claims)):
            yield from zip(batch, repeat(None) if answer is None else answer)  # noqa: B905 - one answer per file, or none at all
        sweep(parser.canonical)  # of processes that died unnoticed: the engine gave their batch to another

    return spread


def _batches(claims: Iterable[Claim]) -> Iterator[list[Claim]]:
    batch: list[Claim] = []
    cost = 0
    for claim in claims:
        batch.append(claim)
        cost += _size(claim) + _FILE_BYTES
        if cost >= _BATCH_BYTES:
            yield batch
            batch, cost = [], 0
    if batch:
        yield batch


def read_in_processes(parser: Parser, claims: Iterable[Claim], count: int) -> Iterator[tuple[Claim, Parsed | None]]:
    """Read ``claims`` in ``count`` processes, in the order in which they get done; None = the process died with the file.

    Raises
    ------
    EngineError
        As :func:`read_surely`.
    """
    left = iter(claims)
    claim: Claim | None
    staff: list[_Worker] = []
    starts = 0
    try:
        for first in left:
            staff.append(_Worker.started(parser, first))
            if len(staff) == count:
                break
        while staff:
            for worker in _answering(staff):
                answer = worker.answer()
                if answer == _READY:
                    worker.is_ready, starts = True, 0
                    continue
                starts += not worker.is_ready
                if starts >= _START_TRIES * count:
                    raise EngineError(
                        f"Cannot read files in other processes: expected them to start, got {worker.exit_code()}. "
                        "Set INSPECTION_WORKERS=1, then run the same command again; nothing is half done."
                    )
                if not worker.is_ready:  # it died before it had the file in hand: the file is not to blame
                    claim = worker.claim
                elif isinstance(answer, str):
                    raise EngineError(f"Cannot ingest {worker.claim.name}: the reader failed:\n{answer}")
                else:
                    yield worker.claim, answer
                    claim = next(left, None)
                staff.remove(worker)
                staff += _next(worker, parser, claim, alive=isinstance(answer, Parsed))
    finally:
        for worker in staff:
            worker.end(kill=True)


def _next(worker: _Worker, parser: Parser, claim: Claim | None, *, alive: bool) -> list[_Worker]:
    """Who reads ``claim``: ``worker`` itself, another in place of a dead one, or nobody when nothing is left."""
    if claim is not None and alive:
        worker.give(claim)
        return [worker]
    worker.end(kill=not alive)
    return [] if claim is None else [_Worker.started(parser, claim)]


@dataclass
class _Worker:
    """A process, the pipe to it, and the file that it has in hand."""

    process: SpawnProcess
    pipe: Connection
    claim: Claim
    is_ready: bool = False

    @classmethod
    def started(cls, parser: Parser, claim: Claim) -> _Worker:
        context = multiprocessing.get_context("spawn")
        pipe, other = context.Pipe()
        process = context.Process(target=_serve, args=(other, parser), name="inspection-reader", daemon=True)
        with deaf_to_ctrl_c():
            process.start()
        other.close()  # so that the pipe ends when the process does
        worker = cls(process, pipe, claim)
        worker.give(claim)
        return worker

    def give(self, claim: Claim) -> None:
        self.claim = claim
        with suppress(OSError):  # a dead process is noticed when its answer is asked for
            self.pipe.send(claim)

    def answer(self) -> Parsed | str | None:
        """What it says: ``_READY``, what the file came to, the traceback of an error of ours; None = it died."""
        try:
            found: Parsed | str = self.pipe.recv()
        except (EOFError, OSError, pickle.UnpicklingError):  # also killed in the middle of its answer
            return None
        return found

    def exit_code(self) -> str:
        self.process.join(timeout=5)
        return f"exit code {self.process.exitcode}"

    def end(self, *, kill: bool) -> None:
        self.pipe.close()
        if kill:
            self.process.kill()
        self.process.join()
        self.process.close()


def _answering(staff: list[_Worker]) -> list[_Worker]:
    ready = set(map(id, wait([worker.pipe for worker in staff])))
    return [worker for worker in staff if id(worker.pipe) in ready]


def _serve(pipe: Connection, parser: Parser) -> None:
    """What a process does until the pipe ends: read one file, say what it came to."""
    with suppress(EOFError, OSError):  # whoever asked is gone
        pipe.send(_READY)
        while True:
            claim = pipe.recv()
            try:
                parsed: Parsed | str = parser.parse(claim)
            except Exception:  # noqa: BLE001 - an error of ours: the parent says so, as it would of its own
                import traceback  # noqa: PLC0415

                parsed = traceback.format_exc()
            pipe.send(parsed)


def _size(claim: Claim) -> int:
    try:
        return claim.path.stat().st_size
    except OSError:
        return 0


def _deadly(claim: Claim) -> Reason:
    return Reason(
        "file.deadly",
        where=claim.name,
        expected="a file that can be read",
        got="the process that read it was killed or crashed, twice, the second time alone",
        action="Look for too little memory (the system's log) and for a fault of the reader; after either is mended, release it.",
    )
