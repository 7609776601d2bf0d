"""Laws of the ``files`` and ``wafers`` tables."""

from datetime import datetime, timedelta, timezone

import pytest
from sqlalchemy.exc import IntegrityError

from inspection.errors import EngineError, ParamsError
from inspection.store import files, status, wafers
from inspection.store.database import Store, as_stored

A, B = "a" * 64, "b" * 64


@pytest.fixture
def store(tmp_path):
    with Store(f"sqlite:///{tmp_path / 'store.sqlite'}") as opened:
        yield opened


def row(index, sha256=A, **changes):
    return {
        "file_sha256": sha256,
        "index": index,
        "source": "s",
        "row": -1,
        "lot": "L1",
        "wafer": str(index),
        "slot": None,
        "product": None,
        "layer": None,
        "tool": None,
        "chamber": None,
        "inspected_at": None,
        "kind": "points",
        "diameter_mm": 300.0,
        "defects": 0,
        "label": None,
        "state": wafers.VALID,
        "reason": None,
        "notes": [],
        **changes,
    }


def test_a_content_is_entered_once(store):
    with store.write() as c:
        assert files.add_claimed(c, sha256=A, name="x", size=1)
        assert not files.add_claimed(c, sha256=A, name="y", size=1)
        assert files.known_files(c) == {A: ("claimed", "x", 1)}
        assert files.state_of(c, B) is None


def test_a_file_leaves_a_state_only_once(store):
    with store.write() as c:
        files.add_claimed(c, sha256=A, name="x", size=1)
        assert files.move(c, A, source=files.CLAIMED, target=files.INGESTED, values={"wafers": 2})
        assert not files.move(c, A, source=files.CLAIMED, target=files.QUARANTINED, values={})
        assert files.state_of(c, A) == files.INGESTED
        assert files.in_state(c, files.CLAIMED) == []
        assert [r["wafers"] for r in files.in_state(c, files.INGESTED)] == [2]


def test_the_wafers_of_a_file_are_replaced_as_a_whole(store):
    with store.write() as c:
        for sha256 in (A, B):
            files.add_claimed(c, sha256=sha256, name=sha256, size=1)
            wafers.replace_wafers(c, sha256, [row(k, sha256) for k in range(12_000)])
        wafers.replace_wafers(c, A, [row(0), row(1, state=wafers.QUARANTINED)])
        assert status.by_state(c)["wafers"] == {"valid": 12_001, "quarantined": 1}
        wafers.remove_wafers(c, B)
        assert [(r[0], r[1]) for r in wafers.names_and_labels(c)] == [(A, 0), (A, 1)]


def test_no_wafer_without_its_file(store):
    with pytest.raises(IntegrityError), store.write() as c:
        wafers.replace_wafers(c, A, [row(0)])


def test_labels_are_set_by_file_and_index(store):
    with store.write() as c:
        files.add_claimed(c, sha256=A, name="x", size=1)
        wafers.replace_wafers(c, A, [row(0, label="Donut"), row(1), row(2)])
        assert wafers.set_labels(c, [(A, 0, None), (A, 2, "Ring")]) == 2
        assert wafers.set_labels(c, []) == 0
        assert [r.label for r in wafers.names_and_labels(c)] == [None, None, "Ring"]


def test_a_store_that_refuses_is_an_engine_error_and_keeps_nothing(store):
    def overfill():
        with store.write() as c:
            c.exec_driver_sql("PRAGMA max_page_count = 60")
            files.add_claimed(c, sha256=A, name="x", size=1)
            wafers.replace_wafers(c, A, [row(k) for k in range(20_000)])

    with pytest.raises(EngineError, match="nothing is half done"):
        overfill()
    with store.read() as c:
        assert files.known_files(c) == {}


def test_a_store_that_cannot_be_opened_is_an_engine_error_with_advice(tmp_path):
    with pytest.raises(EngineError, match=r"Cannot open the store .*missing.*Check the path"):
        Store(f"sqlite:///{tmp_path / 'missing' / 'store.sqlite'}")
    (tmp_path / "other.sqlite").write_bytes(b"this is no database" * 100)
    with pytest.raises(EngineError, match="not a database"):
        Store(f"sqlite:///{tmp_path / 'other.sqlite'}")


def test_a_url_that_names_no_database_is_refused_without_showing_its_password():
    for url in ("postgres", "nosuch://alice:s3cret@host/store"):
        with pytest.raises(ParamsError, match="INSPECTION_STORE_URL") as caught:
            Store(url)
        assert "s3cret" not in str(caught.value)


def test_a_batch_of_an_archive_is_found_by_its_source_and_a_claim_by_its_state(store):
    for question in (
        "SELECT * FROM wafers WHERE lot = '' AND source = 's'",
        "SELECT * FROM files WHERE state = 'claimed' ORDER BY landed_at",
        "SELECT * FROM outbox WHERE state = 'waiting' AND next_at <= '2026'",
        "SELECT * FROM predictions WHERE file_sha256 = 'a' AND \"index\" = 0",
    ):
        with store.read() as c:
            plan = c.exec_driver_sql(f"EXPLAIN QUERY PLAN {question}").all()
        assert "USING INDEX" in str(plan), (question, plan)


def test_a_time_is_stored_as_naive_utc_whatever_its_zone():
    east = timezone(timedelta(hours=2))
    assert as_stored(datetime(2026, 1, 2, 5, 4, tzinfo=east)) == datetime(2026, 1, 2, 3, 4)  # noqa: DTZ001 - naive is meant
    assert as_stored(datetime(2026, 1, 2, 3, 4)) == datetime(2026, 1, 2, 3, 4)  # noqa: DTZ001
