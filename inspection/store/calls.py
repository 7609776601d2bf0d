"""What each wafer was called: by a person where there is a label, else by the latest prediction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import and_, func, select

from inspection.store.database import as_stored
from inspection.store.tables import predictions, wafers
from inspection.store.wafers import SUPERSEDED, VALID

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from sqlalchemy import Connection, RowMapping


@dataclass(frozen=True, slots=True)
class Selection:
    """Which wafers: of these ``lots`` (none named = of any), this ``wafer``, this ``layer``, inspected at ``since`` (UTC) or later.

    A wafer whose inspection has no time counts by when it was ingested. ``superseded``: older versions of an inspection, too.
    """

    lots: Collection[str] = ()
    wafer: str | None = None
    layer: str | None = None
    since: datetime | None = None
    superseded: bool = False


def calls(connection: Connection, chosen: Selection) -> Sequence[RowMapping]:
    """``file_sha256 index lot wafer layer inspected_at kind state label decision scored_at`` of the chosen wafers, by file and index.

    ``label`` is a person's, ``decision`` and ``scored_at`` those of the latest prediction; each None where there is none. Wafers in
    quarantine are none.
    """
    latest = select(func.max(predictions.c.id)).where(
        predictions.c.file_sha256 == wafers.c.file_sha256, predictions.c.index == wafers.c.index
    )
    columns = (wafers.c[name] for name in ("file_sha256", "index", "lot", "wafer", "layer", "inspected_at", "kind", "state", "label"))
    query = (
        select(*columns, predictions.c.decision, predictions.c.scored_at)
        .outerjoin(
            predictions,
            and_(
                predictions.c.file_sha256 == wafers.c.file_sha256,
                predictions.c.index == wafers.c.index,
                predictions.c.id == latest.correlate(wafers).scalar_subquery(),
            ),
        )
        .where(wafers.c.state.in_((VALID, SUPERSEDED) if chosen.superseded else (VALID,)))
        .order_by(wafers.c.file_sha256, wafers.c.index)
    )
    if chosen.lots:
        query = query.where(wafers.c.lot.in_(sorted(chosen.lots)))
    if chosen.wafer is not None:
        query = query.where(wafers.c.wafer == chosen.wafer)
    if chosen.layer is not None:
        query = query.where(wafers.c.layer == chosen.layer)
    if chosen.since is not None:
        query = query.where(func.coalesce(wafers.c.inspected_at, wafers.c.ingested_at) >= as_stored(chosen.since))
    return connection.execute(query).mappings().all()


def inspections_of(connection: Connection, *, lot: str = "", wafer: str = "", source: str = "", index: int = 0) -> Sequence[RowMapping]:
    """``file_sha256 index lot wafer layer source label decision model_sha256`` of one wafer's valid inspections, the latest last.

    By ``lot`` and ``wafer``, or, without a lot, by ``source`` and ``index``. The last two columns are those of the latest prediction, None
    where there is none.
    """
    latest = select(func.max(predictions.c.id)).where(
        predictions.c.file_sha256 == wafers.c.file_sha256, predictions.c.index == wafers.c.index
    )
    named = ("file_sha256", "index", "lot", "wafer", "layer", "source", "label")
    chosen = and_(wafers.c.lot == lot, wafers.c.wafer == wafer) if lot else and_(wafers.c.source == source, wafers.c.index == index)
    query = (
        select(*(wafers.c[name] for name in named), predictions.c.decision, predictions.c.model_sha256)
        .outerjoin(predictions, predictions.c.id == latest.correlate(wafers).scalar_subquery())
        .where(wafers.c.state == VALID, chosen)
        .order_by(func.coalesce(wafers.c.inspected_at, wafers.c.ingested_at), wafers.c.ingested_at)
    )
    return connection.execute(query).mappings().all()
