"""Faults of STDF."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import clean_files as clean
from fault import NOTED, content, cut, faults

if TYPE_CHECKING:
    from collections.abc import Callable

    from fault import Damage
    from numpy.random import Generator


def records(change: Callable[[Generator, str, list[tuple[int, int, bytes]]], None]) -> Damage:
    """The records (type, subtype, body) of a file, changed, with lengths that fit again."""

    def act(rng: Generator, whole: bytes) -> bytes:
        mark, at, found = (">" if whole[4] == 1 else "<"), 0, []
        while at < len(whole):
            size, kind, sub = struct.unpack_from(f"{mark}HBB", whole, at)
            found.append((kind, sub, whole[at + 4 : at + 4 + size]))
            at += 4 + size
        change(rng, mark, found)
        return b"".join(struct.pack(f"{mark}HBB", len(body), kind, sub) + body for kind, sub, body in found)

    return content(act)


PRR, WRR, MRR = (5, 20), (2, 20), (1, 20)


def every(which: tuple[int, int], change: Callable[[Generator, str, bytes], bytes], share: float = 1.0) -> Damage:
    """A share of the records of one kind (at least one) get another body."""

    def act(rng: Generator, mark: str, found: list[tuple[int, int, bytes]]) -> None:
        places = [i for i, record in enumerate(found) if record[:2] == which]
        for i in rng.permutation(places)[: max(1, int(len(places) * share))]:
            found[i] = (*which, change(rng, mark, found[i][2]))

    return records(act)


def _without(which: tuple[int, int]) -> Damage:
    def act(_rng: Generator, _mark: str, found: list[tuple[int, int, bytes]]) -> None:
        found[:] = [record for record in found if record[:2] != which]

    return records(act)


def _false_length(rng: Generator, whole: bytes) -> bytes:
    mark, at = (">" if whole[4] == 1 else "<"), 0
    for _ in range(int(rng.integers(1, 20))):
        at += 4 + struct.unpack_from(f"{mark}H", whole, at)[0]
    return whole[:at] + struct.pack(f"{mark}H", 65_535) + whole[at + 2 :]


STDF = [
    ("cut in the middle", cut(), "stdf.truncated"),
    ("no MRR at the end", _without(MRR), "stdf.truncated"),
    ("a record that claims 64 kB", content(_false_length), "stdf.truncated"),
    ("the other byte order", content(lambda rng, c: c[:4] + bytes([3 - c[4]]) + c[5:] + rng.bytes(2)), ("stdf.record", "format.unknown")),
    ("another version", content(lambda rng, c: c[:5] + bytes([int(rng.integers(5, 200))]) + c[6:]), "stdf.version"),
    ("a part record cut short", every(PRR, lambda rng, _, body: body[: int(rng.integers(0, 3))], share=0), "stdf.record"),
    (
        "parts without coordinates",
        every(PRR, lambda _, mark, body: body[:9] + struct.pack(f"{mark}hh", -32768, -32768) + body[13:]),
        "stdf.coordinates",
    ),
    (
        "parts too far from each other",
        every(PRR, lambda rng, mark, body: body[:9] + struct.pack(f"{mark}hh", *rng.choice([-32000, 32000], 2)) + body[13:]),
        "stdf.span",
    ),
    ("no part", _without(PRR), "stdf.no_wafer"),
    (
        "a false count of parts",
        every(WRR, lambda rng, mark, body: body[:6] + struct.pack(f"{mark}I", rng.integers(10**6, 10**9)) + body[10:]),
        "part count: WRR says",
        NOTED,
    ),
]

KINDS = faults("stdf", clean.stdf, STDF)
