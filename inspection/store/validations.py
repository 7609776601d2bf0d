"""The ``validations`` table: every result of the checks of lots and of days, the newest of each counting now.

In a module of its own; a store that was opened before it existed gets it when it is opened next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import JSON, Boolean, Column, Date, DateTime, Index, Integer, String, Table, func, insert, select

from inspection.store.tables import files, metadata, wafers

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from sqlalchemy import Connection, Row, Select

LOT, DAY = "lot", "day"
"""What was checked: a lot and layer, or a day of the fab."""
_AT_ONCE = 500
"""Names in one IN clause: SQLite took no more than 999 values for long."""

validations = Table(
    "validations",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("suite", String, nullable=False),  # lot | day
    Column("lot", String, nullable=False),  # '' for a day
    Column("layer", String, nullable=False),  # '' = none given
    Column("day", Date),  # UTC; null for a lot
    Column("passed", Boolean, nullable=False),
    Column("cold_start", Boolean, nullable=False),  # too little history: judged by physics alone
    Column("failed", JSON, nullable=False),  # fault -> number of wafers, lots or tools that show it
    Column("statistics", JSON, nullable=False),  # what was compared with what, and who showed each fault
    Column("checked_at", DateTime, nullable=False),  # before the facts were read
    Index("validations_by_subject", "suite", "lot", "layer", "day"),
    comment="One row per checkpoint result of a lot and layer or of a day; never changed, the newest counts.",
)


def put_validations(c: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Add results; ``rows`` have every column but the id."""
    if rows:
        c.execute(insert(validations), [*rows])


def _newest(suite: str) -> Select[Any]:
    of_subject = select(func.max(validations.c.id)).where(validations.c.suite == suite)
    of_subject = of_subject.group_by(validations.c.lot, validations.c.layer, validations.c.day)
    return select(validations).where(validations.c.id.in_(of_subject))


def newest(c: Connection, suite: str, limit: int | None = None) -> list[dict[str, Any]]:
    """The result that counts now of each lot and layer or of each day, the latest check first."""
    return [dict(row) for row in c.execute(_newest(suite).order_by(validations.c.id.desc()).limit(limit)).mappings()]


def failing(c: Connection, suite: str) -> list[dict[str, Any]]:
    """Those of :func:`newest` that failed."""
    query = _newest(suite).where(validations.c.passed.is_(False)).order_by(validations.c.id.desc())
    return [dict(row) for row in c.execute(query).mappings()]


def cold_starts(c: Connection) -> int:
    """Lots and layers that physics alone has judged so far."""
    found = _newest(LOT).where(validations.c.cold_start.is_(True)).subquery()
    return int(c.execute(select(func.count()).select_from(found)).scalar_one())


def changed_lots(c: Connection) -> list[tuple[str, str]]:
    """(lot, layer) with valid wafers newer than their last check, or never checked; layer '' = none given."""
    layer = func.coalesce(wafers.c.layer, "")
    grouped = select(wafers.c.lot.label("lot"), layer.label("layer"), func.max(wafers.c.ingested_at).label("newest"))
    new = grouped.where(wafers.c.state == "valid").group_by(wafers.c.lot, layer).subquery()
    done = _newest(LOT).subquery()
    query = (
        select(new.c.lot, new.c.layer)
        .outerjoin(done, (done.c.lot == new.c.lot) & (done.c.layer == new.c.layer))
        .where(done.c.checked_at.is_(None) | (done.c.checked_at < new.c.newest))
        .order_by(new.c.lot, new.c.layer)
    )
    return [(row.lot, row.layer) for row in c.execute(query)]


def facts_of_lots(c: Connection, lots: Iterable[str]) -> list[dict[str, Any]]:
    """Facts of every valid or quarantined wafer of these lots, all layers, for the expectations; ``layer`` '' = none given."""
    names = (
        "lot",
        "layer",
        "wafer",
        "slot",
        "kind",
        "product",
        "tool",
        "defects",
        "diameter_mm",
        "inspected_at",
        "source",
        "index",
        "notes",
    )
    query = select(*(wafers.c[name] for name in names), wafers.c.state).where(wafers.c.state.in_(("valid", "quarantined")))
    rows = []
    for some in _pieces(sorted(set(lots))):
        ordered = query.where(wafers.c.lot.in_(some)).order_by(
            wafers.c.lot, wafers.c.layer, wafers.c.wafer, wafers.c.source, wafers.c.index
        )
        rows += [{**row, "layer": row["layer"] or ""} for row in c.execute(ordered).mappings()]
    return rows


def lots_in_order(c: Connection) -> Sequence[Row[tuple[str, str, str, str, datetime, int]]]:
    """(lot, layer, product, kind, begun, wafers) of the valid wafers of every named lot, by the time of the first one."""
    layer, product = func.coalesce(wafers.c.layer, ""), func.coalesce(wafers.c.product, "")
    begun = func.min(func.coalesce(wafers.c.inspected_at, wafers.c.ingested_at)).label("begun")
    query = (
        select(wafers.c.lot, layer.label("layer"), product.label("product"), wafers.c.kind, begun, func.count().label("wafers"))
        .where(wafers.c.state == "valid", wafers.c.lot != "")
        .group_by(wafers.c.lot, layer, product, wafers.c.kind)
        .order_by(begun, wafers.c.lot, layer)
    )
    return c.execute(query).all()


def counts_of_lots(c: Connection, lots: Iterable[str]) -> list[tuple[str, str, int | None, int]]:
    """(lot, layer, slot, defects) of the valid wafers of these lots, by slot."""
    query = select(wafers.c.lot, func.coalesce(wafers.c.layer, "").label("layer"), wafers.c.slot, wafers.c.defects)
    query = query.where(wafers.c.state == "valid").order_by(wafers.c.slot, wafers.c.file_sha256, wafers.c.index)
    return [row for some in _pieces(sorted(set(lots))) for row in c.execute(query.where(wafers.c.lot.in_(some))).tuples()]


def _pieces(names: Sequence[str]) -> Iterable[Sequence[str]]:
    return (names[start : start + _AT_ONCE] for start in range(0, len(names), _AT_ONCE))


def new_since(c: Connection, at: datetime | None) -> datetime | None:
    """The earliest inspection among the valid wafers taken in at ``at`` or later (None = ever); None = no such wafer."""
    query = select(func.min(wafers.c.inspected_at)).where(wafers.c.state == "valid")
    return c.execute(query if at is None else query.where(wafers.c.ingested_at >= at)).scalar_one()


def arrivals_since(c: Connection, at: datetime) -> list[dict[str, Any]]:
    """``tool inspected_at file_sha256 ingested_at`` of every valid wafer inspected at ``at`` or later."""
    query = (
        select(wafers.c.tool, wafers.c.inspected_at, wafers.c.file_sha256, wafers.c.ingested_at)
        .join(files, files.c.sha256 == wafers.c.file_sha256)
        .where(wafers.c.state == "valid", wafers.c.inspected_at >= at)
        .order_by(wafers.c.inspected_at)
    )
    return [dict(row) for row in c.execute(query).mappings()]
