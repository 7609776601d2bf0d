"""Odd but legal rasters, as public writers make them, are read as the array that was written; so is each level of their pyramid."""

from __future__ import annotations

import struct
import zlib
from functools import partial
from typing import TYPE_CHECKING

import imagecodecs
import numcodecs
import numpy as np
import pytest
import tifffile
import yaml
import zarr
from numpy.lib import format as npy
from raster_samples import content
from views.rasters import naive
from zarr import codecs

from inspection.formats.raster.png_blocks import ADAM7
from inspection.settings import Workspace
from inspection.stages.rasters import pyramid
from inspection.views.pyramid_store import Pyramid

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

SHAPE = (61, 47)
NUMBERS = ("bool", "u1", "i1", "<u2", ">u2", "<i2", ">i4", "<u4", "<u8", ">i8", "<f2", ">f4", "<f4", ">f8", "<f8")
TILES, STRIPS = {"tile": (16, 32)}, {"rowsperstrip": 7}
"""Neither divides the picture."""


def numbers(dtype: str, share: float = 1.0) -> NDArray:
    """Values over the whole range of a type, of which ``share`` are not 0."""
    random, kind = np.random.default_rng(7), np.dtype(dtype)
    if kind.kind == "b":
        made = random.random(SHAPE) < 0.5
    elif kind.kind == "f":
        made = random.normal(scale=100, size=SHAPE)
    else:
        limits = np.iinfo(kind)
        made = random.integers(limits.min, limits.max, SHAPE, kind.newbyteorder("="), endpoint=True)
    return np.where(random.random(SHAPE) < share, made, 0).astype(kind)


def agrees(path: Path, wanted: NDArray) -> None:
    """Sum, maximum and pixels of every level, and the number of defects."""
    said = pyramid(path, path.parent / "out", Workspace(path.parent / "space"))
    assert said["defects"] == np.count_nonzero(wanted)
    wanted = wanted.astype(wanted.dtype.newbyteorder("="))
    if wanted.dtype == np.float16:
        wanted = wanted.astype(np.float32)
    finest = (wanted != 0).astype(np.uint8) if said["kind"] == "counts" else wanted
    store = Pyramid(path.parent / "out")
    for level, (sums, peaks) in zip(said["levels"], naive(finest, len(said["levels"]) - 1), strict=True):
        assert tuple(level["shape"]) == sums.shape
        assert level["sum"] == pytest.approx(float(sums.sum()), rel=1e-9, abs=1e-6)
        assert level["max"] == peaks.max()
        found = store.window(level["level"], 0, 0, *sums.shape), store.window(level["level"], 0, 0, *sums.shape, "max")
        np.testing.assert_allclose(found[0].astype(sums.dtype), sums, rtol=1e-9, atol=1e-6)
        np.testing.assert_array_equal(found[1].astype(peaks.dtype), peaks)


# --- writers: (path, array) -> what a reader is to find


def tiff(path, array, **options):
    tifffile.imwrite(path, array, **{"photometric": "minisblack", "metadata": None} | options)
    return array


def white(path, array, **options):
    """Counted from white."""
    tiff(path, array, photometric="miniswhite", **options)
    return ~array if array.dtype.kind == "b" else np.iinfo(array.dtype).max - array


def bits(path, array, *, count, **options):
    """``count`` bits of a value, packed."""
    few = array >> (8 * array.dtype.itemsize - count)
    tiff(path, few.astype(bool) if count == 1 else few, bitspersample=count, **options)
    return few.astype(bool) if count == 1 else few


def colours(path, array, *, planes, **options):
    layout = {"photometric": "rgb", "planarconfig": "separate" if planes else "contig"}
    tiff(path, (np.stack if planes else np.dstack)([array] * 3), **layout, **options)
    return array


def palette(path, array):
    tiff(path, array, photometric="palette", colormap=np.stack([np.arange(255, -1, -1) * 257] * 3).astype(np.uint16))
    return 255 - array


def subifds(path, array, **options):
    """A pyramid whose smaller levels lie in SubIFDs."""
    with tifffile.TiffWriter(path, **options) as file:
        file.write(array, subifds=2, tile=(16, 16), compression="zstd", photometric="minisblack")
        for step in (2, 4):
            file.write(array[::step, ::step], subfiletype=1, tile=(16, 16))
    return array


