"""The ``wafers`` table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, delete, insert, select, tuple_, update

from inspection.store.database import chunks, utc_now
from inspection.store.tables import superseded, wafers

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Connection, Row, RowMapping

VALID, QUARANTINED, SUPERSEDED = "valid", "quarantined", "superseded"
LabelledKey = tuple[str, int, str | None]
"""(file_sha256, index, label)."""


def replace_wafers(connection: Connection, sha256: str, rows: Sequence[dict[str, Any]]) -> None:
    """Write all wafers of one file, in place of what was there; ``rows`` have every column but ``ingested_at``."""
    remove_wafers(connection, sha256)
    now = utc_now()
    for piece in chunks([{**row, "ingested_at": now} for row in rows]):
        connection.execute(insert(wafers), piece)


def remove_wafers(connection: Connection, sha256: str) -> None:
    """Forget the wafers of one file."""
    connection.execute(delete(superseded).where(superseded.c.file_sha256 == sha256))
    connection.execute(delete(wafers).where(wafers.c.file_sha256 == sha256))


def names_and_labels(connection: Connection) -> Sequence[Row[tuple[str, int, str, str, str, str | None, str]]]:
    """(file_sha256, index, source, lot, wafer, label, state) of every wafer, in a stable order."""
    query = select(
        wafers.c.file_sha256, wafers.c.index, wafers.c.source, wafers.c.lot, wafers.c.wafer, wafers.c.label, wafers.c.state
    ).order_by(wafers.c.file_sha256, wafers.c.index)
    return connection.execute(query).all()


def named(connection: Connection, keys: Sequence[tuple[str, int]]) -> dict[tuple[str, int], RowMapping]:
    """``lot wafer layer source label`` of the wafers with these (file_sha256, index), of those that are known; for a thousand at most."""
    key = wafers.c.file_sha256, wafers.c.index
    query = select(*key, wafers.c.lot, wafers.c.wafer, wafers.c.layer, wafers.c.source, wafers.c.label).where(tuple_(*key).in_(keys))
    return {(row["file_sha256"], row["index"]): row for row in connection.execute(query).mappings()} if keys else {}


def set_labels(connection: Connection, changes: Iterable[LabelledKey]) -> int:
    """Write labels by (file_sha256, index); returns how many were given."""
    statement = (
        update(wafers).where(wafers.c.file_sha256 == bindparam("of_file"), wafers.c.index == bindparam("at")).values(label=bindparam("to"))
    )
    rows = [{"of_file": sha256, "at": index, "to": label} for sha256, index, label in changes]
    for piece in chunks(rows):
        connection.execute(statement, piece)
    return len(rows)
