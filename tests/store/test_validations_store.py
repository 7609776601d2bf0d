"""Laws of the ``validations`` table and of the questions that the checks ask, on SQLite and Postgres alike."""

from datetime import date, datetime, timedelta

import pytest
from sqlalchemy import inspect, text

from inspection.store import files, validations
from inspection.store.database import Store, utc_now
from inspection.store.wafers import replace_wafers

A, B = "a" * 64, "b" * 64
T0 = datetime(2026, 1, 5, 6)  # noqa: DTZ001 - UTC and naive, as in the store
HOUR = timedelta(hours=1)


def row(index, sha256=A, **changes):
    return {
        "file_sha256": sha256, "index": index, "source": "s", "row": -1, "lot": "L1", "wafer": str(index), "slot": None, "product": None,
        "layer": None, "tool": None, "chamber": None, "inspected_at": None, "kind": "points", "diameter_mm": 300.0, "defects": index,
        "label": None, "state": "valid", "reason": None, "notes": [], **changes,
    }  # fmt: skip


def result(**changes):
    return {
        "suite": "lot", "lot": "L1", "layer": "", "day": None, "passed": True, "cold_start": False, "failed": {}, "statistics": {},
        "checked_at": utc_now() + HOUR, **changes,
    }  # fmt: skip


@pytest.fixture
def filled(each_store):
    def fill(*rows):
        with each_store.write() as c:
            for sha256 in {one["file_sha256"] for one in rows}:
                files.add_claimed(c, sha256=sha256, name=sha256[:4], size=1)
                replace_wafers(c, sha256, [one for one in rows if one["file_sha256"] == sha256])
        return each_store

    return fill


def test_the_newest_result_of_each_subject_counts_and_all_are_kept(each_store):
    with each_store.write() as c:
        validations.put_validations(c, [])
        validations.put_validations(
            c,
            [
                result(passed=False, failed={"slot_twice": 2}, cold_start=True),
                result(layer="M2", passed=False, failed={"density_high": 1}, statistics={"background": None, "missing": [3]}),
                result(),
                result(suite="day", lot="", day=date(2026, 1, 5), passed=False, failed={"files_few": 1}),
                result(suite="day", lot="", day=date(2026, 1, 6)),
            ],
        )
    with each_store.read() as c:
        (failing,) = validations.failing(c, validations.LOT)
        assert (failing["layer"], failing["failed"], failing["statistics"]) == (
            "M2",
            {"density_high": 1},
            {"background": None, "missing": [3]},
        )
        assert [(one["lot"], one["layer"], one["passed"]) for one in validations.newest(c, validations.LOT)] == [
            ("L1", "", True),
            ("L1", "M2", False),
        ]
        assert [one["day"] for one in validations.newest(c, validations.DAY, 1)] == [date(2026, 1, 6)]
        assert [one["day"] for one in validations.failing(c, validations.DAY)] == [date(2026, 1, 5)]
        assert validations.cold_starts(c) == 0
        assert c.execute(text("SELECT count(*) FROM validations")).scalar_one() == 5


def test_a_lot_is_changed_until_it_was_checked_after_its_last_valid_wafer(filled):
    store = filled(row(0), row(1, layer="M2"), row(2, lot="L9", state="quarantined"))
    with store.write() as c:
        assert validations.changed_lots(c) == [("L1", ""), ("L1", "M2")]
        validations.put_validations(c, [result(checked_at=utc_now() - HOUR)])
        assert ("L1", "") in validations.changed_lots(c)
        validations.put_validations(c, [result()])
        assert validations.changed_lots(c) == [("L1", "M2")]


def test_facts_are_of_the_named_lots_in_all_layers_without_superseded_wafers(filled):
    store = filled(row(0), row(1, layer="M2"), row(2, state="quarantined"), row(3, state="superseded"), row(4, lot="L2"))
    with store.read() as c:
        found = validations.facts_of_lots(c, ["L1"])
    assert {(one["wafer"], one["layer"], one["state"]) for one in found} == {
        ("0", "", "valid"),
        ("1", "M2", "valid"),
        ("2", "", "quarantined"),
    }


def test_lots_come_in_the_order_in_which_they_began(filled):
    store = filled(
        row(0, lot="late", inspected_at=T0 + HOUR, product="P"),
        row(1, lot="early", inspected_at=T0, slot=2),
        row(2, lot="early", inspected_at=T0 + 9 * HOUR, slot=1),
        row(3, lot=""),
        row(4, lot="refused", inspected_at=T0, state="quarantined"),
    )
    with store.read() as c:
        order = [(one.lot, one.product, one.kind, one.wafers) for one in validations.lots_in_order(c)]
        counts = validations.counts_of_lots(c, ["early", "refused"])
    assert order == [("early", "", "points", 2), ("late", "P", "points", 1)]
    assert counts == [("early", "", 1, 2), ("early", "", 2, 1)]


def test_more_lots_than_one_question_takes(filled):
    store = filled(*(row(n, lot=f"L{n:04d}") for n in range(1_203)))
    with store.read() as c:
        names = [f"L{n:04d}" for n in range(1_203)]
        assert len(validations.facts_of_lots(c, names)) == len(validations.counts_of_lots(c, names)) == 1_203


def test_arrivals_are_the_valid_wafers_with_a_time(filled):
    store = filled(
        row(0, inspected_at=T0, tool="A"), row(1, inspected_at=T0 + HOUR), row(2), row(3, inspected_at=T0 + HOUR, state="superseded")
    )
    with store.read() as c:
        assert [(one["tool"], one["inspected_at"]) for one in validations.arrivals_since(c, T0)] == [("A", T0), (None, T0 + HOUR)]
        assert validations.new_since(c, None) == T0
        assert validations.new_since(c, utc_now() + HOUR) is None


def test_a_store_of_an_older_version_gets_the_table_when_it_is_opened(tmp_path):
    url = f"sqlite:///{tmp_path / 'old.sqlite'}"
    with Store(url) as store, store.write() as c:
        c.execute(text("DROP TABLE validations"))
        c.execute(text("CREATE TABLE lot_checks (lot VARCHAR PRIMARY KEY)"))
    with Store(url) as store:
        assert {"validations", "lot_checks"} <= set(inspect(store.engine).get_table_names())
