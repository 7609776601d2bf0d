"""The ``files`` table: one row per distinct content that landed, in exactly one state."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import OperationalError

from inspection.errors import EngineError
from inspection.store.database import utc_now
from inspection.store.tables import files

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlalchemy import Connection, RowMapping, Table

    from inspection.store.database import Store

State = Literal["claimed", "ingested", "quarantined"]
CLAIMED: State = "claimed"
INGESTED: State = "ingested"
QUARANTINED: State = "quarantined"


def insert_or(connection: Connection, table: Table) -> Any:
    """An INSERT that knows ``on_conflict_do_nothing`` and ``on_conflict_do_update`` in the connection's dialect."""
    return postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)


@contextmanager
def recording(store: Store) -> Iterator[Connection]:
    """A transaction whose failure for a reason of the machine (disk full, store locked or away) is an ``EngineError``.

    Raises
    ------
    EngineError
        The store could not be written; nothing of the block is kept, so doing it again is right.
    """
    try:
        with store.write() as connection:
            yield connection
    except OperationalError as error:
        raise EngineError(
            f"Cannot write the store {store.engine.url.render_as_string()}: expected a committed transaction, got "
            f"{str(error.orig)[:200]}. Free disk space or stop what holds the store, then run the same command again; "
            "nothing is half done."
        ) from error


def add_claimed(connection: Connection, *, sha256: str, name: str, size: int) -> bool:
    """Enter a content that landed; False when it is known already, whatever its state."""
    now = utc_now()
    row = {"sha256": sha256, "name": name, "bytes": size, "state": CLAIMED, "landed_at": now, "changed_at": now}
    statement = insert_or(connection, files).values(**row).on_conflict_do_nothing(index_elements=["sha256"])
    return connection.execute(statement).rowcount == 1


def known_files(connection: Connection) -> dict[str, tuple[State, str]]:
    """State and name of every file, by sha256."""
    query = select(files.c.sha256, files.c.state, files.c.name)
    return {row.sha256: (row.state, row.name) for row in connection.execute(query)}


def state_of(connection: Connection, sha256: str) -> State | None:
    """State of one file; None = never claimed."""
    return connection.execute(select(files.c.state).where(files.c.sha256 == sha256)).scalar_one_or_none()


def in_state(connection: Connection, state: State) -> list[RowMapping]:
    """Rows in ``state``, in the order they landed."""
    query = select(files).where(files.c.state == state).order_by(files.c.landed_at, files.c.name, files.c.sha256)
    return list(connection.execute(query).mappings())


def count_by_state(connection: Connection) -> dict[str, int]:
    """How many files are in each state."""
    query = select(files.c.state, func.count().label("total")).group_by(files.c.state)
    return {row.state: row.total for row in connection.execute(query)}


def move(connection: Connection, sha256: str, *, source: State, target: State, values: Mapping[str, Any]) -> bool:
    """Take a file from one state to another; False when it is no longer in ``source`` (another process was first)."""
    statement = update(files).where(files.c.sha256 == sha256, files.c.state == source).values(state=target, changed_at=utc_now(), **values)
    return connection.execute(statement).rowcount == 1
