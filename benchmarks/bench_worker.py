"""How much of a model's bare rate is left when the worker, the ledger and the store are around it.

``python benchmarks/bench_worker.py [--wafers 3200] [--size 64] [--layers 12]`` scores the same synthetic maps twice in
static batches: by a bare loop of reading, rendering and scoring, then through the worker. The model is a stack of NumPy
matrix products, sized to about 1 000 wafers/s. On a busy machine only the CPU columns mean anything; set
``OPENBLAS_NUM_THREADS=1`` for them.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "inference"))

from inference_fab import CONFIG, Champion, fill, jobs_of, read_maps

from inspection.inference.ledger import StoreLedger
from inspection.inference.scorer import prepare, score
from inspection.inference.worker import Worker
from inspection.params import Infer
from inspection.scoring.decision import Scored
from inspection.store.database import Store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from inspection.wafer.maps import DefectMap

CLASSES = [f"class-{i}" for i in range(13)]


class Stack:
    """Renders a histogram of the defects and multiplies it through ``layers`` square matrices."""

    def __init__(self, layers: int, width: int = 1_024) -> None:
        self.sha256, self.config_sha256 = "m" * 64, CONFIG
        rng = np.random.default_rng(0)
        self.weights = [rng.standard_normal((width, width), dtype=np.float32) / width**0.5 for _ in range(layers)]
        self.bins = round(width**0.5)

    def prepare(self, maps: Sequence[DefectMap]) -> NDArray[np.float32]:
        views = np.zeros((len(maps), self.bins * self.bins), np.float32)
        for view, m in zip(views, maps, strict=True):
            cell = ((m.xy_um + 150_000) / 300_000 * self.bins).astype(int).clip(0, self.bins - 1)
            np.add.at(view, cell[:, 1] * self.bins + cell[:, 0], 1)
        return views

    def score(self, views: NDArray[np.float32]) -> list[Scored]:
        for weight in self.weights:
            views = np.maximum(views @ weight, 0)
        votes = np.exp(views[:, : len(CLASSES)])
        votes /= votes.sum(axis=1, keepdims=True)
        best = votes.argmax(axis=1)
        return [
            Scored(CLASSES[b], CLASSES[b], float(v[b]), dict(zip(CLASSES, v.tolist(), strict=True)))
            for b, v in zip(best, votes, strict=True)
        ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--wafers", type=int, default=3_200)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--repeat", type=int, default=3)
    given = parser.parse_args()
    scorer, sizes = Stack(given.layers), (8, given.size)
    print("| bare wafers/s | worker wafers/s | share | bare CPU ms/wafer | worker CPU ms/wafer | share |")
    print("|" + " ---: |" * 6)
    for _ in range(given.repeat):
        with tempfile.TemporaryDirectory() as folder, Store(f"sqlite:///{folder}/store.sqlite") as store:
            payloads = fill(store, given.wafers)
            ledger = StoreLedger(store)
            ledger.put(jobs_of(payloads))
            start, cpu = time.perf_counter(), time.process_time()
            for i in range(0, len(payloads), given.size):
                score(scorer, prepare(scorer, read_maps(payloads[i : i + given.size]), sizes))
            bare = given.wafers / (time.perf_counter() - start)
            bare_ms = 1_000 * (time.process_time() - cpu) / given.wafers
            worker = Worker(store, ledger, lambda _: scorer, read_maps, lambda: Champion("m" * 64), Infer(batch_sizes=sizes))
            cpu = time.process_time()
            rate = given.wafers / worker.run(until_empty=True).seconds
            ms = 1_000 * (time.process_time() - cpu) / given.wafers
        print(f"| {bare:,.0f} | {rate:,.0f} | {rate / bare:.0%} | {bare_ms:.2f} | {ms:.2f} | {bare_ms / ms:.0%} |")


if __name__ == "__main__":
    main()
