"""What a snapshot freezes: the valid wafers, with a label and without, and their files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import or_, select

from inspection.store.tables import files, wafers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Connection, RowMapping


def labelled_wafers(connection: Connection) -> Sequence[RowMapping]:
    """``file_sha256 index source row lot wafer label`` of every valid wafer with a label, by file and index.

    ``row`` is the place in the source's order; the index where the source gives none.
    """
    return _valid(connection, wafers.c.label.is_not(None))


def unlabelled_wafers(connection: Connection) -> Sequence[RowMapping]:
    """As `labelled_wafers`, of every valid wafer without a label; ``label`` is None or empty."""
    return _valid(connection, or_(wafers.c.label.is_(None), wafers.c.label == ""))


def _valid(connection: Connection, condition: ColumnElement[bool]) -> Sequence[RowMapping]:
    query = (
        select(
            wafers.c.file_sha256,
            wafers.c.index,
            wafers.c.source,
            wafers.c.row,
            wafers.c.lot,
            wafers.c.wafer,
            wafers.c.label,
        )
        .where(wafers.c.state == "valid", condition)
        .order_by(wafers.c.file_sha256, wafers.c.index)
    )
    return connection.execute(query).mappings().all()


def names_and_formats(connection: Connection) -> dict[str, tuple[str, str]]:
    """Name in the landing place and format of every file, by sha256."""
    query = select(files.c.sha256, files.c.name, files.c.format)
    return {row.sha256: (row.name, row.format or "") for row in connection.execute(query)}
