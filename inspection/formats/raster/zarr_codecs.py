"""One chunk of a zarr array, from its bytes to its pixels; never more of them than the metadata allows."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from inspection.formats.raster.unpack import unpacked

if TYPE_CHECKING:
    from typing import TypeAlias

    from numpy.typing import NDArray

    Bytes: TypeAlias = bytes | NDArray[np.uint8]

COMPRESSORS = {"blosc": "blosc", "bz2": "bz2", "gzip": "gzip", "lz4": "lz4", "lzma": "lzma", "zlib": "deflate", "zstd": "zstd"}
"""The name of each in ``unpack``."""
ABSENT = 2**64 - 1
_CHECKSUM, _BIT_COUNT = 4, 1


class Step(NamedTuple):
    """What was done to the bytes of a chunk: a name of ``COMPRESSORS``, ``crc32c``, or one of numcodecs' filters.

    These are ``delta`` (differences of the values), ``shuffle`` (the first bytes of all values of ``element`` bytes, then the second
    ones, ...) and ``packbits`` (eight truth values in a byte, after the number of bits that fill up the last one).
    """

    name: str
    element: int = 1

    def size(self, before: int) -> int:
        """Bytes after it, of ``before`` ones; of a compressor the most that is sensible."""
        if self.name == "crc32c":
            return before + _CHECKSUM
        if self.name == "packbits":
            return _BIT_COUNT + -(-before // 8)
        return before + before // 4 + 4096 if self.name in COMPRESSORS else before

    def undone(self, data: Bytes, size: int, stored: np.dtype) -> Bytes:
        """The ``size`` bytes as they were before it."""
        if self.name in COMPRESSORS:
            return unpacked(bytes(data), COMPRESSORS[self.name], size)
        if self.name == "crc32c":
            return without_checksum(data)
        if len(data) != self.size(size):
            raise ValueError(f"{len(data)} bytes of {self.size(size)}")
        if self.name == "delta":
            values = np.frombuffer(data, stored)
            return np.cumsum(values, out=np.empty_like(values)).view(np.uint8)
        if self.name == "shuffle":
            return np.ascontiguousarray(np.frombuffer(data, np.uint8).reshape(self.element, -1).T).reshape(-1)
        return np.unpackbits(np.frombuffer(data, np.uint8)[_BIT_COUNT:], count=size)


@dataclass(frozen=True, slots=True)
class Sharding:
    """A chunk that holds smaller ones. ``first``: its index stands at its beginning; ``checked``: with a checksum."""

    inner: Pipeline
    first: bool
    checked: bool


@dataclass(frozen=True, slots=True)
class Pipeline:
    """How the bytes of a chunk become pixels.

    Attributes
    ----------
    chunk : tuple of int
        Sides of the chunk.
    stored : numpy.dtype
        Of the pixels, in the chunk's byte order.
    axes : tuple of int
        In the order in which the chunk holds them; 0, 1, ... = rows after each other.
    codecs : tuple of Step
        What was done to the bytes, in the order of writing: filters, one compressor at most, and checksums.
    sharding : Sharding, optional
        Instead of them.
    """

    chunk: tuple[int, ...]
    stored: np.dtype
    axes: tuple[int, ...]
    codecs: tuple[Step, ...]
    sharding: Sharding | None = None

    @property
    def size(self) -> int:
        """Bytes of the pixels of a chunk."""
        return math.prod(self.chunk) * self.stored.itemsize

    @property
    def _sizes(self) -> list[int]:
        """Bytes before the first step, after it, after the second, ..."""
        return list(accumulate(self.codecs, lambda size, step: step.size(size), initial=self.size))

    @property
    def most(self) -> int:
        """Most bytes that a chunk may have in the store."""
        return self._sizes[-1]

    def decode(self, data: bytes) -> NDArray:
        """The pixels of a chunk of ``data``, to be copied to where they are wanted.

        Raises
        ------
        ValueError, RuntimeError
            The bytes are damaged, or do not hold as many pixels as the chunk.
        """
        raw: Bytes = data
        for step, size in zip(reversed(self.codecs), self._sizes[-2::-1], strict=True):
            raw = step.undone(raw, size, self.stored)
        if len(raw) != self.size:
            raise ValueError(f"{len(raw)} bytes of {self.size}")
        # Of bool the bytes: any other one than 0 and 1 is true once it is copied, but no bool to NumPy.
        stored = np.dtype(np.uint8) if self.stored.kind == "b" else self.stored
        return np.frombuffer(raw, stored).reshape([self.chunk[axis] for axis in self.axes]).transpose(np.argsort(self.axes))


def without_checksum(data: Bytes) -> bytes:
    """``data`` without the CRC-32C in its last four bytes.

    Raises
    ------
    ValueError
        It is another one.
    """
    import google_crc32c  # noqa: PLC0415 - only a chunk with a checksum pays for it

    content, checksum = bytes(data[:-_CHECKSUM]), bytes(data[-_CHECKSUM:])
    if len(checksum) < _CHECKSUM or google_crc32c.value(content) != struct.unpack("<I", checksum)[0]:
        raise ValueError("another checksum")
    return content


def shard_index(data: bytes, sharding: Sharding) -> NDArray[np.uint64]:
    """Place and length of each inner chunk of a shard, shape (n, 2); both ``ABSENT`` where it is not stored."""
    raw = without_checksum(data) if sharding.checked else data
    return np.frombuffer(raw, "<u8").reshape(-1, 2).astype(np.uint64, copy=False)
