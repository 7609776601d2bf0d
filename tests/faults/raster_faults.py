"""Faults of rasters: their headers, their bytes, their sidecars, and zarr stores that name places outside of them."""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from typing import TYPE_CHECKING

import clean_files as clean
import numpy as np
import yaml
from fault import LEFT, content, cut, faults
from points_faults import MERGES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fault import Damage
    from numpy.random import Generator
    from numpy.typing import NDArray


def array(change: Callable[[Generator, NDArray], NDArray]) -> Damage:
    """The array of a ``.npy`` file, changed and saved again (with pickles, if it takes them)."""

    def damage(rng: Generator, path: Path) -> None:
        np.save(path, change(rng, np.load(path)), allow_pickle=True)

    return damage


def header(**claims: Callable[[Generator], object]) -> Damage:
    """What a ``.npy`` header claims; the bytes behind it stay."""

    def damage(rng: Generator, path: Path) -> None:
        with path.open("rb") as file:
            np.lib.format.read_magic(file)
            shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
            rest = file.read()
        made = {"descr": dtype.str, "fortran_order": fortran, "shape": shape} | {key: claim(rng) for key, claim in claims.items()}
        out = io.BytesIO()
        np.lib.format.write_array_header_1_0(out, made)
        path.write_bytes(out.getvalue() + rest)

    return damage


def sidecar(*values: dict[str, object] | str) -> Damage:
    """The sidecar says one of ``values`` more, or is one of these texts."""

    def damage(rng: Generator, path: Path) -> None:
        beside, value = path.with_suffix(".yaml"), values[rng.integers(len(values))]
        known = yaml.safe_load(beside.read_text())
        beside.write_text(value if isinstance(value, str) else yaml.safe_dump(known | value))

    return damage


def pixel_size(factor: float) -> Damage:
    """``pixel_um`` of the sidecar, in another unit."""

    def damage(_rng: Generator, path: Path) -> None:
        beside = path.with_suffix(".yaml")
        known = yaml.safe_load(beside.read_text())
        beside.write_text(yaml.safe_dump(known | {"pixel_um": known["pixel_um"] * factor}))

    return damage


def _dense(rng: Generator, made: NDArray) -> NDArray:
    return rng.integers(100, 256, made.shape).astype(np.uint8)


NPY = [
    ("cut in the middle", cut(), "raster.truncated"),
    ("cut in its header", content(lambda rng, c: c[: int(rng.integers(8, 100))]), "raster.header"),
    ("bytes behind its pixels", content(lambda rng, c: c + rng.bytes(int(rng.integers(1, 900)))), "raster.truncated"),
    ("a header for 10 GB", header(shape=lambda rng: (int(rng.integers(10**5, 10**6)), 100_000)), "raster.size"),
    ("a header for more rows than there are", header(shape=lambda rng: (int(rng.integers(201, 3_000)), 200)), "raster.truncated"),
    ("a header for more than any disk", header(shape=lambda rng: (2**40, int(rng.integers(2**10, 2**30)))), "raster.header"),
    ("negative sides", header(shape=lambda rng: (-int(rng.integers(1, 999)), -100)), "raster.header"),
    ("pickled objects", array(lambda _, a: a.astype(object)), "raster.header"),
    ("three dimensions", array(lambda rng, a: np.stack([a] * int(rng.integers(2, 5)))), "raster.header"),
    ("complex numbers", array(lambda rng, a: a.astype(rng.choice(["c8", "c16"]))), "raster.header"),
    ("records", array(lambda _, a: a.view([("a", "u1")])), "raster.header"),
    ("a picture, no sparse map", array(_dense), "raster.dense"),
    ("a sidecar that is no YAML", sidecar("{", "a: b: c", "- 1", "[" * 20_000, "!!python/object/apply:os.system [id]"), "raster.sidecar"),
    ("a sidecar that unfolds without end", sidecar(MERGES), "raster.sidecar"),
    (
        "a sidecar out of its domain",
        sidecar({"pixel_um": -1}, {"polarity": "grey"}, {"diameter_mm": 0}, {"centre_px": [1]}, {"threshold": "x"}, {"dies": [[0, 5, 1]]}),
        "raster.sidecar",
    ),
    (
        "a sidecar that is not finite",
        sidecar({"pixel_um": float("inf")}, {"pixel_um": float("nan")}, {"centre_px": [float("nan"), 1.0]}, {"diameter_mm": float("inf")}),
        "raster.sidecar",
    ),
    (
        "a sidecar for a billion dies",
        sidecar({"dies": [[0, 0, 10**9]]}, {"dies": [[y, -(2**62), 2**62] for y in range(9)]}),
        "raster.sidecar",
    ),
    (
        "a sidecar with a centre off the wafer",
        sidecar({"centre_px": [9e5, 9e5]}, {"centre_px": [-9e4, 1.0]}),
        ("wafer.outside", "wafer.unit"),
    ),
    ("a pixel size in nm", pixel_size(1e3), ("wafer.unit", "wafer.outside")),
    ("a diameter in um", sidecar({"diameter_mm": 300_000}, {"diameter_mm": 200_000.0}), ("wafer.unit", "raster.sidecar")),
]
RAW = [
    ("fewer bytes than its sidecar says", cut(), "raster.truncated"),
    ("an offset behind its end", sidecar({"offset_bytes": 10**7}, {"offset_bytes": 2**62}), "raster.truncated"),
    ("a sidecar for 10 GB", sidecar({"shape": [100_000, 100_000]}, {"shape": [2**19, 2**19]}), "raster.size"),
    ("pixels that are objects", sidecar({"dtype": "O"}, {"dtype": "V8"}, {"dtype": "U4"}, {"dtype": "datetime64"}), "raster.sidecar"),
]

