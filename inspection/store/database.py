"""Opening the store: SQLite below the workspace by default, any SQLAlchemy URL otherwise."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

from sqlalchemy import Engine, create_engine, event

from inspection.store.tables import metadata

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from sqlalchemy import Connection

SQLITE_WAIT_MS = 30_000


def utc_now() -> datetime:
    """The time now, UTC and naive: how every DateTime column stores it."""
    return datetime.now(UTC).replace(tzinfo=None)


class Store:
    """A connection pool to the store; creates missing tables.

    Parameters
    ----------
    url : str
        SQLAlchemy URL, for example ``sqlite:////path/store.sqlite`` or ``postgresql+psycopg://...``.
    """

    def __init__(self, url: str) -> None:
        self.engine: Engine = create_engine(url)
        if self.engine.dialect.name == "sqlite":
            event.listen(self.engine, "connect", _sqlite_pragmas)
            event.listen(self.engine, "begin", _sqlite_begin)
        metadata.create_all(self.engine)

    def write(self) -> AbstractContextManager[Connection]:
        """A transaction: committed at the end of the block, rolled back on an error."""
        return self.engine.begin()

    def read(self) -> AbstractContextManager[Connection]:
        """A connection for reading."""
        return self.engine.connect().execution_options(read_only=True)

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _sqlite_pragmas(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # SQLAlchemy's "begin" event starts transactions, not the driver
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute(f"PRAGMA busy_timeout={SQLITE_WAIT_MS}")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _sqlite_begin(connection: Connection) -> None:
    # IMMEDIATE takes the write lock at once: two writers queue up instead of failing on an upgrade. Readers need none.
    reading = connection.get_execution_options().get("read_only", False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def chunks(rows: list[dict[str, Any]], size: int = 5_000) -> Iterator[list[dict[str, Any]]]:
    """``rows`` in pieces that one INSERT takes."""
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
