"""DBOS Transact against leased rows, both on SQLite: throughput, takeover and kill -9.

``python benchmarks/bench_ledger.py [--wafers 10000] [--kills 5]`` prints the table that decided
``inspection/inference/ledger.py``. Every worker is a process of its own that scores nothing: what is timed is the ledger.
Outcomes go to a table without a unique key, so that a second outcome of one wafer is seen and not swallowed.

* ``dbos wafer``: a workflow per wafer; 64 running workflows are coalesced into a batch, as the worker would.
* ``dbos batch``: a workflow per 64 wafers, coalesced already when put; outcomes commit with the step's record (its datasource).
* ``leased rows``: the SQL store; outcomes commit with the end of the jobs.
"""

from __future__ import annotations

import argparse
import queue
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

BATCH = 64
KINDS = ("dbos wafer", "dbos batch", "leased rows")
LEASE_S = 3.0
PATIENCE_S = 180.0


def payload(number: int) -> dict[str, str | int]:
    return {"file_sha256": f"{number:064x}", "index": number, "model_sha256": "m" * 64, "config_sha256": "c" * 64}


def key(number: int) -> str:
    return f"{number:064x}:{number}:{'m' * 64}:{'c' * 64}"


def outcomes(folder: Path) -> list[int]:
    with closing(sqlite3.connect(folder / "store.sqlite", timeout=30)) as connection:
        return [row[0] for row in connection.execute("SELECT wafer FROM outcomes")]


# ---- DBOS ----------------------------------------------------------------------------------------------------------


def dbos_engine(folder: Path) -> Any:
    from sqlalchemy import create_engine, event

    # WAL and synchronous=NORMAL, as the store has it: DBOS's own default (rollback journal, FULL) is slower still.
    engine = create_engine(f"sqlite:///{folder / 'dbos.sqlite'}", connect_args={"timeout": 30})

    @event.listens_for(engine, "connect")
    def pragmas(connection: Any, _: Any) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA busy_timeout=30000")
        connection.execute("PRAGMA foreign_keys=ON")

    return engine


def dbos_worker(folder: Path, kind: str, executor: str) -> None:
    from dbos import DBOS, DBOSPortableJSONSerializer, SQLAlchemyDatasource
    from sqlalchemy import text

    config = {
        "name": "spike",
        "system_database_engine": dbos_engine(folder),
        "serializer": DBOSPortableJSONSerializer(),
        "executor_id": executor,
        "application_version": "1",
        "log_level": "ERROR",
        "max_executor_threads": 4 * BATCH,
    }
    DBOS(config=config)
    source = SQLAlchemyDatasource.create(f"sqlite:///{folder / 'store.sqlite'}")
    waiting: queue.Queue = queue.Queue()

    @DBOS.workflow(name="wafer")
    def wafer(item: dict) -> str:
        scored = threading.Event()
        waiting.put((item["index"], scored))
        scored.wait()
        return "scored"

    @source.transaction
    def write(items: list[dict]) -> str:
        source.sql_session().execute(text("INSERT INTO outcomes (wafer) VALUES (:index)"), [{"index": i["index"]} for i in items])
        return "scored"

    @DBOS.workflow(name="batch")
    def batch(items: list[dict]) -> str:
        return write(items)

    def coalesce() -> None:
        with closing(sqlite3.connect(folder / "store.sqlite", timeout=30)) as connection:
            connection.execute("PRAGMA synchronous=NORMAL")
            while True:
                items = [waiting.get()]
                while len(items) < BATCH:
                    try:
                        items.append(waiting.get(timeout=0.005))
                    except queue.Empty:
                        break
                connection.executemany("INSERT INTO outcomes (wafer) VALUES (?)", [(i,) for i, _ in items])
                connection.commit()
                for _, scored in items:
                    scored.set()

    threading.Thread(target=coalesce, daemon=True).start()
    DBOS.launch()
    limit = 2 * BATCH if kind == "dbos wafer" else 4
    DBOS.register_queue("wafers", worker_concurrency=limit, polling_interval_sec=0.01)
    print("ready", flush=True)
    threading.Event().wait()


def dbos_client(folder: Path) -> Any:
    from dbos import DBOSClient, DBOSPortableJSONSerializer

    return DBOSClient(system_database_engine=dbos_engine(folder), serializer=DBOSPortableJSONSerializer())


def dbos_put(folder: Path, kind: str, numbers: range, *, bulk: bool) -> None:
    client = dbos_client(folder)
    options = {"queue_name": "wafers", "app_version": "1"}
    if kind == "dbos wafer":
        calls = [({**options, "workflow_name": "wafer", "workflow_id": key(n)}, payload(n)) for n in numbers]
    else:
        step = BATCH if bulk else 1
        pieces = [numbers[i : i + step] for i in range(0, len(numbers), step)]
        calls = [({**options, "workflow_name": "batch", "workflow_id": key(p[0])}, [payload(n) for n in p]) for p in pieces]
    if bulk:
        with dbos_engine(folder).begin() as connection:
            for option, item in calls:
                client.enqueue_in_transaction(connection, option, item)
    else:
        for option, item in calls:
            client.enqueue(option, item)
    client.destroy()


