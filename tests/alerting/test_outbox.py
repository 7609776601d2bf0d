"""Laws of the outbox: at least once to every sink, growing waits, then dead; a closing is told where it must be."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from sqlalchemy import select

from inspection.alerting.acknowledge import acknowledge, close
from inspection.alerting.judging import judge
from inspection.alerting.outbox import Backoff, DeliveryReport, deliver, revive
from inspection.alerting.sink import SinkError
from inspection.alerting.sinks.local import FileSink, LogSink
from inspection.errors import InputError
from inspection.params import Alert, load
from inspection.store.tables import alerts, outbox


class Memory:
    """A sink in memory that fails as told: the outbox's own laws need no network."""

    def __init__(self, name="memory", refresh_s=None):
        self.name, self.refresh_s = name, refresh_s
        self.got, self.failures = [], []

    def send(self, message, idempotency_key):
        if self.failures:
            raise self.failures.pop(0)
        self.got.append((idempotency_key, message))


@pytest.fixture
def one_alert(store, fab, clock):
    """One open alert that waits for the sink "memory"."""
    fab.score(["Grid", "Grid"])
    judge(store, Alert(), load().classes, ["memory"], now=clock)


@pytest.fixture
def send(store, workspace, clock, rng):
    """``deliver`` on the test's store, workspace and clock."""

    def call(sinks, **kwargs):
        return deliver(store, sinks, workspace, rng, now=clock, **kwargs)

    return call


def row(store, of=outbox):
    with store.read() as c:
        return c.execute(select(of)).mappings().one()


@pytest.mark.usefixtures("one_alert")
def test_a_delivered_alert_is_not_sent_again(store, clock, send):
    sink = Memory()
    assert send([sink]) == DeliveryReport(sent=1)
    clock.pass_s(1e6)
    assert send([sink]) == DeliveryReport()
    assert [key for key, _ in sink.got] == ["lot/L1/M1/Grid:memory:open"]
    assert (row(store)["state"], row(store)["sent_at"] is not None) == ("sent", True)


@pytest.mark.usefixtures("one_alert")
def test_waits_grow_and_end_in_death_and_a_repaired_sink_gets_it_after_all(store, clock, send):
    sink, backoff, waits = Memory(), Backoff(base_s=2, cap_s=20, max_attempts=6), []
    sink.failures = [SinkError(f"down {n}") for n in range(6)]
    for attempt in range(1, 6):
        assert send([sink], backoff=backoff) == DeliveryReport(retried=1)
        assert send([sink], backoff=backoff) == DeliveryReport()
        now = row(store)
        assert (now["attempts"], now["error"]) == (attempt, f"down {attempt - 1}")
        waits.append((now["next_at"] - clock()).total_seconds())
        clock.now = now["next_at"]
    assert all(full / 2 <= wait <= full for wait, full in zip(waits, [2, 4, 8, 16, 20], strict=True))
    assert send([sink], backoff=backoff) == DeliveryReport(dead=1)
    clock.pass_s(1e6)
    assert send([sink], backoff=backoff) == DeliveryReport()
    assert revive(store, now=clock) == 1
    assert send([sink], backoff=backoff) == DeliveryReport(sent=1)


@pytest.mark.usefixtures("one_alert")
def test_what_will_never_be_taken_dies_at_once(send):
    sink = Memory()
    sink.failures = [SinkError("too large", final=True)]
    assert send([sink]) == DeliveryReport(dead=1)


def test_the_same_seed_waits_the_same():
    one, other = (
        [Backoff().wait_s(n, np.random.default_rng(0)) for n in range(1, 90)] for _ in range(2)
    )  # fmt: skip
    assert one == other
    assert max(one) <= Backoff().cap_s


@pytest.mark.slow
def test_many_judges_and_senders_at_once_are_as_good_as_one(store, workspace, fab):
    fab.score(["Grid"] * 12 + ["Donut"] * 12)
    sink = Memory()

    def work(seed):
        judge(store, Alert(), load().classes, ["memory"], pass_size=5)
        return deliver(store, [sink], workspace, np.random.default_rng(seed))

    with ThreadPoolExecutor(4) as pool:
        reports = list(pool.map(work, range(8)))
    assert sorted(key for key, _ in sink.got) == ["lot/L1/M1/Donut:memory:open", "lot/L1/M1/Grid:memory:open"]
    assert sum(r.sent for r in reports) == 2


@pytest.mark.usefixtures("one_alert")
def test_one_dead_sink_does_not_hold_up_another(store, clock, fab, send):
    fab.score(["Loc", "Loc"], lot="L2", source="g.001")
    broken, sound = Memory("broken"), Memory()
    broken.failures = [SinkError("down")] * 99
    judge(store, Alert(), load().classes, ["broken", "memory"], now=clock)
    assert send([broken, sound]) == DeliveryReport(sent=2, retried=1)


