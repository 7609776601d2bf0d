"""The worker's laws, with a real ledger, store and scorer in one process."""

from __future__ import annotations

import threading
import time
import urllib.request

import pytest
from inference_fab import CONFIG, Champion, RadialScorer, fill, jobs_of, name_of, read_maps
from sqlalchemy import select

from inspection.errors import BundleError, EngineError
from inspection.inference.leases import unique_name
from inspection.inference.ledger import StoreLedger
from inspection.inference.scorer import score_each, warm_up
from inspection.inference.worker import Worker
from inspection.params import Infer
from inspection.store.tables import predictions

MODEL = "m" * 64
PARAMS = Infer(batch_sizes=(2, 8), lease_s=30.0, max_attempts=3)


@pytest.fixture
def store(sqlite_store):
    return sqlite_store


@pytest.fixture
def ledger(store):
    return StoreLedger(store)


def worker(store, ledger, scorer, **changes):
    given = {"params": PARAMS, "poll_s": 0.01, "read_maps": read_maps, "champion": lambda: Champion(MODEL)} | changes
    return Worker(store, ledger, lambda _: scorer, **given)


def stored(store):
    with store.read() as c:
        return [tuple(r) for r in c.execute(select(predictions.c.file_sha256, predictions.c["index"]))]


def places(payloads):
    return sorted((p["file_sha256"], p["index"]) for p in payloads)


def test_every_wafer_gets_the_outcome_of_its_own_map(store, ledger):
    payloads = fill(store, 53)
    ledger.put(jobs_of(payloads[::-1]))
    scorer, seen = RadialScorer(MODEL), []
    w = worker(store, ledger, scorer)
    report = w.run(until_empty=True, progress=lambda done, total: seen.append((done, total)))
    assert (report.scored, report.failed, report.dead, report.lost) == (53, 0, 0, 0)
    assert seen[-1] == (53, 53)
    assert not report.stopped
    assert sorted(stored(store)) == places(payloads)
    alone = RadialScorer(MODEL)
    with store.read() as c:
        for row in c.execute(select(predictions)).mappings():
            [map_] = read_maps([{"file_sha256": row["file_sha256"], "index": row["index"]}])
            [expected] = alone.score(alone.prepare([map_]))
            assert row["probabilities"] == expected.probabilities
            assert (row["label"], row["model_sha256"], row["config_sha256"]) == (expected.label, MODEL, CONFIG)
    assert ledger.counts()["done"] == 53


def test_the_model_meets_only_warm_batch_sizes_and_is_ready_after_the_warm_up(store, ledger):
    ledger.put(jobs_of(fill(store, 11)))
    scorer = RadialScorer(MODEL)
    w = worker(store, ledger, scorer)
    assert not w.ready.is_set()
    w.run(until_empty=True)
    assert w.ready.is_set()
    assert scorer.sizes[:2] == [2, 8]
    assert scorer.sizes[2:] == [8, 8]


def test_a_poison_wafer_dies_with_its_error_and_all_others_pass(store, ledger):
    payloads = fill(store, 40)
    ledger.put(jobs_of(payloads))
    bad = {name_of(payloads[5]), name_of(payloads[6]), name_of(payloads[31])}
    report = worker(store, ledger, RadialScorer(MODEL, poison=frozenset(bad))).run(until_empty=True)
    assert (report.scored, report.dead, report.failed) == (37, 3, 9)
    assert len(stored(store)) == 37
    dead = ledger.dead()
    assert {name_of(d.job.payload) for d in dead} == bad
    assert all("ArithmeticError: cannot digest" in d.error and d.job.attempts == 3 for d in dead)


def test_an_unreadable_wafer_dies_and_all_others_pass(store, ledger):
    payloads = fill(store, 20)
    ledger.put(jobs_of(payloads))

    def read(wanted):
        if payloads[4] in wanted:
            message = "shard is cut short"
            raise OSError(message)
        return read_maps(wanted)

    report = worker(store, ledger, RadialScorer(MODEL), read_maps=read).run(until_empty=True)
    assert (report.scored, report.dead) == (19, 1)
    assert "shard is cut short" in ledger.dead()[0].error


def test_a_wafer_that_is_no_probability_is_not_stored(store, ledger):
    payloads = fill(store, 9)
    ledger.put(jobs_of(payloads))

    class Drunk(RadialScorer):
        def score(self, prepared):
            names, radii = prepared
            radii[[n == name_of(payloads[2]) for n in names]] = float("nan")
            return super().score((names, radii))

    report = worker(store, ledger, Drunk(MODEL), params=Infer(batch_sizes=(4,), max_attempts=1)).run(until_empty=True)
    assert (report.scored, report.dead) == (8, 1)
    assert "expected probabilities in [0, 1], got nan" in ledger.dead()[0].error


