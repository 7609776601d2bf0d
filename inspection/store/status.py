"""SQL of ``inspection status``: how much of everything there is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, Table, exists, func, select

from inspection.store.tables import alerts, files, outbox, predictions, wafers

if TYPE_CHECKING:
    from sqlalchemy import Connection, RowMapping


def by_state(c: Connection) -> dict[str, dict[str, int]]:
    """Rows of files, wafers, alerts and outbox by state."""
    tables = {"files": files, "wafers": wafers, "alerts": alerts, "outbox": outbox}
    return {name: _count_by(c, table, table.c.state) for name, table in tables.items()}


def decisions(c: Connection, model_sha256: str) -> dict[str, int]:
    """Predictions of one model by decision."""
    query = (
        select(predictions.c.decision, func.count())
        .where(predictions.c.model_sha256 == model_sha256)
        .group_by(predictions.c.decision)
        .order_by(predictions.c.decision)
    )
    return {str(decision): int(count) for decision, count in c.execute(query)}


def unscored(c: Connection) -> int:
    """Valid unlabelled wafers that no model has scored: labelled ones are known already."""
    of_wafer = exists().where(
        predictions.c.file_sha256 == wafers.c.file_sha256, predictions.c.index == wafers.c.index
    )  # fmt: skip
    query = select(func.count()).select_from(wafers).where(wafers.c.state == "valid", wafers.c.label.is_(None), ~of_wafer)
    return int(c.execute(query).scalar_one())


def unjudged(c: Connection) -> int:
    """Predictions that the alert rules have not seen."""
    query = select(func.count()).select_from(predictions).where(predictions.c.judged_at.is_(None))
    return int(c.execute(query).scalar_one())


def refused_wafers(c: Connection) -> int:
    """Wafers in quarantine: those of taken-in files, and all that were read of the files that were refused whole."""
    rows = select(func.count()).select_from(wafers).where(wafers.c.state == "quarantined")
    whole = select(func.coalesce(func.sum(files.c.wafers), 0)).where(files.c.state == "quarantined")
    return int(c.execute(rows).scalar_one()) + int(c.execute(whole).scalar_one())


def last_file(c: Connection) -> RowMapping | None:
    """The file that landed last."""
    query = select(files).order_by(files.c.landed_at.desc(), files.c.sha256).limit(1)
    return c.execute(query).mappings().one_or_none()


def _count_by(c: Connection, table: Table, column: Column[Any]) -> dict[str, int]:
    query = select(column, func.count()).select_from(table).group_by(column).order_by(column)
    return {str(state): int(count) for state, count in c.execute(query)}


def scored(c: Connection) -> int:
    """Wafers with a prediction of any model."""
    pairs = select(predictions.c.file_sha256, predictions.c.index).distinct().subquery()
    return int(c.execute(select(func.count()).select_from(pairs)).scalar_one())
