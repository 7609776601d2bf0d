"""The ``files`` table: one row per distinct content that landed, in exactly one state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import select, update

from inspection.store.database import insert_or, utc_now
from inspection.store.tables import files

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection, RowMapping

State = Literal["claimed", "ingested", "quarantined"]
CLAIMED: State = "claimed"
INGESTED: State = "ingested"
QUARANTINED: State = "quarantined"


def add_claimed(connection: Connection, *, sha256: str, name: str, size: int) -> bool:
    """Enter a content that landed; False when it is known already, whatever its state."""
    now = utc_now()
    row = {"sha256": sha256, "name": name, "bytes": size, "state": CLAIMED, "landed_at": now, "changed_at": now}
    statement = insert_or(connection, files).values(**row).on_conflict_do_nothing(index_elements=["sha256"])
    return connection.execute(statement).rowcount == 1


def known_files(connection: Connection) -> dict[str, tuple[State, str, int]]:
    """State, name and bytes of every file, by sha256."""
    query = select(files.c.sha256, files.c.state, files.c.name, files.c.bytes)
    return {row.sha256: (row.state, row.name, row.bytes) for row in connection.execute(query)}


def state_of(connection: Connection, sha256: str) -> State | None:
    """State of one file; None = never claimed."""
    return connection.execute(select(files.c.state).where(files.c.sha256 == sha256)).scalar_one_or_none()


def in_state(connection: Connection, state: State) -> list[RowMapping]:
    """Rows in ``state``, in the order they landed."""
    query = select(files).where(files.c.state == state).order_by(files.c.landed_at, files.c.name, files.c.sha256)
    return list(connection.execute(query).mappings())


def move(connection: Connection, sha256: str, *, source: State, target: State, values: Mapping[str, Any]) -> bool:
    """Take a file from one state to another; False when it is no longer in ``source`` (another process was first)."""
    statement = update(files).where(files.c.sha256 == sha256, files.c.state == source).values(state=target, changed_at=utc_now(), **values)
    return connection.execute(statement).rowcount == 1