# --- TIFF


def tag(number: int, value: Callable[[Generator, int], int]) -> Damage:
    """The value of one tag of the first page; the files of the corpus are little-endian, not Big, and hold it in its entry."""

    def act(rng: Generator, whole: bytes) -> bytes:
        made, (first,) = bytearray(whole), struct.unpack_from("<I", whole, 4)
        for i in range(struct.unpack_from("<H", whole, first)[0]):
            entry = first + 2 + 12 * i
            if struct.unpack_from("<H", whole, entry)[0] == number:
                struct.pack_into("<HII", made, entry + 2, 4, 1, value(rng, struct.unpack_from("<I", whole, entry + 8)[0]))
        assert made != whole, number
        return bytes(made)

    return content(act)


def _loop(rng: Generator, whole: bytes) -> bytes:
    made, (first,) = bytearray(whole), struct.unpack_from("<I", whole, 4)
    size = 2 + 12 * struct.unpack_from("<H", whole, first)[0]
    far = len(made)
    copies = int(rng.integers(1, 4))
    for i in range(copies):  # a chain of pages that comes back to the first
        made += whole[first : first + size] + struct.pack("<I", first if i == copies - 1 else far + (i + 1) * (size + 4))
    struct.pack_into("<I", made, first + size, far)
    return bytes(made)


def _strip_bomb(rng: Generator, whole: bytes) -> bytes:
    """Every strip of a deflated file unfolds to more than its pixels."""
    made, (first,) = bytearray(whole), struct.unpack_from("<I", whole, 4)
    bomb = zlib.compress(bytes(int(rng.integers(10, 40)) << 20), 9)
    places = {}
    for i in range(struct.unpack_from("<H", whole, first)[0]):
        number, kind, count, value = struct.unpack_from("<HHII", whole, first + 2 + 12 * i)
        places[number] = (kind, count, value)
    for number, new in ((273, len(whole)), (279, len(bomb))):
        kind, count, at = places[number]
        struct.pack_into("<" + {3: "H", 4: "I"}[kind], made, at, new if kind == 4 else min(new, 65_535))
    return bytes(made) + bomb


WIDTH, LENGTH, BITS, COMPRESSION, PHOTOMETRIC, OFFSETS, ROWS_PER_STRIP = 256, 257, 258, 259, 262, 273, 278
TIFF = [
    ("cut in the middle", cut(), ("raster.truncated", "raster.header")),
    ("a circle of pages", content(_loop), "raster.header"),
    ("a header for 10 GB", tag(WIDTH, lambda rng, _: int(rng.integers(10**6, 10**9))), "raster.size"),
    ("no pixels", tag(LENGTH, lambda _rng, _: 0), "raster.header"),
    (
        "its directory behind its end",
        content(lambda rng, c: c[:4] + struct.pack("<I", int(rng.integers(len(c), 2**32))) + c[8:]),
        "raster.header",
    ),
    ("pixels behind its end", tag(OFFSETS, lambda rng, _: int(rng.integers(10**6, 2**32))), ("raster.truncated", "raster.header")),
    ("a compression that nobody knows", tag(COMPRESSION, lambda rng, _: int(rng.integers(100, 9_999))), "raster.compression"),
    ("pixels of odd bits", tag(BITS, lambda rng, _: int(rng.choice([0, 65, 999]))), "raster.header"),
    ("a palette of colours", tag(PHOTOMETRIC, lambda rng, _: int(rng.choice([2, 3, 5, 6]))), "raster.channels"),
    ("strips of no rows", tag(ROWS_PER_STRIP, lambda _rng, _: 0), "raster.header"),
]
TIFF_PACKED = [("a strip that unfolds to gigabytes", content(_strip_bomb), "raster.damaged")]

