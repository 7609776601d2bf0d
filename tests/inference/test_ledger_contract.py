"""The contract that every ledger passes, run over each store."""

from __future__ import annotations

import threading
import time

import pytest
from sqlalchemy import text

from inspection.inference.ledger import StoreLedger
from inspection.store.jobs import STATES

LONG_S = 60.0


@pytest.fixture
def ledger(store):
    return StoreLedger(store)


def items(count, start=0):
    return [(f"k{i}", {"file_sha256": f"{i:064x}", "index": i}) for i in range(start, start + count)]


def ids(jobs):
    return [job.id for job in jobs]


def counts(ledger):
    return {state: number for state, number in ledger.counts().items() if number}


def test_an_empty_ledger_has_no_work(ledger):
    assert ledger.claim("a", 5, LONG_S) == []
    assert ledger.unfinished() == 0
    assert ledger.put([]) == 0
    assert ledger.counts() == dict.fromkeys(STATES, 0)
    assert ledger.done("a", []) == ledger.release("a", []) == ledger.heartbeat("a", [], LONG_S) == set()


def test_putting_is_idempotent_by_key_in_every_state(ledger):
    assert ledger.put(items(3)) == 3
    assert ledger.put(items(4)) == 1
    first = ledger.claim("a", 2, LONG_S)
    ledger.done("a", ids(first)[:1])
    ledger.fail("a", first[1].id, "broken", 1)
    assert ledger.put(items(4)) == 0
    assert counts(ledger) == {"waiting": 2, "done": 1, "dead": 1}


def test_a_key_twice_in_one_put_is_one_job(ledger):
    assert ledger.put(items(2) + items(2)) == 2


def test_claims_come_in_the_order_of_putting_with_their_payload(ledger):
    ledger.put(items(5))
    jobs = ledger.claim("a", 3, LONG_S) + ledger.claim("b", 3, LONG_S)
    assert [(job.key, job.payload) for job in jobs] == items(5)
    assert {job.attempts for job in jobs} == {1}
    assert ledger.claim("c", 3, LONG_S) == []


def test_done_ends_a_job_once(ledger):
    ledger.put(items(2))
    jobs = ledger.claim("a", 2, LONG_S)
    assert ledger.done("a", ids(jobs)) == set(ids(jobs))
    assert ledger.done("a", ids(jobs)) == set()
    assert ledger.unfinished() == 0


def test_only_the_holder_may_end_extend_fail_or_release(ledger):
    ledger.put(items(1))
    job = ledger.claim("a", 1, LONG_S)[0]
    assert ledger.done("b", [job.id]) == set()
    assert ledger.heartbeat("b", [job.id], LONG_S) == set()
    assert ledger.release("b", [job.id]) == set()
    assert ledger.fail("b", job.id, "not mine", 1) is None
    assert counts(ledger) == {"leased": 1}


def test_an_expired_lease_is_taken_over_and_its_late_holder_is_refused(ledger):
    ledger.put(items(2))
    jobs = ledger.claim("a", 2, 0.05)
    time.sleep(0.1)
    taken = ledger.claim("b", 5, LONG_S)
    assert ids(taken) == ids(jobs)
    assert {job.attempts for job in taken} == {2}
    assert ledger.done("a", ids(jobs)) == set()
    assert ledger.done("b", ids(jobs)) == set(ids(jobs))


def test_a_late_holder_whose_jobs_nobody_took_may_still_end_them(ledger):
    ledger.put(items(1))
    job = ledger.claim("a", 1, 0.01)[0]
    time.sleep(0.05)
    assert ledger.done("a", [job.id]) == {job.id}


def test_a_heartbeat_keeps_a_lease(ledger):
    ledger.put(items(1))
    job = ledger.claim("a", 1, 0.05)[0]
    assert ledger.heartbeat("a", [job.id], LONG_S) == {job.id}
    time.sleep(0.1)
    assert ledger.claim("b", 1, LONG_S) == []


