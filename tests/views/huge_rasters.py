"""Rasters of any size made on the spot, strip by strip: the plain bytes, and the same pixels in a format by its public writer."""

import mmap
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

STRIP_PX = 2**24
DEFECTS = 10_000
"""Of a sparse raster, whatever its size."""


@dataclass(frozen=True)
class Case:
    """What lies on a raster, how it is written, and how large it is in the campaign."""

    content: str
    format: str
    dtype: str
    gigabytes: float

    def __str__(self):
        return f"{self.gigabytes:g} GB {self.content}, {self.format}, {self.dtype}"

    def shape(self, pixels):
        """(rows, columns) of about ``pixels``, not square and both odd."""
        side = int(np.sqrt(pixels))
        return (side + 40) | 1, (side - 40) | 1


@dataclass(frozen=True)
class Made:
    """A raster at ``path``, and where its plain bytes lie: lines of ``width`` pixels from ``offset`` of ``raw`` on.

    The lines are the columns of the picture where ``columns`` is true.
    """

    path: Path
    raw: Path
    offset: int
    height: int
    width: int
    dtype: np.dtype
    columns: bool = False

    def lines(self, first, count):
        """At most ``count`` lines, read as bytes and nothing else."""
        count = min(count, self.height - first)
        place = self.offset + first * self.width * self.dtype.itemsize
        return np.fromfile(self.raw, self.dtype, count * self.width, offset=place).reshape(count, self.width)


def make(case, shape, folder, seed=0):
    """Write the raster of ``case``, of ``shape`` (rows, columns), into ``folder``."""
    dtype, columns = np.dtype(case.dtype), case.format == "npy by columns"
    height, width = shape[::-1] if columns else shape
    raw = folder / ("raster.npy" if case.format.startswith("npy") else "plain.bytes")
    with raw.open("wb") as file:
        if raw.suffix == ".npy":
            np.lib.format.write_array_header_1_0(file, {"descr": dtype.str, "fortran_order": columns, "shape": tuple(shape)})
        offset = file.tell()
        rng = np.random.default_rng(seed)
        for first in range(0, height, step := max(1, STRIP_PX // width)):
            file.write(_strip(case.content, dtype, (min(step, height - first), width), height, rng).data)
    path = raw if raw.suffix == ".npy" else folder / ("raster.zarr" if case.format == "zarr" else "raster.tif")
    if path != raw:  # in a process of its own: its maps and threads are gone before anything is measured
        words = (raw, path, case.format, case.dtype, *shape)
        subprocess.run([sys.executable, __file__, *map(str, words)], check=True)
    return Made(path, raw, offset, height, width, dtype, columns)


def _strip(content, dtype, shape, height, rng):
    if content == "grey":
        noise = rng.integers(0, 4, shape, np.uint8)  # two bits: what is stored of it is a third of the raster
        noise += np.linspace(60, 180, shape[1]).astype(np.uint8)
        strip = noise.astype(dtype) * dtype.type(0.37 if dtype.kind == "f" else 1 if dtype.itemsize == 1 else 257)
    else:
        strip = np.zeros(shape, dtype)
        count = strip.size // 1_000 if content == "mille" else round(DEFECTS * shape[0] / height)
        strip.reshape(-1)[rng.integers(0, strip.size, count)] = rng.integers(1, 256, count).astype(dtype)
    if dtype.kind == "f":
        strip.reshape(-1)[rng.integers(0, strip.size, strip.size // 100_000)] = np.nan
    return strip


def _convert(raw, path, kind, dtype, rows, cols):
    """The plain bytes as a TIFF or a zarr array."""
    with Path(raw).open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        pixels = np.frombuffer(mapped, dtype).reshape(int(rows), int(cols))
        if kind == "zarr":
            import zarr

            stored = zarr.create_array(path, shape=pixels.shape, dtype=dtype, chunks=(1_024, 1_024))
            for first in range(0, len(pixels), 1_024):
                stored[first : first + 1_024] = pixels[first : first + 1_024]
        else:
            import tifffile

            layout = {
                "TIFF strips, deflate": {"rowsperstrip": 32, "compression": "zlib"},
                "BigTIFF tiles": {"tile": (512, 512), "bigtiff": True},
            }[kind]
            tifffile.imwrite(path, pixels, photometric="minisblack", metadata=None, **layout)
        del pixels


if __name__ == "__main__":
    _convert(*sys.argv[1:])
