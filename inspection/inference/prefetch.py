"""Claiming, reading and rendering the next batch, while the model is busy with the one before."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from inspection.errors import EngineError
from inspection.inference.batching import by_file
from inspection.inference.scorer import Service, prepare

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from inspection.inference.leases import Leases
    from inspection.inference.ledger import Job
    from inspection.inference.scorer import Scorer
    from inspection.params import Infer
    from inspection.wafer.maps import InspectionMap

C = TypeVar("C")
Payload = dict[str, Any]


@dataclass(slots=True)
class Ready:
    """A claim on its way: read and rendered by the thread, then scored.

    ``suspects``: the ledger holds wafers that must be scored alone.
    """

    jobs: list[Job] = field(default_factory=list)
    maps: list[InspectionMap] = field(default_factory=list)
    errors: dict[int, Exception] = field(default_factory=dict)
    scorer: Scorer | None = None
    prepared: list[Any] | None = None
    suspects: bool = False


class Prefetch(Generic[C]):
    """Makes batches ready; used by one thread at a time.

    Parameters
    ----------
    service : Service
        The warm model, and the swap to a new champion.
    leases : Leases
        What this worker holds of the ledger.
    read_maps : callable
        Payloads, ordered by file -> their maps, in the same order.
    params : Infer
    serving : callable
        Called before each claim, once there is a model to score it.
    failed : callable (job, error)
        Told of each wafer that cannot be read or has no attempt left.
    """

    def __init__(
        self,
        service: Service[C],
        leases: Leases,
        read_maps: Callable[[list[Payload]], Sequence[InspectionMap]],
        params: Infer,
        *,
        serving: Callable[[], None],
        failed: Callable[[Job, Exception], None],
    ) -> None:
        self._service, self._leases, self._read_maps, self._params = service, leases, read_maps, params
        self._serving, self._failed = serving, failed

    def fetch(self, *, alone: bool) -> Ready:
        """The next claim, read and rendered; empty where nothing is due or no champion serves. ``alone``: nothing else is in flight."""
        scorer = self._service.scorer()
        if scorer is None:
            return Ready()
        self._serving()
        claimed = self._leases.claim(max(self._params.batch_sizes))
        try:
            ready = self._sift(claimed, alone=alone)
            ready.scorer = scorer
            self._read(ready)
        except BaseException:
            self._leases.release(claimed)
            raise
        try:
            ready.prepared = prepare(scorer, ready.maps, self._params.batch_sizes)
        except Exception:  # noqa: BLE001 - the wafer to blame is looked for when the batch is scored
            ready.prepared = None
        return ready

    def _sift(self, claimed: list[Job], *, alone: bool) -> Ready:
        """Keep away wafers that may kill the process.

        A worker that dies takes the blame of a whole claim with it. So a wafer on its last attempt is held only when nothing else is in
        flight (``alone``), one at a time: if the process dies again, the guilty wafer is dead-lettered and no other.
        """
        last = self._params.max_attempts
        for job in claimed:
            if job.attempts > last:
                self._failed(job, EngineError(f"Its worker died during each of {job.attempts - 1} attempts."))
        live = [job for job in claimed if job.attempts <= last]
        suspects = [job for job in live if job.attempts == last > 1]
        if not suspects:
            return Ready(by_file(live))
        kept = suspects[:1] if alone else [job for job in live if job.attempts < last]
        kept_ids = {job.id for job in kept}
        self._leases.release(job for job in live if job.id not in kept_ids)
        return Ready(by_file(kept), suspects=True)

    def _read(self, ready: Ready) -> None:
        """Read the maps, all at once, or one by one to find those that cannot be read."""
        try:
            ready.maps = list(self._read_maps([job.payload for job in ready.jobs]))
        except Exception:  # noqa: BLE001 - one unreadable wafer must not hold up the others
            readable = []
            for job in ready.jobs:
                try:
                    ready.maps += self._read_maps([job.payload])
                    readable.append(job)
                except Exception as error:  # noqa: BLE001 - goes to the ledger with its wafer
                    ready.errors[job.id] = error
            for job in ready.jobs:
                if job.id in ready.errors:
                    self._failed(job, ready.errors[job.id])
            ready.jobs = readable
        if len(ready.maps) != len(ready.jobs):
            raise EngineError(f"Cannot read wafers: expected {len(ready.jobs)} maps, got {len(ready.maps)}.")