# --- PNG and JPEG


def _png_flip(rng: Generator, whole: bytes) -> bytes:
    at = whole.index(b"IDAT") + 4 + int(rng.integers(20))
    return whole[:at] + bytes([whole[at] ^ int(rng.integers(1, 256))]) + whole[at + 1 :]


def _png_size(rng: Generator, whole: bytes) -> bytes:
    made = bytearray(whole)
    struct.pack_into(">II", made, 16, *rng.integers(50_000, 200_000, 2).tolist())
    struct.pack_into(">I", made, 29, zlib.crc32(made[12:29]))
    return bytes(made)


def _jpeg_size(rng: Generator, whole: bytes) -> bytes:
    at = whole.index(b"\xff\xc0") + 5
    return whole[:at] + struct.pack(">HH", *rng.integers(40_000, 65_535, 2).tolist()) + whole[at + 4 :]


PNG = [
    ("cut in the middle", cut(), ("raster.truncated", "raster.damaged")),
    ("a flipped byte: its checksum tells", content(_png_flip), "raster.damaged"),
    ("a header for 10 GB", content(_png_size), "raster.size"),
    (
        "a chunk that claims 2 GB",
        content(lambda rng, c: c[:33] + struct.pack(">I", int(rng.integers(2**24, 2**31))) + c[37:]),
        ("raster.truncated", "raster.damaged", "raster.header"),
    ),
]
JPEG = [
    ("cut in the middle", cut(), ("raster.truncated", "raster.damaged")),
    ("a header for 2 GB", content(_jpeg_size), "raster.size"),
]

# --- zarr


def metadata(*changes: dict[str, object], name: str = "zarr.json") -> Damage:
    """The metadata of an array says one of ``changes`` otherwise; with a number of its own, so that no two files are one."""

    def damage(rng: Generator, path: Path) -> None:
        place = path / name
        known = json.loads(place.read_text())
        known |= changes[rng.integers(len(changes))]
        known["attributes"] = known.get("attributes", {}) | {"number": int(rng.integers(10**9))}
        place.write_text(json.dumps(known))

    return damage


def level0(*paths: object) -> Damage:
    """The multiscale metadata names one of ``paths`` as level 0."""
    return metadata(*({"attributes": {"ome": {"multiscales": [{"datasets": [{"path": place}]}]}}} for place in paths))


def a_chunk(change: Callable[[Generator, bytes], bytes]) -> Damage:
    """One chunk (or shard) of a store, changed."""

    def damage(rng: Generator, path: Path) -> None:
        chunks = sorted(p for p in path.rglob("*") if p.is_file() and p.name[0].isdigit())
        chosen = chunks[rng.integers(len(chunks))]
        chosen.write_bytes(change(rng, chosen.read_bytes()))

    return damage


def _linked(_rng: Generator, path: Path) -> None:
    chunk = next(p for p in sorted(path.rglob("*")) if p.is_file() and p.name[0].isdigit())
    secret = path.parents[3] / "secret"
    secret.write_bytes(chunk.read_bytes())
    chunk.unlink()
    chunk.symlink_to(secret)


def _folder_linked(_rng: Generator, path: Path) -> None:
    outside = path.parents[3] / f"outside-{path.parent.parent.name}"
    (path / "c").rename(outside)
    (path / "c").symlink_to(outside)


def _renamed(change: Callable[[str], str]) -> Damage:
    """Entries of a zipped store get other names."""

    def damage(_rng: Generator, path: Path) -> None:
        with zipfile.ZipFile(path) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        with zipfile.ZipFile(path, "w") as archive:
            for name, held in members.items():
                archive.writestr(change(name), held)

    return damage


