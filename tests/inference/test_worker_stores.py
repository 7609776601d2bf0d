"""The worker over each kind of store."""

from __future__ import annotations

import threading

from inference_fab import Champion, RadialScorer, fill, jobs_of, name_of, read_maps
from sqlalchemy import select

from inspection.inference.ledger import StoreLedger
from inspection.inference.worker import Worker
from inspection.params import Infer
from inspection.store.tables import predictions

MODEL = "m" * 64


def test_workers_side_by_side_give_every_wafer_one_outcome_and_only_the_poison_dies(store):
    payloads = fill(store, 200)
    ledger = StoreLedger(store)
    ledger.put(jobs_of(payloads))
    bad = frozenset({name_of(payloads[0]), name_of(payloads[77])})
    params = Infer(batch_sizes=(4, 16), max_attempts=2)
    workers = [
        Worker(store, ledger, lambda _: RadialScorer(MODEL, poison=bad), read_maps, lambda: Champion(MODEL), params, poll_s=0.01)
        for _ in range(3)
    ]
    threads = [threading.Thread(target=w.run, kwargs={"until_empty": True}) for w in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ledger.counts() == {"waiting": 0, "leased": 0, "done": 198, "dead": 2}
    assert {name_of(d.job.payload) for d in ledger.dead()} == bad
    with store.read() as connection:
        stored = [tuple(row) for row in connection.execute(select(predictions.c.file_sha256, predictions.c["index"]))]
    assert sorted(stored) == sorted((p["file_sha256"], p["index"]) for p in payloads if name_of(p) not in bad)
