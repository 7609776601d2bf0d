"""KLARF against pyarrow's CSV reader on the same numbers, and against klarf-reader, the fastest public Python reader known.

    python benchmarks/bench_klarf.py [--defects 1000000] [--runs 7] [--peer-defects 20000]

Readers take turns, and medians are printed: whole file to arrays, from the page cache. "one core" binds the process to one core. The
first call in a new process loads the compiled loops from numba's cache (or compiles them, once per machine); it is printed apart.
Memory is the peak of a fresh process that reads the file, over the arrays it returns.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

NAMES = (
    *("DEFECTID", "XREL", "YREL", "XINDEX", "YINDEX", "XSIZE", "YSIZE", "DEFECTAREA", "DSIZE", "CLASSNUMBER", "TEST"),
    *("CLUSTERNUMBER", "ROUGHBINNUMBER", "FINEBINNUMBER", "REVIEWSAMPLE", "IMAGECOUNT"),
)
LENGTHS = ("XREL", "YREL", "XSIZE", "YSIZE", "DSIZE")
PITCH_UM = (7_000, 5_000)
ONE_IMAGE, TWO_IMAGES = 0.2, 0.1


def numbers(count: int, images: bool) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    radius, angle = 145_000 * np.sqrt(rng.random(count)), rng.uniform(0, 2 * np.pi, count)
    index, offset = np.divmod(np.column_stack((radius * np.cos(angle), radius * np.sin(angle))), PITCH_UM)
    sizes = rng.gamma(2.0, 1.0, (count, 2)).round(3) + 0.1
    shown = rng.choice(3, count, p=(1 - ONE_IMAGE - TWO_IMAGES, ONE_IMAGE, TWO_IMAGES)) if images else np.zeros(count, int)
    values = {
        "DEFECTID": np.arange(1, count + 1),
        "XREL": offset[:, 0].round(3),
        "YREL": offset[:, 1].round(3),
        "XINDEX": index[:, 0].astype(int),
        "YINDEX": index[:, 1].astype(int),
        "XSIZE": sizes[:, 0],
        "YSIZE": sizes[:, 1],
        "DEFECTAREA": (sizes[:, 0] * sizes[:, 1]).round(6),
        "DSIZE": sizes.max(axis=1),
        "CLASSNUMBER": rng.integers(0, 300, count),
        "CLUSTERNUMBER": rng.integers(0, 40, count),
        "IMAGECOUNT": shown,
    }
    return {name: values.get(name, np.ones(count, int) if name == "TEST" else np.zeros(count, int)) for name in NAMES}


def write_csv(path: Path, values: dict[str, np.ndarray]) -> None:
    form = ",".join("%.3f" if n in LENGTHS else "%.6f" if n == "DEFECTAREA" else "%d" for n in NAMES)
    rows = (form % row for row in zip(*(v.tolist() for v in values.values()), strict=True))
    path.write_text(",".join(NAMES) + "\n" + "\n".join(rows) + "\n", encoding="ascii")


def write_klarf12(path: Path, csv: Path, images: bool) -> None:
    """The CSV's very tokens as the rows of a KLARF 1.2."""
    lists = ("0", "1 1 0", "2 1 0 2 0")
    lines = csv.read_text(encoding="ascii").splitlines()[1:]
    rows = [" " + line.replace(",", " ") + (" " + lists[int(line[-1])] if images else "") for line in lines]
    names = (*NAMES, "IMAGELIST") if images else NAMES
    head = (
        'FileVersion 1 2;\nFileTimestamp 01-02-26 03:04:05;\nInspectionStationID "A" "B" "C";\nSampleType WAFER;\n'
        'ResultTimestamp 01-02-26 03:04:05;\nLotID "L1";\nSampleSize 1 300;\nDeviceID "D";\nSetupID "R" 01-02-26 03:04:05;\nStepID "M1";\n'
        "SampleOrientationMarkType NOTCH;\nOrientationMarkLocation DOWN;\n"
        f"DiePitch {PITCH_UM[0]} {PITCH_UM[1]};\nDieOrigin 0 0;\n"
        'WaferID "01";\nSlot 1;\nSampleCenterLocation 0 0;\nInspectionTest 1;\n'
        f"DefectRecordSpec {len(names)} {' '.join(names)} ;\nDefectList\n"
    )
    tail = f";\nSummarySpec 5 TESTNO NDEFECT DEFDENSITY NDIE NDEFDIE ;\nSummaryList\n 1 {len(rows)} 0 0 0;\nEndOfFile;\n"
    path.write_text(head + "\n".join(rows) + tail, encoding="ascii")


