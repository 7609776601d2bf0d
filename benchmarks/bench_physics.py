"""What a wafer's physical check costs beside reading its file.

``python benchmarks/bench_physics.py [--defects 100 10000 1000000]`` writes KLARF 1.2 files of the simulator's product, reads
and checks each, and prints the medians: the check of 10 000 points takes well under 1 ms. ``NumPy unique`` is the peer: the
repeated rows alone, by ``np.unique(axis=0)``.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from inspection.formats.klarf.writer import write_klarf12
from inspection.formats.table import read
from inspection.intake.physics import check
from inspection.params import Ingest, Validate
from inspection.simulator.products import PRODUCTS
from inspection.wafer.maps import DefectMap, WaferInfo

if TYPE_CHECKING:
    from collections.abc import Callable

    from inspection.wafer.maps import SourceWafer


def full_wafer(defects: int) -> DefectMap:
    rng, product = np.random.default_rng(0), PRODUCTS[0]
    xy = rng.uniform(-product.radius_um, product.radius_um, (2 * defects + 100, 2))
    xy = np.round(xy[product.on_dies(xy, product.dies)][:defects], 3)
    return DefectMap(
        info=WaferInfo(lot="L1", wafer="01", diameter_mm=product.diameter_mm),
        xy_um=xy,
        pitch_um=product.pitch_um,
        origin_um=product.origin_um,
        dies=product.dies,
        attributes={"DSIZE": np.round(rng.lognormal(size=len(xy)), 3), "CLASSNUMBER": rng.integers(4, size=len(xy))},
    )


def median_ms(call: Callable[[], object], least_s: float = 1.0) -> float:
    times: list[float] = []
    while sum(times) < least_s or len(times) < 3:
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return statistics.median(times) * 1e3


def _read(path: Path) -> list[SourceWafer]:
    return list(read(path, Ingest()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--defects", type=int, nargs="+", default=[100, 10_000, 1_000_000])
    print(f"{'defects':>9} {'read ms':>10} {'check ms':>10} {'check / read':>13} {'NumPy unique ms':>16}")
    with tempfile.TemporaryDirectory() as folder:
        for defects in parser.parse_args().defects:
            path = Path(folder) / f"{defects}.klarf"
            write_klarf12(path, [full_wafer(defects)])
            (wafer,) = _read(path)
            points = wafer.map
            if not isinstance(points, DefectMap) or check(points, Validate()):
                raise SystemExit(f"{path} is not clean")
            reading = median_ms(partial(_read, path))
            checking = median_ms(partial(check, points, Validate()))
            peer = median_ms(partial(np.unique, points.xy_um, axis=0))
            print(f"{points.defects:>9} {reading:>10.3f} {checking:>10.3f} {checking / reading:>13.1%} {peer:>16.3f}")


if __name__ == "__main__":
    main()
