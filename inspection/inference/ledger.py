"""The job ledger: what must be scored, who is at it, what came of it.

Leased rows in the SQL store, not DBOS Transact, by measurement (``benchmarks/bench_ledger.py``; DBOS 3.4.0, SQLite in
WAL mode, two shared cores, 10 000 wafers, batches of 64, nothing scored; wafers/s):

=====================  ===============  ===========  ==================  ==============  =============================
ledger                 put one by one   put in bulk  claim+done, singly  claim+done      5 x kill -9
=====================  ===============  ===========  ==================  ==============  =============================
DBOS, job per wafer    750              1 800        560                 610             none lost, 97 outcomes twice
DBOS, job per 64       1 500            86 000       41                  9 900           none lost, none twice
leased rows            2 300            26 000       14 700              14 500          none lost, none twice
=====================  ===============  ===========  ==================  ==============  =============================

The worker must keep 85 % of a bare rate of about 1 000 wafers/s. A workflow per wafer costs more time than the scoring,
and a batch coalesced from many workflows cannot commit its results together with their ends. Batches made when put are
fast and exact, but wafers that land singly are never coalesced (41/s). Leased rows cost some 0.07 ms per wafer and
commit results and ends in one transaction of the store.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from inspection.store import jobs

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from sqlalchemy import Connection

    from inspection.store.database import Store


@dataclass(frozen=True, slots=True)
class Job:
    """One wafer to be scored.

    ``key`` makes putting idempotent; ``payload`` is a JSON object; ``attempts`` counts the claims, this one included.
    """

    id: int
    key: str
    payload: dict[str, Any]
    attempts: int


@dataclass(frozen=True, slots=True)
class DeadJob:
    """A job that was given up, with the error of its last attempt."""

    job: Job
    error: str


class Ledger(Protocol):
    """What a worker needs of a ledger; ``tests/inference`` holds the contract suite every implementation passes.

    A job ends exactly once: done or dead. Ids in an answer are the jobs that the worker really held: a lease that expired
    and was taken over by another worker is not among them.
    """

    def put(self, items: Iterable[tuple[str, dict[str, Any]]]) -> int:
        """Add (key, payload) jobs; known keys are left alone. Returns how many were new."""

    def claim(self, worker: str, size: int, lease_s: float) -> list[Job]:
        """Lease up to ``size`` jobs for ``lease_s`` seconds, oldest first; expired leases of others are taken over."""

    def heartbeat(self, worker: str, ids: Collection[int], lease_s: float) -> set[int]:
        """Extend leases to ``lease_s`` from now."""

    def done(self, worker: str, ids: Collection[int], connection: Connection | None = None) -> set[int]:
        """Close jobs; with ``connection`` in the caller's transaction, so that results and end commit together."""

    def fail(self, worker: str, job: int, error: str, max_attempts: int, *, retry_in_s: float = 0.0) -> str | None:
        """Hand a job back with its error: the new state, ``waiting`` or ``dead``; None when it is not held any more."""

    def release(self, worker: str, ids: Collection[int]) -> set[int]:
        """Hand jobs back unused; the attempt is not counted."""

    def holders(self) -> list[str]:
        """Names of the workers that hold leases."""

    def expire(self, worker: str) -> int:
        """End all leases of a worker known to be dead, so that the next claim takes them over."""

    def dead(self, limit: int = 100) -> list[DeadJob]:
        """The latest dead jobs."""

    def revive(self) -> int:
        """Let every dead job wait again with all its attempts."""

    def counts(self) -> dict[str, int]:
        """Jobs per state: waiting, leased, done, dead."""

    def unfinished(self) -> int:
        """How many jobs are waiting or leased."""


class StoreLedger:
    """The ledger as leased rows in the SQL store (implements ``Ledger``).

    Parameters
    ----------
    store : Store
        The store that also takes the predictions; SQLite and Postgres are tested.
    """

    def __init__(self, store: Store) -> None:
        self.store = store

    def put(self, items: Iterable[tuple[str, dict[str, Any]]]) -> int:
        """See ``Ledger.put``."""
        with self.store.write() as connection:
            return jobs.put(connection, items)

    def claim(self, worker: str, size: int, lease_s: float) -> list[Job]:
        """See ``Ledger.claim``."""
        with self.store.write() as connection:
            return [Job(**row) for row in jobs.claim(connection, worker, size, lease_s)]

    def heartbeat(self, worker: str, ids: Collection[int], lease_s: float) -> set[int]:
        """See ``Ledger.heartbeat``."""
        with self.store.write() as connection:
            return jobs.extend(connection, worker, ids, lease_s)

    def done(self, worker: str, ids: Collection[int], connection: Connection | None = None) -> set[int]:
        """See ``Ledger.done``; ``connection`` must be one of this ledger's store."""
        if connection is not None:
            return jobs.done(connection, worker, ids)
        with self.store.write() as own:
            return jobs.done(own, worker, ids)

    def fail(self, worker: str, job: int, error: str, max_attempts: int, *, retry_in_s: float = 0.0) -> str | None:
        """See ``Ledger.fail``."""
        with self.store.write() as connection:
            return jobs.fail(connection, worker, job, error, max_attempts, retry_in_s=retry_in_s)

    def release(self, worker: str, ids: Collection[int]) -> set[int]:
        """See ``Ledger.release``."""
        with self.store.write() as connection:
            return jobs.release(connection, worker, ids)

    def holders(self) -> list[str]:
        """See ``Ledger.holders``."""
        with self.store.read() as connection:
            return jobs.holders(connection)

    def expire(self, worker: str) -> int:
        """See ``Ledger.expire``."""
        with self.store.write() as connection:
            return jobs.expire(connection, worker)

    def dead(self, limit: int = 100) -> list[DeadJob]:
        """See ``Ledger.dead``."""
        with self.store.read() as connection:
            return [
                DeadJob(Job(row["id"], row["key"], row["payload"], row["attempts"]), row["error"]) for row in jobs.dead(connection, limit)
            ]

    def revive(self) -> int:
        """See ``Ledger.revive``."""
        with self.store.write() as connection:
            return jobs.revive(connection)

    def counts(self) -> dict[str, int]:
        """See ``Ledger.counts``."""
        with self.store.read() as connection:
            return jobs.counts(connection)

    def unfinished(self) -> int:
        """See ``Ledger.unfinished``."""
        with self.store.read() as connection:
            return jobs.unfinished(connection)
