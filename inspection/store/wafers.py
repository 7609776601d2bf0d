"""The ``wafers`` and ``lot_checks`` tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, delete, func, insert, select, update

from inspection.store.database import chunks, insert_or, utc_now
from inspection.store.tables import files, lot_checks, superseded, wafers

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from sqlalchemy import Connection, Row

VALID, QUARANTINED, SUPERSEDED = "valid", "quarantined", "superseded"
LabelledKey = tuple[str, int, str | None]
"""(file_sha256, index, label)."""

_FACTS = (
    wafers.c.lot,
    wafers.c.layer,
    wafers.c.wafer,
    wafers.c.slot,
    wafers.c.kind,
    wafers.c.defects,
    wafers.c.diameter_mm,
    wafers.c.label,
    wafers.c.inspected_at,
    wafers.c.source,
    wafers.c.index,
)


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


def set_labels(connection: Connection, changes: Iterable[LabelledKey]) -> int:
    """Write labels by (file_sha256, index); returns how many were given."""
    statement = (
        update(wafers).where(wafers.c.file_sha256 == bindparam("of_file"), wafers.c.index == bindparam("at")).values(label=bindparam("to"))
    )
    rows = [{"of_file": sha256, "at": index, "to": label} for sha256, index, label in changes]
    for piece in chunks(rows):
        connection.execute(statement, piece)
    return len(rows)


def changed_lots(connection: Connection) -> list[tuple[str, str]]:
    """(lot, layer) with valid wafers newer than their last check, or never checked; layer '' = none given."""
    layer = func.coalesce(wafers.c.layer, "")
    newest = (
        select(wafers.c.lot.label("lot"), layer.label("layer"), func.max(wafers.c.ingested_at).label("newest"))
        .where(wafers.c.state == VALID)
        .group_by(wafers.c.lot, layer)
        .subquery()
    )
    query = (
        select(newest.c.lot, newest.c.layer)
        .outerjoin(lot_checks, (lot_checks.c.lot == newest.c.lot) & (lot_checks.c.layer == newest.c.layer))
        .where(lot_checks.c.checked_at.is_(None) | (lot_checks.c.checked_at < newest.c.newest))
        .order_by(newest.c.lot, newest.c.layer)
    )
    return [(row.lot, row.layer) for row in connection.execute(query)]


def facts(connection: Connection) -> list[dict[str, Any]]:
    """Per-wafer facts of all valid wafers, for the expectations of a lot; ``layer`` '' = none given."""
    query = (
        select(*_FACTS)
        .join(files, files.c.sha256 == wafers.c.file_sha256)
        .where(wafers.c.state == VALID)
        .order_by(wafers.c.lot, wafers.c.layer, wafers.c.wafer, wafers.c.source, wafers.c.index)
    )
    return [{**row, "layer": row["layer"] or ""} for row in connection.execute(query).mappings()]


def put_lot_check(
    connection: Connection,
    *,
    lot: str,
    layer: str,
    success: bool,
    failed: dict[str, int],
    wafer_count: int,
    checked_at: datetime,
) -> None:
    """The latest result of a lot and layer; ``checked_at`` is the time *before* its facts were read, UTC naive."""
    values = {"success": success, "failed": failed, "wafers": wafer_count, "checked_at": checked_at}
    statement = (
        insert_or(connection, lot_checks)
        .values(lot=lot, layer=layer, **values)
        .on_conflict_do_update(index_elements=["lot", "layer"], set_=values)
    )
    connection.execute(statement)
