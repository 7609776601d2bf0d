"""Laws of the facts: an empty store is a state like any other; every row is counted where it belongs; all is JSON."""

from __future__ import annotations

import json
from datetime import datetime

from inspection.monitoring.health import facts
from inspection.store.database import Store
from inspection.store.tables import alerts, champions, files, outbox, predictions, wafers
from inspection.store.validations import put_validations

T0 = datetime(2026, 1, 2, 3, 4, 5)  # noqa: DTZ001 - the store's times are UTC and naive
NOW = datetime(2026, 1, 2, 4, 4, 5)  # noqa: DTZ001


def filled(store: Store) -> None:
    wafer = {"source": "a", "row": -1, "lot": "L", "kind": "dies", "diameter_mm": 300.0, "defects": 1, "notes": [],
             "ingested_at": T0}  # fmt: skip
    score = {"config_sha256": "c", "label": "Grid", "probability": 0.9, "probabilities": {}, "scored_at": T0}
    champion = {"bundle_path": "p", "promoted_by": "kim", "reason": "first"}
    alert = {"rule": "r", "severity": "low", "lot": "L", "wafers": [], "summary": "", "opened_at": T0, "changed_at": T0}
    with store.write() as c:
        c.execute(files.insert(), [
            {"sha256": str(n), "name": f"f{n}", "bytes": 1, "state": state, "changed_at": T0,
             "landed_at": T0.replace(minute=n)}
            for n, state in enumerate(["claimed", "ingested", "ingested", "quarantined"])
        ])  # fmt: skip
        c.execute(wafers.insert(), [
            {**wafer, "file_sha256": "1", "index": n, "wafer": f"W{n}", "state": "quarantined" if n == 6 else "valid",
             "label": "Grid" if n == 5 else None}
            for n in range(7)
        ])  # fmt: skip
        c.execute(champions.insert(), [
            {**champion, "version": "1", "bundle_sha256": "old", "since": T0.replace(hour=1), "until": T0},
            {**champion, "version": "2", "bundle_sha256": "new", "since": T0, "until": None},
        ])  # fmt: skip
        c.execute(predictions.insert(), [
            {**score, "file_sha256": "1", "index": 0, "model_sha256": "old", "decision": "Grid", "judged_at": T0},
            {**score, "file_sha256": "1", "index": 1, "model_sha256": "old", "decision": "Grid", "judged_at": T0},
            {**score, "file_sha256": "1", "index": 1, "model_sha256": "new", "decision": "Unknown", "judged_at": None},
            {**score, "file_sha256": "1", "index": 2, "model_sha256": "new", "decision": "Grid", "judged_at": None},
        ])  # fmt: skip
        states = ["open", "open", "acknowledged", "closed"]
        c.execute(alerts.insert(), [{**alert, "key": f"k{n}", "signature": "s", "state": s} for n, s in enumerate(states)])
        c.execute(outbox.insert(), [
            {"alert_id": n + 1, "sink": "log", "state": s, "attempts": 0, "next_at": T0}
            for n, s in enumerate(["waiting", "sent", "dead", "sent"])
        ])  # fmt: skip
        check = {"suite": "lot", "lot": "L", "layer": "", "day": None, "cold_start": True, "statistics": {}, "checked_at": T0}
        put_validations(c, [
            {**check, "passed": True, "failed": {}},
            {**check, "passed": False, "failed": {"slot_twice": 2}},
            {**check, "lot": "M", "cold_start": False, "passed": False, "failed": {"density_low": 1}},
            {**check, "lot": "M", "cold_start": False, "passed": True, "failed": {}},
            {**check, "suite": "day", "lot": "", "day": T0.date(), "passed": False, "failed": {"tool_silent": 1}},
        ])  # fmt: skip


def test_an_empty_store_has_facts(tmp_path):
    with Store(f"sqlite:///{tmp_path / 's.sqlite'}") as store:
        got = facts(store)
    assert got["champion"] is None
    assert got["last_file"] is None
    assert got["waiting"] == {"files": 0, "wafers": 0, "judgements": 0, "notifications": 0}
    assert json.loads(json.dumps(got)) == got


def test_every_row_is_counted_where_it_belongs(tmp_path):
    with Store(f"sqlite:///{tmp_path / 's.sqlite'}") as store:
        filled(store)
        got = facts(store, now=lambda: NOW)
    assert got == {
        "waiting": {"files": 1, "wafers": 2, "judgements": 2, "notifications": 1},
        "done": {"files": 2, "wafers": 3, "decisions": {"Grid": 1, "Unknown": 1}},
        "quarantined": {"files": 1, "wafers": 1},
        "superseded": 0,
        "lots_failed": 1,
        "days_failed": 1,
        "lots_cold_start": 1,
        "failing": ["2026-01-02: tool_silent 1", "L: slot_twice 2"],
        "alerts": {"open": 2, "acknowledged": 1, "closed": 1, "undeliverable": 1},
        "champion": {
            "version": "2",
            "bundle_sha256": "new",
            "promoted_by": "kim",
            "reason": "first",
            "since": "2026-01-02T03:04:05+00:00",
            "age_s": 3600.0,
        },
        "last_file": {
            "name": "f3",
            "state": "quarantined",
            "landed_at": "2026-01-02T03:03:05+00:00",
            "age_s": 3660.0,
        },
    }