def test_a_broken_model_stops_the_worker_and_costs_no_wafer_an_attempt(store, ledger):
    ledger.put(jobs_of(fill(store, 20)))
    scorer = RadialScorer(MODEL)
    w = worker(store, ledger, scorer)
    warm = len(PARAMS.batch_sizes)

    def break_down(prepared):
        if len(scorer.sizes) >= warm:
            message = "out of memory"
            raise RuntimeError(message)
        return RadialScorer.score(scorer, prepared)

    scorer.score = break_down
    with pytest.raises(EngineError, match="expected it to score 2 clean wafers, got RuntimeError: out of memory"):
        w.run(until_empty=True)
    assert ledger.counts() == {"waiting": 20, "leased": 0, "done": 0, "dead": 0}
    assert {job.attempts for job in ledger.claim("x", 20, 1.0)} == {1}


def test_without_a_champion_a_run_until_empty_says_what_to_do(store, ledger):
    with pytest.raises(EngineError, match="Promote one"):
        worker(store, ledger, RadialScorer(MODEL), champion=lambda: None).run(until_empty=True)


def test_a_service_waits_for_its_first_champion(store, ledger):
    ledger.put(jobs_of(fill(store, 5)))
    now: list[Champion | None] = [None]
    w = worker(store, ledger, RadialScorer(MODEL), champion=lambda: now[0])
    thread = threading.Thread(target=w.run)
    thread.start()
    time.sleep(0.1)
    assert not w.ready.is_set()
    now[0] = Champion(MODEL)
    deadline = time.monotonic() + 20
    while ledger.unfinished() and time.monotonic() < deadline:
        time.sleep(0.01)
    w.stop()
    thread.join()
    assert len(stored(store)) == 5


