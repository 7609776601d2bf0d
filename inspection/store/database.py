"""Opening the store: SQLite below the workspace by default, any SQLAlchemy URL otherwise."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DatabaseError, OperationalError

from inspection.errors import EngineError, ParamsError
from inspection.store import tables, validations

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Table

SQLITE_WAIT_MS = 30_000


def utc_now() -> datetime:
    """The time now, UTC and naive: how every DateTime column stores it."""
    return datetime.now(UTC).replace(tzinfo=None)


def as_stored(when: datetime) -> datetime:
    """``when`` as a DateTime column keeps it: UTC and naive; a time without a zone is taken as UTC."""
    return when if when.tzinfo is None else when.astimezone(UTC).replace(tzinfo=None)


class Store:
    """A connection pool to the store; creates missing tables.

    Parameters
    ----------
    url : str
        SQLAlchemy URL, for example ``sqlite:////path/store.sqlite`` or ``postgresql+psycopg://...``.

    Raises
    ------
    ParamsError
        ``url`` is no URL of a database, or its driver is not installed; the URL itself is not shown, it may hold a password.
    EngineError
        The database cannot be opened: no such folder, a full disk, a file that is no database, a server that is away.
    """

    def __init__(self, url: str) -> None:
        try:
            self.engine: Engine = create_engine(url)
        except (ArgumentError, ImportError) as error:
            raise ParamsError(
                "Cannot use INSPECTION_STORE_URL: expected a SQLAlchemy URL whose driver is installed, for example "
                f"sqlite:////path/store.sqlite, got {type(error).__name__}. Correct the environment variable, or install the driver."
            ) from error
        if self.engine.dialect.name == "sqlite":
            event.listen(self.engine, "connect", _sqlite_pragmas)
            event.listen(self.engine, "begin", _sqlite_begin)
        with self._refusals(
            "open", "a database that can be read and written", "Check the path, its permissions and the disk, then run again."
        ):
            for schema in (tables, validations):  # every module that defines tables, so that all of them are known here
                schema.metadata.create_all(self.engine)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction: committed at the end of the block, rolled back on an error.

        Raises
        ------
        EngineError
            The machine refuses (disk full, store locked or away): nothing of the block is kept, so doing it again is right.
        """
        advice = "Free disk space or stop what holds the store, then run the same command again; nothing is half done."
        with self._refusals("write", "a committed transaction", advice), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection for reading.

        Raises
        ------
        EngineError
            The store is damaged, locked or away.
        """
        advice = "Check its path and disk, then run again."
        with self._refusals("read", "an answer", advice), self.engine.connect().execution_options(read_only=True) as connection:
            yield connection

    @contextmanager
    def _refusals(self, what: str, expected: str, advice: str) -> Iterator[None]:
        """The machine's refusals as ``EngineError``; a broken rule of the schema stays what it is."""
        try:
            yield
        except DatabaseError as error:
            # SQLite says "not a database" and "malformed" by the base class itself.
            if not isinstance(error, OperationalError) and type(error) is not DatabaseError:
                raise
            raise EngineError(
                f"Cannot {what} the store {self.engine.url.render_as_string()}: expected {expected}, got {str(error.orig)[:200]}. {advice}"
            ) from error

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


def insert_or(connection: Connection, table: Table) -> Any:
    """An INSERT that knows ``on_conflict_do_nothing`` and ``on_conflict_do_update`` in the connection's dialect."""
    return postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)


def chunks(rows: list[dict[str, Any]], size: int = 5_000) -> Iterator[list[dict[str, Any]]]:
    """``rows`` in pieces that one INSERT takes."""
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
