"""The leased rows of the job ledger: one row per job, changed by compare-and-set inside the caller's transaction.

A row is ``waiting`` (from ``lease_until`` on, when that is set), ``leased`` by one worker until ``lease_until``,
``done`` or ``dead``. ``attempts`` counts the leases that were not handed back unused.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, case, func, literal, or_, select, text, update

from inspection.store.database import chunks, insert_or, utc_now
from inspection.store.tables import jobs

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from sqlalchemy import Connection, RowMapping, Select

WAITING, LEASED, DONE, DEAD = "waiting", "leased", "done", "dead"
STATES = (WAITING, LEASED, DONE, DEAD)
_PUT_LOCK = 0x77616665  # any constant: the advisory lock that queues putters up on Postgres


def put(connection: Connection, items: Iterable[tuple[str, dict[str, Any]]]) -> int:
    """Add waiting jobs; a key that is known already is left alone, whatever its state.

    Returns
    -------
    int
        How many were new.
    """
    now = utc_now()
    rows = [{"key": key, "payload": payload, "state": WAITING, "attempts": 0, "put_at": now, "changed_at": now} for key, payload in items]
    if connection.dialect.name == "postgresql":
        # Two putters of the same keys in different orders would deadlock on the unique index.
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _PUT_LOCK})
    statement = insert_or(connection, jobs).on_conflict_do_nothing().execution_options(preserve_rowcount=True)
    return sum(connection.execute(statement, chunk).rowcount for chunk in chunks(rows))


def claim(connection: Connection, worker: str, size: int, lease_s: float) -> list[RowMapping]:
    """Lease up to ``size`` jobs to ``worker``: expired leases first, then waiting jobs, each in the order of putting.

    Returns
    -------
    list of mappings with id, key, payload, attempts (this lease included)
    """
    now = utc_now()
    expired = select(jobs.c.id).where(jobs.c.state == LEASED, jobs.c.lease_until < now)
    ids = _locked(connection, expired, size)
    if len(ids) < size:
        due = or_(jobs.c.lease_until.is_(None), jobs.c.lease_until <= now)
        ids += _locked(connection, select(jobs.c.id).where(jobs.c.state == WAITING, due), size - len(ids))
    if not ids:
        return []
    rows = connection.execute(
        update(jobs)
        .where(jobs.c.id.in_(ids))
        .values(
            state=LEASED,
            worker=worker,
            attempts=jobs.c.attempts + 1,
            lease_until=now + timedelta(seconds=lease_s),
            changed_at=now,
        )
        .returning(jobs.c.id, jobs.c.key, jobs.c.payload, jobs.c.attempts)
    ).mappings()
    return sorted(rows, key=lambda row: row["id"])


def _locked(connection: Connection, candidates: Select[Any], limit: int) -> list[int]:
    # SKIP LOCKED lets workers on Postgres claim side by side; on SQLite BEGIN IMMEDIATE already holds the one write lock.
    ordered = candidates.order_by(jobs.c.id).limit(limit).with_for_update(skip_locked=True)
    return list(connection.execute(ordered).scalars())


def extend(connection: Connection, worker: str, ids: Collection[int], lease_s: float) -> set[int]:
    """Extend the leases that ``worker`` still holds; returns their ids."""
    until = utc_now() + timedelta(seconds=lease_s)
    return _held(connection, worker, ids, lease_until=until)


def done(connection: Connection, worker: str, ids: Collection[int]) -> set[int]:
    """Close the jobs that ``worker`` still holds; returns their ids: only for these may results be written."""
    return _held(connection, worker, ids, state=DONE, lease_until=None, error=None)


def fail(connection: Connection, worker: str, job: int, error: str, max_attempts: int, *, retry_in_s: float = 0.0) -> str | None:
    """Hand a job back with its error: ``dead`` once ``max_attempts`` are spent, else ``waiting``, due in ``retry_in_s``.

    Returns
    -------
    str or None
        The new state; None when ``worker`` no longer holds the job (nothing is changed).
    """
    now = utc_now()
    spent = jobs.c.attempts >= max_attempts
    due = literal(now + timedelta(seconds=retry_in_s), jobs.c.lease_until.type)
    return connection.execute(
        update(jobs)
        .where(jobs.c.id == job, jobs.c.state == LEASED, jobs.c.worker == worker)
        .values(
            state=case((spent, DEAD), else_=WAITING),
            lease_until=case((spent, None), else_=due),
            worker=None,
            error=error,
            changed_at=now,
        )
        .returning(jobs.c.state)
    ).scalar_one_or_none()


def release(connection: Connection, worker: str, ids: Collection[int]) -> set[int]:
    """Hand jobs back unused: waiting again, the attempt not counted."""
    return _held(connection, worker, ids, state=WAITING, worker=None, lease_until=None, attempts=jobs.c.attempts - 1)


def holders(connection: Connection) -> list[str]:
    """Names of the workers that hold leases."""
    return list(connection.execute(select(jobs.c.worker).where(jobs.c.state == LEASED).distinct()).scalars())


def expire(connection: Connection, worker: str) -> int:
    """End all leases of a worker known to be dead; the attempts count. Returns how many there were."""
    past = utc_now() - timedelta(seconds=1)
    held = and_(jobs.c.state == LEASED, jobs.c.worker == worker)
    return connection.execute(update(jobs).where(held).values(lease_until=past)).rowcount


def revive(connection: Connection) -> int:
    """Let every dead job wait again with all its attempts; returns how many."""
    values = {"state": WAITING, "attempts": 0, "worker": None, "lease_until": None, "changed_at": utc_now()}
    return connection.execute(update(jobs).where(jobs.c.state == DEAD).values(values)).rowcount


def dead(connection: Connection, limit: int = 100) -> list[RowMapping]:
    """The latest dead jobs: id, key, payload, attempts, error, changed_at."""
    columns = (jobs.c.id, jobs.c.key, jobs.c.payload, jobs.c.attempts, jobs.c.error, jobs.c.changed_at)
    found = connection.execute(select(*columns).where(jobs.c.state == DEAD).order_by(jobs.c.id.desc()).limit(limit))
    return list(found.mappings())


def counts(connection: Connection) -> dict[str, int]:
    """Jobs per state, each state named."""
    found = connection.execute(select(jobs.c.state, func.count()).group_by(jobs.c.state))
    return dict.fromkeys(STATES, 0) | dict(found.tuples().all())


def unfinished(connection: Connection) -> int:
    """How many jobs are waiting or leased; cheap however many are done."""
    return connection.execute(select(func.count()).select_from(jobs).where(jobs.c.state.in_((WAITING, LEASED)))).scalar_one()


def _held(connection: Connection, holder: str, ids: Collection[int], /, **values: Any) -> set[int]:
    if not ids:
        return set()
    return set(
        connection.execute(
            update(jobs)
            .where(jobs.c.id.in_(list(ids)), jobs.c.state == LEASED, jobs.c.worker == holder)
            .values(changed_at=utc_now(), **values)
            .returning(jobs.c.id)
        ).scalars()
    )
