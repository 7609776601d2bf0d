"""Alerts to an Alertmanager (API v2), which groups, routes and silences them.

It keeps alerts in memory only and resolves one when its ``endsAt`` passes: an alert that is not closed is sent
again every few minutes with ``endsAt`` well ahead, and closing sends it once more with ``endsAt`` = the time of
closing.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from inspection.alerting.message import iso
from inspection.alerting.sinks.http import checked_url, post
from inspection.store.alerts import CLOSED

if TYPE_CHECKING:
    from collections.abc import Callable

    from inspection.alerting.message import Message
    from inspection.settings import Workspace

REFRESH_S = 240.0
"""Alertmanager forgets on a restart: this long at most it does not know an alert."""

HOLD = timedelta(hours=24)
"""Only a person closes an event. If we are down for longer, Alertmanager resolves it until the next refresh."""

ALERT_NAMES = {"excursion": "WaferExcursion", "at_once": "WaferSignature", "unknown": "WaferUnknownPattern"}


class AlertmanagerSink:
    """POST to ``URL/api/v2/alerts``.

    Parameters
    ----------
    url : str
        Base URL, with its path prefix if it has one.
    workspace : Workspace
        ``generatorURL`` names the alert's folder there.
    clock : callable
        Aware time now.

    Raises
    ------
    ParamsError
        ``url`` is no http or https URL.
    """

    name = "alertmanager"
    refresh_s: float | None = REFRESH_S

    def __init__(self, url: str, workspace: Workspace, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._url = f"{checked_url(url, 'INSPECTION_ALERTMANAGER_URL')}/api/v2/alerts"
        self._folder = workspace.alerts
        self._clock = clock

    def send(self, message: Message, idempotency_key: str) -> None:
        """Post the alert; the same labels are the same alert to Alertmanager, however often they come."""
        body = json.dumps([self._alert(message, idempotency_key)]).encode()
        post(self._url, body, {"Idempotency-Key": idempotency_key})

    def _alert(self, message: Message, idempotency_key: str) -> dict[str, Any]:
        ends = message.changed_at if message.state == CLOSED else self._clock() + HOLD
        labels = {
            "alertname": ALERT_NAMES.get(message.rule, "WaferEvent"),
            "signature": message.signature,
            "severity": message.severity,
            "lot": message.lot,
            "layer": message.layer,
            "product": message.product,
            "event": message.key,  # two archives without lots must not become one alert
        }
        annotations = {
            "title": message.title,
            "summary": message.summary,
            "owner": message.owner,
            "state": message.state,
            "idempotency_key": idempotency_key,
        }
        return {
            "labels": {name: value for name, value in labels.items() if value},
            "annotations": {name: value for name, value in annotations.items() if value},
            "startsAt": iso(message.opened_at),
            "endsAt": iso(ends),
            "generatorURL": (self._folder / str(message.id)).as_uri(),
        }
