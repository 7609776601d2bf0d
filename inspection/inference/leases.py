"""What one worker holds: wafers kept by a heartbeat, handed back or given up; and the leases of dead neighbours."""

from __future__ import annotations

import logging
import os
import socket
import threading
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING

from inspection.aside import alive

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from inspection.inference.ledger import Job, Ledger

log = logging.getLogger(__name__)

HOST = socket.gethostname()
LONGEST_PAUSE_S = 30.0


def unique_name() -> str:
    """A worker's name: machine, process id and a nonce, from which neighbours tell whether the process still runs."""
    return f"{HOST}:{os.getpid()}:{uuid.uuid4().hex[:8]}"


class Leases:
    """The leases of worker ``name``; safe to use from several threads.

    Parameters
    ----------
    ledger : Ledger
    name : str
    lease_s : float
        Length of a lease, s; renewed every third of it inside ``beating``.
    max_attempts : int
        Attempts after which a failing wafer is dead.
    """

    def __init__(self, ledger: Ledger, name: str, lease_s: float, max_attempts: int) -> None:
        self.ledger, self.name, self.lease_s, self.max_attempts = ledger, name, lease_s, max_attempts
        self._held: set[int] = set()
        self._lock = threading.Lock()

    def claim(self, size: int) -> list[Job]:
        """Lease up to ``size`` wafers."""
        jobs = self.ledger.claim(self.name, size, self.lease_s)
        with self._lock:
            self._held.update(job.id for job in jobs)
        return jobs

    def release(self, jobs: Iterable[Job]) -> None:
        """Hand wafers back unused."""
        ids = [job.id for job in jobs]
        self.ledger.release(self.name, ids)
        self.forget(ids)

    def fail(self, job: Job, error: Exception) -> str | None:
        """Hand one wafer back with its error, to be tried again after a growing pause; returns its new state."""
        text = f"{type(error).__name__}: {str(error)[:1000]}"
        pause_s = min(LONGEST_PAUSE_S, 0.25 * 4 ** (job.attempts - 1))
        state = self.ledger.fail(self.name, job.id, text, self.max_attempts, retry_in_s=pause_s)
        self.forget([job.id])
        log.warning("Wafer %s failed (attempt %d), now %s: %s", job.key, job.attempts, state, text)
        return state

    def forget(self, ids: Iterable[int]) -> None:
        """These need no heartbeat any more."""
        with self._lock:
            self._held.difference_update(ids)

    @contextmanager
    def beating(self) -> Iterator[None]:
        """Renew the leases from a thread inside the block."""
        ended = threading.Event()

        def beat() -> None:
            while not ended.wait(self.lease_s / 3):
                with self._lock:
                    held = list(self._held)
                try:
                    if held:
                        self.ledger.heartbeat(self.name, held, self.lease_s)
                except Exception:  # a lost lease is found when its batch is stored: a missed beat loses nothing
                    log.exception("The heartbeat of worker %s failed; trying again.", self.name)

        thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def expire_dead_neighbours(self) -> None:
        """Let wafers of workers of this machine that no longer run be claimed at once; other leases have to run out."""
        for holder in self.ledger.holders():
            machine, _, process = holder.rpartition(":")[0].rpartition(":")
            if machine == HOST and process.isdigit() and holder != self.name and not alive(int(process)):
                log.warning("Worker %s is dead: %d wafers are taken over.", holder, self.ledger.expire(holder))
