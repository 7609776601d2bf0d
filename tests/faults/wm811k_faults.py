"""Faults of WM-811K's pickle."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import clean_files as clean
import numpy as np
from fault import content, cut, faults
from wm811k_writer import Called, Global, Pickler, frame

if TYPE_CHECKING:
    from collections.abc import Callable

    from fault import Damage
    from numpy.random import Generator
    from numpy.typing import NDArray


def pickled(make: Callable[[Generator], bytes]) -> Damage:
    return content(lambda rng, _: make(rng))


def _with_call(rng: Generator) -> bytes:
    module, name = [("os", "system"), ("posix", "system"), ("builtins", "eval"), ("subprocess", "Popen"), ("numpy", "load")][
        rng.integers(5)
    ]
    whole = frame([(clean.status(rng), clean.named(rng), 1, "Ring", "Test")])
    whole.state["_metadata"] = [Called(Global(module, name), ("id",))]
    return Pickler().dump(whole)


def _with_map(rng: Generator, made: NDArray) -> bytes:
    return Pickler().dump(frame([(clean.status(rng), clean.named(rng), 1, "Ring", "Test"), (made, "x", 2, None, None)]))


def _bombs(rng: Generator) -> bytes:
    size = int(rng.integers(2**30, 2**31 - 1))
    made = [
        b"\x80\x02Nr" + struct.pack("<I", size) + b".",
        b"\x80\x02T" + struct.pack("<i", size) + b"a.",
        b"\x80\x02})" + b"2\x86" * int(rng.integers(60, 99)) + b"Ns.",
    ]
    return made[rng.integers(3)]


PICKLE = [
    ("a function to be called", pickled(_with_call), "wm811k.class"),
    ("cut in the middle", cut(), "wm811k.damaged"),
    ("a bomb of memory or time", pickled(_bombs), "wm811k.limits"),
    (
        "a value that is no status",
        pickled(lambda rng: _with_map(rng, np.full((3, int(rng.integers(2, 9))), rng.integers(3, 255), np.uint8))),
        "wm811k.values",
    ),
    ("a map of one dimension", pickled(lambda rng: _with_map(rng, np.ones(int(rng.integers(1, 99)), np.uint8))), "wm811k.values"),
    ("a column of another name", content(lambda rng, c: c.replace(b"failureType", b"failure%04d" % rng.integers(10**4))), "wm811k.columns"),
    ("no DataFrame", pickled(lambda rng: Pickler().dump([int(v) for v in rng.integers(0, 255, 9)])), "wm811k.structure"),
    ("content behind its end", content(lambda rng, c: c + rng.bytes(int(rng.integers(1, 50)))), "wm811k.damaged"),
]

KINDS = faults("wm811k_pickle", clean.wm811k, PICKLE)
