"""Ingest of many small files and of a few large ones: 1 process against many, in the same run, and the bytes compared.

python benchmarks/bench_ingest.py [--lots 40] [--workers 2]
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import tempfile
import time
from pathlib import Path

from inspection import stages
from inspection.formats import table
from inspection.intake.ingest import ingest
from inspection.intake.landing import land
from inspection.params import Params
from inspection.settings import Workspace
from inspection.store.database import Store


def shards(workspace: Workspace) -> str:
    digest = hashlib.sha256()
    for path in sorted(workspace.canonical.iterdir()):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def measured(source: Path, root: Path, workers: int) -> tuple[float, float, float, int, str]:
    """Seconds to claim, to ingest, to find that nothing is new; files; hash of all shards."""
    workspace, params = Workspace(root), Params()
    workspace.root.mkdir()
    with Store(f"sqlite:///{workspace.store}") as store:
        begun = time.perf_counter()
        landed = land(source, workspace, store, params.ingest)
        claimed = time.perf_counter()
        done = ingest(landed.claims, workspace, store, params, table.read, recognise=table.recognise, workers=workers, worth_bytes=0)
        ended = time.perf_counter()
        land(source, workspace, store, params.ingest)
        return claimed - begun, ended - claimed, time.perf_counter() - ended, done.files, shards(workspace)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lots", type=int, default=40)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    top = Path(tempfile.mkdtemp(prefix="bench-ingest-"))
    try:
        stages.simulate_fab(top / "fab", lots=given.lots, wafers=25, seed=0, difficulty="easy", format="klarf12")
        time.sleep(2.5)  # younger files are looked into a second time
        print(f"{'processes':>9} {'claim s':>8} {'ingest s':>9} {'files/s':>8} {'look again s':>13}  shards")
        seen = set()
        for workers in (1, given.workers):
            claim_s, ingest_s, again_s, files, digest = measured(top / "fab", top / f"with{workers}", workers)
            seen.add(digest)
            print(f"{workers:>9} {claim_s:>8.2f} {ingest_s:>9.2f} {files / ingest_s:>8.0f} {again_s:>13.2f}  {digest[:12]}")
        print("the same bytes" if len(seen) == 1 else "DIFFERENT BYTES")
    finally:
        shutil.rmtree(top)


if __name__ == "__main__":
    main()
