"""How fast tables of points are read, against pyarrow's bare readers and pandas on the same files, and in how much memory.

``python benchmarks/bench_points.py [--rows 1000000] [--repeat 7]`` writes one table of 25 wafers as CSV (comma, and semicolon with decimal
comma), as CSV with its rows shuffled, and as Parquet. Ours gives wafers in the wafer frame, every row checked; the peers give columns. The
readers take turns, and the best of each counts. Memory is the growth of the peak resident size of a process of its own, over the bytes of
the arrays that it returns. Processor seconds are of all threads: on a busy machine they mean more than the clock's.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from inspection.formats.points import table as points_table
from inspection.params import Ingest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from inspection.wafer.maps import SourceWafer


def write_tables(folder: Path, rows: int) -> dict[str, Path]:
    rng = np.random.default_rng(0)
    radius, angle = 149_000 * np.sqrt(rng.random(rows)), 2 * np.pi * rng.random(rows)
    frame = pd.DataFrame(
        {
            "lot": "L00007",
            "wafer": np.char.zfill(np.sort(rng.integers(1, 26, rows)).astype(str), 2),
            "x_um": (radius * np.cos(angle)).round(3),
            "y_um": (radius * np.sin(angle)).round(3),
            "class": rng.integers(0, 9, rows),
            "size_um": rng.gamma(2, 1, rows).round(4),
        }
    )
    paths = {
        n: folder / f
        for n, f in (("CSV", "a.csv"), ("CSV ; decimal ,", "b.csv"), ("CSV, rows shuffled", "c.csv"), ("Parquet", "d.parquet"))
    }
    frame.to_csv(paths["CSV"], index=False)
    frame.to_csv(paths["CSV ; decimal ,"], index=False, sep=";", decimal=",")
    frame.sample(frac=1, random_state=0).to_csv(paths["CSV, rows shuffled"], index=False)
    frame.to_parquet(paths["Parquet"], index=False)
    return paths


def ours(path: Path) -> list[SourceWafer]:
    return list(points_table.read(path, Ingest()))


def bare(path: Path) -> object:
    if path.suffix == ".parquet":
        return pq.read_table(path)
    comma = path.name == "b.csv"
    return pacsv.read_csv(
        path,
        parse_options=pacsv.ParseOptions(delimiter=";" if comma else ","),
        convert_options=pacsv.ConvertOptions(decimal_point="," if comma else "."),
    )


def by_pandas(path: Path) -> object:
    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    comma = path.name == "b.csv"
    return pd.read_csv(path, sep=";" if comma else ",", decimal="," if comma else ".")


def best(readers: Sequence[Callable[[Path], object]], path: Path, repeat: int) -> Iterator[tuple[float, float]]:
    """Least wall and processor seconds of each reader, in turns."""
    taken: list[list[tuple[float, float]]] = [[] for _ in readers]
    for _ in range(repeat):
        for reader, mine in zip(readers, taken, strict=True):
            wall, cpu = time.perf_counter(), time.process_time()
            reader(path)
            mine.append((time.perf_counter() - wall, time.process_time() - cpu))
    for mine in taken:
        yield min(w for w, _ in mine), min(c for _, c in mine)


def memory(path: Path, answer: multiprocessing.Queue[tuple[int, int]], small: Path) -> None:
    """Growth of the peak over what a first, small read left, and the bytes of the arrays, in this process."""
    ours(small)
    before = peak_bytes()
    wafers = ours(path)
    arrays = sum(w.map.xy_um.nbytes + sum(a.nbytes for a in w.map.attributes.values()) for w in wafers)
    answer.put((peak_bytes() - before, arrays))


def peak_bytes() -> int:
    """Peak resident size of this process alone; ``getrusage`` would count what its parent had."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmHWM"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=7)
    given = parser.parse_args()
    print("| file | MB | ours s | pyarrow s | pandas s | ours / pyarrow | CPU, ours / pyarrow | peak memory / arrays |")
    print("|" + " --- |" + " ---: |" * 7)
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        small = folder / "small.csv"
        small.write_text("wafer,x,y\nA,1,2\n")
        for name, path in write_tables(folder, given.rows).items():
            (wall, cpu), (bare_wall, bare_cpu), (pandas_wall, _) = best((ours, bare, by_pandas), path, given.repeat)
            answer: multiprocessing.Queue[tuple[int, int]] = context.Queue()
            process = context.Process(target=memory, args=(path, answer, small))
            process.start()
            grown, arrays = answer.get()
            process.join()
            figures = (wall, bare_wall, pandas_wall, wall / bare_wall, cpu / bare_cpu, grown / arrays)
            print(f"| {name} | {path.stat().st_size / 1e6:.0f} | " + " | ".join(f"{f:.2f}" for f in figures) + " |")


if __name__ == "__main__":
    main()
