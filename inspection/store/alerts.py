"""SQL of alerts and their outbox: what the rules must still see, one row per event, what must still be sent.

Every function takes a connection, so that the caller decides what is one transaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, exists, func, or_, select, update

from inspection.store.tables import alerts, outbox, predictions, wafers

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection, RowMapping, Select

OPEN, ACKNOWLEDGED, CLOSED = "open", "acknowledged", "closed"
"""States of an alert."""

WAITING, SENT, DEAD = "waiting", "sent", "dead"
"""States of an outbox row."""

_JUDGE_LOCK = 0x57414652  # any fixed number: Postgres knows advisory locks by number
_IN_LIST = 500  # names in one IN (...)


def lock_judging(c: Connection) -> None:
    """Let one transaction at a time judge.

    SQLite's write transactions exclude each other anyway. Two judges on Postgres would each see only their own half
    of a lot and both stay below ``min_wafers``.
    """
    if c.dialect.name == "postgresql":
        c.execute(select(func.pg_advisory_xact_lock(_JUDGE_LOCK)))


def unjudged(c: Connection, limit: int) -> Sequence[RowMapping]:
    """The signals (with prediction ``id``) of the oldest ``limit`` predictions that no rule has seen, oldest first."""
    query = _signals().where(predictions.c.judged_at.is_(None)).order_by(predictions.c.id).limit(limit)
    return c.execute(query).mappings().all()


def signals_of_lot(c: Connection, lot: str, layer: str) -> Sequence[RowMapping]:
    """The latest prediction of every wafer inspected in this lot and layer; superseded versions speak no more."""
    current = wafers.c.state != "superseded"
    query = _signals().where(wafers.c.lot == lot, func.coalesce(wafers.c.layer, "") == layer, current, _latest())
    return c.execute(query).mappings().all()


def signals_of_source(c: Connection, source: str) -> Sequence[RowMapping]:
    """The latest prediction of every wafer of a source without lots."""
    return c.execute(_signals().where(wafers.c.lot == "", wafers.c.source == source, _latest())).mappings().all()


def judged_of_source(c: Connection, source: str, decisions: Collection[str]) -> Sequence[RowMapping]:
    """Signals of a source without lots that were judged before: the latest predictions with one of ``decisions``."""
    query = _signals().where(
        wafers.c.lot == "",
        wafers.c.source == source,
        predictions.c.decision.in_(sorted(decisions)),
        predictions.c.judged_at.is_not(None),
        _latest(),
    )
    return c.execute(query).mappings().all()


def tally_of_source(c: Connection, source: str) -> dict[str, int]:
    """How many wafers of a source without lots show each decision (latest prediction)."""
    query = (
        select(predictions.c.decision, func.count())
        .join(wafers, _same_wafer())
        .where(wafers.c.lot == "", wafers.c.source == source, _latest())
        .group_by(predictions.c.decision)
    )
    return {str(decision): int(count) for decision, count in c.execute(query)}


def mark_judged(c: Connection, ids: Sequence[int], now: datetime) -> None:
    """Note that the rules have seen these predictions."""
    for start in range(0, len(ids), _IN_LIST):
        part = ids[start : start + _IN_LIST]
        c.execute(update(predictions).where(predictions.c.id.in_(part)).values(judged_at=now))


def by_keys(c: Connection, keys: Iterable[str]) -> dict[str, RowMapping]:
    """The alerts with these keys."""
    wanted = sorted(set(keys))
    found: dict[str, RowMapping] = {}
    for start in range(0, len(wanted), _IN_LIST):
        query = select(alerts).where(alerts.c.key.in_(wanted[start : start + _IN_LIST]))
        found |= {row["key"]: row for row in c.execute(query).mappings()}
    return found


def insert(c: Connection, row: Mapping[str, Any], sinks: Iterable[str], now: datetime) -> int:
    """Write a new alert and one outbox row for each sink; returns the alert's id."""
    inserted = c.execute(alerts.insert().values(**row, state=OPEN, opened_at=now, changed_at=now))
    key = inserted.inserted_primary_key
    if key is None:  # pragma: no cover - every dialect that we support returns it
        raise RuntimeError("The database returned no id for a new alert.")
    alert_id = int(key[0])
    waiting = [{"alert_id": alert_id, "sink": s, "state": WAITING, "attempts": 0, "next_at": now} for s in sinks]
    if waiting:
        c.execute(outbox.insert(), waiting)
    return alert_id


def change(c: Connection, alert_id: int, **values: Any) -> None:
    """Set columns of one alert."""
    c.execute(update(alerts).where(alerts.c.id == alert_id).values(**values))


