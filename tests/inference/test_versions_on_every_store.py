"""Versions and sightings on every store that the project runs on (the private Postgres lives beside the ledger's tests)."""

from datetime import datetime

import pytest
from sqlalchemy import select

from inspection.store.files import CLAIMED, INGESTED, add_claimed, move
from inspection.store.sightings import Sighting, put_sightings, seen_in
from inspection.store.supersession import inspections, put_times, settle
from inspection.store.tables import superseded
from inspection.store.wafers import replace_wafers

AT = datetime(2026, 1, 2, 3, 4, 5)  # noqa: DTZ001 - the store keeps naive UTC
ROW = {
    "index": 0,
    "row": -1,
    "lot": "L1",
    "wafer": "W1",
    "slot": 1,
    "product": None,
    "layer": None,
    "tool": None,
    "chamber": None,
    "inspected_at": AT,
    "kind": "points",
    "diameter_mm": 300.0,
    "defects": 1,
    "label": None,
    "state": "valid",
    "reason": None,
    "notes": [],
}


def taken_in(store, name, *, written_hour, **changes):
    sha256 = name * 64
    with store.write() as c:
        add_claimed(c, sha256=sha256, name=name, size=1)
        put_times(c, sha256, modified_at=AT)
    with store.write() as c:
        move(c, sha256, source=CLAIMED, target=INGESTED, values={})
        replace_wafers(c, sha256, [{**ROW, "file_sha256": sha256, "source": name, **changes}])
        put_times(c, sha256, written_at=AT.replace(hour=written_hour))
        return settle(c, sha256)


@pytest.mark.slow
def test_the_newest_version_supersedes_on_every_store(store):
    assert taken_in(store, "b", written_hour=5) == 0
    assert taken_in(store, "a", written_hour=4) == 1
    assert taken_in(store, "c", written_hour=6) == 1
    assert taken_in(store, "d", written_hour=7, layer="M2") == 0
    with store.read() as c:
        found = [(row["source"], row["state"], (row["by_file_sha256"] or "")[:1]) for row in inspections(c, "L1", "W1")]
        assert found == [("a", "superseded", "c"), ("b", "superseded", "c"), ("c", "valid", ""), ("d", "valid", "")]
    assert taken_in(store, "b", written_hour=5) == 1, "read again, it is written anew and superseded again"
    with store.read() as c:
        assert len(c.execute(select(superseded)).all()) == 2


@pytest.mark.slow
def test_the_last_sighting_of_a_name_counts_on_every_store(store):
    for fingerprint in ("one", "two"):
        with store.write() as c:
            put_sightings(c, "place", {"name": Sighting(fingerprint, "0" * 64)})
    with store.write() as c:
        put_sightings(c, "place", {})
    with store.read() as c:
        assert seen_in(c, "place") == {"name": Sighting("two", "0" * 64)}
        assert seen_in(c, "elsewhere") == {}
