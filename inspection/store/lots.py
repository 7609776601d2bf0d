"""What the page of a lot asks of the store: the lot's wafers, the lots before it, and what each wafer was called."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, distinct, func, or_, select

from inspection.store.tables import champions, predictions, wafers
from inspection.store.wafers import VALID

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import ColumnElement, Connection, RowMapping

_IN_LIST = 500  # names in one IN (...)


@dataclass(frozen=True, slots=True)
class Alike:
    """Wafers of one ``product`` (None = not named) and ``kind``; unless ``any_layer``, of one ``layer`` and diameter, too."""

    product: str | None
    kind: str
    layer: str | None = None
    diameter_mm: float = 0.0
    any_layer: bool = False

    def condition(self) -> ColumnElement[bool]:
        """As SQL."""
        same = and_(_is(wafers.c.product, self.product), wafers.c.kind == self.kind)
        return same if self.any_layer else and_(same, _is(wafers.c.layer, self.layer), wafers.c.diameter_mm == self.diameter_mm)


def lot_names(connection: Connection) -> list[str]:
    """All lots with a valid wafer, by name."""
    query = select(distinct(wafers.c.lot)).where(wafers.c.state == VALID, wafers.c.lot != "").order_by(wafers.c.lot)
    return list(connection.execute(query).scalars())


def lot_wafers(
    connection: Connection, lots: Iterable[str], alike: Alike | None = None, before: datetime | None = None
) -> list[dict[str, Any]]:
    """The newest inspection of each wafer of ``lots`` and layer, by lot, slot and wafer.

    Parameters
    ----------
    connection : Connection
    lots : names
    alike : only such wafers
    before : only inspections before this time (UTC, naive)

    Returns
    -------
    list of dict
        The columns of the table ``wafers``, and ``decision called_label probability model_sha256``: of the champion now where it scored the
        wafer, else of the last model that did; None where none has.
    """
    found: list[RowMapping] = []
    names = sorted(set(lots))
    for start in range(0, len(names), _IN_LIST):
        found += _rows(connection, names[start : start + _IN_LIST], alike, before)
    return newest(found)


def newest(rows: Sequence[RowMapping]) -> list[dict[str, Any]]:
    """Of inspections of one lot, layer, kind and wafer the newest; a wafer without a name is always one of its own."""
    kept: dict[tuple[Any, ...], RowMapping] = {}
    for row in sorted(rows, key=_age):
        own = (row["wafer"],) if row["wafer"] else (row["file_sha256"], row["index"])
        kept[row["lot"], row["layer"], row["kind"], *own] = row
    return [dict(row) for row in sorted(kept.values(), key=_place)]


def earlier_lots(connection: Connection, lot: str, before: datetime, alike: Alike, most: int) -> list[str]:
    """Lots whose first inspection was before that of ``lot`` at ``before`` (UTC, naive), the newest ``most`` of them, oldest first."""
    first = func.min(wafers.c.inspected_at)
    query = (
        select(wafers.c.lot)
        .where(wafers.c.state == VALID, wafers.c.lot != "", wafers.c.lot != lot, wafers.c.inspected_at < before, alike.condition())
        .group_by(wafers.c.lot)
        .order_by(first.desc(), wafers.c.lot)
        .limit(most)
    )
    return list(connection.execute(query).scalars())[::-1]


def _rows(connection: Connection, lots: Sequence[str], alike: Alike | None, before: datetime | None) -> Sequence[RowMapping]:
    same = and_(predictions.c.file_sha256 == wafers.c.file_sha256, predictions.c["index"] == wafers.c["index"])
    champion = select(champions.c.bundle_sha256).where(champions.c.until.is_(None))
    last = select(func.max(predictions.c.id)).where(same).correlate(wafers)
    of_champion = last.where(predictions.c.model_sha256.in_(champion)).scalar_subquery()
    called = [predictions.c.decision, predictions.c.label.label("called_label"), predictions.c.probability, predictions.c.model_sha256]
    query = (
        select(wafers, *called)
        .select_from(wafers)
        .outerjoin(predictions, and_(same, predictions.c.id == func.coalesce(of_champion, last.scalar_subquery())))
        .where(wafers.c.state == VALID, wafers.c.lot.in_(lots))
    )
    if alike is not None:
        query = query.where(alike.condition())
    if before is not None:
        query = query.where(wafers.c.inspected_at < before)
    return connection.execute(query).mappings().all()


def _is(column: Any, value: str | None) -> ColumnElement[bool]:
    """Equal, where not named is a value and an empty name is none."""
    return or_(column.is_(None), column == "") if not value else column == value


def _age(row: RowMapping) -> tuple[Any, ...]:
    at = row["inspected_at"]
    return at or datetime.min, row["ingested_at"], row["file_sha256"], row["index"]  # noqa: DTZ901 - the store keeps naive UTC


def _place(row: RowMapping) -> tuple[Any, ...]:
    slot = row["slot"]
    return row["lot"], row["layer"] or "", slot is None, slot or 0, row["wafer"], row["file_sha256"], row["index"]