def thumbnail_first(path, array):
    with tifffile.TiffWriter(path) as file:
        file.write(array[::3, ::5], subfiletype=1, photometric="minisblack", metadata=None)
        file.write(array, photometric="minisblack", metadata=None)
    return array


def geotiff(path, array):
    said = [(33550, 12, 3, (10.0, 10.0, 0.0), True), (33922, 12, 6, (0.0,) * 6, True), (34735, 3, 4, (1, 1, 0, 0), True)]
    return tiff(path, array, extratags=said, **TILES)


def numpy_file(path, array, *, order="C", version=(1, 0)):
    with path.open("wb") as file:
        npy.write_array(file, np.asarray(array, order=order), version=version)
    return array


def raw(path, array, *, order="C", offset=0):
    path.write_bytes(b"\xee" * offset + array.tobytes(order))
    said = {"shape": list(array.shape), "dtype": array.dtype.str.replace("|", ""), "order": order, "offset_bytes": offset}
    path.with_suffix(".yaml").write_text(yaml.safe_dump(said))
    return array


def stored(path, array, *, fill=None, missing=False, **options):
    """A zarr array; ``missing``: chunks of nothing but the ``fill`` value are not stored."""
    if missing:
        array = array.copy()
        array[:32, :20] = fill
        array[48:] = fill
    made = zarr.create_array(path, shape=array.shape, dtype=array.dtype, fill_value=fill, **{"chunks": (16, 20)} | options)
    made[...] = array
    return array


