"""A process that ingests in forked children, so that a test can kill one at any moment without paying for imports
again.

A line on standard input starts one child; its process id is printed, and after its end its exit status. Fields are
separated by tabs: ``LANDING WORKSPACE`` runs, ``LANDING WORKSPACE LINE`` dies at that line, ``LANDING WORKSPACE WHEN
LIMIT`` runs on a full disk, ``LANDING WORKSPACE live WORKERS LINE`` lives through deliveries and releases (see `live`).
"""

import os
import resource
import signal
import sys
from pathlib import Path

import pandas as pd  # noqa: F401 - pyarrow loads it at its first table: before the fork, not in every child
from line_maps import read_lines

from inspection.errors import EngineError
from inspection.intake import quarantine
from inspection.intake.ingest import ingest
from inspection.intake.labels import beside, read_labels
from inspection.intake.landing import claim
from inspection.params import Params
from inspection.settings import Workspace
from inspection.store.database import Store


def run(landing: Path, root: Path, before_claim=lambda: None, before_ingest=lambda: None) -> None:
    """What one `inspection ingest` does."""
    workspace, params = Workspace(root), Params()
    workspace.root.mkdir(parents=True, exist_ok=True)
    table = beside(landing)
    with Store(f"sqlite:///{workspace.store}") as store:
        labels = None if table is None else read_labels(table, ["Donut", "Normal"])
        before_claim()
        claims = claim(landing, workspace, store, params.ingest, settle_s=0.0)
        before_ingest()
        ingest(claims, workspace, store, params, read_lines, labels=labels)


def run_limited(landing: Path, root: Path, when: str, limit: str) -> int:
    """`run` on a disk that is full from ``when`` on: no file may grow beyond ``limit`` bytes. 7 = the engine error."""

    def full():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # then a write fails with an OSError
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), resource.RLIM_INFINITY))

    try:
        run(landing, root, **{when: full})
    except EngineError as error:
        root.with_suffix(".error").write_text(str(error))
        return 7
    return 0


def run_traced(landing: Path, root: Path, deadly: str) -> None:
    """`run`, killed at the ``deadly``-th line of the package; 0 = never."""
    traced(lambda: run(landing, root), root, int(deadly))


def traced(act, root: Path, deadly: int) -> None:
    """Act, killed at the ``deadly``-th line of the package; 0 = never, negative = not even counted.

    Leaves the number of lines beside ``root``.
    """
    lines = 0

    def count(frame, event, _):
        nonlocal lines
        if not frame.f_globals.get("__name__", "").startswith("inspection."):
            return None
        if event == "line":
            lines += 1
            if lines == deadly:
                os.kill(os.getpid(), signal.SIGKILL)
        return count

    if deadly >= 0:
        sys.settrace(count)
    act()
    sys.settrace(None)
    root.with_suffix(".lines").write_text(str(lines))


def live(landing: Path, root: Path, workers: int) -> None:
    """Each folder of ``landing`` is a delivery: ingested, then what was refused by physics is released, and at the end all again."""
    workspace, params = Workspace(root), Params()
    workspace.root.mkdir(parents=True, exist_ok=True)
    with Store(f"sqlite:///{workspace.store}") as store:
        for delivery in (*sorted(landing.iterdir()), landing):
            claims = claim(delivery, workspace, store, params.ingest, settle_s=0.0)
            ingest(claims, workspace, store, params, read_lines, workers=workers, worth_bytes=0)
            for one in quarantine.list(workspace, store):
                if one.reason["code"] == "wafer.outside" and delivery != landing:
                    quarantine.release(workspace, store, one.sha256)


def run_life(landing: Path, root: Path, _: str, workers: str, deadly: str) -> None:
    """`live`, killed at the ``deadly``-th line of the package; 0 = never."""
    traced(lambda: live(landing, root, int(workers)), root, int(deadly))


def main() -> None:
    """Fork a child for every line."""
    acts = {0: run, 1: run_traced, 2: run_limited, 3: run_life}
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            landing, root, *more = line.rstrip("\n").split("\t")
            os._exit(acts[len(more)](Path(landing), Path(root), *more) or 0)
        print(child, flush=True)  # noqa: T201 - the protocol of this process
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
