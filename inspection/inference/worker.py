"""The worker: claims wafers from the ledger, scores them in warm static batches, stores each outcome exactly once.

Reads the store and what ``read_maps`` reads; writes ``predictions`` and ``jobs``, both in one transaction per batch: a
kill at any moment leaves a wafer either unscored and claimable or scored and done. While the model runs, a thread
claims, reads and renders the next batch, and another keeps the leases alive.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from inspection.errors import EngineError
from inspection.inference.leases import Leases, unique_name
from inspection.inference.metrics import WorkerMetrics
from inspection.inference.prefetch import Payload, Prefetch, Ready
from inspection.inference.scorer import Service, prepare, score, score_each, warm_up
from inspection.inference.signals import stopped_by_signals
from inspection.store import predictions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from inspection.inference.ledger import Job, Ledger
    from inspection.inference.scorer import Scorer
    from inspection.params import Infer
    from inspection.scoring.decision import Scored
    from inspection.store.database import Store
    from inspection.wafer.maps import InspectionMap

C = TypeVar("C")


@dataclass(slots=True)
class WorkReport:
    """What one run did.

    Wafers ``scored``, attempts ``failed``, wafers given up (``dead``), wafers that another worker had taken over (``lost``).
    ``stopped``: ended by ``stop`` or a signal, so that wafers may be left.
    """

    scored: int = 0
    failed: int = 0
    dead: int = 0
    lost: int = 0
    batches: int = 0
    seconds: float = 0.0
    stopped: bool = False


class Worker(Generic[C]):
    """One process with a warm model.

    Parameters
    ----------
    store : Store
        Takes the predictions; the ledger's own store, so that results and ends commit together.
    ledger : Ledger
    load : callable
        Champion -> scorer.
    read_maps : callable
        Payloads (``file_sha256``, ``index``), ordered by file -> their maps, in the same order.
    champion : callable
        The champion now, or None. Asked between batches; a new one is loaded and warmed before it takes over.
    params : Infer
    name : str, optional
        Of this worker in the ledger; the default is unique and lets others on this machine see when it is dead.
    port : int, optional
        Serve Prometheus metrics on this port of 127.0.0.1 (0 = any free one); default: not served.
    poll_s : float
        Pause between two looks at an empty ledger, s.
    """

    def __init__(
        self,
        store: Store,
        ledger: Ledger,
        load: Callable[[C], Scorer],
        read_maps: Callable[[list[Payload]], Sequence[InspectionMap]],
        champion: Callable[[], C | None],
        params: Infer,
        *,
        name: str | None = None,
        port: int | None = None,
        poll_s: float = 0.2,
    ) -> None:
        self.store, self.ledger, self.params = store, ledger, params
        self.name = unique_name() if name is None else name
        self.metrics = WorkerMetrics()
        self.ready = threading.Event()
        """Set once a warm model serves."""
        self._port, self._poll_s = port, poll_s
        self._service: Service[C] = Service(champion, load, params.batch_sizes, self._swapped)
        self._stop = threading.Event()
        self._leases = Leases(ledger, self.name, params.lease_s, params.max_attempts)
        self._prefetch = Prefetch(self._service, self._leases, read_maps, params, serving=self._serving, failed=self._failed)
        self._report = WorkReport()

    def stop(self) -> None:
        """Finish the batch under way, hand the rest back, return from ``run``; safe from any thread or signal handler."""
        self._stop.set()

    def run(
        self,
        *,
        until_empty: bool = False,
        handle_signals: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> WorkReport:
        """Score until stopped, or with ``until_empty`` until no job is waiting or leased. A worker runs once.

        Parameters
        ----------
        until_empty : bool
        handle_signals : bool
            Let SIGTERM and SIGINT call ``stop``; a second one has its usual effect. Only the main thread can: in another one this
            changes nothing, and who started it calls ``stop``.
        progress : callable, optional
            Called with (wafers ended here, those and all unfinished ones) after each batch.

        Raises
        ------
        EngineError
            ``until_empty`` and there is no champion; or the model cannot even score clean wafers (the batch is handed
            back).
        """
        start = time.monotonic()
        with self.metrics.serving(self._port), stopped_by_signals(self.stop, active=handle_signals), self._leases.beating():
            try:
                self._leases.expire_dead_neighbours()
                self._loop(until_empty=until_empty, progress=progress)
            finally:
                self._service.close()
                self.metrics.ready.set(0)
        self._report.seconds = time.monotonic() - start
        self._report.stopped = self._stop.is_set()
        return self._report

    def _loop(self, *, until_empty: bool, progress: Callable[[int, int], None] | None) -> None:
        alone = False
        coming: Future[Ready] | None = None
        with ThreadPoolExecutor(1, thread_name_prefix="prefetch") as pool:
            try:
                while not self._stop.is_set():
                    ready = coming.result() if coming is not None else self._prefetch.fetch(alone=alone)
                    coming = None
                    if self._stop.is_set():
                        self._leases.release(ready.jobs)
                        break
                    alone = ready.suspects
                    if ready.scorer is None and until_empty:
                        raise EngineError("Cannot score: expected a champion model, got none. Promote one with `inspection promote`.")
                    if not ready.jobs:
                        if not alone and self._idle(until_empty=until_empty):
                            break
                        continue
                    if not alone:
                        coming = pool.submit(self._prefetch.fetch, alone=False)
                    self._process(ready)
                    if progress is not None:
                        ended = self._report.scored + self._report.dead
                        progress(ended, ended + self.ledger.unfinished())
            finally:
                if coming is not None:
                    self._leases.release(coming.result().jobs)

    def _idle(self, *, until_empty: bool) -> bool:
        """Nothing was due: True when the run is over, else wait a little."""
        unfinished = self.ledger.unfinished()
        self.metrics.depth.set(unfinished)
        if until_empty and not unfinished:
            return True
        self._leases.expire_dead_neighbours()
        self._stop.wait(self._poll_s)
        return False

    def _process(self, ready: Ready) -> None:
        scorer = ready.scorer
        assert scorer is not None  # noqa: S101 - the prefetch claims nothing without one
        with self.metrics.batch_seconds.time():
            outcomes = self._score(scorer, ready)
            good = {job.id: self._row(job, o, scorer) for job, o in outcomes if not isinstance(o, Exception)}
            try:
                with self.store.write() as connection:
                    mine = self.ledger.done(self.name, list(good), connection)
                    predictions.insert(connection, [good[i] for i in sorted(mine)])
            except Exception as error:
                # Not handed back unused: what can never be stored must run out of attempts.
                for job in ready.jobs:
                    self._failed(job, error)
                raise
            self._leases.forget(good)
        for job, outcome in outcomes:
            if isinstance(outcome, Exception):
                self._failed(job, outcome)
        self._report.batches += 1
        self._report.scored += len(mine)
        self._report.lost += len(good) - len(mine)
        self.metrics.scored.inc(len(mine))
        self.metrics.lost.inc(len(good) - len(mine))

    def _score(self, scorer: Scorer, ready: Ready) -> list[tuple[Job, Scored | Exception]]:
        sizes = self.params.batch_sizes
        outcomes: Sequence[Scored | Exception]
        try:
            views = prepare(scorer, ready.maps, sizes) if ready.prepared is None else ready.prepared
            outcomes = score(scorer, views)
        except Exception:  # noqa: BLE001 - a poison wafer or a broken model: told apart below
            outcomes = score_each(scorer, ready.maps, sizes)
            if all(isinstance(outcome, Exception) for outcome in outcomes):
                try:
                    warm_up(scorer, sizes)
                except EngineError:
                    self._leases.release(ready.jobs)
                    raise
        return list(zip(ready.jobs, outcomes, strict=True))

    @staticmethod
    def _row(job: Job, scored: Scored, scorer: Scorer) -> predictions.Prediction:
        return predictions.Prediction(
            file_sha256=job.payload["file_sha256"],
            index=job.payload["index"],
            model_sha256=scorer.sha256,
            config_sha256=scorer.config_sha256,
            label=scored.label,
            decision=scored.decision,
            probability=float(scored.probability),
            probabilities={name: float(p) for name, p in scored.probabilities.items()},
        )

    def _failed(self, job: Job, error: Exception) -> None:
        state = self._leases.fail(job, error)
        self._report.failed += 1
        self.metrics.failed.inc()
        if state == "dead":
            self._report.dead += 1
            self.metrics.dead.inc()

    def _serving(self) -> None:
        if not self.ready.is_set():
            self.ready.set()
            self.metrics.ready.set(1)

    def _swapped(self, taken: bool) -> None:
        (self.metrics.swaps if taken else self.metrics.swap_failures).inc()
