"""Writes what Python 2.7, NumPy 1.11 and pandas 0.18/0.19 wrote with protocol 2: opcodes, module names and states, by hand.

Python 3 cannot write it: it has no opcode for a string of Python 2 and names other modules. The states are those of
``NDFrame.__getstate__``, ``BlockManager.__getstate__``, ``Index.__reduce__``, ``ndarray.__reduce__`` and ``dtype.__reduce__``.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Global:
    module: str
    name: str


@dataclass(eq=False)
class Called:
    """The result of ``function(*args)``."""

    function: Global
    args: tuple
    state: Any = None


@dataclass(eq=False)
class Instance:
    """An object of a new-style class with a state."""

    kind: Global
    state: Any


class Text(str):
    """A ``unicode`` of Python 2; a plain ``str`` is written as its ``str``."""

    __slots__ = ()


class Pickler:
    """One pickle; equal objects are not merged, the same object is written once."""

    def __init__(self) -> None:
        self.out = bytearray(b"\x80\x02")
        self.memo: dict[int, int] = {}
        self.kept: list[Any] = []

    def dump(self, value: Any) -> bytes:
        self.save(value)
        return bytes(self.out + b".")

    def put(self, value: Any) -> None:
        n = self.memo[id(value)] = len(self.kept)
        self.kept.append(value)
        self.out += b"q" + bytes([n]) if n < 256 else b"r" + struct.pack("<I", n)

    def save(self, value: Any) -> None:
        n = self.memo.get(id(value))
        if n is not None:
            self.out += b"h" + bytes([n]) if n < 256 else b"j" + struct.pack("<I", n)
        elif value is None or isinstance(value, bool):
            self.out += {None: b"N", True: b"\x88", False: b"\x89"}[value]
        elif isinstance(value, int):
            small = b"K" + bytes([value]) if 0 <= value < 256 else b"M" + struct.pack("<H", value) if 0 <= value < 65536 else None
            self.out += small or b"J" + struct.pack("<i", value)
        elif isinstance(value, float):
            self.out += b"G" + struct.pack(">d", value)
        else:
            getattr(self, f"save_{type(value).__name__.lower()}")(value)

    def save_text(self, value: Text) -> None:
        raw = value.encode()
        self.out += b"X" + struct.pack("<I", len(raw)) + raw
        self.put(value)

    def save_str(self, value: str) -> None:
        self.save_bytes(value.encode("latin-1"), value)

    def save_bytes(self, value: bytes, of: Any = None) -> None:
        self.out += (b"U" + bytes([len(value)]) if len(value) < 256 else b"T" + struct.pack("<i", len(value))) + value
        self.put(value if of is None else of)

    def save_tuple(self, value: tuple) -> None:
        short = {0: b")", 1: b"\x85", 2: b"\x86", 3: b"\x87"}.get(len(value))
        self.out += b"" if short else b"("
        for item in value:
            self.save(item)
        self.out += short or b"t"
        if value:
            self.put(value)

    def save_list(self, value: list) -> None:
        self.out += b"]"
        self.put(value)
        for start in range(0, len(value), 1000):
            batch = value[start : start + 1000]
            self.out += b"(" if len(batch) > 1 else b""
            for item in batch:
                self.save(item)
            self.out += b"e" if len(batch) > 1 else b"a"

    def save_dict(self, value: dict) -> None:
        self.out += b"}"
        self.put(value)
        self.out += b"("
        for item in value.items():
            for part in item:
                self.save(part)
        self.out += b"u"

    def save_global(self, value: Global) -> None:
        self.out += f"c{value.module}\n{value.name}\n".encode()
        self.put(value)

    def save_slice(self, value: slice) -> None:
        self.save(Called(Global("__builtin__", "slice"), (value.start, value.stop, value.step)))

    def save_called(self, value: Called) -> None:
        self.save(value.function)
        self.save(value.args)
        self.out += b"R"
        self.put(value)
        if value.state is not None:
            self.save(value.state)
            self.out += b"b"

    def save_instance(self, value: Instance) -> None:
        self.save(value.kind)
        self.out += b")\x81"
        self.put(value)
        self.save(value.state)
        self.out += b"b"

    def save_ndarray(self, value: np.ndarray) -> None:
        kind = value.dtype
        order = {"=": "<"}.get(kind.byteorder, kind.byteorder)
        text = kind.kind in "SU"
        sizes = (kind.itemsize, kind.alignment, 0) if text else (-1, -1, 63 if kind.hasobject else 0)
        code = f"{kind.kind}{kind.itemsize // 4 if kind.kind == 'U' else kind.itemsize}"
        dtype = Called(Global("numpy", "dtype"), (code, 0, 1), (3, order, None, None, None, *sizes))
        fortran = value.flags.f_contiguous and not value.flags.c_contiguous
        content = value.ravel().tolist() if kind.hasobject else value.tobytes("F" if fortran else "C")
        if kind.hasobject:  # tolist unpacks arrays of one element
            content = list(value.ravel())
        start = (Global("numpy", "ndarray"), (0,), "b")
        made = Called(Global("numpy.core.multiarray", "_reconstruct"), start, (1, value.shape, dtype, bool(fortran), content))
        self.save(made)
        self.memo[id(value)] = self.memo[id(made)]
        self.kept[self.memo[id(made)]] = (made, value)


def index_of(names: list[str], module: str = "pandas.indexes.base") -> Called:
    data = np.empty(len(names), object)
    data[:] = names
    return Called(Global(module, "_new_Index"), (Global(module, "Index"), {"data": data, "name": None}))


def rows_of(count: int, *, old: bool) -> Called:
    if old:  # before pandas 0.18
        module = "pandas.core.index"
        return Called(Global(module, "_new_Index"), (Global(module, "Int64Index"), {"data": np.arange(count), "name": None}))
    kind = Global("pandas.indexes.range", "RangeIndex")
    return Called(Global("pandas.indexes.base", "_new_Index"), (kind, {"start": 0, "stop": count, "step": 1, "name": None}))


def nested(name: str | None) -> np.ndarray:
    """``array([['name']])`` as it came out of MATLAB, or an empty array."""
    return np.zeros((0, 0)) if name is None else np.array([[name]])


def frame(wafers: list[tuple], *, old: bool = False) -> Instance:
    """A DataFrame of (map, lot, wafer, label, part) as LSWMD.pkl holds it: one block of objects, one of floats."""
    count = len(wafers)
    numbers = np.array([[float(np.count_nonzero(w[0])) for w in wafers], [float(w[2]) for w in wafers]]).reshape(2, count)
    objects = np.empty((4, count), object)
    for i, (status, lot, _, label, part) in enumerate(wafers):
        objects[0, i], objects[1, i], objects[2, i], objects[3, i] = status, lot, nested(part), nested(label)
    names = index_of(
        ["waferMap", "dieSize", "lotName", "waferIndex", "trianTestLabel", "failureType"],
        "pandas.core.index" if old else "pandas.indexes.base",
    )
    axes = [names, rows_of(count, old=old)]
    places = [slice(1, 5, 2), np.array([0, 2, 4, 5])]
    blocks = [numbers, objects]
    items = [index_of(["dieSize", "waferIndex"]), index_of(["waferMap", "lotName", "trianTestLabel", "failureType"])]
    extra = {"0.14.1": {"axes": axes, "blocks": [{"mgr_locs": p, "values": v} for p, v in zip(places, blocks, strict=True)]}}
    manager = Instance(Global("pandas.core.internals", "BlockManager"), (axes, blocks, items, extra))
    return Instance(Global("pandas.core.frame", "DataFrame"), {"_metadata": [], "_typ": Text("dataframe"), "_data": manager})


def lswmd(wafers: list[tuple], *, old: bool = False) -> bytes:
    """The bytes of a file like LSWMD.pkl."""
    return Pickler().dump(frame(wafers, old=old))
