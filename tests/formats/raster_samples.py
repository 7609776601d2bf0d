"""Rasters of every kind, written by the kind's own public writers; the reference that our readers are held against."""

from __future__ import annotations

import shutil
import zipfile
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import yaml

from inspection.formats.raster.kinds import open_raster
from inspection.formats.raster.stream import STRIP_BYTES
from inspection.params import Ingest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

NUMBERS = ("bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float16", "float32", "float64")


@dataclass(frozen=True)
class Kind:
    """``write(folder, array)`` gives the file's path. ``chunks``: every chunk is a file of its own, and may be absent."""

    write: Callable[[Path, NDArray], Path]
    dtypes: tuple[str, ...] = NUMBERS
    transposed: bool = False
    chunks: bool = False


def npy(folder, array, *, order="C", endian="<"):
    path = folder / "a.npy"
    np.save(path, np.asarray(array, order=order).astype(array.dtype.newbyteorder(endian), order="K"))
    return path


def raw(folder, array, *, order="C", endian="<", offset=0):
    path = folder / "a.raw"
    stored = array.astype(array.dtype.newbyteorder(endian))
    path.write_bytes(b"\x07" * offset + stored.tobytes(order))
    dtype = "bool" if array.dtype.kind == "b" else stored.dtype.str
    sidecar = {"shape": list(array.shape), "dtype": dtype.replace("|", ""), "order": order, "offset_bytes": offset}
    (folder / "a.yaml").write_text(yaml.safe_dump(sidecar))
    return path


def tiff(folder, array, **options):
    import tifffile

    path = folder / "a.tif"
    if array.dtype.kind == "b":
        options.pop("predictor", None)
    tifffile.imwrite(path, array, photometric=options.pop("photometric", "minisblack"), metadata=None, **options)
    return path


