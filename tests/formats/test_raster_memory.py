"""A raster of 324 megapixels, compressed or not, is read in the memory of a few strips."""

from __future__ import annotations

import struct
import subprocess
import sys
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from raster_samples import colour_tiff, cornered_tiff, picture, tiff, zarr, zarr_v2

SIDE = 18_000
MOST_MB = 256
POINTS = np.random.default_rng(8).integers(0, SIDE, (2_000, 2))
CODE = """
import sys
from pathlib import Path
from inspection.formats import table
from inspection.params import Ingest
def peak_kb():  # of this process alone; getrusage would begin at its parent's
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
(small,) = table.read(Path(sys.argv[1]), Ingest())
before = peak_kb()
(wafer,) = table.read(Path(sys.argv[2]), Ingest())
print(wafer.map.defects, (peak_kb() - before) / 1024)
"""
BIG = (4_000, 4_000)


def turned_png(folder, array):
    """A PNG whose EXIF says that it begins at the lower right corner."""
    from test_raster_exif import directory
    from test_raster_picture import block

    path = picture(folder, array, ending=".png")
    whole = path.read_bytes()
    path.write_bytes(whole[:33] + block(b"eXIf", directory(3)) + whole[33:])
    return path


KINDS = {
    "deflate in tiles": (partial(tiff, compression="deflate", tile=(512, 512)), np.uint8),
    "LZW in strips": (partial(tiff, compression="lzw"), np.uint8),
    "zstd in large tiles, decoded in parts": (partial(tiff, compression="zstd", predictor=2, tile=(2048, 2048)), np.uint16),
    "one strip": (tiff, np.uint8),
    "bits in one strip": (tiff, np.bool_),
    "colour in one strip": (colour_tiff, np.uint8),
    "one strip from the last corner": (partial(cornered_tiff, orientation=3), np.uint16),
    "PNG of bits": (partial(picture, ending=".png", options=(cv2.IMWRITE_PNG_BILEVEL, 1)), np.uint8),
    "PNG of colour": (lambda folder, array: picture(folder, np.dstack([array] * 3), ending=".png"), np.uint8),
    "PNG from the last corner": (turned_png, np.uint8),
    "zarr of the chunks that dask writes": (partial(zarr, chunks=(8192, 8192)), np.uint16),
    "floats in large tiles, decoded in parts": (partial(tiff, compression="zlib", predictor=3, tile=(4096, 4096)), np.float32),
    "zarr of large chunks, decoded in parts": (partial(zarr, chunks=BIG), np.uint16),
    "zarr v2 of blosc": (partial(zarr_v2, compressor="blosc", chunks=(1000, 1000)), np.uint8),
}


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="no peak of one process on this system")
@pytest.mark.soak
@pytest.mark.parametrize("name", list(KINDS))
def test_memory_stays_bounded(tmp_path, name):
    write, dtype = KINDS[name]
    paths = []
    for folder, side in (("small", 100), ("large", SIDE)):
        array = np.zeros((side, side), dtype)
        array[tuple(POINTS.T % side)] = 200
        (tmp_path / folder).mkdir()
        paths.append(write(tmp_path / folder, array))
        paths[-1].with_suffix(".yaml").write_text(yaml.safe_dump({"pixel_um": 3e5 / side, "threshold": 1}))
        if side == 100:  # more defects than a small raster may have
            paths[-1].with_suffix(".yaml").write_text(yaml.safe_dump({"pixel_um": 3e3, "threshold": 256}))
    done = subprocess.run([sys.executable, "-c", CODE, *map(str, paths)], check=True, capture_output=True, text=True)
    defects, grown_mb = done.stdout.split()
    assert int(defects) == len(np.unique(POINTS, axis=0))
    assert float(grown_mb) < MOST_MB, f"{grown_mb} MB"


HOSTILE = """
import sys
from pathlib import Path
from inspection.formats.raster import png_rows  # compiles when it is first used
from inspection.formats.raster.kinds import open_raster
from inspection.errors import FormatError
from inspection.params import Ingest
import cv2, numpy
png_rows._add_again(numpy.zeros((2, 9), numpy.uint8), numpy.zeros(8, numpy.uint8), 1)
def peak_kb():
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
before = peak_kb()
for path in sys.argv[1:]:
    try:
        with open_raster(Path(path), Ingest()) as stream:
            for strip in stream.strips():
                pass
        print("read")
    except FormatError as error:
        print(error.reason.code)
print((peak_kb() - before) / 1024)
"""


def bombs(folder):
    """Small files that claim or unfold to gigabytes, and the code that each is to end with."""
    import zlib

    import imagecodecs
    from test_raster_picture import png
    from test_raster_tiff import grey_tags, handmade

    # Each strip unfolds to four times what its header claims, which is as much as may be decoded at once.
    zeros, side = bytes(2**28), 8_192
    strips = {8: imagecodecs.zlib_encode(zeros), 50_000: imagecodecs.zstd_encode(zeros), 5: imagecodecs.lzw_encode(zeros)}
    strips[32_773] = b"\x81\0" * (len(zeros) // 128)
    for compression, data in strips.items():
        tags = grey_tags(side, side, len(data), _259=compression)
        yield handmade(folder / f"{compression}.tif", tags, data, places=(273,)), "raster.damaged"
    tags = grey_tags(60_000, 60_000, 10, _259=8)
    yield handmade(folder / "claims.tif", tags, b"x" * 10, places=(273,)), "raster.segment"
    yield png(folder / "a.png", 100_000, 100_000, zlib.compress(zeros)), "raster.damaged"
    yield png(folder / "b.png", 9_000, 9_000, zlib.compress(zeros), interlaced=1), "raster.damaged"
    for codec in ("zstd", "zlib", "blosc", "lz4"):
        (place := folder / codec).mkdir()
        path = zarr_v2(place, np.zeros((100, 100), np.uint8), compressor=codec)
        packed = getattr(imagecodecs, f"{codec}_encode")(zeros)
        (path / "0.0").write_bytes(struct.pack("<I", 10_000) + packed if codec == "lz4" else packed)
        yield path, "raster.damaged"


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="no peak of one process on this system")
def test_bombs_are_refused_in_bounded_memory(tmp_path):
    paths, codes = zip(*bombs(tmp_path), strict=True)
    done = subprocess.run([sys.executable, "-c", HOSTILE, *map(str, paths)], check=True, capture_output=True, text=True)
    *got, grown_mb = done.stdout.split()
    assert got == list(codes)
    assert float(grown_mb) < MOST_MB