def test_two_workers_share_the_wafers_without_scoring_one_twice(store, ledger):
    payloads = fill(store, 300)
    ledger.put(jobs_of(payloads))
    workers = [worker(store, ledger, RadialScorer(MODEL), name=name) for name in ("a", "b")]
    threads = [threading.Thread(target=w.run, kwargs={"until_empty": True, "handle_signals": True}) for w in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(stored(store)) == places(payloads)
    assert sum(w._report.scored for w in workers) == 300
    assert sum(w._report.lost for w in workers) == 0


def test_a_worker_that_lost_its_lease_stores_nothing_twice(store, ledger):
    """A frozen worker wakes up after another has taken over and finished."""
    payloads = fill(store, 8)
    ledger.put(jobs_of(payloads))
    frozen, woken = threading.Event(), threading.Event()

    class Slow(RadialScorer):
        def score(self, prepared):
            if prepared[0][0]:  # not while warming up
                frozen.set()
                woken.wait(20)
            return super().score(prepared)

    slow = worker(store, ledger, Slow("s" * 64), name="slow")
    slow._leases.ledger = _Deaf(store)  # its heartbeats do not get through
    thread = threading.Thread(target=slow.run, kwargs={"until_empty": True})
    thread.start()
    assert frozen.wait(20)
    while slow._leases.ledger.claims < 2:  # its prefetch, too, has looked: it must not claim again what is taken from it now
        time.sleep(0.01)
    ledger.expire("slow")
    worker(store, ledger, RadialScorer(MODEL), name="quick").run(until_empty=True)
    woken.set()
    thread.join()
    assert slow._report.lost == 8
    assert sorted(stored(store)) == places(payloads)
    with store.read() as c:
        assert set(c.execute(select(predictions.c.model_sha256)).scalars()) == {MODEL}


class _Deaf(StoreLedger):
    claims = 0

    def heartbeat(self, *_):
        return set()

    def claim(self, *words):
        found = super().claim(*words)
        self.claims += 1
        return found


def test_a_heartbeat_keeps_a_batch_that_takes_longer_than_its_lease(store, ledger):
    payloads = fill(store, 4)
    ledger.put(jobs_of(payloads))

    class Slow(RadialScorer):
        def score(self, prepared):
            if prepared[0][0]:
                time.sleep(1.2)
            return super().score(prepared)

    slow = worker(store, ledger, Slow(MODEL), name="slow", params=Infer(batch_sizes=(4,), lease_s=0.4))
    other = worker(store, ledger, RadialScorer("o" * 64), name="other")
    threads = [threading.Thread(target=w.run, kwargs={"until_empty": True}) for w in (slow, other)]
    threads[0].start()
    while not ledger.holders():
        time.sleep(0.01)
    threads[1].start()
    for thread in threads:
        thread.join()
    assert (slow._report.scored, other._report.scored) == (4, 0)


def test_a_dead_neighbour_is_taken_over_long_before_its_lease_expires(store, ledger):
    payloads = fill(store, 6)
    ledger.put(jobs_of(payloads))
    host, _, nonce = unique_name().split(":")
    gone = 2**22 + 1  # above every pid that Linux gives out
    ledger.claim(f"{host}:{gone}:{nonce}", 6, 3600.0)
    begin = time.monotonic()
    assert worker(store, ledger, RadialScorer(MODEL)).run(until_empty=True).scored == 6
    assert time.monotonic() - begin < 30


def test_stop_finishes_the_batch_and_hands_the_rest_back_unblamed(store, ledger):
    payloads = fill(store, 200)
    ledger.put(jobs_of(payloads))
    scorer = RadialScorer(MODEL)

    def read(wanted):
        if len(scorer.sizes) > 5:
            w.stop()
        return read_maps(wanted)

    w = worker(store, ledger, scorer, read_maps=read)
    report = w.run(until_empty=True)
    counts = ledger.counts()
    assert report.stopped
    assert 0 < report.scored == counts["done"] == len(stored(store)) < 200
    assert counts["waiting"] == 200 - report.scored
    assert {job.attempts for job in ledger.claim("x", 200, 1.0)} == {1}


def test_a_hot_swap_loses_nothing_and_each_outcome_names_its_model(store, ledger):
    payloads = fill(store, 400)
    ledger.put(jobs_of(payloads))
    now = [Champion("a" * 64)]
    scorers = {name * 64: RadialScorer(name * 64) for name in "ab"}

    def read(wanted):
        if ledger.counts()["done"] > 60:
            now[0] = Champion("b" * 64)
        time.sleep(0.005)
        return read_maps(wanted)

    w = Worker(store, ledger, lambda c: scorers[c.bundle_sha256], read, lambda: now[0], PARAMS, poll_s=0.01)
    report = w.run(until_empty=True)
    assert report.scored == 400
    assert sorted(stored(store)) == places(payloads)
    with store.read() as c:
        models = list(c.execute(select(predictions.c.model_sha256).order_by(predictions.c.id)).scalars())
    assert set(models) == {"a" * 64, "b" * 64}
    assert models == sorted(models)
    assert scorers["b" * 64].sizes[:2] == [2, 8]
    assert w.metrics.swaps._value.get() == 2


def test_a_champion_that_does_not_load_leaves_the_old_one_serving(store, ledger):
    payloads = fill(store, 100)
    ledger.put(jobs_of(payloads))
    now = [Champion("a" * 64)]

    def load(champion):
        if champion.bundle_sha256 != "a" * 64:
            message = "changed after it was written"
            raise BundleError(message)
        return RadialScorer("a" * 64)

    def read(wanted):
        now[0] = Champion("b" * 64)
        time.sleep(0.01)
        return read_maps(wanted)

    w = Worker(store, ledger, load, read, lambda: now[0], PARAMS, poll_s=0.01)
    assert w.run(until_empty=True).scored == 100
    assert w.metrics.swap_failures._value.get() == 1


def test_a_first_champion_that_does_not_load_is_an_error(store, ledger):
    def load(_):
        message = "changed after it was written"
        raise BundleError(message)

    with pytest.raises(BundleError, match="changed after"):
        Worker(store, ledger, load, read_maps, lambda: Champion(MODEL), PARAMS).run(until_empty=True)


def test_metrics_are_served_on_loopback_while_the_worker_runs(store, ledger):
    ledger.put(jobs_of(fill(store, 10)))
    w = worker(store, ledger, RadialScorer(MODEL))
    with w.metrics.serving(0) as port:
        w.run(until_empty=True)
        text = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics").read().decode()
    assert "inspection_wafers_scored_total 10.0" in text
    assert "inspection_batch_seconds_count 2.0" in text


def test_scoring_one_by_one_finds_exactly_the_poison():
    payloads = [{"file_sha256": f"{i:064x}", "index": 0} for i in range(19)]
    bad = frozenset({name_of(payloads[0]), name_of(payloads[18])})
    outcomes = score_each(RadialScorer(MODEL, poison=bad), read_maps(payloads), (4, 16))
    assert [isinstance(o, ArithmeticError) for o in outcomes] == [i in {0, 18} for i in range(19)]
    assert score_each(RadialScorer(MODEL), [], (4,)) == []


def test_a_model_that_answers_for_too_few_wafers_is_refused_when_warming():
    scorer = RadialScorer(MODEL)
    scorer.score = lambda prepared: RadialScorer.score(scorer, prepared)[:-1]
    with pytest.raises(EngineError, match="expected 4 outcomes, got 3"):
        warm_up(scorer, (4,))