def _no_json(rng: Generator, path: Path) -> None:
    begin = ["", "[]", "{", "null", "[" * 50_000][rng.integers(5)]
    (path / "zarr.json").write_text(begin + " " * int(rng.integers(1, 10**6)))


OUT = ("../b.zarr", "/etc", "0/../../b.zarr", "..", "a\\..\\b", "", "0//1")
ZARR = [
    ("false sizes", metadata({"shape": [2**20, 2**20]}, {"shape": [10**6, 10**5]}), "raster.size"),
    ("more pixels than any disk", metadata({"shape": [2**31, 2**31]}, {"shape": [-5, 5]}, {"shape": [0, 9]}), "raster.header"),
    (
        "chunks too large for memory",
        metadata({"shape": [2_000, 2_000], "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [2**17, 2**17]}}}),
        "raster.segment",
    ),
    (
        "a codec that unpickles",
        metadata({"codecs": [{"name": "numcodecs.pickle"}]}, {"codecs": [{"name": "bytes"}, {"name": "numcodecs.pickle"}]}),
        "raster.header",
    ),
    (
        "objects for pixels",
        metadata({"data_type": "string"}, {"data_type": {"name": "numpy.datetime64"}}, {"data_type": "complex64"}),
        "raster.header",
    ),
    ("metadata that is no JSON", _no_json, ("raster.damaged", "raster.header", "raster.pages")),
    ("a chunk that is damaged", a_chunk(lambda rng, c: rng.bytes(max(8, len(c)))), "raster.damaged"),
    ("a chunk that is cut", a_chunk(lambda rng, c: c[: int(rng.integers(1, max(2, len(c) - 1)))]), ("raster.damaged", "raster.truncated")),
    ("a chunk that is a link out of the store", _linked, "is a link", LEFT),
    ("its chunks behind a link out of the store", _folder_linked, "is a link", LEFT),
]
ZARR2 = [
    (
        "a chunk that unfolds to gigabytes",
        a_chunk(lambda rng, _: zlib.compress(bytes(int(rng.integers(10, 40)) << 20), 9)),
        "raster.damaged",
    ),
    (
        "pickled objects in version 2",
        metadata({"dtype": "|O"}, {"filters": [{"id": "pickle"}]}, {"compressor": {"id": "pickle"}}, name=".zarray"),
        "raster.header",
    ),
]
SHARDED = [
    (
        "an index of a shard that lies",
        a_chunk(lambda rng, c: c[:-68] + struct.pack("<8Q", *rng.integers(2**40, 2**63, 8)) + rng.bytes(4)),
        "raster.damaged",
    ),
]
OME = [("a path that leads out of the store", level0(*OUT, 7, None), "raster.link")]
ZIPPED = [
    ("cut in the middle", cut(), "format.unknown"),
    ("entries that lead out of the folder", _renamed("../../{}".format), "format.unknown"),
    ("entries with absolute paths", _renamed("/etc/{}".format), "format.unknown"),
]

KINDS = [
    *faults("raster", clean.npy, [(f".npy, {what}", *rest) for what, *rest in NPY]),
    *faults("raster", clean.raw, [(f"raw, {what}", *rest) for what, *rest in RAW]),
    *faults("raster", clean.tiff, [(f"TIFF, {what}", *rest) for what, *rest in TIFF]),
    *faults("raster", clean.tiff_packed, [(f"TIFF, {what}", *rest) for what, *rest in TIFF_PACKED]),
    *faults("raster", clean.png, [(f"PNG, {what}", *rest) for what, *rest in PNG]),
    *faults("raster", clean.jpeg, [(f"JPEG, {what}", *rest) for what, *rest in JPEG]),
    *faults("raster", clean.zarr3, [(f"zarr, {what}", *rest) for what, *rest in ZARR]),
    *faults("raster", clean.zarr2, [(f"zarr, {what}", *rest) for what, *rest in ZARR2]),
    *faults("raster", clean.zarr_sharded, [(f"zarr, {what}", *rest) for what, *rest in SHARDED]),
    *faults("raster", clean.zarr_ome, [(f"OME-Zarr, {what}", *rest) for what, *rest in OME]),
    *faults("raster", clean.zarr_zip, [(f"zarr in zip, {what}", *rest) for what, *rest in ZIPPED]),
]
