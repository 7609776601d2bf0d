"""The worker's Prometheus metrics, in a registry of their own, served on loopback only when asked."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

if TYPE_CHECKING:
    from collections.abc import Iterator

BATCH_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


class WorkerMetrics:
    """Counters of one worker process.

    Attributes
    ----------
    registry : CollectorRegistry
        Holds all of them; pass it to an exposition of your own, or use ``serving``.
    """

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.scored = Counter("inspection_wafers_scored", "Wafers whose prediction was stored.", registry=registry)
        self.failed = Counter("inspection_wafers_failed", "Attempts that ended in an error.", registry=registry)
        self.dead = Counter("inspection_wafers_dead", "Wafers given up after all attempts.", registry=registry)
        self.lost = Counter("inspection_leases_lost", "Wafers scored after their lease was gone.", registry=registry)
        self.swaps = Counter("inspection_champion_swaps", "Champions taken into service.", registry=registry)
        self.swap_failures = Counter("inspection_champion_failures", "Champions that did not load.", registry=registry)
        self.batch_seconds = Histogram(
            "inspection_batch_seconds", "Scoring and storing one claim.", buckets=BATCH_SECONDS, registry=registry
        )
        self.depth = Gauge("inspection_jobs_unfinished", "Jobs waiting or leased.", registry=registry)
        self.ready = Gauge("inspection_worker_ready", "1 once a warm model serves.", registry=registry)

    @contextmanager
    def serving(self, port: int | None) -> Iterator[int | None]:
        """Serve ``/metrics`` on 127.0.0.1 inside the block.

        Parameters
        ----------
        port : int or None
            0 takes a free port, None serves nothing.

        Yields
        ------
        int or None
            The port served on.
        """
        if port is None:
            yield None
            return
        server, thread = start_http_server(port, addr="127.0.0.1", registry=self.registry)
        try:
            yield server.server_port
        finally:
            server.shutdown()
            server.server_close()
            thread.join()
