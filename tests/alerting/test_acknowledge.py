"""Laws of what people do with an alert."""

from __future__ import annotations

import pytest

from inspection.alerting.acknowledge import acknowledge, close, correct
from inspection.alerting.judging import judge
from inspection.errors import InputError, InputNotFoundError, LabelError
from inspection.params import Alert, load
from inspection.store import alerts as table


@pytest.fixture
def alert(store, fab, clock):
    fab.score(["Grid", "Grid"])
    (alert_id,) = judge(store, Alert(), load().classes, ["log"], now=clock).opened
    return alert_id


def row(store, alert):
    with store.read() as c:
        return table.get(c, alert)


def test_every_action_leaves_a_line_and_none_is_lost(store, alert, clock):
    acknowledge(store, alert, "kim", "looking\nat it", now=clock)
    correct(store, alert, "lee", "Donut", known=["Grid", "Donut"], now=clock)
    clock.pass_s(60)
    close(store, alert, "lee", now=clock)
    correct(store, alert, "kim", "Grid", known=["Grid"], comment="no, it was", now=clock)
    after = row(store, alert)
    assert (after["state"], after["owner"], after["signature"]) == ("closed", "kim", "Grid")
    assert after["comment"].splitlines() == [
        "2026-01-02 03:04:05 kim acknowledged: looking at it",
        "2026-01-02 03:04:05 lee corrected Grid -> Donut",
        "2026-01-02 03:05:05 lee closed",
        "2026-01-02 03:05:05 kim corrected Grid -> Grid: no, it was",
    ]


def test_closing_twice_is_closing_once(store, alert, clock):
    close(store, alert, "kim", now=clock)
    before = dict(row(store, alert))
    close(store, alert, "lee", now=clock)
    assert row(store, alert) == before


def test_a_closed_alert_cannot_be_taken_on(store, alert, clock):
    close(store, alert, "kim", now=clock)
    with pytest.raises(InputError, match="expected an open alert"):
        acknowledge(store, alert, "lee", now=clock)


@pytest.mark.parametrize("act", [acknowledge, close])
def test_an_alert_that_is_not_there_and_an_owner_without_a_name_are_refused(store, alert, act):
    with pytest.raises(InputNotFoundError, match="alert 99"):
        act(store, 99, "kim")
    with pytest.raises(InputError, match="name of a person"):
        act(store, alert, "  ")


def test_a_label_that_no_class_has_is_refused_with_the_known_ones(store, alert):
    with pytest.raises(LabelError, match="Donut, Grid"):
        correct(store, alert, "kim", "Dohnut", known=["Grid", "Donut"])
    assert row(store, alert)["comment"] is None