def png(path, array, *, depth, interlaced=False):
    few = array >> (8 * array.dtype.itemsize - depth)
    lines = b""
    for top, left, down, across in ADAM7 if interlaced else ((0, 0, 1, 1),):
        for row in few[top::down, left::across]:
            packed = np.unpackbits(row.astype(np.uint8)[:, None], axis=1)[:, -depth:].reshape(-1)
            lines += b"\0" + (row.astype(">u2").tobytes() if depth == 16 else np.packbits(packed).tobytes()) if len(row) else b""

    def block(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", SHAPE[1], SHAPE[0], depth, 0, 0, 0, interlaced)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + block(b"IHDR", head) + block(b"IDAT", zlib.compress(lines)) + block(b"IEND", b""))
    return few if depth >= 8 else (few * (255 // ((1 << depth) - 1))).astype(np.uint8)


def opaque(path, array, *, channels):
    path.write_bytes(imagecodecs.png_encode(np.dstack([array] * channels)))
    return array


ODD: dict[str, tuple[Callable[[Path, NDArray], NDArray], tuple[str, ...]]] = {
    **{f"tiff white first {k}": (partial(white, **layout), ("bool", "u1", "<u2", "<u4")) for k, layout in enumerate(({}, TILES, STRIPS))},
    **{f"tiff of {n} bits": (partial(bits, count=n), ("u1",)) for n in (1, 2, 4, 6)},
    **{f"tiff of {n} bits": (partial(bits, count=n), ("<u2",)) for n in (10, 12, 14)},
    "tiff of 1 bit, packed": (partial(bits, count=1, compression="packbits"), ("u1",)),
    "tiff of planes": (partial(colours, planes=True, compression="lzw", predictor=2, **TILES), ("u1", "<u2")),
    "tiff of planes, big-endian": (partial(colours, planes=True, byteorder=">", compression="zlib", predictor=2), ("<u2",)),
    "tiff of colour": (partial(colours, planes=False, compression="zstd", **STRIPS), ("u1", "<u2")),
    "tiff of a palette": (palette, ("u1",)),
    "BigTIFF with SubIFDs": (partial(subifds, bigtiff=True, byteorder=">"), NUMBERS),
    "TIFF with SubIFDs": (subifds, ("u1", "<f4")),
    "TIFF with its thumbnail first": (thumbnail_first, ("u1", "<f8")),
    "GeoTIFF": (geotiff, NUMBERS),
    "npy in columns, version 2": (partial(numpy_file, order="F", version=(2, 0)), NUMBERS),
    "npy version 3": (partial(numpy_file, version=(3, 0)), NUMBERS),
    "raw behind a header": (partial(raw, offset=37), NUMBERS),
    "raw in columns": (partial(raw, order="F", offset=512), NUMBERS),
    "zarr v2 in columns, chunks missing": (partial(stored, zarr_format=2, order="F", fill=1, missing=True), NUMBERS),
    "zarr v3, chunks missing": (partial(stored, fill=1, missing=True), NUMBERS),
    "zarr v3, shards with chunks missing": (partial(stored, fill=1, missing=True, shards=(32, 40)), NUMBERS),
    "zarr v3, one chunk larger than the picture": (partial(stored, chunks=(100, 100)), ("u1", "<f4")),
    "zarr v3, big-endian": (partial(stored, serializer=codecs.BytesCodec(endian="big")), ("<u2", "<i4", "<f8")),
    "zarr v3, keys of v2": (partial(stored, chunk_key_encoding={"name": "v2", "separator": "."}), ("u1",)),
    **{f"png of {n} bits": (partial(png, depth=n), ("u1",)) for n in (1, 2, 4, 8)},
    **{f"png of {n} bits, interlaced": (partial(png, depth=n, interlaced=True), ("u1",)) for n in (1, 2, 4, 8)},
    "png of 16 bits": (partial(png, depth=16), ("<u2",)),
    "png of 16 bits, interlaced": (partial(png, depth=16, interlaced=True), ("<u2",)),
    **{f"png of {n} channels": (partial(opaque, channels=n), ("u1", "<u2")) for n in (2, 3, 4)},
}
for _name in ("zlib", "lzw", "packbits", "zstd", "lzma", None):
    for _order, _layout in (("<", STRIPS), (">", TILES)):
        ODD[f"tiff {_name} {_order}"] = partial(tiff, compression=_name, byteorder=_order, **_layout), NUMBERS
        if _name in {"zlib", "lzw", "zstd"}:
            whole = tuple(n for n in NUMBERS if np.dtype(n).kind in "iu" and np.dtype(n).itemsize < 8)
            ODD[f"tiff {_name} {_order} differences"] = partial(tiff, compression=_name, predictor=2, byteorder=_order, **_layout), whole
            floats = tuple(n for n in NUMBERS if np.dtype(n).kind == "f")
            ODD[f"tiff {_name} {_order} float differences"] = (
                partial(tiff, compression=_name, predictor=3, byteorder=_order, **_layout),
                floats,
            )
for _name in ("blosc", "bz2", "gzip", "lz4", "lzma", "zlib", "zstd"):
    ODD[f"zarr v2 {_name}"] = partial(stored, zarr_format=2, compressors=numcodecs.get_codec({"id": _name})), ("u1", ">u2", "<f4", "bool")
for _name in ("BloscCodec", "Crc32cCodec", "GzipCodec", "ZstdCodec"):
    for _shards in (None, (32, 40)):
        ODD[f"zarr v3 {_name} {_shards}"] = partial(stored, compressors=getattr(codecs, _name)(), shards=_shards), ("u1", "<u2", "<f4")
ENDINGS = {"tiff": ".tif", "TIFF": ".tif", "BigTIFF": ".tif", "GeoTIFF": ".tif", "zarr": ".zarr"}


def written(folder: Path, name: str, dtype: str, share: float) -> tuple[Path, NDArray]:
    """A raster, and what a reader is to find in it."""
    kind = name.split(maxsplit=1)[0].strip(",")
    (place := folder / f"{np.dtype(dtype).name}{dtype[0] == '>'}").mkdir()
    path = place / f"a{ENDINGS.get(kind, '.' + kind)}"
    return path, ODD[name][0](path, numbers(dtype, share))


@pytest.mark.parametrize("name", list(ODD))
def test_every_pixel_is_that_of_the_array_that_was_written(tmp_path, name):
    for dtype in ODD[name][1]:
        path, wanted = written(tmp_path, name, dtype, 0.9)
        got = content(path)
        assert got.dtype == wanted.dtype.newbyteorder("=")
        np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize(("number", "name"), list(enumerate(ODD)))
def test_every_level_is_that_of_the_array_that_was_written(tmp_path, number, name):
    dtypes = ODD[name][1]
    agrees(*written(tmp_path, name, dtypes[number % len(dtypes)], 0.02 if number % 3 else 0.9))
