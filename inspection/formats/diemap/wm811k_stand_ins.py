"""What stands for NumPy and pandas while the original WM-811K file is unpickled: nothing of theirs is imported or executed.

Standard library only. Structure of the file, read in pandas 0.18 and 0.19 (``NDFrame.__getstate__``, ``BlockManager.__getstate__``,
``Index.__reduce__``) and NumPy (``ndarray.__reduce__``, ``dtype.__reduce__``): a DataFrame whose BlockManager lists, under ``0.14.1``, the
axes and the blocks of values.
"""

from __future__ import annotations

import pickle  # with every name refused that has no stand-in below
import sys
from array import array
from math import prod
from typing import Any

_LAYOUT = {"b1": "B", "u1": "B", "i1": "b", "u2": "H", "i2": "h", "u4": "I", "i4": "i", "u8": "Q", "i8": "q", "f4": "f", "f8": "d"}


class RefusedError(Exception):
    """The file is not what it should be: code, where, expected, got."""


def text(value: Any) -> str:
    """A string of Python 2 or 3."""
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, str):
        return value
    raise RefusedError("structure", "a name", "text", type(value).__name__)


class Dtype:
    """Stand-in for ``numpy.dtype``: ``code`` such as ``u1``, and the byte order."""

    __slots__ = ("code", "order")

    def __init__(self, code: Any, *_: Any) -> None:
        self.code, self.order = text(code), "|"

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) < 5 or any(s is not None for s in state[2:5]):
            raise RefusedError("structure", "a dtype", "a plain one", str(state)[:60])
        self.order = text(state[1])

    @property
    def size(self) -> int:
        """Bytes of one value."""
        return int(self.code[1:]) * (4 if self.code[0] == "U" else 1)


class Array:
    """Stand-in for ``numpy.ndarray``: its shape, type and bytes, or the list of its objects."""

    __slots__ = ("content", "dtype", "fortran", "shape")

    def __init__(self) -> None:
        self.shape: tuple[int, ...] = (0,)
        self.content: bytes | list[Any] = b""
        self.dtype, self.fortran = Dtype("u1"), False

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) != 5:
            raise RefusedError("structure", "an array", "a state of five", str(type(state)))
        _, shape, dtype, fortran, content = state
        if not isinstance(shape, tuple) or not all(type(s) is int and 0 <= s < 2**40 for s in shape) or not isinstance(dtype, Dtype):
            raise RefusedError("structure", "an array", "a shape and a dtype", str(shape)[:60])
        if isinstance(content, str):  # Python 3 wrote it by way of latin1
            content = content.encode("latin-1")
        of_objects = dtype.code.startswith("O")
        if not isinstance(content, list if of_objects else bytes) or len(content) != prod(shape) * (1 if of_objects else dtype.size):
            raise RefusedError("structure", "an array", f"the content of shape {shape} of {dtype.code}", type(content).__name__)
        self.shape, self.dtype, self.fortran, self.content = shape, dtype, bool(fortran), content

    def numbers(self) -> array[Any] | bytes:
        """The values in the order they lie in."""
        if isinstance(self.content, list) or self.dtype.code not in _LAYOUT:
            raise RefusedError("structure", "an array", "numbers", self.dtype.code)
        kind = _LAYOUT[self.dtype.code]
        if kind == "B":
            return self.content
        values = array(kind)
        values.frombytes(self.content)
        if self.dtype.order == (">" if sys.byteorder == "little" else "<"):
            values.byteswap()
        return values

    def objects(self) -> list[Any]:
        """The values of an array of objects or text, row after row."""
        if isinstance(self.content, list):
            return self.content
        code, size = self.dtype.code[0], self.dtype.size
        if code not in "US" or size < 1:
            return []
        cells = [self.content[i : i + size] for i in range(0, len(self.content), size)]
        coding = {"S": "latin-1", "U": "utf-32-be" if self.dtype.order == ">" else "utf-32-le"}[code]
        return [cell.decode(coding).rstrip("\0") for cell in cells]


class Stateful:
    """Stand-in for a pandas object of which only the state matters."""

    __slots__ = ("state",)

    def __init__(self) -> None:
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


