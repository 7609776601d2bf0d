"""A small fab for the inference tests: wafers in a store, their maps, a real scorer in NumPy; run as a program it is a worker."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from inspection.inference.ledger import StoreLedger
from inspection.inference.worker import Worker
from inspection.params import Infer
from inspection.scoring.decision import Scored
from inspection.store.database import Store
from inspection.store.tables import files, wafers
from inspection.wafer.maps import DefectMap, WaferInfo

PER_FILE = 10
CONFIG = "c" * 64


@dataclass(frozen=True)
class Champion:
    bundle_sha256: str


def file_sha256(number: int) -> str:
    return f"{number:064x}"


def fill(store: Store, count: int, lots: int = 4) -> list[dict]:
    """Put ``count`` wafers into the tables; returns their payloads."""
    at = datetime(2026, 1, 1)  # noqa: DTZ001 - the store keeps naive UTC
    payloads = [{"file_sha256": file_sha256(i // PER_FILE), "index": i % PER_FILE} for i in range(count)]
    with store.write() as connection:
        shas = sorted({p["file_sha256"] for p in payloads})
        connection.execute(
            files.insert(),
            [{"sha256": sha, "name": sha, "bytes": 1, "state": "ingested", "landed_at": at, "changed_at": at} for sha in shas],
        )
        rows = [
            {**p, "source": p["file_sha256"], "row": -1, "lot": f"L{i % lots}", "wafer": f"{i:03}", "kind": "points"}
            for i, p in enumerate(payloads)
        ]
        shared = {"diameter_mm": 300.0, "defects": 5, "state": "valid", "notes": [], "ingested_at": at}
        connection.execute(wafers.insert(), [{**row, **shared} for row in rows])
    return payloads


def key(payload: dict, model: str = "m" * 64) -> str:
    return f"{payload['file_sha256']}:{payload['index']}:{model}:{CONFIG}"


def jobs_of(payloads: list[dict], model: str = "m" * 64) -> list[tuple[str, dict]]:
    return [(key(p, model), p) for p in payloads]


def name_of(payload: dict) -> str:
    return f"{int(payload['file_sha256'], 16)}/{payload['index']}"


def read_maps(payloads: list[dict]) -> list[DefectMap]:
    maps = []
    for p in payloads:
        rng = np.random.default_rng([int(p["file_sha256"], 16), p["index"]])
        angle, radius = rng.uniform(0, 2 * np.pi, 50), rng.uniform(0, 140_000, 50) * rng.uniform(0.1, 1)
        xy_um = np.column_stack((radius * np.cos(angle), radius * np.sin(angle)))
        maps.append(DefectMap(info=WaferInfo(wafer=name_of(p)), xy_um=xy_um))
    return maps


class RadialScorer:
    """The likelier ring, the farther out the defects lie. Raises on wafers of ``poison``, kills the process on those of ``killers``."""

    def __init__(self, sha256: str, *, poison: frozenset[str] = frozenset(), killers: frozenset[str] = frozenset()):
        self.sha256, self.config_sha256 = sha256, CONFIG
        self.poison, self.killers = poison, killers
        self.sizes: list[int] = []

    def prepare(self, maps):
        names = [m.info.wafer for m in maps]
        radii = [np.hypot(*m.xy_um.T).mean() if len(m.xy_um) else 0.0 for m in maps]
        return names, np.array(radii)

    def score(self, prepared):
        names, radii = prepared
        self.sizes.append(len(names))
        if self.killers.intersection(names):
            os.kill(os.getpid(), signal.SIGKILL)
        if bad := self.poison.intersection(names):
            message = f"cannot digest {sorted(bad)}"
            raise ArithmeticError(message)
        ring = radii / 150_000
        return [Scored("Ring" if p > 0.5 else "Normal", "Review", max(p, 1 - p), {"Ring": p, "Normal": 1 - p}) for p in ring.tolist()]


def main() -> None:
    """``inference_fab.py DATABASE NAME [LEASE_S] [MAX_ATTEMPTS] [KILLER]``: a worker that ends when all is done."""
    path, name, lease_s, attempts, killer = [*sys.argv[1:], *["", "", "30", "1000", ""][len(sys.argv) - 1 :]]
    scorer = RadialScorer("m" * 64, killers=frozenset([killer]) if killer else frozenset())
    params = Infer(batch_sizes=(2, 8), lease_s=float(lease_s), max_attempts=int(attempts))
    with Store(f"sqlite:///{Path(path)}") as store:
        worker = Worker(
            store,
            StoreLedger(store),
            lambda _: scorer,
            read_maps,
            lambda: Champion("m" * 64),
            params,
            name=name or None,
            poll_s=0.01,
        )
        report = worker.run(until_empty=True, handle_signals=True)
    print(report.scored)  # noqa: T201 - the test reads it


if __name__ == "__main__":
    main()