def write_klarf18(path: Path, values: dict[str, np.ndarray], images: bool) -> None:
    lists = ("N", 'Images 1 { "W01_a.jpg" "JPG" 1 "Patch" }', 'Images 2 { "W01_a.jpg" "JPG" 1 "Patch", "W01_b.jpg" "JPG" 1 "Patch" }')
    columns = [np.rint(v * 1000).astype(int) if n in LENGTHS else v for n, v in values.items()]
    form = " ".join("%.1f" if n == "DEFECTAREA" else "%d" for n in NAMES)
    types = ", ".join(f"{'float' if n == 'DEFECTAREA' else 'int32'} {n}" for n in NAMES) + (", ImageList IMAGEINFO" if images else "")
    rows = [form % row + (f" {lists[row[-1]]};" if images else " ;") for row in zip(*(c.tolist() for c in columns), strict=True)]
    count = len(NAMES) + images
    body = "\n".join(rows)
    path.write_text(
        'Record FileRecord "1.8"\n{\nRecord LotRecord "L1"\n{\nRecord WaferRecord "01"\n{\nField SampleCenterLocation 2 {0, 0}\n'
        f"List DefectList\n{{\nColumns {count} {{ {types} }}\nData {len(rows)}\n{{\n{body}\n}}\n}}\n}}\n"
        f"Field DiePitch 2 {{{PITCH_UM[0] * 1000}, {PITCH_UM[1] * 1000}}}\nField SampleSize 2 {{300000000, 0}}\n}}\n}}\nEndOfFile;\n",
        encoding="ascii",
    )


def read_ours(path: Path) -> list:
    from inspection.formats import table
    from inspection.params import Ingest

    return list(table.read(path, Ingest()))


def read_pyarrow(path: Path, threads: bool) -> object:
    import pyarrow.csv as arrow

    return arrow.read_csv(path, read_options=arrow.ReadOptions(use_threads=threads))


def read_peer(path: Path) -> object:
    from klarf_reader.klarf import Klarf

    return Klarf.load_from_file(filepath=path)


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def on_one_core(work: Callable[[], object]) -> object:
    every = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(every)})
    try:
        return work()
    finally:
        os.sched_setaffinity(0, every)


def memory(path: Path) -> dict[str, float]:
    """In a process of its own: seconds of the first call, peak and arrays in MiB."""
    started = time.perf_counter()
    wafers = read_ours(path)
    first_s = time.perf_counter() - started
    # Not ru_maxrss, which a child takes over from the process that started it.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    peak = int(status.partition("VmHWM:")[2].split()[0]) / 1024
    arrays = sum(w.map.xy_um.nbytes + sum(a.nbytes for a in w.map.attributes.values()) for w in wafers) / 2**20
    return {"first_s": first_s, "peak_mb": peak, "arrays_mb": arrays}


def measure(name: str, path: Path, csv: Path, runs: int) -> float:
    """One line of the table; returns our rate, MB/s."""
    ways = {
        "ours": lambda: read_ours(path),
        "pyarrow": lambda: read_pyarrow(csv, True),
        "ours, one core": lambda: on_one_core(lambda: read_ours(path)),
        "pyarrow, one core": lambda: on_one_core(lambda: read_pyarrow(csv, False)),
    }
    taken: dict[str, list[float]] = {way: [] for way in ways}
    for i in range(runs + 1):
        for way, work in ways.items():
            spent = seconds(work)
            if i:  # the first round warms all of them
                taken[way].append(spent)
    ours, arrow, ours_one, arrow_one = (statistics.median(t) for t in taken.values())
    fresh = subprocess.run([sys.executable, __file__, "--memory", path], check=True, capture_output=True, text=True)
    used = json.loads(fresh.stdout)
    size = path.stat().st_size / 1e6
    print(
        f"| {name:12s} | {size:6.0f} | {ours:6.3f} | {arrow:6.3f} | {ours / arrow:5.2f} | {ours_one:6.3f} | {arrow_one:6.3f} | "
        f"{ours_one / arrow_one:5.2f} | {used['first_s']:6.2f} | {used['peak_mb']:5.0f} | {used['peak_mb'] / used['arrays_mb']:5.2f} |",
        flush=True,
    )
    return size / ours


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--defects", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--peer-defects", type=int, default=20_000)
    parser.add_argument("--memory", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.memory is not None:
        print(json.dumps(memory(given.memory)))
        return
    print(f"{given.defects} defects, {len(NAMES)} columns, {len(os.sched_getaffinity(0))} cores, medians of {given.runs}; seconds, MB, MiB")
    print("| file         |     MB |   ours |  arrow | ratio |  1core |  arrow | ratio |  first |  peak | / arrays |")
    print("| ------------ | ------ | ------ | ------ | ----- | ------ | ------ | ----- | ------ | ----- | ----- |")
    rates = {}
    with tempfile.TemporaryDirectory() as folder:
        csv, path = Path(folder) / "numbers.csv", Path(folder) / "file.klarf"
        for images in (False, True):
            values = numbers(given.defects, images)
            write_csv(csv, values)
            shown = " + images" if images else ""
            write_klarf12(path, csv, images)
            rates["1.2" + shown] = measure("1.2" + shown, path, csv, given.runs)
            write_klarf18(path, values, images)
            measure("1.8" + shown, path, csv, given.runs)
        try:
            import klarf_reader  # noqa: F401
        except ImportError:
            print("klarf-reader is not installed: it is in the extra `dev`")
            return
        values = numbers(given.peer_defects, images=False)
        write_csv(csv, values)
        write_klarf12(path, csv, images=False)
        spent = statistics.median(seconds(lambda: read_peer(path)) for _ in range(3))
        rate, ours = path.stat().st_size / 1e6 / spent, rates["1.2"]
        print(f"klarf-reader: {given.peer_defects} defects in {spent:.2f} s, {rate:.2f} MB/s; ours {ours:.0f} MB/s: {ours / rate:.0f} x")


if __name__ == "__main__":
    main()