class Frame(Stateful):
    """Stand-in for ``pandas.DataFrame``."""

    __slots__ = ()


class Manager(Stateful):
    """Stand-in for ``pandas.BlockManager``."""

    __slots__ = ()


class Marker:
    """Stand-in for a class that is only named, and for a function: called, it does what ``act`` does."""

    __slots__ = ("act",)

    act: Any

    def __init__(self, act: Any = None) -> None:
        object.__setattr__(self, "act", act)

    def __call__(self, *args: Any) -> Any:
        """What the function would give."""
        if self.act is None:
            raise RefusedError("structure", "a class", "only its name", "a call")
        return self.act(*args)

    def __setattr__(self, *_: Any) -> None:
        raise RefusedError("structure", "a class", "only its name", "a change of it")

    def __setstate__(self, _: Any) -> None:
        raise RefusedError("structure", "a class", "only its name", "a state")


def _index(_: Any, state: Any) -> list[Any] | range:
    """``pandas.indexes.base._new_Index``: the labels of an axis."""
    values = {text(k): v for k, v in state.items()} if isinstance(state, dict) else {}
    data = values.get("data")
    if isinstance(data, Array):
        return data.objects() if data.dtype.code[0] in "OUS" else list(data.numbers())
    ends = [values.get(k) for k in ("start", "stop", "step")]
    if all(type(e) is int for e in ends) and ends[2]:
        return range(*ends)  # type: ignore[arg-type]
    raise RefusedError("structure", "an axis", "labels or a range", ", ".join(values)[:60])


def _encoded(value: Any, coding: Any = "latin1") -> bytes:
    """``_codecs.encode``, by which Python 3 writes bytes for Python 2."""
    if not isinstance(value, str) or text(coding) not in ("latin1", "latin-1"):
        raise RefusedError("structure", "_codecs.encode", "latin1", str(coding)[:40])
    return value.encode("latin-1")


def _slice(*ends: Any) -> slice:
    if not 1 <= len(ends) <= 3 or not all(e is None or type(e) is int for e in ends):
        raise RefusedError("structure", "a slice", "whole numbers", str(ends)[:40])
    return slice(*ends)


_NEW_INDEX, _ANY_INDEX = Marker(_index), Marker()
_BASES = ("pandas.core.index", "pandas.indexes.base", "pandas.core.indexes.base")
ALLOWED: dict[tuple[str, str], Any] = {
    **{(m, "_reconstruct"): Marker(lambda *_: Array()) for m in ("numpy.core.multiarray", "numpy._core.multiarray")},
    ("numpy", "ndarray"): Marker(),
    ("numpy", "dtype"): Marker(Dtype),
    ("_codecs", "encode"): Marker(_encoded),
    **{(m, "slice"): Marker(_slice) for m in ("__builtin__", "builtins")},
    ("pandas.core.frame", "DataFrame"): Frame,
    **{(m, "BlockManager"): Manager for m in ("pandas.core.internals", "pandas.core.internals.managers")},
    **{(m, "_new_Index"): _NEW_INDEX for m in _BASES},
    **{(m, "Index"): _ANY_INDEX for m in _BASES},
    **{(m, "Int64Index"): _ANY_INDEX for m in ("pandas.core.index", "pandas.indexes.numeric", "pandas.core.indexes.numeric")},
    **{(m, "RangeIndex"): _ANY_INDEX for m in ("pandas.indexes.range", "pandas.core.indexes.range")},
}  # fmt: skip
"""Every name that a file may use, and what stands for it here. Nothing else is looked up, let alone imported."""


class Unpickler(pickle.Unpickler):
    """Builds stand-ins only."""

    def find_class(self, module: str, name: str) -> Any:
        """The stand-in of a name.

        Raises
        ------
        RefusedError
            ``class``: any other name.
        """
        try:
            return ALLOWED[module, name]
        except KeyError:
            raise RefusedError(
                "class", "the pickle", "NumPy arrays in a pandas DataFrame and nothing else", f"{module}.{name}"[:150]
            ) from None

    def persistent_load(self, pid: Any) -> Any:
        """No file of this kind refers to anything outside it."""
        raise RefusedError("class", "the pickle", "no reference to anything outside", str(type(pid)))
