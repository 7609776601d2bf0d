"""Views of many wafers: one process against several, in the same run, and the bytes compared.

python benchmarks/bench_tile.py [--wafers 20000] [--workers 2]
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from inspection.formats.canonical import CanonicalWafer, write_shard
from inspection.params import Params
from inspection.views.processes import draw_in_processes
from inspection.views.renderer import ViewSpec
from inspection.views.shards import draw_here, write_views
from inspection.wafer.maps import DefectMap, SourceWafer, WaferInfo

if TYPE_CHECKING:
    from collections.abc import Iterator

RADIUS_UM = 150_000.0


def wafers(count: int) -> Iterator[CanonicalWafer]:
    """Wafers of 100 to 2 000 defects, evenly spread."""
    rng = np.random.default_rng(0)
    for i in range(count):
        defects = int(rng.integers(100, 2_000))
        radius, angle = RADIUS_UM * np.sqrt(rng.random(defects)), rng.random(defects) * 2 * np.pi
        found = DefectMap(info=WaferInfo(lot=f"L{i // 25}", wafer=str(i % 25)), xy_um=np.c_[radius * np.cos(angle), radius * np.sin(angle)])
        yield CanonicalWafer(file_sha256="0" * 64, source="bench", wafer=SourceWafer(index=i, row=i, map=found, label=None, notes=()))


def content(folder: Path) -> str:
    """Hash of all files."""
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wafers", type=int, default=20_000)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    recipe = Params().tile.points
    spec = ViewSpec(recipe.size_px, recipe.tiles, recipe.tile_px, recipe.tile_mm)
    top = Path(tempfile.mkdtemp(prefix="bench-tile-"))
    try:
        write_shard(top / "wafers.parquet", wafers(given.wafers))
        print(f"{'processes':>9} {'s':>7} {'wafers/s':>9}  views")
        seen, first_s = set(), 0.0
        for workers in (1, given.workers, 1, given.workers):
            begun = time.perf_counter()
            write_views(
                top / "views", top / "wafers.parquet", spec, draw_here if workers == 1 else partial(draw_in_processes, count=workers)
            )
            seconds = time.perf_counter() - begun
            first_s = seconds if workers == 1 else first_s
            seen.add(content(top / "views"))
            gain = "" if workers == 1 else f"  {first_s / seconds:.2f} x as fast"
            print(f"{workers:>9} {seconds:>7.2f} {given.wafers / seconds:>9.0f}  {content(top / 'views')[:12]}{gain}")
        print("the same bytes" if len(seen) == 1 else "DIFFERENT BYTES")
    finally:
        shutil.rmtree(top)


if __name__ == "__main__":
    main()
