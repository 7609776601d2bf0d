"""Versions of one inspection: which is the newest, and which it supersedes. The only place that says what a version is.

**Two wafers are versions of one inspection** when they lie in different files and agree in all of

* ``lot`` and ``wafer``, both named,
* ``layer`` (the step; none is a value too),
* ``inspected_at``, which must be known: KLARF's ``ResultTimestamp``, not the time of the file,
* ``kind``: a die map and a defect map of one wafer are two measurements.

Tool, recipe, product, slot and format do not count: a correction may be what mends them, and a wafer lies in one tool
at a time. So these are *no* versions, and are kept apart, each with its own predictions: another layer; a
re-inspection, which has a later ``inspected_at``; a wafer without lot, name or time, of which nothing can be said; two
wafers of one file. What links them is (lot, wafer): :func:`inspections` lists them.

**The newest version** is that of the greatest (``written_at``, ``modified_at``, sha256): when the tool wrote the file by
its own word (KLARF's ``FileTimestamp``; none is the oldest), then when the file was last changed where it landed, then
any fixed order. None of it depends on which file was taken in first, so any order of arrival ends alike.

The newest is ``valid``. All others are ``superseded``, each with a link to the newest (table ``superseded``): snapshot,
lot checks, scoring and alert rules ask for valid wafers only; shards, predictions and alerts of older versions stay as
history. A wafer in quarantine takes no part: a correction that is refused corrects nothing.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, delete, func, or_, select, update

from inspection.store.database import insert_or, utc_now
from inspection.store.tables import file_times, files, superseded, wafers
from inspection.store.wafers import SUPERSEDED, VALID

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import ColumnElement, Connection, RowMapping

    Wafer = tuple[str, int]
    """(file_sha256, index)."""

_IN_LIST = 500  # names in one IN (...)
_SETTLE_LOCK = 0x57414653  # any fixed number: Postgres knows advisory locks by number
_LAYER = func.coalesce(wafers.c.layer, "").label("layer_or_none")
_KEY = (wafers.c.lot, wafers.c.wafer, _LAYER, wafers.c.inspected_at, wafers.c.kind)


def put_times(connection: Connection, sha256: str, **times: datetime | None) -> None:
    """Note when a file was made, UTC naive: ``modified_at`` when it is claimed, ``written_at`` when it is read."""
    statement = insert_or(connection, file_times).values(sha256=sha256, **times)
    connection.execute(statement.on_conflict_do_update(index_elements=["sha256"], set_=times))


def settle(connection: Connection, sha256: str) -> int:
    """Let the newest version of each inspection of file ``sha256`` supersede the others.

    Call it in the transaction that writes the file's wafers; doing it twice changes nothing.

    Returns
    -------
    int
        Wafers that are superseded now and were not before: older versions, or wafers of this very file.
    """
    _one_at_a_time(connection)
    changed = 0
    for versions in _versions(connection, sha256):
        newest = max(versions, key=_age)
        at = min(row["index"] for row in versions if row["file_sha256"] == newest["file_sha256"])
        for row in versions:
            wafer = (row["file_sha256"], row["index"])
            if row["file_sha256"] == newest["file_sha256"]:
                _restore(connection, wafer)
            else:
                changed += row["state"] == VALID
                _supersede(connection, wafer, (newest["file_sha256"], at))
    return changed


def inspections(connection: Connection, lot: str, wafer: str) -> Sequence[RowMapping]:
    """All inspections of one wafer in all their versions: layer by layer, earliest first, the newest version last.

    Columns ``layer inspected_at kind state source file_sha256 index defects label notes reason by_file_sha256 by_index``; the last
    two are None unless the row is superseded, the reason unless it is in quarantine.
    """
    link = and_(superseded.c.file_sha256 == wafers.c.file_sha256, superseded.c.index == wafers.c.index)
    columns = ("layer", "inspected_at", "kind", "state", "source", "file_sha256", "index", "defects", "label", "notes", "reason")
    query = (
        select(*(wafers.c[name] for name in columns), superseded.c.by_file_sha256, superseded.c.by_index)
        .outerjoin(superseded, link)
        .where(wafers.c.lot == lot, wafers.c.wafer == wafer)
        .order_by(_LAYER, wafers.c.inspected_at, wafers.c.kind, wafers.c.state != SUPERSEDED, wafers.c.file_sha256, wafers.c.index)
    )
    return connection.execute(query).mappings().all()


def _versions(connection: Connection, sha256: str) -> Iterator[list[RowMapping]]:
    """The wafers of each inspection that file ``sha256`` shares with other files."""
    identified = and_(
        wafers.c.lot != "",
        wafers.c.wafer != "",
        wafers.c.inspected_at.is_not(None),
        wafers.c.kind != "image",
        wafers.c.state.in_((VALID, SUPERSEDED)),
    )
    own = connection.execute(select(*_KEY).where(wafers.c.file_sha256 == sha256, identified)).all()
    keys = {tuple(row) for row in own}
    lots, names = sorted({row[0] for row in own}), sorted({row[1] for row in own})
    found: defaultdict[tuple[Any, ...], list[RowMapping]] = defaultdict(list)
    for start in range(0, len(lots), _IN_LIST):
        these: ColumnElement[bool] = wafers.c.lot.in_(lots[start : start + _IN_LIST])
        if len(names) <= _IN_LIST:
            these = and_(these, wafers.c.wafer.in_(names))
        query = (
            select(
                wafers.c.file_sha256, wafers.c.index, wafers.c.state, *_KEY, file_times.c.written_at,
                func.coalesce(file_times.c.modified_at, files.c.landed_at).label("modified_at"),
            )
            .join(files, files.c.sha256 == wafers.c.file_sha256)
            .outerjoin(file_times, file_times.c.sha256 == wafers.c.file_sha256)
            .where(these, identified)
        )  # fmt: skip
        for row in connection.execute(query).mappings():
            if (key := tuple(row[column] for column in _KEY)) in keys:
                found[key].append(row)
    return (rows for rows in found.values() if len({row["file_sha256"] for row in rows}) > 1)


def _age(row: RowMapping) -> tuple[datetime, datetime, str]:
    return row["written_at"] or datetime.min, row["modified_at"], row["file_sha256"]  # noqa: DTZ901 - the store keeps naive UTC


def _supersede(connection: Connection, wafer: Wafer, by: Wafer) -> None:
    _set_state(connection, wafer, SUPERSEDED)
    link = {"by_file_sha256": by[0], "by_index": by[1]}
    statement = insert_or(connection, superseded).values(file_sha256=wafer[0], index=wafer[1], at=utc_now(), **link)
    other = or_(superseded.c.by_file_sha256 != by[0], superseded.c.by_index != by[1])
    connection.execute(
        statement.on_conflict_do_update(index_elements=["file_sha256", "index"], set_={**link, "at": utc_now()}, where=other)
    )


def _restore(connection: Connection, wafer: Wafer) -> None:
    _set_state(connection, wafer, VALID)
    connection.execute(delete(superseded).where(superseded.c.file_sha256 == wafer[0], superseded.c.index == wafer[1]))


def _set_state(connection: Connection, wafer: Wafer, state: str) -> None:
    same = and_(wafers.c.file_sha256 == wafer[0], wafers.c.index == wafer[1], wafers.c.state != state)
    connection.execute(update(wafers).where(same).values(state=state))


def _one_at_a_time(connection: Connection) -> None:
    """SQLite's write transactions exclude each other; on Postgres two of them would not see each other's versions."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_SETTLE_LOCK)))
