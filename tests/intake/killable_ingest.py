"""A process that ingests in forked children, so that a test can kill one at any moment without paying for imports again.

``LANDING<tab>WORKSPACE`` on standard input starts one child; prints the child's process id, and after
its end the exit status.
"""

import os
import sys
from pathlib import Path

from line_maps import read_lines

from inspection.intake.ingest import ingest
from inspection.intake.labels import beside, read_labels
from inspection.intake.landing import claim
from inspection.params import Params
from inspection.settings import Workspace
from inspection.store.database import Store


def run(landing: Path, root: Path) -> None:
    """What one `inspection ingest` does."""
    workspace, params = Workspace(root), Params()
    workspace.root.mkdir(parents=True, exist_ok=True)
    table = beside(landing)
    with Store(f"sqlite:///{workspace.store}") as store:
        labels = None if table is None else read_labels(table, ["Donut", "Normal"])
        claims = claim(landing, workspace, store, params.ingest, settle_s=0.0)
        ingest(claims, workspace, store, params, read_lines, labels=labels)


def main() -> None:
    """Fork a child for every line."""
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            run(*map(Path, line.rstrip("\n").split("\t")))
            os._exit(0)
        print(child, flush=True)  # noqa: T201 - the protocol of this process
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
