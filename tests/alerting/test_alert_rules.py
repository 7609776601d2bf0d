"""Laws of the rules: one event per place and signature, whatever the order, the number of wafers or the repetition."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspection.alerting.advice import ADVICE, advise
from inspection.alerting.explanation import why_alerted
from inspection.alerting.rules import Place, Signal, Tally, find_events
from inspection.params import Alert, load

PARAMS = Alert()
SEVERITY = {"Donut": "high", "Grid": "medium", "Normal": "none", "Unknown": "none", "Review": "none"}


def signal(wafer: str = "W01", decision: str = "Grid", index: int = 0, **changes) -> Signal:
    base = Signal(
        file_sha256="f" * 64, index=index, lot="L1", wafer=wafer, layer="M1", product="P1", tool="T1", chamber="A",
        decision=decision, label="Grid" if decision in ("Unknown", "Review") else decision, probability=0.9,
        severity=SEVERITY[decision], source="f.001",
    )  # fmt: skip
    return replace(base, **changes)


signals = st.lists(
    st.builds(
        signal,
        wafer=st.sampled_from(["", "W01", "W02", "W03"]),
        decision=st.sampled_from(sorted(SEVERITY)),
        index=st.integers(0, 10_000),
        lot=st.sampled_from(["", "L1", "L/1"]),
        layer=st.sampled_from(["", "M1", "1/M1"]),
        product=st.sampled_from(["", "P1", "P2"]),
        tool=st.sampled_from(["", "T1", "T2"]),
        probability=st.floats(0, 1),
        source=st.sampled_from(["a.npz", "b.npz"]),
    ),
    unique_by=lambda s: s.index,
    max_size=30,
)


@given(signals, st.randoms(use_true_random=False))
def test_the_order_of_the_signals_changes_nothing(given_signals, random):
    shuffled = list(given_signals)
    random.shuffle(shuffled)
    assert find_events(shuffled, PARAMS) == find_events(given_signals, PARAMS)


@given(signals)
def test_a_replay_gives_no_new_event(given_signals):
    opened = {event.key for event in find_events(given_signals, PARAMS)}
    again = find_events(given_signals + given_signals, PARAMS, opened)
    assert {event.key for event in again} >= opened
    replayed = [replace(s, index=s.index + 20_000) for s in given_signals if s.lot and s.wafer]
    fresh = find_events([s for s in given_signals if s.lot and s.wafer] + replayed, PARAMS)
    assert {e.key for e in fresh} <= opened


@given(signals)
def test_an_event_has_one_key_and_names_each_wafer_once(given_signals):
    events = find_events(given_signals, PARAMS)
    assert len({e.key for e in events}) == len(events)
    for event in events:
        assert event.signature not in ("Normal", "Review")
        assert len(set(event.wafers)) == len(event.wafers) > 0
        assert event.key.isascii()
        assert event.key.isprintable()


@given(*[st.tuples(st.text(min_size=1), st.text(), st.text(min_size=1))] * 2)
def test_different_places_or_signatures_never_share_a_key(one, other):
    assert (Place(one[0], one[1]).key(one[2]) == Place(other[0], other[1]).key(other[2])) == (one == other)
    assert Place(source=one[0]).key(one[2]) != Place(other[0], other[1]).key(other[2])


@pytest.mark.parametrize("decision", ["Grid", "Donut", "Unknown"])
def test_twenty_five_wafers_of_one_excursion_are_one_event(decision):
    lot = [signal(f"W{n:02}", decision, index=n) for n in range(25)]
    (event,) = find_events(lot, PARAMS)
    assert len(event.wafers) == 25
    assert event.rule == ("unknown" if decision == "Unknown" else "excursion")
    assert "25 of 25 wafers of lot L1, layer M1, product P1" in event.summary


def test_unknown_takes_more_wafers_than_the_detector_flags_by_chance():
    lot = [signal(f"W{n:02}", "Unknown", index=n) for n in range(PARAMS.unknown_wafers)]
    assert find_events(lot[1:], PARAMS) == []
    assert [event.rule for event in find_events(lot, PARAMS)] == ["unknown"]


@pytest.mark.parametrize("decision", ["Grid", "Unknown"])
def test_re_inspections_of_one_wafer_count_once(decision):
    assert find_events([signal(index=n, decision=decision) for n in range(5)], PARAMS) == []


def test_a_severe_signature_alerts_on_one_sure_wafer_only():
    (event,) = find_events([signal(decision="Donut", probability=0.5)], PARAMS)
    assert event.rule == "at_once"
    assert find_events([signal(decision="Donut", probability=0.49)], PARAMS) == []
    assert find_events([signal(decision="Grid", probability=1.0)], PARAMS) == []


def test_layers_are_different_places():
    assert find_events([signal("W1"), signal("W2", layer="M2", index=1)], PARAMS) == []


def test_a_known_event_comes_back_with_one_more_wafer():
    key = Place("L1", "M1").key("Grid")
    (event,) = find_events([signal()], PARAMS, opened={key})
    assert (event.key, len(event.wafers)) == (key, 1)


def test_a_source_without_lots_is_one_event_per_signature():
    archive = [signal("", "Grid" if n % 2 else "Donut", index=n, lot="") for n in range(3_000)]
    events = find_events(archive, PARAMS)
    assert [(e.signature, len(e.wafers)) for e in events] == [("Donut", 1_500), ("Grid", 1_500)]


def test_a_tally_counts_what_is_not_given():
    place = Place(source="a.npz")
    given_signals = [signal("", index=n, lot="", layer="", source="a.npz") for n in range(2)]
    (event,) = find_events(given_signals, PARAMS, tallies={place: Tally(900, {"Grid": 40, "Normal": 860})})
    assert "Grid (medium) on 40 of 900 wafers so far of source a.npz" in event.summary
    assert "over the 2 latest" in event.summary


def test_the_summary_says_what_the_wafers_share_and_what_the_others_do_not():
    bad = [signal(f"W{n:02}", index=n, chamber="B", probability=0.8) for n in range(3)]
    good = [signal(f"W{n:02}", "Normal", index=n, chamber="A" if n > 5 else "B") for n in range(4, 10)]
    (event,) = find_events(bad + good, PARAMS)
    assert "Grid (medium) on 3 of 9 wafers" in event.summary
    assert "Mean probability 0.80." in event.summary
    (sure,) = find_events([signal(f"W{n:02}", index=n, probability=0.99999) for n in range(3)], PARAMS)
    assert "Mean probability above 0.99." in sure.summary
    assert "Wafers: W00, W01, W02." in event.summary
    assert "All affected wafers ran on chamber B, as did 2 of the 6 others." in event.summary
    assert "tool T1, as did all others." in event.summary
    assert str(ADVICE["Grid"]) in event.summary


def test_every_defect_class_that_ships_has_advice_of_its_own():
    general = advise("no such signature")
    for name, entry in load().classes.items():
        assert entry.normal or advise(name) is not general, name


@given(signals, st.booleans())
def test_an_explanation_agrees_with_the_rules(given_signals, known):
    by_place = {}
    for one in given_signals:
        by_place.setdefault(one.place, []).append(one)
    for here in by_place.values():
        keys = {e.key for e in find_events(here, PARAMS)}
        for one in here:
            key = one.place.key(one.decision)
            last = why_alerted(one, here, PARAMS, {key} if known else set())[-1][2]
            silent = one.decision == "Review" or (one.severity == "none" and one.decision != "Unknown")
            assert (last == "no alert") == (silent or (key not in keys and not known))