def test_a_job_fails_until_its_attempts_are_spent_and_is_dead_with_its_error(ledger):
    ledger.put(items(1))
    states = []
    for number in range(3):
        job = ledger.claim("a", 1, LONG_S)[0]
        assert job.attempts == number + 1
        states.append(ledger.fail("a", job.id, f"error {number}", 3))
    assert states == ["waiting", "waiting", "dead"]
    assert ledger.claim("a", 1, LONG_S) == []
    dead = ledger.dead()
    assert [(d.job.key, d.error, d.job.attempts) for d in dead] == [("k0", "error 2", 3)]


def test_a_failed_job_waits_out_its_pause_while_others_pass(ledger):
    ledger.put(items(2))
    first = ledger.claim("a", 1, LONG_S)[0]
    ledger.fail("a", first.id, "later", 3, retry_in_s=0.3)
    assert [job.key for job in ledger.claim("a", 5, LONG_S)] == ["k1"]
    assert ledger.unfinished() == 2
    time.sleep(0.4)
    assert [job.key for job in ledger.claim("a", 5, LONG_S)] == ["k0"]


def test_a_released_job_has_lost_no_attempt(ledger):
    ledger.put(items(1))
    job = ledger.claim("a", 1, LONG_S)[0]
    assert ledger.release("a", [job.id]) == {job.id}
    assert ledger.claim("b", 1, LONG_S)[0].attempts == 1


def test_the_leases_of_a_dead_worker_can_be_ended_at_once(ledger):
    ledger.put(items(3))
    ledger.claim("a", 2, LONG_S)
    ledger.claim("b", 1, LONG_S)
    assert sorted(ledger.holders()) == ["a", "b"]
    assert ledger.expire("a") == 2
    assert [job.attempts for job in ledger.claim("c", 5, LONG_S)] == [2, 2]
    assert sorted(ledger.holders()) == ["b", "c"]


def test_the_dead_can_be_revived_with_all_their_attempts(ledger):
    ledger.put(items(2))
    for job in ledger.claim("a", 2, LONG_S):
        ledger.fail("a", job.id, "broken", 1)
    assert ledger.revive() == 2
    assert [job.attempts for job in ledger.claim("a", 5, LONG_S)] == [1, 1]


def test_done_commits_and_rolls_back_with_the_callers_transaction(ledger):
    ledger.put(items(2))
    jobs = ledger.claim("a", 2, LONG_S)

    class _FullDiskError(Exception):
        pass

    def done_and_fail():
        with ledger.store.write() as connection:
            assert ledger.done("a", ids(jobs), connection) == set(ids(jobs))
            raise _FullDiskError

    with pytest.raises(_FullDiskError):
        done_and_fail()
    assert counts(ledger) == {"leased": 2}
    with ledger.store.write() as connection:
        ledger.done("a", ids(jobs), connection)
        assert connection.execute(text("SELECT count(*) FROM jobs WHERE state = 'done'")).scalar_one() == 2
    assert counts(ledger) == {"done": 2}


def test_claims_at_the_same_time_never_share_a_job(ledger):
    ledger.put(items(400))
    claimed: dict[str, list[int]] = {}
    errors: list[Exception] = []

    def work(name):
        mine = claimed.setdefault(name, [])
        try:
            while jobs := ledger.claim(name, 7, LONG_S):
                mine.extend(ledger.done(name, ids(jobs)))
        except Exception as error:  # noqa: BLE001 - shown by the assertion below
            errors.append(error)

    threads = [threading.Thread(target=work, args=(f"w{i}",)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    everything = [i for mine in claimed.values() for i in mine]
    assert len(everything) == len(set(everything)) == 400
    assert counts(ledger) == {"done": 400}


def test_putters_at_the_same_time_add_every_key_once(ledger):
    new: list[int] = []
    errors: list[Exception] = []

    def put(order):
        try:
            new.append(ledger.put(items(300)[::order]))
        except Exception as error:  # noqa: BLE001 - shown by the assertion below
            errors.append(error)

    threads = [threading.Thread(target=put, args=(order,)) for order in (1, -1, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert sum(new) == 300
    assert counts(ledger) == {"waiting": 300}
