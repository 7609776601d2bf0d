"""Faults of any file, whatever its format: empty, cut, compressed, linked, too large."""

from __future__ import annotations

import gzip
from functools import partial
from typing import TYPE_CHECKING

import clean_files as clean
from fault import LEFT, content, cut, faults

if TYPE_CHECKING:
    from pathlib import Path

    from fault import Damage
    from numpy.random import Generator

MOST_MB = 4
"""The corpus is ingested with this limit on a file's size, so that "too large" is not large."""


def inside(pack: object, change: Damage) -> Damage:
    """What is inside a gzip or zstd file, damaged and packed again."""

    def damage(rng: Generator, path: Path) -> None:
        inner = path.with_suffix("")
        inner.write_bytes(unpacked(path.read_bytes()))
        change(rng, inner)
        path.write_bytes(pack(inner.read_bytes()))
        inner.unlink()

    return damage


def unpacked(whole: bytes) -> bytes:
    import imagecodecs

    return gzip.decompress(whole) if whole[:2] == b"\x1f\x8b" else imagecodecs.zstd_decode(whole)


def _flip(rng: Generator, whole: bytes) -> bytes:
    at = int(rng.integers(len(whole) - 8, len(whole)))  # checksum and length
    return whole[:at] + bytes([whole[at] ^ int(rng.integers(1, 256))]) + whole[at + 1 :]


def _bomb(rng: Generator, whole: bytes) -> bytes:
    return whole + b" " * ((MOST_MB << 20) + int(rng.integers(1, 10**7)))


def _linked(_rng: Generator, path: Path) -> None:
    secret = path.parents[3] / f"secret-{path.parent.parent.name}"
    path.rename(secret)
    path.symlink_to(secret)


def _lost(_rng: Generator, path: Path) -> None:
    path.unlink()
    path.symlink_to(path.with_name("nowhere"))


ANY = [
    ("empty", content(lambda _rng, _: b""), "format.empty"),
    ("random bytes", content(lambda rng, _: b"\xc1" + rng.bytes(int(rng.integers(1, 20_000)))), "format.unknown"),
    ("zeros", content(lambda rng, _: bytes(int(rng.integers(1, 20_000)))), "format.unknown"),
    ("a letter", content(lambda rng, _: b"Dear colleague,\nthe map of lot %d is late.\n" % rng.integers(10**9)), "format.unknown"),
    ("larger than the limit", content(lambda rng, c: c + b"\n" * ((MOST_MB << 20) + int(rng.integers(1, 900)))), "file.too_large"),
    ("a link that leaves the folder", _linked, "a link that leaves", LEFT),
    ("a link that leads nowhere", _lost, "leads nowhere", LEFT),
]


def both(pack: object) -> list[tuple]:
    """Faults that gzip and zstd share."""
    return [
        ("cut in the middle", cut(), "compressed.damaged"),
        ("garbage behind its first bytes", content(lambda rng, c: c[:12] + rng.bytes(len(c))), "compressed.damaged"),
        ("compressed twice", content(lambda _, c: pack(c)), "compressed.nested"),
        ("a bomb", inside(pack, content(_bomb)), "compressed.size"),
        ("a cut file inside", inside(pack, cut()), "klarf.truncated"),
        (
            "nothing that is known inside",
            inside(pack, content(lambda rng, _: rng.bytes(int(rng.integers(5, 900))))),
            ("format.unknown", "format.empty"),
        ),
        ("nothing inside", content(lambda rng, _: pack(b"") * int(rng.integers(1, 60))), "format.empty"),
    ]


KINDS = [
    *faults("any", clean.klarf12, ANY),
    *faults("compressed", clean.packed, [(f"gzip, {what}", *rest) for what, *rest in both(gzip.compress)]),
    *faults("compressed", clean.packed, [("gzip, another checksum or length", content(_flip), "compressed.damaged")]),
    *faults("compressed", partial(clean.packed, suffix=".zst"), [(f"zstd, {what}", *rest) for what, *rest in both(clean.zst)]),
]
