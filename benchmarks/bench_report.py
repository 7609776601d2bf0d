"""The report of 20 000 test wafers: how long it takes and how large it is, beside the limits of 60 s and 20 MB.

Wafers are simulated points (a few hundred to some thousand defects each) or die maps; every fifth one is called wrongly, so that every cell
of the confusion matrix has pictures to show. Nothing is read from disk.

    python benchmarks/bench_report.py [--wafers 20000] [--classes 9,38] [--kind points]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from inspection.evaluation.evaluation import Evaluation, Part, evaluate
from inspection.evaluation.report import Background, write_report
from inspection.params import Evaluate
from inspection.wafer.maps import DefectMap, DieMap, WaferInfo
from inspection.wafer.taxonomy import JOIN, Taxonomy, WaferClass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inspection.wafer.maps import InspectionMap

PATTERNS = ("Center", "Donut", "Edge-Loc", "Edge-Ring", "Loc", "Near-full", "Scratch", "Random")
LIMIT_S, LIMIT_MB = 60, 20


def taxonomy(k: int) -> Taxonomy:
    """``none``, the patterns, and then as many combinations of them as it takes."""
    pairs = [JOIN.join((a, b)) for i, a in enumerate(PATTERNS) for b in PATTERNS[i + 1 :]]
    names = ("none", *PATTERNS, *pairs, *(JOIN.join((a, "x")) for a in pairs))[:k]
    return Taxonomy(tuple(WaferClass(name, normal=name == "none") for name in names))


def judged(wafers: int, k: int) -> Evaluation:
    """Wafers of ``k`` classes, half of them normal."""
    rng = np.random.default_rng(0)

    def part(n: int) -> Part:
        truth = np.where(rng.random(n) < 0.5, 0, rng.integers(0, k, n))
        p = np.exp(rng.normal(size=(n, k)) * 2 + (4 + np.log(k)) * np.eye(k)[truth])
        return Part(
            truth=truth,
            probabilities=(p / p.sum(axis=1, keepdims=True)).astype(np.float32),
            group=np.array([f"LOT{i // 25:05d}" for i in range(n)]),
            unknown=rng.random(n) < 0.05,
        )

    return evaluate(part(wafers // 4), part(wafers), taxonomy(k), Evaluate(bootstrap=100), rng)


def drawn(kind: str, positions: Sequence[int]) -> list[InspectionMap]:
    """A map for each position, the same each time."""
    maps: list[InspectionMap] = []
    for position in positions:
        rng = np.random.default_rng(position)
        info = WaferInfo(lot=f"LOT{position // 25:05d}", wafer=str(position % 25 + 1))
        if kind == "points":
            spread = rng.normal(0, 45_000, (int(rng.integers(100, 4_000)), 2))
            maps.append(DefectMap(info=info, xy_um=spread, pitch_um=(8e3, 9e3), origin_um=(0.0, 0.0)))
        else:
            y, x = np.mgrid[-1:1:40j, -1:1:44j]
            maps.append(DieMap(info=info, status=np.where(x * x + y * y <= 1, rng.integers(1, 3, x.shape), 0).astype(np.uint8)))
    return maps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wafers", type=int, default=20_000)
    parser.add_argument("--classes", default="9,38")
    parser.add_argument("--kind", choices=("points", "dies"), default="points")
    asked = parser.parse_args()
    print(f"{'wafers':>8}{'classes':>9}{'pictures':>10}{'wall s':>9}{'cpu s':>8}{'MB':>7}   of {LIMIT_S} s, {LIMIT_MB} MB")
    for k in map(int, asked.classes.split(",")):
        evaluation = judged(asked.wafers, k)
        pictures: list[int] = []

        def maps(positions: Sequence[int], into: list[int] = pictures) -> list[InspectionMap]:
            into.extend(positions)
            return drawn(asked.kind, positions)

        with tempfile.TemporaryDirectory() as folder:
            wall, cpu = time.perf_counter(), time.process_time()
            path = write_report(Path(folder), evaluation, Background(title="benchmark"), maps)
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            size = path.stat().st_size / 1e6
        print(
            f"{asked.wafers:8d}{k:9d}{len(pictures):10d}{wall:9.1f}{cpu:8.1f}{size:7.2f}   "
            f"{wall / LIMIT_S:.2f} of the time, {size / LIMIT_MB:.2f} of the size"
        )


if __name__ == "__main__":
    main()
