"""The facts of ``inspection status``: what waits, what is done, what was refused, who is champion since when."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any

from inspection.store import status, validations
from inspection.store.champions import read_current
from inspection.store.database import utc_now

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from inspection.store.database import Store

SHOWN = 10
"""Failing lots and days that are named."""


def facts(store: Store, *, now: Callable[[], datetime] = utc_now) -> dict[str, Any]:
    """Facts as plain JSON values, all read in one transaction.

    Returns
    -------
    dict
        ``waiting``: ``files`` claimed but not ingested, ``wafers`` valid, unlabelled and scored by no model,
        ``judgements`` predictions that no alert rule has seen, ``notifications`` not yet sent. ``done``: ``files``
        ingested, ``wafers`` with a prediction, ``decisions`` of the champion by name. ``quarantined``: ``files`` refused
        whole, and all ``wafers`` refused, with those of these files. ``superseded``: wafers that a newer version of the same
        inspection has replaced. ``lots_failed``, ``days_failed``: lots and layers, and days, whose expectations fail now;
        ``failing`` names the newest of them with their faults. ``lots_cold_start``: lots and layers that physics alone has
        judged, for want of history. ``alerts``: ``open``, ``acknowledged``, ``closed``, and ``undeliverable`` notifications
        (dead). ``champion``: None, or ``version bundle_sha256 promoted_by reason since age_s``. ``last_file``: None, or
        ``name state landed_at age_s``. Times are ISO 8601 in UTC.
    """
    with store.read() as c:
        counts = status.by_state(c)
        champion, last = read_current(c), status.last_file(c)
        model = None if champion is None else champion.bundle_sha256
        unscored = status.unscored(c)
        scored = status.scored(c)
        decisions = {} if model is None else status.decisions(c, model)
        refused, unjudged = status.refused_wafers(c), status.unjudged(c)
        lots, days, cold = validations.failing(c, validations.LOT), validations.failing(c, validations.DAY), validations.cold_starts(c)
    at = now()
    files, wafers, alerts, outbox = (counts[name] for name in ("files", "wafers", "alerts", "outbox"))
    return {
        "waiting": {
            "files": files.get("claimed", 0),
            "wafers": unscored,
            "judgements": unjudged,
            "notifications": outbox.get("waiting", 0),
        },
        "done": {
            "files": files.get("ingested", 0),
            "wafers": scored,
            "decisions": decisions,
        },
        "quarantined": {"files": files.get("quarantined", 0), "wafers": refused},
        "superseded": wafers.get("superseded", 0),
        "lots_failed": len(lots),
        "days_failed": len(days),
        "lots_cold_start": cold,
        "failing": [_failing(row) for row in sorted((*lots, *days), key=lambda row: -row["id"])[:SHOWN]],
        "alerts": {
            **{state: alerts.get(state, 0) for state in ("open", "acknowledged", "closed")},
            "undeliverable": outbox.get("dead", 0),
        },
        "champion": None
        if champion is None
        else {
            **{name: getattr(champion, name) for name in ("version", "bundle_sha256", "promoted_by", "reason")},
            "since": _iso(champion.since),
            "age_s": (at - champion.since).total_seconds(),
        },
        "last_file": None
        if last is None
        else {
            "name": last["name"],
            "state": last["state"],
            "landed_at": _iso(last["landed_at"]),
            "age_s": (at - last["landed_at"]).total_seconds(),
        },
    }


def _failing(row: dict[str, Any]) -> str:
    subject = str(row["day"]) if row["day"] else f"{row['lot']} {row['layer']}".strip()
    return f"{subject}: {', '.join(f'{fault} {count}' for fault, count in row['failed'].items())}"


def _iso(time: datetime) -> str:
    return time.replace(tzinfo=UTC).isoformat(timespec="seconds")
