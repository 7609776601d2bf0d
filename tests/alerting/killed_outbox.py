"""Program of ``test_outbox_kills.py``: judge and deliver in processes that are killed (SIGKILL) at random places.

``python killed_outbox.py FOLDER SEED URL``. One life is a fork: it kills itself just before or
after its n-th statement of SQL or sending, n drawn from the seed. Lives follow until one ends by itself with nothing
left to do. Prints the number of kills.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
from conftest import Fab
from sqlalchemy import event

from inspection.alerting.judging import judge
from inspection.alerting.outbox import Backoff, deliver
from inspection.alerting.sinks.local import FileSink, LogSink
from inspection.alerting.sinks.webhook import WebhookSink
from inspection.params import Alert, load
from inspection.settings import Workspace
from inspection.store import alerts as table
from inspection.store.database import Store

LEASE_S = 0.01


class Fate:
    """Counts steps and kills at the chosen one."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.left = int(rng.integers(1, 60))

    def step(self, *_) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def life(folder: Path, url: str, fate: Fate, rng: np.random.Generator) -> None:
    store, workspace = Store(f"sqlite:///{folder / 'store.sqlite'}"), Workspace(folder)
    for moment in ("before_cursor_execute", "after_cursor_execute", "commit", "rollback"):
        event.listen(store.engine, moment, fate.step)
    sinks = [LogSink(workspace), FileSink(workspace), WebhookSink(url)]
    for sink in sinks:
        sink.send = lambda *a, send=sink.send: (fate.step(), send(*a), fate.step())
    params, classes = Alert(unknown_wafers=2), load().classes
    judge(store, params, classes, [s.name for s in sinks], pass_size=4)

    def draw(_):
        fate.step()
        return b"picture"

    while True:
        deliver(store, sinks, workspace, rng, draw=draw, backoff=Backoff(lease_s=LEASE_S, max_attempts=10_000))
        with store.read() as c:
            if all(set(states) == {"sent"} for states in table.outbox_counts(c).values()):
                return
        time.sleep(LEASE_S)


def main(folder: Path, seed: int, url: str) -> int:
    rng = np.random.default_rng(seed)
    with Store(f"sqlite:///{folder / 'store.sqlite'}") as store:
        fab = Fab(store)
        fab.score(["Grid", "Normal", "Grid", "Donut", "Grid"])
        fab.score(["Loc", "none", "Unknown", "Loc", "Unknown"], lot="", layer=None, source="archive.npz")
    kills = 0
    while True:
        fate, child_rng = Fate(rng), rng.spawn(1)[0]
        child = os.fork()
        if child == 0:
            life(folder, url, fate, child_rng)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
            kills += 1
            continue
        return kills if status == 0 else -1


if __name__ == "__main__":
    print(main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))  # noqa: T201 - the program's answer
