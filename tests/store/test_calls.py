"""What a wafer was called is the latest word on it, and only the wafers asked for are told."""

from __future__ import annotations

from datetime import datetime

import pytest

from inspection.store import predictions
from inspection.store.calls import Selection, calls
from inspection.store.predictions import Prediction
from inspection.store.tables import files, wafers

AT = datetime(2026, 1, 5)  # noqa: DTZ001 - the store keeps naive UTC
SHA = "a" * 64


@pytest.fixture
def store(each_store):
    """Wafers 0 to 4 of one file: two lots; 1 without a time, 2 superseded, 3 in quarantine; 0 called twice, 4 labelled."""
    shared = {
        "file_sha256": SHA,
        "source": "s",
        "row": -1,
        "layer": "M1",
        "kind": "points",
        "diameter_mm": 300.0,
        "defects": 1,
        "notes": [],
    }
    states = ["valid", "valid", "superseded", "quarantined", "valid"]
    rows = [
        {
            **shared,
            "notes": [],
            "index": i,
            "lot": "L1" if i < 4 else "L2",
            "wafer": f"{i:02}",
            "state": state,
            "inspected_at": None if i == 1 else AT.replace(day=i + 1),
            "ingested_at": AT.replace(day=20),
            "label": "Ring" if i == 4 else None,
        }
        for i, state in enumerate(states)
    ]
    with each_store.write() as c:
        c.execute(files.insert(), [{"sha256": SHA, "name": "s", "bytes": 1, "state": "ingested", "landed_at": AT, "changed_at": AT}])
        c.execute(wafers.insert(), rows)
        for model, decision in (("m", "Donut"), ("n", "Unknown")):
            predictions.insert(c, [Prediction(SHA, 0, model * 64, "c" * 64, "Donut", decision, 0.5, {})])
    return each_store


def indices(store, **chosen):
    with store.read() as c:
        return [row["index"] for row in calls(c, Selection(**chosen))]


def test_the_latest_prediction_and_the_label_are_told(store):
    with store.read() as c:
        rows = {row["index"]: row for row in calls(c, Selection())}
    assert {i: (row["label"], row["decision"]) for i, row in rows.items()} == {0: (None, "Unknown"), 1: (None, None), 4: ("Ring", None)}
    assert rows[0]["scored_at"] is not None


def test_lot_wafer_layer_time_and_version_choose(store):
    assert indices(store, lots=["L1"]) == [0, 1]
    assert indices(store, lots=["L1", "L2"], wafer="04") == [4]
    assert indices(store, layer="M2") == []
    assert indices(store, superseded=True) == [0, 1, 2, 4]
    assert indices(store, since=AT) == [1, 4], "without a time of its own a wafer counts by when it was ingested"
