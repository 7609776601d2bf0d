"""Laws of judging: alert, outbox rows and judged_at come together; an event is one row however it arrives."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from inspection.alerting.judging import STORED_WAFERS, judge
from inspection.params import Alert, load
from inspection.store import alerts as table
from inspection.store.tables import alerts, outbox, predictions

CLASSES = load().classes
SINKS = ("log", "file")


def run(store, **kwargs):
    return judge(store, Alert(), CLASSES, SINKS, **kwargs)


def rows(store, of=alerts):
    with store.read() as c:
        return c.execute(select(of).order_by(of.c.id)).mappings().all()


def unjudged(store):
    with store.read() as c:
        return c.execute(select(func.count()).where(predictions.c.judged_at.is_(None))).scalar_one()


def test_one_excursion_is_one_alert_with_one_row_per_sink(store, fab):
    fab.score(["Grid"] * 25)
    report = run(store)
    assert (report.judged, len(report.opened), report.updated) == (25, 1, 0)
    (alert,) = rows(store)
    assert (alert["lot"], alert["layer"], alert["signature"], alert["rule"]) == ("L1", "M1", "Grid", "excursion")
    assert len(alert["wafers"]) == 25
    assert {(r["sink"], r["state"], r["attempts"]) for r in rows(store, outbox)} == {(s, "waiting", 0) for s in SINKS}
    assert unjudged(store) == 0


def test_nothing_new_is_nothing_to_do(store, fab):
    fab.score(["Grid", "Grid", "Normal"])
    run(store)
    assert run(store) == type(run(store))(0, (), 0)
    assert len(rows(store)) == 1


def test_an_excursion_builds_up_over_several_batches_and_later_wafers_are_silent(store, fab):
    fab.score(["Grid"])
    assert run(store).opened == ()
    fab.score(["Normal", "Grid"], first=1)
    assert len(run(store).opened) == 1
    fab.score(["Grid", "Normal"], first=3)
    report = run(store)
    assert (report.opened, report.updated) == ((), 1)
    (alert,) = rows(store)
    assert [w["wafer"] for w in alert["wafers"]] == ["W00", "W02", "W03"]
    assert "on 3 of 5 wafers" in alert["summary"]
    assert len(rows(store, outbox)) == len(SINKS)


def test_a_replay_under_another_name_or_model_opens_nothing(store, fab):
    fab.score(["Grid", "Grid", "Donut"])
    assert len(run(store).opened) == 2
    fab.score(["Grid", "Grid", "Donut"], source="copy.001")
    fab.score(["Grid", "Grid", "Donut"], model="m2")
    report = run(store)
    assert (report.judged, report.opened, report.updated) == (6, (), 0)


def test_a_re_inspection_counts_once_and_review_counts_never(store, fab):
    fab.score(["Grid", "Review", "Review"])
    fab.score(["Grid"], source="again.001", names=["W00"])
    assert run(store).opened == ()


def test_a_new_champion_s_word_replaces_the_old_one_s(store, fab):
    fab.score(["Grid", "Normal"])
    run(store)
    fab.score(["Normal", "Grid"], model="m2")
    assert run(store).opened == ()


def test_a_closed_event_stays_closed(store, fab):
    fab.score(["Grid", "Grid"])
    run(store)
    with store.write() as c:
        table.change(c, 1, state=table.CLOSED)
    fab.score(["Grid"], first=2)
    assert run(store).opened == ()
    assert rows(store)[0]["state"] == "closed"


@pytest.fixture
def later(clock):
    """A clock that is a minute later each time."""

    def now():
        clock.pass_s(60)
        return clock()

    return now


@pytest.mark.parametrize("pass_size", [pytest.param(1, marks=pytest.mark.slow), pytest.param(7, marks=pytest.mark.slow), 5_000])
def test_an_archive_without_lots_is_one_alert_per_signature_whatever_the_batches(store, fab, pass_size, later):
    decisions = (["Edge-Ring", "none", "Loc", "none", "Unknown", "Review"] * 20)[:115]
    fab.score(decisions, lot="", layer=None, source="archive.npz")
    report = run(store, pass_size=pass_size, now=later)
    assert report.judged == 115
    assert sorted((a["signature"], len(a["wafers"])) for a in rows(store)) == [
        ("Edge-Ring", 20),
        ("Loc", 19),
        ("Unknown", 19),
    ]
    by_signature = {a["signature"]: a["summary"] for a in rows(store)}
    assert "Edge-Ring (high) on 20 of 115 wafers so far of source archive.npz" in by_signature["Edge-Ring"]


def test_the_wafers_of_one_row_are_bounded_and_the_summary_counts_all(store, fab, later):
    fab.score(["Loc"] * (STORED_WAFERS + 100), lot="", source="archive.npz")
    run(store, pass_size=150, now=later)
    (alert,) = rows(store)
    assert len(alert["wafers"]) == STORED_WAFERS
    assert "on 600 of 600 wafers so far" in alert["summary"]


def test_a_class_without_an_entry_is_a_medium_defect(store, fab):
    fab.score(["Comet"])
    assert run(store).opened == ()
    fab.score(["Comet"], first=1)
    assert len(run(store).opened) == 1


def test_layers_absent_or_empty_are_the_same_place(store, fab):
    fab.score(["Grid"], layer=None, source="a.001")
    fab.score(["Grid"], layer="", source="b.001", first=1)
    assert len(run(store).opened) == 1


def test_an_archive_is_not_counted_anew_for_each_batch(store, fab, clock):
    fab.score(["Loc", "Loc"], lot="", source="archive.npz")
    run(store, now=clock)
    before = rows(store)[0]
    fab.score(["Loc", "none"], lot="", source="archive.npz", first=2)
    run(store, now=clock)
    soon = rows(store)[0]
    assert (len(soon["wafers"]), soon["summary"], soon["changed_at"]) == (3, before["summary"], before["changed_at"])
    clock.pass_s(5)
    fab.score(["Loc"], lot="", source="archive.npz", first=4)
    run(store, now=clock)
    assert "on 4 of 5 wafers so far of source archive.npz" in rows(store)[0]["summary"]


def test_single_wafers_of_an_archive_add_up_over_batches(store, fab, clock):
    for n in range(3):
        fab.score(["none", "Loc", "none"], lot="", source="archive.npz", first=3 * n)
        assert len(run(store, now=clock).opened) == (1 if n == 1 else 0)
    assert [w["index"] for w in rows(store)[0]["wafers"]] == [1, 4, 7]
