"""How fast are rasters streamed? Each kind against the library that writes it, reading the same file whole, in the same run.

    python benchmarks/bench_rasters.py [--side 16000] [--folder DIR]

A process of its own reads each file, twice as it was just written: the disk plays no part.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
import tifffile
import zarr

OURS = """
from inspection.formats.raster.kinds import open_raster
from inspection.params import Ingest
def read(path):
    total = 0
    with open_raster(path, Ingest()) as stream:
        for strip in stream.strips():
            total += int(np.count_nonzero(strip))
    return total
"""
PEERS = {
    "npy": "def read(path): return int(np.count_nonzero(np.load(path)))",
    "tiff": "import tifffile\ndef read(path): return int(np.count_nonzero(tifffile.imread(path)))",
    "png": "import cv2\ndef read(path): return int(np.count_nonzero(cv2.imread(str(path), cv2.IMREAD_UNCHANGED)))",
    "zarr": "import zarr\ndef read(path): return int(np.count_nonzero(zarr.open_array(path, mode='r')[:]))",
}
TIMED = """
import sys, time
from pathlib import Path
import numpy as np
{code}
path = Path(sys.argv[1])
read(Path(sys.argv[2]))
read(path)
begin = time.perf_counter()
found = read(path)
seconds = time.perf_counter() - begin
print(found, seconds, int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024)
"""


def timed(code: str, path: Path, small: Path) -> tuple[int, float, float]:
    """Non-zero pixels, seconds and peak MB; imports and first calls are not counted."""
    done = subprocess.run([sys.executable, "-c", TIMED.format(code=code), path, small], check=True, capture_output=True, text=True)
    found, seconds, peak = done.stdout.split()
    return int(found), float(seconds), float(peak)


def files(folder: Path, array: np.ndarray) -> dict[str, Path]:
    """The array in each kind of file."""
    paths = {"npy": folder / "a.npy"}
    np.save(paths["npy"], array)
    for name, options in {
        "tiff plain": {},
        "tiff deflate tiles": {"compression": "deflate", "tile": (512, 512)},
        "tiff zstd tiles": {"compression": "zstd", "tile": (512, 512)},
        "tiff lzw strips": {"compression": "lzw"},
    }.items():
        paths[name] = folder / f"{name.replace(' ', '_')}.tif"
        tifffile.imwrite(paths[name], array, photometric="minisblack", **options)
    paths["png"] = folder / "a.png"
    cv2.imwrite(str(paths["png"]), array)
    chunk = min(1024, len(array) // 2)
    for name, options in {"zarr zstd": {}, "zarr shards": {"shards": (2 * chunk, 2 * chunk)}}.items():
        paths[name] = folder / f"{name.replace(' ', '_')}.zarr"
        zarr.create_array(paths[name], data=array, chunks=(chunk, chunk), **options)
    return paths


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=16_000)
    parser.add_argument("--folder", type=Path)
    args = parser.parse_args()
    random = np.random.default_rng(0)
    sparse = np.zeros((args.side, args.side), np.uint8)
    sparse[tuple(random.integers(0, args.side, (2, 10_000)))] = 255
    grey = np.clip(random.normal(100, 4, (args.side, args.side)), 0, 255).astype(np.uint8)
    for title, array in (("sparse", sparse), ("grey", grey)):
        with tempfile.TemporaryDirectory(dir=args.folder) as place:
            (small_folder := Path(place) / "small").mkdir()
            small = files(small_folder, array[:128, :128].copy())
            for name, path in files(Path(place), array).items():
                ours, peer = timed(OURS, path, small[name]), timed(PEERS[name.split()[0]], path, small[name])
                if ours[0] != peer[0]:
                    raise SystemExit(f"{name}: {ours[0]} pixels here, {peer[0]} by the peer")
                speed = array.nbytes / 1e6 / ours[1]
                print(
                    f"{title:6} {name:20} {ours[1]:6.2f} s ({speed:5.0f} MB/s, peak {ours[2]:4.0f} MB)   "
                    f"peer {peer[1]:6.2f} s (peak {peer[2]:5.0f} MB)   ratio {ours[1] / peer[1]:.2f}"
                )


if __name__ == "__main__":
    main()
