"""The audit log: append-only rows, each chained to the one before by its hash, so that an edit is found."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select

from inspection.store.database import utc_now
from inspection.store.tables import audit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy import Connection

    from inspection.store.database import Store

GENESIS = "0" * 64
"""The hash before the first row."""


@dataclass(frozen=True)
class AuditEntry:
    """One row of the audit log; ``at`` is UTC."""

    id: int
    at: datetime
    actor: str
    action: str
    subject: str
    detail: dict[str, Any]
    hash: str


@dataclass(frozen=True)
class ChainFault:
    """Where the chain is broken, and how."""

    id: int
    what: str


def append(connection: Connection, *, actor: str, action: str, subject: str, detail: Mapping[str, Any]) -> AuditEntry:
    """Append a row in the caller's transaction: what is audited and its row are written together or not at all.

    Parameters
    ----------
    connection : Connection
        Of ``Store.write()``; it holds the write lock, so two writers cannot chain to the same row.
    actor, action, subject : str
        Who did what to what, for example ``alice``, ``promote``, ``wafer-defects 3``.
    detail : mapping
        Plain JSON.
    """
    _one_writer(connection)
    last = connection.execute(select(audit.c.id, audit.c.hash).order_by(audit.c.id.desc()).limit(1)).first()
    number, previous = (last.id + 1, last.hash) if last is not None else (1, GENESIS)
    plain = json.loads(json.dumps(dict(detail), sort_keys=True))  # what the column gives back
    row = {"id": number, "at": utc_now(), "actor": actor, "action": action, "subject": subject, "detail": plain}
    digest = _digest(previous, row)
    connection.execute(insert(audit).values(**row, previous_hash=previous, hash=digest))
    return AuditEntry(**row, hash=digest)


def verify(store: Store) -> list[ChainFault]:
    """Recompute the chain; empty when no row was edited, removed or put between.

    The newest rows can be cut off without a trace inside the table: compare ``entries(store)[-1].hash`` with a copy of it
    kept elsewhere (each promotion also writes it to its registry version).
    """
    faults: list[ChainFault] = []
    previous, expected = GENESIS, 1
    with store.read() as connection:
        for row in connection.execute(select(audit).order_by(audit.c.id)).mappings():
            if row["id"] != expected:
                faults.append(ChainFault(row["id"], f"rows {expected} to {row['id'] - 1} are missing"))
            if row["previous_hash"] != previous:
                faults.append(ChainFault(row["id"], "does not follow the row before it"))
            if row["hash"] != _digest(row["previous_hash"], dict(row)):
                faults.append(ChainFault(row["id"], "was changed after it was written"))
            previous, expected = row["hash"], row["id"] + 1
    return faults


def entries(store: Store, subject: str | None = None) -> list[AuditEntry]:
    """All rows, oldest first; only those about ``subject`` when it is given."""
    query = select(audit).order_by(audit.c.id)
    if subject is not None:
        query = query.where(audit.c.subject == subject)
    with store.read() as connection:
        return [AuditEntry(r.id, r.at, r.actor, r.action, r.subject, r.detail, r.hash) for r in connection.execute(query)]


def _digest(previous: str, row: Mapping[str, Any]) -> str:
    plain = {key: row[key] for key in ("id", "actor", "action", "subject", "detail")} | {"at": row["at"].isoformat()}
    canonical = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256((previous + canonical).encode()).hexdigest()


def _one_writer(connection: Connection) -> None:
    """SQLite's transactions take the write lock when they begin; Postgres needs to be told."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("LOCK TABLE audit IN SHARE ROW EXCLUSIVE MODE")
