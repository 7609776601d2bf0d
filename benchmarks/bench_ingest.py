"""What several processes gain in ingestion: many small files, and one lot of large ones (25 KLARF, about 170 MB).

    python benchmarks/bench_ingest.py [--lots 40] [--defects 65000] [--workers CORES] [--rounds 3]

One process and many take turns in the same run; each ratio is that of neighbours, the medians are printed, and the shards must be the
same bytes. The time of many includes the start of the processes; the one process has its modules loaded. The limit is the number of
cores that nothing else uses: what the machine had to do besides is printed as the load of the minute before.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from inspection import stages
from inspection.formats import table
from inspection.formats.klarf.writer import write_klarf12
from inspection.intake.ingest import ingest
from inspection.intake.landing import land
from inspection.params import Params
from inspection.settings import Workspace
from inspection.store.database import Store
from inspection.wafer.maps import DefectMap, WaferInfo


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


def write_lot(folder: Path, defects: int) -> None:
    """One KLARF per wafer of a lot, with the usual columns."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for slot in range(1, 26):
        radius_um, angle = 145_000 * np.sqrt(rng.random(defects)), rng.uniform(0, 2 * np.pi, defects)
        sizes = rng.gamma(2.0, 1.0, (defects, 2)).round(3) + 0.1
        columns = {
            "XSIZE": sizes[:, 0],
            "YSIZE": sizes[:, 1],
            "DEFECTAREA": sizes.prod(axis=1).round(6),
            "DSIZE": sizes.max(axis=1),
            "CLASSNUMBER": np.zeros(defects, np.int64),
            "TEST": np.ones(defects, np.int64),
            "ROUGHBINNUMBER": rng.integers(0, 40, defects),
        }
        info = WaferInfo(lot="LARGE", wafer=f"{slot:02}", slot=slot, product="P", layer="M1", tool="T", recipe="R",
                         inspected_at=datetime(2026, 1, 1, 8, slot, tzinfo=UTC))  # fmt: skip
        xy_um = radius_um[:, None] * np.column_stack((np.cos(angle), np.sin(angle)))
        wafer = DefectMap(info=info, xy_um=xy_um, pitch_um=(7_000.0, 5_000.0), origin_um=(0.0, 0.0), attributes=columns)
        write_klarf12(folder / f"LARGE_{slot:02}.001", [wafer])


def warm_up(top: Path) -> None:
    """Whatever is compiled once per machine or loaded once per process."""
    write_lot(top / "first", 500)
    measured(top / "first", top / "workspace", 1)
    shutil.rmtree(top / "workspace")


def compare(source: Path, top: Path, workers: int, rounds: int) -> None:
    """Rounds of one process and many, in turn about; the first to go changes."""
    total_mb = sum(path.stat().st_size for path in source.rglob("*") if path.is_file()) / 1e6
    load = os.getloadavg()[0]
    found: dict[int, list[tuple[float, float, float, int, str]]] = {1: [], workers: []}
    for number in range(rounds):
        for count in (1, workers) if number % 2 == 0 else (workers, 1):
            found[count].append(measured(source, top / "workspace", count))
            shutil.rmtree(top / "workspace")
    print(f"\n{source.name}: {found[1][0][3]} files, {total_mb:.0f} MB; {os.cpu_count()} cores, load before {load:.1f}")
    print(f"{'processes':>9} {'claim s':>8} {'ingest s':>9} {'files/s':>8} {'MB/s':>6} {'look again s':>13} {'x one process':>14}")
    for count, runs in found.items():
        claim_s, ingest_s, again_s = (statistics.median(run[k] for run in runs) for k in range(3))
        gain = statistics.median(one[1] / other[1] for one, other in zip(found[1], runs, strict=True))
        rates = f"{runs[0][3] / ingest_s:>8.0f} {total_mb / ingest_s:>6.1f}"
        print(f"{count:>9} {claim_s:>8.2f} {ingest_s:>9.2f} {rates} {again_s:>13.2f} {gain:>14.2f}")
    print("the same bytes" if len({run[4] for runs in found.values() for run in runs}) == 1 else "DIFFERENT BYTES")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lots", type=int, default=40)
    parser.add_argument("--defects", type=int, default=65_000, help="of each wafer of the lot of large files")
    parser.add_argument("--workers", type=int, default=max(2, len(os.sched_getaffinity(0))))
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    top = Path(tempfile.mkdtemp(prefix="bench-ingest-"))
    try:
        warm_up(top)
        write_lot(top / "large files", given.defects)
        stages.simulate_fab(top / "small files", lots=given.lots, wafers=25, seed=0, difficulty="easy", format="klarf12")
        time.sleep(2.5)  # younger files are looked into a second time
        for source in (top / "large files", top / "small files"):
            compare(source, top, given.workers, given.rounds)
    finally:
        shutil.rmtree(top)


if __name__ == "__main__":
    main()
