"""Which model is champion, and which one was when: workers read the row whose ``until`` is null."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import insert, or_, select, update

from inspection.store.database import as_stored, utc_now
from inspection.store.tables import champions

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from sqlalchemy import Connection, Row

    from inspection.store.database import Store


@dataclass(frozen=True)
class Champion:
    """A promoted model. ``since`` and ``until`` are UTC; ``until`` is None while it is champion."""

    version: str
    bundle_sha256: str
    bundle_path: str
    since: datetime
    promoted_by: str
    reason: str
    until: datetime | None = None


def current(store: Store) -> Champion | None:
    """The champion now, or None when no model was promoted yet."""
    with store.read() as connection:
        return read_current(connection)


def read_current(connection: Connection) -> Champion | None:
    """As :func:`current`, in the caller's transaction."""
    row = connection.execute(select(champions).where(champions.c.until.is_(None)).order_by(champions.c.id.desc()).limit(1)).first()
    return None if row is None else _champion(row)


def champion_at(store: Store, when: datetime) -> Champion | None:
    """The champion at ``when`` (UTC when it names no zone), or None when there was none."""
    moment = as_stored(when)
    query = (
        select(champions)
        .where(champions.c.since <= moment, or_(champions.c.until.is_(None), champions.c.until > moment))
        .order_by(champions.c.id.desc())
        .limit(1)
    )
    with store.read() as connection:
        row = connection.execute(query).first()
    return None if row is None else _champion(row)


def history(store: Store) -> list[Champion]:
    """All champions, oldest first."""
    with store.read() as connection:
        return [_champion(row) for row in connection.execute(select(champions).order_by(champions.c.id))]


def replace(connection: Connection, *, version: str, bundle_sha256: str, bundle_path: Path, promoted_by: str, reason: str) -> Champion:
    """Close the former champion and write the next one, in the caller's transaction."""
    now = utc_now()
    connection.execute(update(champions).where(champions.c.until.is_(None)).values(until=now))
    values = {
        "version": version,
        "bundle_sha256": bundle_sha256,
        "bundle_path": str(bundle_path),
        "promoted_by": promoted_by,
        "reason": reason,
        "since": now,
    }
    connection.execute(insert(champions).values(**values))
    return Champion(version, bundle_sha256, str(bundle_path), now, promoted_by, reason)


def _champion(row: Row[tuple[object, ...]]) -> Champion:
    return Champion(row.version, row.bundle_sha256, row.bundle_path, row.since, row.promoted_by, row.reason, row.until)
