"""kill -9 at random moments: every wafer ends exactly once, none is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from inference_fab import fill, jobs_of, name_of
from sqlalchemy import select

from inspection.inference.ledger import StoreLedger
from inspection.store.tables import predictions

pytestmark = pytest.mark.slow

PROGRAM = Path(__file__).with_name("inference_fab.py")
ROOT = PROGRAM.parents[2]


def start(folder, *, name="", lease_s="30", attempts="1000", killer=""):
    command = [sys.executable, str(PROGRAM), str(folder / "store.sqlite"), name, lease_s, attempts, killer]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def outcomes(store):
    with store.read() as c:
        return Counter((r[0], r[1]) for r in c.execute(select(predictions.c.file_sha256, predictions.c["index"])))


def first_outcome(store, process):
    while not outcomes(store) and process.poll() is None:
        time.sleep(0.002)


def check(store, payloads):
    assert outcomes(store) == Counter((p["file_sha256"], p["index"]) for p in payloads)
    assert StoreLedger(store).counts() == {"waiting": 0, "leased": 0, "done": len(payloads), "dead": 0}


def campaign(store, folder, seed, kills):
    """Start, kill at a random moment of the work, start again; the last one may finish."""
    rng = np.random.default_rng(seed)
    payloads = fill(store, 1_000)
    StoreLedger(store).put(jobs_of(payloads))
    interrupted = 0
    for _ in range(kills):
        before = outcomes(store).total()
        process = start(folder)
        while outcomes(store).total() == before and process.poll() is None:
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.15))
        process.kill()
        process.communicate()
        interrupted += StoreLedger(store).unfinished() > 0
    last = start(folder)
    _, err = last.communicate(timeout=600)
    assert last.returncode == 0, err
    check(store, payloads)
    return interrupted


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(100))
def test_no_wafer_is_lost_or_scored_twice_however_often_the_worker_is_killed(sqlite_store, tmp_path, seed):
    assert campaign(sqlite_store, tmp_path, seed, kills=3) > 0


def test_wafers_of_a_killed_worker_elsewhere_are_taken_over_when_its_leases_expire(sqlite_store, tmp_path):
    payloads = fill(sqlite_store, 600)
    StoreLedger(sqlite_store).put(jobs_of(payloads))
    # These names say nothing about a machine or a process, so only the lease can tell that the first is dead.
    first = start(tmp_path, name="elsewhere", lease_s="1")
    first_outcome(sqlite_store, first)
    first.kill()
    first.communicate()
    second = start(tmp_path, name="here", lease_s="1")
    _, err = second.communicate(timeout=60)
    assert second.returncode == 0, err
    check(sqlite_store, payloads)


def test_a_wafer_that_kills_its_worker_is_dead_lettered_and_takes_no_other_with_it(sqlite_store, tmp_path):
    payloads = fill(sqlite_store, 30)
    StoreLedger(sqlite_store).put(jobs_of(payloads))
    killer = name_of(payloads[11])
    starts = 0
    while True:
        starts += 1
        process = start(tmp_path, attempts="2", killer=killer)
        _, err = process.communicate(timeout=60)
        if process.returncode == 0:
            break
        assert process.returncode == -signal.SIGKILL, err
        assert starts < 10
    ledger = StoreLedger(sqlite_store)
    assert [name_of(d.job.payload) for d in ledger.dead()] == [killer]
    assert "died during each of 2 attempts" in ledger.dead()[0].error
    assert outcomes(sqlite_store).total() == ledger.counts()["done"] == 29


@pytest.mark.parametrize("name", [signal.SIGTERM, signal.SIGINT])
def test_a_polite_signal_ends_the_worker_with_exit_code_0_and_nothing_leased(sqlite_store, tmp_path, name):
    payloads = fill(sqlite_store, 2_000)
    ledger = StoreLedger(sqlite_store)
    ledger.put(jobs_of(payloads))
    process = start(tmp_path)
    first_outcome(sqlite_store, process)
    process.send_signal(name)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert ledger.counts()["leased"] == 0
    assert int(out) == outcomes(sqlite_store).total() == ledger.counts()["done"] < 2_000


def test_two_worker_processes_share_without_duplicates(sqlite_store, tmp_path):
    payloads = fill(sqlite_store, 800)
    StoreLedger(sqlite_store).put(jobs_of(payloads))
    scored = []
    for process in [start(tmp_path), start(tmp_path)]:
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        scored.append(int(out))
    assert sum(scored) == 800
    check(sqlite_store, payloads)