def get(c: Connection, alert_id: int) -> RowMapping | None:
    """One alert, or None."""
    return c.execute(select(alerts).where(alerts.c.id == alert_id)).mappings().one_or_none()


def newest(c: Connection, limit: int | None = None, states: Collection[str] | None = None) -> Sequence[RowMapping]:
    """Alerts, newest first."""
    query = select(alerts).order_by(alerts.c.opened_at.desc(), alerts.c.id.desc()).limit(limit)
    if states is not None:
        query = query.where(alerts.c.state.in_(sorted(states)))
    return c.execute(query).mappings().all()


def claim_due(
    c: Connection, sinks: Collection[str], refreshing: Collection[str], now: datetime, lease_until: datetime
) -> dict[str, Any] | None:
    """Take the oldest outbox row that is due, and keep others from it until ``lease_until``.

    Due is a waiting row, and a sent row of a ``refreshing`` sink whose alert is not closed. The attempt is counted
    here, before it is made: a row whose sending kills the process must not be tried for ever. ``attempts`` in the
    returned row includes this one.
    """
    waiting = and_(outbox.c.state == WAITING, outbox.c.sink.in_(sorted(sinks)))
    refresh = and_(outbox.c.state == SENT, outbox.c.sink.in_(sorted(refreshing)), alerts.c.state != CLOSED)
    query = (
        select(outbox)
        .join(alerts, alerts.c.id == outbox.c.alert_id)
        .where(outbox.c.next_at <= now, or_(waiting, refresh))
        .order_by(outbox.c.next_at, outbox.c.id)
        .limit(1)
        .with_for_update(skip_locked=True, of=outbox)
    )
    row = c.execute(query).mappings().one_or_none()
    if row is None:
        return None
    attempts = row["attempts"] + 1
    c.execute(update(outbox).where(outbox.c.id == row["id"]).values(attempts=attempts, next_at=lease_until))
    return {**row, "attempts": attempts}


def settle(c: Connection, outbox_id: int, expected_attempts: int, **values: Any) -> bool:
    """Write the outcome of one attempt; False when another sender has the row or the alert was closed meanwhile."""
    same = and_(outbox.c.id == outbox_id, outbox.c.attempts == expected_attempts)
    return c.execute(update(outbox).where(same).values(**values)).rowcount == 1


def requeue(c: Connection, now: datetime, *, alert_id: int | None = None, sinks: Collection[str] | None = None,
            states: Collection[str] = (SENT, DEAD)) -> int:  # fmt: skip
    """Make outbox rows wait again with a fresh count of attempts; returns how many."""
    query = update(outbox).where(outbox.c.state.in_(sorted(states)))
    if alert_id is not None:
        query = query.where(outbox.c.alert_id == alert_id)
    if sinks is not None:
        query = query.where(outbox.c.sink.in_(sorted(sinks)))
    return c.execute(query.values(state=WAITING, attempts=0, next_at=now, error=None)).rowcount


def refresh_now(c: Connection, alert_id: int, now: datetime) -> None:
    """Let the sinks that are refreshed hear of a change at the next delivery."""
    query = update(outbox).where(outbox.c.alert_id == alert_id, outbox.c.state == SENT)
    c.execute(query.values(next_at=now))


def outbox_counts(c: Connection) -> dict[str, dict[str, int]]:
    """Outbox rows by sink and state."""
    counts: dict[str, dict[str, int]] = {}
    query = select(outbox.c.sink, outbox.c.state, func.count()).group_by(outbox.c.sink, outbox.c.state)
    for sink, state, count in c.execute(query):
        counts.setdefault(str(sink), {})[str(state)] = int(count)
    return counts


def _same_wafer() -> Any:
    return and_(wafers.c.file_sha256 == predictions.c.file_sha256, wafers.c.index == predictions.c.index)


def _latest() -> Any:
    """No later prediction of the same wafer of the same file: a new champion's word replaces the old one's."""
    later = predictions.alias("later")
    newer = and_(
        later.c.file_sha256 == predictions.c.file_sha256,
        later.c.index == predictions.c.index,
        later.c.id > predictions.c.id,
    )
    return ~exists().where(newer)


def _signals() -> Select:
    text = {name: func.coalesce(wafers.c[name], "").label(name) for name in ("layer", "product", "tool", "chamber")}
    return select(
        predictions.c.id,
        predictions.c.file_sha256,
        predictions.c.index,
        predictions.c.decision,
        predictions.c.label,
        predictions.c.probability,
        predictions.c.probabilities,
        wafers.c.lot,
        wafers.c.wafer,
        wafers.c.inspected_at,
        wafers.c.row,
        wafers.c.source,
        *text.values(),
    ).join(wafers, _same_wafer())
