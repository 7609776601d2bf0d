"""Send what the outbox holds: at least once to every sink, whatever is killed when.

A row is claimed under a lease, sent outside any transaction, then settled. Killed between sending and settling, it
is sent again when the lease ends, under the same idempotency key: a receiver that remembers keys sees each alert
once.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from inspection.alerting.message import Message, of_row
from inspection.alerting.rules import Event, EventWafer
from inspection.alerting.sink import SinkError
from inspection.aside import write_bytes
from inspection.errors import InspectionError
from inspection.store import alerts as table
from inspection.store.database import utc_now

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from datetime import datetime

    import numpy as np

    from inspection.alerting.sink import Sink
    from inspection.settings import Workspace
    from inspection.store.database import Store

log = logging.getLogger(__name__)

ERROR_CHARS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Waits between attempts: ``base_s`` doubled up to ``cap_s``, each with a random part; dead after ``max_attempts``.

    The defaults keep trying for about three hours. ``lease_s`` must be longer than the slowest ``Sink.send``.
    """

    base_s: float = 2.0
    cap_s: float = 900.0
    max_attempts: int = 20
    lease_s: float = 120.0

    def wait_s(self, attempts: int, rng: np.random.Generator) -> float:
        """Seconds to wait after ``attempts`` >= 1 failures: between half of the full wait and all of it."""
        full = min(self.cap_s, self.base_s * 2.0 ** min(attempts - 1, 60))
        return float(full * rng.uniform(0.5, 1.0))


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """Of one call of ``deliver``: first deliveries, refreshes, failures that will be tried again, rows given up."""

    sent: int = 0
    refreshed: int = 0
    retried: int = 0
    dead: int = 0


def deliver(
    store: Store,
    sinks: Sequence[Sink],
    workspace: Workspace,
    rng: np.random.Generator,
    *,
    draw: Callable[[Event], bytes | None] | None = None,
    backoff: Backoff | None = None,
    now: Callable[[], datetime] = utc_now,
    progress: Callable[[int, int], None] | None = None,
) -> DeliveryReport:
    """Send every outbox row that is due, one attempt each, and return.

    Parameters
    ----------
    store : Store
    sinks : sequence of Sink
        Rows of other sinks stay where they are, until their sink is configured again.
    workspace : Workspace
        Pictures go to ``workspace.alerts/ID/wafer.png``.
    rng : numpy.random.Generator
        For the random part of the waits.
    draw : callable, optional
        PNG bytes of an event, or None. Called once per alert, before its first message. An alert that cannot be
        drawn is sent without a picture, and the log says why.
    backoff : Backoff, optional
    now : callable
        The clock, UTC and naive.
    progress : callable, optional
        Called with (rows done, rows done).
    """
    backoff = Backoff() if backoff is None else backoff
    by_name = {sink.name: sink for sink in sinks}
    refreshing = {name for name, sink in by_name.items() if sink.refresh_s is not None}
    counts = {"sent": 0, "refreshed": 0, "retried": 0, "dead": 0}
    until = now()  # what becomes due while we send waits for the next call: one attempt per row and call
    while True:
        with store.write() as c:
            row = table.claim_due(c, by_name, refreshing, until, now() + timedelta(seconds=backoff.lease_s))
            alert = None if row is None else table.get(c, row["alert_id"])
        if row is None or alert is None:
            return DeliveryReport(**counts)
        message = _message(store, dict(alert), workspace, draw)
        counts[_attempt(store, by_name[row["sink"]], row, message, backoff=backoff, rng=rng, now=now)] += 1
        if progress is not None:
            progress(sum(counts.values()), sum(counts.values()))


def idempotency_key(message: Message, sink: str) -> str:
    """The same for every attempt to tell ``sink`` of this alert; its closing is another notification."""
    return f"{message.key}:{sink}:{'closed' if message.state == table.CLOSED else 'open'}"


def revive(store: Store, sinks: Collection[str] | None = None, *, now: Callable[[], datetime] = utc_now) -> int:
    """Give dead rows a fresh count of attempts, after their sink was repaired; returns how many."""
    with store.write() as c:
        return table.requeue(c, now(), sinks=sinks, states=(table.DEAD,))


def _attempt(
    store: Store,
    sink: Sink,
    row: Mapping[str, Any],
    message: Message,
    *,
    backoff: Backoff,
    rng: np.random.Generator,
    now: Callable[[], datetime],
) -> str:
    """One attempt and its outcome in the store; returns which count it belongs to."""
    first = row["state"] == table.WAITING
    try:
        sink.send(message, idempotency_key(message, sink.name))
    except SinkError as error:
        # A refresh that fails is tried again for ever: the receiver knows the alert already, and may be restarting.
        dead = first and (error.final or row["attempts"] >= backoff.max_attempts)
        values: dict[str, Any] = {"error": str(error)[:ERROR_CHARS]}
        if dead:
            values["state"] = table.DEAD
        else:
            values["next_at"] = now() + timedelta(seconds=backoff.wait_s(row["attempts"], rng))
        _settle(store, row, values)
        log.warning("Alert %s not sent to %s (attempt %d): %s", message.key, sink.name, row["attempts"], error)
        return "dead" if dead else "retried"
    sent_at = now()
    values = {"state": table.SENT, "attempts": 0, "error": None, "sent_at": sent_at}
    if sink.refresh_s is not None:
        values["next_at"] = sent_at + timedelta(seconds=sink.refresh_s)
    _settle(store, row, values)
    return "sent" if first else "refreshed"


def _settle(store: Store, row: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    with store.write() as c:
        table.settle(c, row["id"], row["attempts"], **values)


def _message(store: Store, alert: Mapping[str, Any], workspace: Workspace, draw: Callable[[Event], bytes | None] | None) -> Message:
    if alert["picture"] is None and draw is not None:
        name = _picture(alert, workspace, draw)
        if name is not None:
            with store.write() as c:
                table.change(c, alert["id"], picture=name)
            alert = {**alert, "picture": name}
    return of_row(alert, workspace.root)


def _picture(alert: Mapping[str, Any], workspace: Workspace, draw: Callable[[Event], bytes | None]) -> str | None:
    try:
        png = draw(event_of(alert))
    except (InspectionError, OSError, ValueError, LookupError) as error:
        # A map that is gone or cannot be drawn: an alert without its picture is worth more than no alert.
        log.warning("No picture for alert %s: %s", alert["key"], error)
        return None
    if png is None:
        return None
    path = workspace.alerts / str(alert["id"]) / "wafer.png"
    write_bytes(path, png)
    return path.relative_to(workspace.root).as_posix()


def event_of(alert: Mapping[str, Any]) -> Event:
    """The event of one row of ``alerts``, for drawing."""
    return Event(
        key=alert["key"],
        rule=alert["rule"],
        signature=alert["signature"],
        severity=alert["severity"],
        lot=alert["lot"],
        layer=alert["layer"] or "",
        product=alert["product"] or "",
        wafers=tuple(EventWafer(w["file_sha256"], w["index"], w["wafer"], w["probability"]) for w in alert["wafers"]),
        summary=alert["summary"],
    )