@pytest.mark.usefixtures("one_alert")
def test_a_sink_that_is_not_configured_waits_until_it_is(clock, send):
    assert send([Memory("other")]) == DeliveryReport()
    clock.pass_s(1e6)
    assert send([Memory()]) == DeliveryReport(sent=1)


@pytest.mark.usefixtures("one_alert")
def test_a_sender_that_vanished_is_replaced_when_its_lease_ends_and_its_late_word_does_not_count(store, clock, send):
    """The first sender hangs inside ``send`` for longer than its lease; the second one sends; the first then fails."""
    second, backoff = Memory(), Backoff(lease_s=60)

    class Hangs(Memory):
        def send(self, message, idempotency_key):
            clock.pass_s(59)
            assert send([second], backoff=backoff) == DeliveryReport()
            clock.pass_s(2)
            assert send([second], backoff=backoff) == DeliveryReport(sent=1)
            self.got.append((idempotency_key, message))
            raise SinkError("too late")

    first = Hangs()
    send([first], backoff=backoff)
    assert row(store)["state"] == "sent"
    assert first.got[0][0] == second.got[0][0]


@pytest.mark.usefixtures("one_alert")
def test_a_receiver_that_forgets_is_told_again_until_the_alert_is_closed(store, clock, send):
    sink = Memory(refresh_s=240)

    assert send([sink]) == DeliveryReport(sent=1)
    clock.pass_s(239)
    assert send([sink]) == DeliveryReport()
    clock.pass_s(2)
    assert send([sink]) == DeliveryReport(refreshed=1)
    sink.failures = [SinkError("restarting")] * 50
    for _ in range(50):  # far more than max_attempts: a refresh never dies
        clock.pass_s(1_000)
        assert send([sink]) == DeliveryReport(retried=1)
    clock.pass_s(1_000)
    assert send([sink]) == DeliveryReport(refreshed=1)
    acknowledge(store, 1, "kim", now=clock)
    assert send([sink]) == DeliveryReport(refreshed=1)
    assert sink.got[-1][1].owner == "kim"


@pytest.mark.usefixtures("one_alert")
def test_closing_tells_the_sinks_that_keep_an_alert_firing_once(store, clock, fab, send):
    sink = Memory("alertmanager", refresh_s=240)
    fab.score(["Loc", "Loc"], lot="L2", source="g.001")
    judge(store, Alert(), load().classes, ["alertmanager"], now=clock)
    send([sink])
    clock.pass_s(10)
    close(store, 2, "kim", now=clock)
    assert send([sink]) == DeliveryReport(sent=1)
    clock.pass_s(1e6)
    assert send([sink]) == DeliveryReport()
    assert [(key, m.state) for key, m in sink.got] == [
        ("lot/L2/M1/Loc:alertmanager:open", "open"),
        ("lot/L2/M1/Loc:alertmanager:closed", "closed"),
    ]


@pytest.mark.usefixtures("one_alert")
def test_the_picture_is_drawn_once_and_known_to_every_message(store, clock, send):
    drawn = []

    def draw(event):
        drawn.append(event)
        return b"\x89PNG"

    sink = Memory(refresh_s=1)
    send([sink], draw=draw)
    clock.pass_s(2)
    send([sink], draw=draw)
    assert len(drawn) == 1
    assert [w.wafer for w in drawn[0].wafers] == ["W00", "W01"]
    assert all(m.picture.read_bytes() == b"\x89PNG" for _, m in sink.got)
    assert row(store, alerts)["picture"] == "alerts/1/wafer.png"


@pytest.mark.usefixtures("one_alert")
@pytest.mark.parametrize("error", [InputError("no shard"), OSError("disk full"), KeyError("no such wafer"), None])
def test_an_alert_that_cannot_be_drawn_is_sent_without_a_picture(error, caplog, send):
    def draw(_):
        if error is not None:
            raise error

    sink = Memory()
    assert send([sink], draw=draw) == DeliveryReport(sent=1)
    assert sink.got[0][1].picture is None
    assert ("No picture for alert" in caplog.text) == (error is not None)


@pytest.mark.usefixtures("one_alert")
def test_a_file_in_the_way_of_the_local_sinks_is_a_retry_not_a_loss(store, workspace, clock, fab, send):
    fab.score(["Loc", "Loc"], lot="L2", source="g.001")
    judge(store, Alert(), load().classes, ["log", "file"], now=clock)
    workspace.root.mkdir()
    workspace.alerts.write_text("in the way")
    sinks = [LogSink(workspace), FileSink(workspace)]
    assert send(sinks) == DeliveryReport(retried=2)
    workspace.alerts.unlink()
    clock.pass_s(60)
    assert send(sinks) == DeliveryReport(sent=2)
