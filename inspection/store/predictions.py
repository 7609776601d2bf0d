"""Predictions: exactly one row per wafer, model and configuration."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, exists, select

from inspection.store.database import chunks, insert_or, utc_now
from inspection.store.tables import predictions, wafers

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from sqlalchemy import Connection


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
    statement = insert_or(connection, predictions).on_conflict_do_nothing().execution_options(preserve_rowcount=True)
    return sum(connection.execute(statement, chunk).rowcount for chunk in chunks(values))


_SAME_WAFER = and_(predictions.c.file_sha256 == wafers.c.file_sha256, predictions.c["index"] == wafers.c["index"])


def never_scored(connection: Connection, *, labelled: bool) -> list[tuple[str, int]]:
    """Valid wafers that no model has scored, with or without a label, in the order they were ingested: (file_sha256, index)."""
    columns: tuple[Any, ...] = (wafers.c.file_sha256, wafers.c["index"])
    known = wafers.c.label.is_not(None) if labelled else wafers.c.label.is_(None)
    query = select(*columns).where(wafers.c.state == "valid", known, ~exists().where(_SAME_WAFER))
    return [(sha, index) for sha, index in connection.execute(query.order_by(wafers.c.ingested_at, *columns))]


def any_unlabelled(connection: Connection) -> bool:
    """Whether any valid wafer without a label ever landed, scored or not."""
    query = select(wafers.c.file_sha256).where(wafers.c.state == "valid", wafers.c.label.is_(None)).limit(1)
    return connection.execute(query).first() is not None
