"""The pyramid against the disk and against other ways: time as a ratio to reading the file cold, and peak memory.

Each way runs in a process of its own on the same file, whose pages are dropped from the cache just before; rounds are interleaved and the
median ratio within a round counts. The physical limit is the cold read of the same round; for a dense raster it is that read plus writing
the bytes our pyramid wrote, compressed by the same codec.

    python benchmarks/bench_pyramid.py [--gigabytes 3.2] [--rounds 3] [--kinds sparse mille dense] [--ways ours opencv ...]

``sparse`` holds 10 000 defects, ``mille`` 0.1 % of its pixels (99.9 % empty), ``dense`` is grey noise around a gradient.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

LEVELS = 6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=3.2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kinds", nargs="+", default=["sparse", "mille", "dense"])
    parser.add_argument("--ways", nargs="+", default=list(TITLES))
    parser.add_argument("--folder", type=Path, default=None, help="where the raster is made; default: a temporary folder")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        way, source, out = given.child
        WAYS[way](Path(source), Path(out))
        return
    side = int(np.sqrt(given.gigabytes * 1e9))
    print(f"{side} x {side} uint8 ({side * side / 1e9:.1f} GB), {os.cpu_count()} cores, median of {given.rounds} interleaved rounds")
    for kind in given.kinds:
        with tempfile.TemporaryDirectory(dir=given.folder) as folder:
            _compare(kind, side, given.ways, given.rounds, Path(folder))
    _points()


def _compare(kind: str, side: int, ways: list[str], rounds: int, folder: Path) -> None:
    source = folder / "raster.npy"
    _make(source, side, kind)
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    ratios: dict[str, list[float]] = {way: [] for way in ways}
    memory: dict[str, float] = {}
    share, windows = 0.0, ""
    failures: dict[str, str] = {}
    for _ in range(rounds):
        limit = _child("read", source, folder)["seconds"]
        for way in ways:
            if way in failures:
                continue
            out = folder / "out"
            shutil.rmtree(out, ignore_errors=True)
            try:
                inside = _child(way, source, out)
            except RuntimeError as error:
                failures[way] = str(error)
                continue
            memory[way] = max(memory.get(way, 0.0), inside["peak_rss_mb"])
            if way == "ours":
                share, windows = _size(out) / source.stat().st_size, _windows(out)
                if kind == "dense":
                    limit += _write_again(out, folder / "copy")
            seconds[way].append(inside["seconds"])
            ratios[way].append(inside["seconds"] / limit)
    limit_is = "reading cold and writing the same bytes" if kind == "dense" else "reading cold"
    print(f"\n{kind}: {limit_is} = 1; ours stores {share:.2%} of the raster; {windows}")
    print(f"  {'way':34s} {'x limit':>8s} {'seconds':>8s} {'peak MB':>8s}")
    for way in ways:
        if ratios[way]:
            print(f"  {TITLES[way]:34s} {statistics.median(ratios[way]):8.2f} {statistics.median(seconds[way]):8.1f} {memory[way]:8.0f}")
        else:
            print(f"  {TITLES[way]:34s} {failures.get(way, '')}")


def _child(way: str, source: Path, out: Path) -> dict[str, float]:
    """``seconds`` and ``peak_rss_mb`` of one way in a process of its own."""
    done = subprocess.run([sys.executable, __file__, "--child", way, str(source), str(out)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1][:80] if done.stderr.strip() else f"ended with {done.returncode}")
    inside: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return inside


def _make(path: Path, side: int, kind: str) -> None:
    rng = np.random.default_rng(0)
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": (side, side)})
        for first in range(0, side, 512):
            rows = min(512, side - first)
            if kind == "dense":
                strip = (rng.normal(0, 4, (rows, side)).astype(np.float32) + np.linspace(60, 180, side, dtype=np.float32)).astype(np.uint8)
            else:
                count = rows * side // 1_000 if kind == "mille" else round(10_000 * rows / side)
                strip = np.zeros((rows, side), np.uint8)
                strip[rng.integers(0, rows, count), rng.integers(0, side, count)] = 255
            file.write(strip.data)
        os.fsync(file.fileno())


def _cold(path: Path) -> float:
    """Drop the file's pages from the cache of this machine, and say when.

    Just before the clock starts, never earlier: a virtual machine gives free memory back to its host within a second or two,
    and a read that has to fetch it again takes up to three times as long.
    """
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return time.perf_counter()


def _read(source: Path, _out: Path) -> None:
    buffer = bytearray(16 * 2**20)
    started = _cold(source)
    with source.open("rb", buffering=0) as file:
        while file.readinto(buffer):
            pass
    _told(started)


def _write_again(store: Path, copy: Path) -> float:
    """Seconds to write the same arrays through the same codec, already in memory level by level and rows at a time."""
    import zarr

    zarr.config.set({"codec_pipeline.path": "zarrs.ZarrsCodecPipeline"})
    group, total = zarr.open_group(store, mode="r"), 0.0
    shutil.rmtree(copy, ignore_errors=True)
    target = zarr.open_group(copy, mode="w")
    for name in ["0", *(f"{kind}/{k}" for kind in ("sum", "max") for k in range(1, LEVELS + 1))]:
        array = group[name]
        twin = target.create_array(name, shape=array.shape, dtype=array.dtype, chunks=array.chunks, shards=array.shards,
                                   compressors=array.compressors, fill_value=0)  # fmt: skip
        for row in range(0, array.shape[0], array.shards[0]):
            band = array[row : row + array.shards[0]]
            started = time.perf_counter()
            twin[row : row + array.shards[0]] = band
            total += time.perf_counter() - started
    shutil.rmtree(copy)
    return total


def _windows(store: Path, each: int = 40, side: int = 512) -> str:
    """How long a window takes, of any level and place, sum and maximum in turn; the store is in the page cache."""
    from inspection.views.pyramid_store import Pyramid

    rng, pyramid = np.random.default_rng(0), Pyramid(store)
    taken = []
    for level, (height, width) in enumerate(pyramid.shapes):
        rows, cols = min(side, height), min(side, width)
        for k in range(each):
            row, col = int(rng.integers(0, height - rows + 1)), int(rng.integers(0, width - cols + 1))
            started = time.perf_counter()
            pyramid.window(level, row, col, rows, cols, "max" if k % 2 else "sum")
            taken.append(time.perf_counter() - started)
    return f"a {side} x {side} window in {1e3 * np.median(taken):.1f} ms, 99 in 100 in {1e3 * np.quantile(taken, 0.99):.1f} ms"


def _size(folder: Path) -> int:
    return sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())


def _ours(source: Path, out: Path) -> None:
    from inspection.settings import Workspace
    from inspection.stages import pyramid

    _cold(source)
    made = pyramid(source, out, Workspace(source.parent / "no-workspace"))
    print(json.dumps({"seconds": made["seconds"], "peak_rss_mb": made["peak_rss_mb"]}))


def _opencv(source: Path, _out: Path) -> None:
    """INTER_AREA on the whole raster, level after level: means only, which lose a single defect in the rounding."""
    import cv2

    started = _cold(source)
    picture = np.load(source)
    for _ in range(LEVELS):
        picture = cv2.resize(picture, (picture.shape[1] // 2, picture.shape[0] // 2), interpolation=cv2.INTER_AREA)
    _told(started)


def _dask(source: Path, out: Path) -> None:
    """da.coarsen of sum and max over a memory map, stored to zarr."""
    import dask
    import dask.array as da
    import zarr

    started = _cold(source)
    pixels = da.from_array(np.load(source, mmap_mode="r"), chunks=(4_096, 4_096))
    group, stored = zarr.open_group(out, mode="w"), []
    for level in range(1, LEVELS + 1):
        for name, reduce, dtype in (("sum", np.sum, "u4"), ("max", np.max, "u1")):
            coarse = da.coarsen(reduce, pixels, {0: 2**level, 1: 2**level}, trim_excess=True).astype(dtype).rechunk((512, 512))
            target = group.create_array(f"{name}/{level}", shape=coarse.shape, dtype=dtype, chunks=(512, 512))
            stored.append(coarse.store(target, lock=False, compute=False))
    dask.compute(*stored)
    _told(started)


def _ome_zarr(source: Path, out: Path) -> None:
    """ome-zarr-py's own writer and scaler on the dask array: one kind of level (local mean)."""
    import dask.array as da
    import zarr
    from ome_zarr.writer import write_image

    started = _cold(source)
    pixels = da.from_array(np.load(source, mmap_mode="r"), chunks=(4_096, 4_096))
    write_image(pixels, zarr.open_group(out, mode="w"), axes="yx", storage_options={"chunks": (512, 512)})
    _told(started)