def dbos_takeover(folder: Path, dead: str) -> int:
    """Ours to add, on public calls: another process resumes what the dead executor still holds."""
    client = dbos_client(folder)
    held = [w.workflow_id for w in client.list_workflows(executor_id=dead, status="PENDING", load_input=False)]
    if held:
        client.resume_workflows(held, queue_name="wafers")
    client.destroy()
    return len(held)


# ---- leased rows ---------------------------------------------------------------------------------------------------


def rows_ledger(folder: Path) -> Any:
    from inspection.inference.ledger import StoreLedger
    from inspection.store.database import Store

    return StoreLedger(Store(f"sqlite:///{folder / 'store.sqlite'}"))


def rows_worker(folder: Path, executor: str) -> None:
    from sqlalchemy import text

    ledger = rows_ledger(folder)
    print("ready", flush=True)
    while True:
        jobs = ledger.claim(executor, BATCH, LEASE_S)
        if not jobs:
            time.sleep(0.01)
            continue
        with ledger.store.write() as connection:
            mine = ledger.done(executor, [job.id for job in jobs], connection)
            rows = [{"index": job.payload["index"]} for job in jobs if job.id in mine]
            connection.execute(text("INSERT INTO outcomes (wafer) VALUES (:index)"), rows)


# ---- the measurement -----------------------------------------------------------------------------------------------


def prepare(folder: Path) -> None:
    """Both engines get an empty database: outcomes, store, DBOS's own tables."""
    with closing(sqlite3.connect(folder / "store.sqlite")) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE outcomes (wafer INTEGER NOT NULL)")
    rows_ledger(folder).store.close()


def put(folder: Path, kind: str, numbers: range, *, bulk: bool) -> float:
    start = time.perf_counter()
    if kind != "leased rows":
        dbos_put(folder, kind, numbers, bulk=bulk)
    else:
        ledger = rows_ledger(folder)
        items = [(key(n), payload(n)) for n in numbers]
        for piece in [items] if bulk else [[item] for item in items]:
            ledger.put(piece)
        ledger.store.close()
    return len(numbers) / (time.perf_counter() - start)


def start(folder: Path, kind: str, executor: str) -> subprocess.Popen[str]:
    command = [sys.executable, __file__, "--worker", kind, "--folder", str(folder), "--executor", executor]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    if process.stdout is None or process.stdout.readline().strip() != "ready":
        msg = f"the {kind} worker did not start"
        raise SystemExit(msg)
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    if process.stdout is not None:
        process.stdout.close()


def wait_for(folder: Path, number: int, limit_s: float = PATIENCE_S) -> float:
    """Seconds until ``number`` distinct wafers have an outcome."""
    begin = time.perf_counter()
    while len(set(outcomes(folder))) < number and time.perf_counter() - begin < limit_s:
        time.sleep(0.02)
    return time.perf_counter() - begin


def measure(kind: str, wafers: int, kills: int, seed: int) -> dict[str, str]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder)
        end(start(folder, kind, "migrate"))
        ones = wafers // 10
        rate_put = put(folder, kind, range(ones), bulk=False), put(folder, kind, range(ones, wafers), bulk=True)
        worker = start(folder, kind, "a")
        # Oldest first: what was put one by one is also claimed first.
        single_s = wait_for(folder, ones)
        before = len(set(outcomes(folder)))
        seconds = wait_for(folder, wafers)
        rate = (len(set(outcomes(folder))) - before) / seconds
        end(worker)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder)
        end(start(folder, kind, "migrate"))
        total = max(640, int(rate * 0.26 * kills))  # so that the kills fall into the work
        put(folder, kind, range(total), bulk=True)
        rng = np.random.default_rng(seed)
        for number in range(kills):
            worker = start(folder, kind, f"w{number}")
            time.sleep(rng.uniform(0.02, 0.5))
            end(worker)
        begin = time.perf_counter()
        worker = start(folder, kind, "last")
        if kind != "leased rows":
            for number in range(kills):
                dbos_takeover(folder, f"w{number}")
        wait_for(folder, total, 60.0)
        takeover = time.perf_counter() - begin
        end(worker)
        got = outcomes(folder)
    return {
        "put one by one /s": f"{rate_put[0]:,.0f}",
        "put in bulk /s": f"{rate_put[1]:,.0f}",
        "claim + done, put one by one /s": f"{ones / single_s:,.0f}",
        "claim + done, put in bulk /s": f"{rate:,.0f}",
        f"all done after {kills} kills, s": f"{takeover:.1f}",
        "lost": str(total - len(set(got))),
        "twice": str(len(got) - len(set(got))),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--wafers", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=KINDS)
    parser.add_argument("--worker", choices=KINDS)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--executor")
    given = parser.parse_args()
    if given.worker == "leased rows":
        rows_worker(given.folder, given.executor)
    elif given.worker:
        dbos_worker(given.folder, given.worker, given.executor)
    results = {k: measure(k, given.wafers, given.kills, given.seed) for k in KINDS if given.only in (None, k)}
    names = list(next(iter(results.values())))
    print("| ledger | " + " | ".join(names) + " |")
    print("| --- |" + " ---: |" * len(names))
    for kind, values in results.items():
        print(f"| {kind} | " + " | ".join(values.values()) + " |")


if __name__ == "__main__":
    main()
