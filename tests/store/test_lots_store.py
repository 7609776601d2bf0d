"""A lot is its newest valid inspections, what the champion says of them, and the lots that were inspected before it."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from inspection.store import champions, predictions
from inspection.store.lots import Alike, earlier_lots, lot_names, lot_wafers
from inspection.store.predictions import Prediction
from inspection.store.tables import files, wafers

AT = datetime(2026, 1, 5)  # noqa: DTZ001 - the store keeps naive UTC
SHA = "a" * 64
LIKE = Alike("P", "points", "M1", 300.0)


@pytest.fixture
def store(each_store):
    """Lots L1 to L4, a day apart; L4 has wafer 01 twice, an older version of 02, one in quarantine, and another layer."""
    shared = {
        "file_sha256": SHA,
        "source": "s",
        "row": -1,
        "product": "P",
        "layer": "M1",
        "kind": "points",
        "diameter_mm": 300.0,
        "defects": 1,
    }
    wanted = [
        {"lot": "L1", "wafer": "01", "at": 1},
        {"lot": "L2", "wafer": "01", "at": 2},
        {"lot": "L2", "wafer": "02", "at": 9, "slot": 2},  # again, after L4
        {"lot": "L3", "wafer": "01", "at": 3, "product": "Q"},
        {"lot": "L4", "wafer": "02", "at": 4, "slot": 2},
        {"lot": "L4", "wafer": "01", "at": 4, "slot": 1},
        {"lot": "L4", "wafer": "01", "at": 5, "slot": 1},
        {"lot": "L4", "wafer": "02", "at": 6, "state": "superseded"},
        {"lot": "L4", "wafer": "03", "at": 6, "state": "quarantined"},
        {"lot": "L4", "wafer": "01", "at": 7, "layer": "M2", "slot": 1},
        {"lot": "L0", "wafer": "01", "at": None},
        {"lot": "", "wafer": "01", "at": 1},
    ]
    rows = []
    for i, row in enumerate(wanted):
        at = row.pop("at")
        when = None if at is None else AT + timedelta(days=at)
        rows.append({"slot": None, "state": "valid", **shared, **row, "index": i, "inspected_at": when, "notes": [], "ingested_at": AT})
    with each_store.write() as connection:
        times = {"landed_at": AT, "changed_at": AT}
        connection.execute(files.insert().values(sha256=SHA, name="s", bytes=1, format="x", state="ingested", **times))
        connection.execute(wafers.insert(), rows)
    return each_store


def indices(rows):
    return [row["index"] for row in rows]


def test_the_newest_valid_inspection_of_each_wafer_and_layer_counts_in_the_order_of_slots(store):
    with store.read() as connection:
        assert indices(lot_wafers(connection, ["L4"])) == [6, 4, 9]
        assert indices(lot_wafers(connection, ["L4"], LIKE)) == [6, 4]
        assert indices(lot_wafers(connection, ["L4", "L2"], LIKE, AT + timedelta(days=5))) == [1, 5, 4]
        assert lot_wafers(connection, []) == lot_wafers(connection, ["none"]) == []
        assert lot_names(connection) == ["L0", "L1", "L2", "L3", "L4"]


def test_earlier_lots_are_alike_were_inspected_before_and_never_the_lot_itself(store):
    with store.read() as connection:
        day = AT + timedelta(days=4)
        assert earlier_lots(connection, "L4", day, LIKE, 10) == ["L1", "L2"]
        assert earlier_lots(connection, "L4", day, LIKE, 1) == ["L2"], "the newest of them"
        assert earlier_lots(connection, "L2", AT + timedelta(days=2), LIKE, 10) == ["L1"]
        assert earlier_lots(connection, "L4", day, Alike("Q", "points", any_layer=True), 10) == ["L3"]
        assert earlier_lots(connection, "L4", day, Alike(None, "points", any_layer=True), 10) == []


def test_the_champion_speaks_where_it_scored_else_the_last_model_that_did(store):
    def said(index, model, decision):
        return Prediction(SHA, index, model * 64, "c" * 64, "Ring", decision, 0.5, {"Ring": 0.5})

    with store.write() as connection:
        predictions.insert(connection, [said(6, "b", "Ring"), said(4, "b", "Donut")])
        predictions.insert(connection, [said(6, "d", "Slice")])  # a candidate, later
        champions.replace(connection, version="1", bundle_sha256="e" * 64, bundle_path=Path("x"), promoted_by="p", reason="r")
        champions.replace(connection, version="2", bundle_sha256="b" * 64, bundle_path=Path("x"), promoted_by="p", reason="r")
    with store.read() as connection:
        assert [row["decision"] for row in lot_wafers(connection, ["L4"])] == ["Ring", "Donut", None]
    with store.write() as connection:
        champions.replace(connection, version="3", bundle_sha256="f" * 64, bundle_path=Path("x"), promoted_by="p", reason="r")
    with store.read() as connection:
        assert [row["decision"] for row in lot_wafers(connection, ["L4"])] == ["Slice", "Donut", None]