def _libvips(source: Path, out: Path) -> None:
    """vips tiffsave with a pyramid whose regions shrink by the maximum, tiled and deflated: one kind of level."""
    import pyvips

    started = _cold(source)
    with source.open("rb") as file:
        np.lib.format.read_magic(file)
        (height, width), _, _ = np.lib.format.read_array_header_1_0(file)
        offset = file.tell()
    picture = pyvips.Image.rawload(str(source), width, height, 1, offset=offset)
    picture.tiffsave(f"{out}.tif", tile=True, tile_width=512, tile_height=512, pyramid=True, region_shrink="max",
                     compression="deflate", bigtiff=True)  # fmt: skip
    _told(started)
    Path(f"{out}.tif").unlink()


def _told(started: float) -> None:
    import resource

    usage = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss + resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print(json.dumps({"seconds": time.perf_counter() - started, "peak_rss_mb": usage / 1024}))


WAYS = {"read": _read, "ours": _ours, "opencv": _opencv, "dask": _dask, "ome_zarr": _ome_zarr, "libvips": _libvips}
TITLES = {
    "ours": "ours: sum and max, points, tiles",
    "opencv": "OpenCV INTER_AREA, means, in memory",
    "dask": "dask coarsen, sum and max",
    "ome_zarr": "ome-zarr writer, means",
    "libvips": "libvips TIFF pyramid, max",
}


def _points() -> None:
    """One million points: the global view, and a pyramid without a raster."""
    from inspection.views.pyramid import build_from_points
    from inspection.views.renderer import render_global
    from inspection.wafer.maps import DefectMap, WaferInfo

    rng = np.random.default_rng(0)
    xy_um = rng.uniform(-100_000, 100_000, (1_000_000, 2))
    wafer = DefectMap(info=WaferInfo(), xy_um=xy_um)
    views, pyramids = [], []
    for _ in range(5):
        started = time.perf_counter()
        render_global(wafer, 224)
        views.append(time.perf_counter() - started)
        place = np.floor(xy_um / 300_000 * 8_192 + 4_096).astype(np.int64)
        with tempfile.TemporaryDirectory() as folder:
            started = time.perf_counter()
            build_from_points(place[:, 1], place[:, 0], (8_192, 8_192), Path(folder))
            pyramids.append(time.perf_counter() - started)
    print(f"\n1 M points: 224 x 224 view {min(views) * 1e3:.0f} ms, pyramid of 8 192 x 8 192 {min(pyramids):.2f} s (best of 5)")


if __name__ == "__main__":
    main()
