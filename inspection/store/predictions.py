"""Predictions: exactly one row per wafer, model and configuration."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, exists, func, select, update

from inspection.store.database import chunks, utc_now
from inspection.store.jobs import insert_new
from inspection.store.tables import predictions, wafers

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import datetime

    from sqlalchemy import Connection, RowMapping


@dataclass(frozen=True, slots=True)
class Prediction:
    """One outcome, as it is stored; ``probability`` is that of ``label``, in [0, 1]."""

    file_sha256: str
    index: int
    model_sha256: str
    config_sha256: str
    label: str
    decision: str
    probability: float
    probabilities: dict[str, float]


_FIELDS = tuple(field.name for field in fields(Prediction))


def insert(connection: Connection, rows: Iterable[Prediction], scored_at: datetime | None = None) -> int:
    """Add predictions; one that exists already (same wafer, model and configuration) is left alone.

    Returns
    -------
    int
        How many were new.

    Raises
    ------
    sqlalchemy.exc.IntegrityError
        When a wafer is not in the table ``wafers``.
    """
    at = utc_now() if scored_at is None else scored_at
    # dataclasses.asdict would copy every probability and cost more than the insert.
    values = [{**{name: getattr(row, name) for name in _FIELDS}, "scored_at": at} for row in rows]
    statement = insert_new(connection, predictions).execution_options(preserve_rowcount=True)
    return sum(connection.execute(statement, chunk).rowcount for chunk in chunks(values))


_WAFER_COLUMNS = (
    wafers.c.source,
    wafers.c.lot,
    wafers.c.wafer,
    wafers.c.slot,
    wafers.c.product,
    wafers.c.layer,
    wafers.c.tool,
    wafers.c.chamber,
    wafers.c.inspected_at,
    wafers.c.defects,
)
_SAME_WAFER = and_(predictions.c.file_sha256 == wafers.c.file_sha256, predictions.c["index"] == wafers.c["index"])


def unjudged(connection: Connection, limit: int = 10_000) -> list[RowMapping]:
    """The oldest predictions that no alert rule has seen, at most ``limit``.

    Returns
    -------
    list of mappings
        All columns of ``predictions``, and ``source lot wafer slot product layer tool chamber inspected_at defects``.
    """
    found = connection.execute(
        select(predictions, *_WAFER_COLUMNS)
        .join(wafers, _SAME_WAFER)
        .where(predictions.c.judged_at.is_(None))
        .order_by(predictions.c.id)
        .limit(limit)
    )
    return list(found.mappings())


def mark_judged(connection: Connection, ids: Collection[int], at: datetime | None = None) -> int:
    """Record, in the transaction that writes their alerts, that the rules saw these predictions. Returns how many."""
    at = utc_now() if at is None else at
    marked = 0
    for chunk in chunks([{"id": i} for i in ids]):
        picked = predictions.c.id.in_([row["id"] for row in chunk])
        statement = update(predictions).where(picked, predictions.c.judged_at.is_(None)).values(judged_at=at)
        marked += connection.execute(statement).rowcount
    return marked


def counts(connection: Connection, model_sha256: str | None = None) -> dict[str, int]:
    """Number of predictions per decision, of one model when given."""
    query = select(predictions.c.decision, func.count()).group_by(predictions.c.decision)
    if model_sha256 is not None:
        query = query.where(predictions.c.model_sha256 == model_sha256)
    return dict(connection.execute(query.order_by(predictions.c.decision)).tuples().all())


def latest(connection: Connection, lot: str | None = None, file_sha256: str | None = None) -> list[RowMapping]:
    """The latest prediction of each wafer, of one lot or file when given; columns as in ``unjudged``, in file order."""
    newest = select(func.max(predictions.c.id)).group_by(predictions.c.file_sha256, predictions.c["index"])
    query = select(predictions, *_WAFER_COLUMNS).join(wafers, _SAME_WAFER).where(predictions.c.id.in_(newest))
    if lot is not None:
        query = query.where(wafers.c.lot == lot)
    if file_sha256 is not None:
        query = query.where(predictions.c.file_sha256 == file_sha256)
    found = connection.execute(query.order_by(predictions.c.file_sha256, predictions.c["index"]))
    return list(found.mappings())


def unscored(connection: Connection, model_sha256: str, config_sha256: str) -> list[tuple[str, int]]:
    """Valid wafers without a prediction of this model and configuration, in the order they were ingested.

    Returns
    -------
    list of (file_sha256, index)
    """
    scored = exists().where(
        _SAME_WAFER,
        predictions.c.model_sha256 == model_sha256,
        predictions.c.config_sha256 == config_sha256,
    )
    columns: tuple[Any, ...] = (wafers.c.file_sha256, wafers.c["index"])
    query = select(*columns).where(wafers.c.state == "valid", ~scored)
    return [(sha, index) for sha, index in connection.execute(query.order_by(wafers.c.ingested_at, *columns))]


def never_scored(connection: Connection, *, labelled: bool) -> list[tuple[str, int]]:
    """Valid wafers that no model has scored, with or without a label, in the order they were ingested: (file_sha256, index)."""
    columns: tuple[Any, ...] = (wafers.c.file_sha256, wafers.c["index"])
    known = wafers.c.label.is_not(None) if labelled else wafers.c.label.is_(None)
    query = select(*columns).where(wafers.c.state == "valid", known, ~exists().where(_SAME_WAFER))
    return [(sha, index) for sha, index in connection.execute(query.order_by(wafers.c.ingested_at, *columns))]
