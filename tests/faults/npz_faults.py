"""Faults of the die-map formats that are an archive (.npz): the project's own, and MixedWM38."""

from __future__ import annotations

import io
import struct
import zipfile
from typing import TYPE_CHECKING

import clean_files as clean
import numpy as np
from fault import WAFER, cut, faults

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fault import Damage
    from numpy.random import Generator
    from numpy.typing import NDArray

    Arrays = dict[str, NDArray]


def arrays(change: Callable[[Generator, Arrays], None]) -> Damage:
    """The arrays of an archive, changed and packed again."""

    def damage(rng: Generator, path: Path) -> None:
        with np.load(path) as archive:
            found = dict(archive)
        change(rng, found)
        np.savez_compressed(path, **found)

    return damage


def one(name: str, value: Callable[[Generator, NDArray], NDArray]) -> Damage:
    """One array of an archive becomes another."""

    def change(rng: Generator, found: Arrays) -> None:
        found[name] = value(rng, found[name])

    return arrays(change)


def poked(name: str, *values: int) -> Damage:
    """One element of an array becomes one of ``values``."""

    def value(rng: Generator, whole: NDArray) -> NDArray:
        made = whole.copy()
        made.flat[rng.integers(made.size)] = rng.choice(values)
        return made

    return one(name, value)


def false_header(name: str) -> Damage:
    """The ``.npy`` header of one array claims 10 GB or more; its bytes stay as few as they are."""

    def damage(rng: Generator, path: Path) -> None:
        with zipfile.ZipFile(path) as archive:
            members = {n: archive.read(n) for n in archive.namelist()}
        header = io.BytesIO()
        claim = {"descr": "<u8", "fortran_order": False, "shape": (int(rng.integers(10**10, 10**15)),)}
        np.lib.format.write_array_header_1_0(header, claim)
        members[f"{name}.npy"] = header.getvalue() + members[f"{name}.npy"][128:]
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for member, held in members.items():
                archive.writestr(member, held)

    return damage


def _flipped_in(member: str) -> Damage:
    """A byte of a member's packed data is another: its checksum no longer fits."""

    def damage(rng: Generator, path: Path) -> None:
        with zipfile.ZipFile(path) as archive:
            info = archive.getinfo(member)
        whole = bytearray(path.read_bytes())
        start = info.header_offset + 30 + sum(struct.unpack_from("<HH", whole, info.header_offset + 26))
        whole[start + int(rng.integers(info.compress_size))] ^= int(rng.integers(1, 256))
        path.write_bytes(whole)

    return damage


def _without_dies(rng: Generator, found: Arrays) -> None:
    start, end = found["offsets"][(at := int(rng.integers(len(found["offsets"]) - 1))) : at + 2]
    found["pixels"][start:end] = 0


def _bomb(rng: Generator, whole: NDArray) -> NDArray:
    return (
        np.zeros(int(rng.integers(6, 9)) << 20, np.uint8)
        if whole.ndim == 1
        else np.zeros((int(rng.integers(1_000, 1_500)), 52, 52), np.int32)
    )


def _objects(_rng: Generator, whole: NDArray) -> NDArray:
    return whole.astype(object)


ARCHIVE = [
    ("cut in the middle", cut(), "format.unknown"),
    ("a value that is no status", poked("pixels", 3, 7, 255), "diemap.values"),
    ("offsets that fall", one("offsets", lambda _, o: o[::-1].copy()), "diemap.offsets"),
    ("offsets beyond the pixels", one("offsets", lambda rng, o: o + int(rng.integers(1, 2**40))), "diemap.offsets"),
    ("shapes that do not fill their maps", poked("shapes", 1, 400, 2**20), "diemap.shapes"),
    ("sides whose product wraps round", one("shapes", lambda _, s: np.full_like(s, 2**32)), "diemap.shapes"),
    ("negative sides", one("shapes", lambda _, s: -s), "diemap.shapes"),
    ("fractions for statuses", one("pixels", lambda _, p: p.astype(float)), "diemap.arrays"),
    ("pickled objects", one("pixels", _objects), "diemap.arrays"),
    ("fewer labels than maps", one("label", lambda _, v: v[:-1]), "diemap.arrays"),
    ("labels without classes", arrays(lambda _, found: found.pop("classes")), "diemap.arrays"),
    ("no shapes", arrays(lambda _, found: found.pop("shapes")), "format.unknown"),
    ("a header for 10 GB", false_header("pixels"), "diemap.damaged"),
    ("a zip bomb", one("pixels", _bomb), "diemap.size"),
    ("a flipped byte", _flipped_in("pixels.npy"), "diemap.damaged"),
    ("one wafer without a die", arrays(_without_dies), "wafer.no_die", WAFER),
]

MIXED = [
    ("a value that is no status", poked("arr_0", 4, -1, 77), "mixedwm38.values"),
    ("a flag that is none", poked("arr_1", 2, -1, 9), "mixedwm38.flags"),
    ("fractions for statuses", one("arr_0", lambda _, a: a + 0.5), "mixedwm38.arrays"),
    ("pickled objects", one("arr_0", _objects), "mixedwm38.arrays"),
    (
        "names for other columns",
        arrays(lambda rng, found: found.update(label_names=np.array([f"a{i}" for i in range(int(rng.integers(1, 8)))]))),
        "mixedwm38.arrays",
    ),
    ("more flags than maps", one("arr_1", lambda rng, a: np.concatenate((a, a[: int(rng.integers(1, len(a) + 1))]))), "format.unknown"),
    (
        "a zip bomb",
        arrays(lambda rng, found: found.update(arr_0=(made := _bomb(rng, found["arr_0"])), arr_1=np.zeros((len(made), 8), int))),
        "mixedwm38.size",
    ),
    ("a flipped byte", _flipped_in("arr_0.npy"), ("mixedwm38.damaged", "mixedwm38.arrays", "format.unknown")),
]

KINDS = [*faults("diemap_archive", clean.archive, ARCHIVE), *faults("mixedwm38", clean.mixedwm38, MIXED)]
