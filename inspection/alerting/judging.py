"""Run the rules over what was scored since the last time, and write what they find in the same transaction."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from inspection.alerting.rules import Event, Place, Signal, Tally, find_events
from inspection.store import alerts as table
from inspection.store.database import utc_now
from inspection.wafer.taxonomy import REVIEW, UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection, RowMapping

    from inspection.params import Alert
    from inspection.store.database import Store
    from inspection.wafer.taxonomy import Severity, WaferClass

PASS_SIZE = 5_000
"""Predictions judged in one transaction."""

RECOUNT_AFTER = timedelta(seconds=5)
"""How old the counts in the summary of a source without lots may grow while more of it is scored."""

STORED_WAFERS = 500
"""At most this many wafers are listed in one alert: an archive of a million maps must not grow one row without end."""


@dataclass(frozen=True, slots=True)
class JudgeReport:
    """Predictions judged, alerts opened (their ids, oldest first), and how many known alerts took on more wafers."""

    judged: int
    opened: tuple[int, ...]
    updated: int


def judge(
    store: Store,
    params: Alert,
    classes: Mapping[str, WaferClass],
    sinks: Collection[str],
    *,
    now: Callable[[], datetime] = utc_now,
    pass_size: int = PASS_SIZE,
    progress: Callable[[int, int], None] | None = None,
) -> JudgeReport:
    """Judge every prediction that no rule has seen.

    Each pass is one transaction: alerts, their outbox rows and ``judged_at``, all or none. Killed anywhere and run
    again, the result is the same.

    Parameters
    ----------
    store : Store
    params : Alert
    classes : mapping of str to WaferClass
        Severities; a class without an entry is of medium severity and not normal.
    sinks : collection of str
        Names of the sinks that a new alert must reach.
    now : callable
        The clock, UTC and naive.
    pass_size : int
        Predictions of one transaction, positive.
    progress : callable, optional
        Called with (judged so far, judged so far).
    """
    judged, opened, updated = 0, [], 0
    while True:
        with store.write() as c:
            ids, new, changed = _judge_once(c, params, classes, sinks, now=now(), limit=pass_size)
        judged, updated = judged + len(ids), updated + changed
        opened += new
        if progress is not None:
            progress(judged, judged)
        if len(ids) < pass_size:
            return JudgeReport(judged, tuple(opened), updated)


def signals_at(c: Connection, lot: str, layer: str, source: str, classes: Mapping[str, WaferClass]) -> list[Signal]:
    """What the rules know of one place: the latest prediction of every wafer of a lot and layer, or of a source without lots."""
    rows = table.signals_of_lot(c, lot, layer) if lot else table.signals_of_source(c, source)
    return [_signal(row, classes) for row in rows]


def _judge_once(
    c: Connection,
    params: Alert,
    classes: Mapping[str, WaferClass],
    sinks: Collection[str],
    *,
    now: datetime,
    limit: int,
) -> tuple[list[int], list[int], int]:
    table.lock_judging(c)
    rows = table.unjudged(c, limit)
    if not rows:
        return [], [], 0
    signals = _signals(c, rows, classes)
    known = table.by_keys(c, {s.place.key(s.decision) for s in signals})
    tallies: dict[Place, Tally] = {}
    for place in sorted({s.place for s in signals if not s.lot}):
        earlier, tally = _earlier(c, place, [s for s in signals if s.place == place], known, now=now, classes=classes)
        signals += earlier
        if tally is not None:
            tallies[place] = tally
    opened: list[int] = []
    updated = 0
    for event in find_events(signals, params, known.keys(), tallies):
        if event.key in known:
            counted = bool(event.lot) or Place(source=event.source) in tallies
            updated += _update(c, known[event.key], event, now, counted=counted)
        else:
            opened.append(table.insert(c, _row(event), sinks, now))
    ids = [row["id"] for row in rows]
    table.mark_judged(c, ids, now)
    return ids, opened, updated


def _signals(c: Connection, rows: Sequence[RowMapping], classes: Mapping[str, WaferClass]) -> list[Signal]:
    """All that is known of the lots that ``rows`` touch; of sources without lots, what ``rows`` say."""
    lots = sorted({(row["lot"], row["layer"]) for row in rows if row["lot"]})
    found = [row for lot, layer in lots for row in table.signals_of_lot(c, lot, layer)]
    newest = {(row["file_sha256"], row["index"]): row for row in rows if not row["lot"]}  # the last of a wafer wins
    return [_signal(row, classes) for row in (*found, *newest.values())]


def _earlier(
    c: Connection,
    place: Place,
    signals: Sequence[Signal],
    known: Mapping[str, RowMapping],
    *,
    now: datetime,
    classes: Mapping[str, WaferClass],
) -> tuple[list[Signal], Tally | None]:
    """What was judged before and can still make a new event of a source without lots; its counts, when they are due.

    A new event needs the earlier wafers of its signature: few, or it would be known. The counts need the whole source:
    they are taken for a new event, and for a known one not more often than ``RECOUNT_AFTER``.
    """
    defects = {s.decision for s in signals if s.decision == UNKNOWN or s.severity != "none"}
    unknown = {d for d in defects if place.key(d) not in known}
    due = any(known[place.key(d)]["changed_at"] <= now - RECOUNT_AFTER for d in defects - unknown)
    if not unknown and not due:
        return [], None
    here = {s.identity for s in signals}
    found = [_signal(row, classes) for row in table.judged_of_source(c, place.source, unknown)] if unknown else []
    shows = table.tally_of_source(c, place.source)
    return [s for s in found if s.identity not in here], Tally(sum(shows.values()), shows)


def _signal(row: RowMapping, classes: Mapping[str, WaferClass]) -> Signal:
    decision = row["decision"]
    values: dict[str, Any] = {name: row[name] for name in row if name not in {"id", "probabilities"}}
    values["probability"] = row["probabilities"].get(decision, row["probability"])
    return Signal(**values, severity=_severity(decision, classes))


def _severity(decision: str, classes: Mapping[str, WaferClass]) -> Severity:
    if decision in (UNKNOWN, REVIEW):
        return "none"
    entry = classes.get(decision)
    if entry is None:
        return "medium"
    return "none" if entry.normal else entry.severity


def _row(event: Event) -> dict[str, Any]:
    return {
        "key": event.key,
        "rule": event.rule,
        "signature": event.signature,
        "severity": event.severity,
        "lot": event.lot,
        "layer": event.layer or None,
        "product": event.product or None,
        "wafers": [asdict(w) for w in event.wafers[:STORED_WAFERS]],
        "summary": event.summary,
    }


def _update(c: Connection, row: RowMapping, event: Event, now: datetime, *, counted: bool) -> int:
    """Bring a known alert up to date without a word to anyone; 1 when it took on wafers.

    ``counted`` = the event's summary counts its whole place; otherwise the older summary is the better one.
    """
    wafers = {_identity(w, event.lot): w for w in row["wafers"]}
    before = list(wafers)
    for wafer in event.wafers:
        entry = asdict(wafer)
        identity = _identity(entry, event.lot)
        if identity in wafers or len(wafers) < STORED_WAFERS:
            wafers[identity] = entry
    merged = list(wafers.values())
    changes: dict[str, Any] = {}
    if merged != row["wafers"]:
        changes["wafers"] = merged
    if counted and event.summary != row["summary"]:
        changes["summary"] = event.summary
    if changes:
        table.change(c, row["id"], **changes, changed_at=now if counted else row["changed_at"])
    return int(list(wafers) != before)


def _identity(wafer: Mapping[str, Any], lot: str) -> tuple[str, ...]:
    return (wafer["wafer"],) if lot and wafer["wafer"] else (wafer["file_sha256"], str(wafer["index"]))