def colour_tiff(folder, array, *, planes=False, alpha=False, **options):
    """Red, green and blue alike."""
    layers = [array] * 3 + [array // 2] * alpha
    stacked = np.stack(layers) if planes else np.dstack(layers)
    more = {"extrasamples": ["unassalpha"]} if alpha else {}
    return tiff(folder, stacked, photometric="rgb", planarconfig="separate" if planes else "contig", **more, **options)


def palette_tiff(folder, array, **options):
    """Each number stands for 255 less itself."""
    colours = np.stack([np.arange(255, -1, -1) * 257] * 3).astype(np.uint16)
    return tiff(folder, 255 - array, photometric="palette", colormap=colours, **options)


def cornered_tiff(folder, array, *, orientation, **options):
    """``orientation`` 3: begins at the lower right corner; 6: its rows are columns, from the right."""
    stored = {3: array[::-1, ::-1], 6: array.T[::-1]}[orientation]
    return tiff(folder, stored, extratags=[(274, 3, 1, orientation, True)], **options)


def picture(folder, array, *, ending, options=()):
    import cv2

    path = folder / f"a{ending}"
    assert cv2.imwrite(str(path), array, list(options))
    return path


def zarr(folder, array, *, version=3, zipped=False, ome=False, **options):
    import zarr as library

    path = folder / "a.zarr"
    inside = path / "0" if ome else path
    options.setdefault("chunks", tuple(min(16, n) for n in array.shape))
    written = library.create_array(inside, shape=array.shape, dtype=array.dtype, zarr_format=version, **options)
    written[:] = array
    if ome:
        levels = [{"axes": [{"name": "y"}, {"name": "x"}], "datasets": [{"path": "0"}]}]
        attributes = {"ome": {"version": "0.5", "multiscales": levels}} if version == 3 else {"multiscales": levels}
        library.open_group(path, mode="a", zarr_format=version).update_attributes(attributes)
    return packed(path, folder) if zipped else path


def packed(path: Path, folder: Path) -> Path:
    target = folder / "packed.zip"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for part in sorted(p for p in path.rglob("*") if p.is_file()):
            archive.write(part, part.relative_to(path.parent))
    shutil.rmtree(path)
    return target


def codecs(*names):
    import numcodecs

    return {"compressors": [numcodecs.get_codec({"id": name}) for name in names]} if names else {"compressors": None}


def zarr_v2(folder, array, *, compressor=None, **options):
    return zarr(folder, array, version=2, **codecs(*([compressor] if compressor else [])), **options)


def filtered_v2(folder, array, *, name, **options):
    import numcodecs

    settings = {"delta": {"dtype": array.dtype.str}, "shuffle": {"elementsize": array.dtype.itemsize}}.get(name, {})
    return zarr(folder, array, version=2, filters=[numcodecs.get_codec({"id": name} | settings)], **options)


def v3_codec(folder, array, *, name, **options):
    from zarr import codecs as library

    codec = getattr(library, name)()
    return zarr(folder, array, compressors=[codec], **options)


def sharded(folder, array, **options):
    chunk = tuple(max(1, min(8, n)) for n in array.shape)
    return zarr(folder, array, chunks=chunk, shards=tuple(2 * n for n in chunk), **options)


def transposed_v3(folder, array):
    from zarr.codecs import TransposeCodec

    return zarr(folder, array, filters=[TransposeCodec(order=(1, 0))])


INTEGERS = tuple(n for n in NUMBERS if "int" in n)
FLOATS = ("float16", "float32", "float64")

KINDS: dict[str, Kind] = {
    "npy": Kind(npy),
    "npy-columns": Kind(partial(npy, order="F"), transposed=True),
    "npy-big-endian": Kind(partial(npy, endian=">")),
    "raw": Kind(raw),
    "raw-columns-offset": Kind(partial(raw, order="F", offset=37, endian=">"), transposed=True),
    "tiff": Kind(tiff),
    "tiff-strips": Kind(partial(tiff, rowsperstrip=3)),
    "tiff-tiles": Kind(partial(tiff, tile=(16, 32))),
    "tiff-big": Kind(partial(tiff, bigtiff=True, byteorder=">", tile=(16, 16))),
    "tiff-colour": Kind(partial(colour_tiff, rowsperstrip=7), ("uint8", "uint16")),
    "tiff-colour-planes": Kind(partial(colour_tiff, planes=True, alpha=True, tile=(16, 32), compression="lzw"), ("uint8", "uint16")),
    "tiff-palette": Kind(palette_tiff, ("uint8",)),
    "tiff-last-corner": Kind(partial(cornered_tiff, orientation=3)),
    "tiff-columns": Kind(partial(cornered_tiff, orientation=6, tile=(16, 32), byteorder=">"), transposed=True),
    "tiff-lzma": Kind(partial(tiff, compression="lzma")),
    "png": Kind(partial(picture, ending=".png"), ("uint8", "uint16")),
    "zarr-v2": Kind(partial(zarr_v2), chunks=True),
    "zarr-v2-columns": Kind(partial(zarr_v2, order="F", compressor="zlib"), chunks=True),
    "zarr-v2-slashes": Kind(partial(zarr_v2, compressor="gzip", chunk_key_encoding={"name": "v2", "separator": "/"}), chunks=True),
    "zarr-v2-delta": Kind(partial(filtered_v2, name="delta"), INTEGERS, chunks=True),
    "zarr-v2-shuffle": Kind(partial(filtered_v2, name="shuffle"), chunks=True),
    "zarr-v2-packbits": Kind(partial(filtered_v2, name="packbits"), ("bool",), chunks=True),
    "zarr-v3": Kind(zarr, chunks=True),
    "zarr-v3-zip": Kind(partial(zarr, zipped=True)),
    "zarr-v3-transposed": Kind(transposed_v3, chunks=True),
    "zarr-v3-sharded": Kind(sharded, chunks=True),
    "zarr-v3-sharded-zip": Kind(partial(sharded, zipped=True)),
    "zarr-v3-gzip": Kind(partial(v3_codec, name="GzipCodec"), chunks=True),
    "zarr-v3-blosc": Kind(partial(v3_codec, name="BloscCodec"), chunks=True),
    "zarr-v3-crc": Kind(partial(v3_codec, name="Crc32cCodec"), chunks=True),
    "ome-zarr-0.5": Kind(partial(zarr, ome=True), chunks=True),
    "ome-zarr-0.4": Kind(partial(zarr, ome=True, version=2), chunks=True),
}
for codec in ("blosc", "bz2", "lz4", "lzma", "zstd"):
    KINDS[f"zarr-v2-{codec}"] = Kind(partial(zarr_v2, compressor=codec), chunks=True)
for codec in ("deflate", "lzw", "packbits", "zstd"):
    for order, layout in (("<", {"rowsperstrip": 5}), (">", {"tile": (16, 16)})):
        name = f"tiff-{codec}-{'tiles' if 'tile' in layout else 'strips'}"
        KINDS[name] = Kind(partial(tiff, compression=codec, byteorder=order, **layout))
        if codec != "packbits":
            # tifffile refuses the horizontal predictor on 64 bits with some codecs; the bytes of the others cover it.
            KINDS[f"{name}-predictor"] = Kind(partial(tiff, compression=codec, predictor=2, byteorder=order, **layout), INTEGERS)
            KINDS[f"{name}-float-predictor"] = Kind(partial(tiff, compression=codec, predictor=3, byteorder=order, **layout), FLOATS)


def content(path: Path, limits: Ingest | None = None) -> NDArray:
    """All strips of a raster, laid below each other and turned back; every strip is checked on the way."""
    with open_raster(path, limits or Ingest()) as stream:
        rows, columns = stream.shape[::-1] if stream.transposed else stream.shape
        whole, first = np.empty((rows, columns), stream.dtype), 0
        for strip in stream.strips():
            assert strip.flags.c_contiguous
            assert (strip.dtype, strip.shape[1]) == (stream.dtype, columns)
            assert strip.dtype.isnative
            assert len(strip) == 1 or strip.nbytes <= STRIP_BYTES
            whole[first : first + len(strip)] = strip
            first += len(strip)
        assert first == rows
    return whole.T if stream.transposed else whole
