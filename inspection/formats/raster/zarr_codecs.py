"""One chunk of a zarr array, from its bytes to its pixels; never more of them than the metadata allows.

The codecs of the zarr library unfold whatever a chunk holds; here the output is there before the chunk is opened, so that a
chunk that would unfold to gigabytes is refused.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

import imagecodecs
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

COMPRESSORS = {"blosc", "bz2", "gzip", "lz4", "zlib", "zstd"}
ABSENT = 2**64 - 1


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
    codecs : tuple of str
        What packed the bytes, in the order of writing: one compressor at most, and checksums.
    sharding : Sharding, optional
        Instead of them.
    """

    chunk: tuple[int, ...]
    stored: np.dtype
    axes: tuple[int, ...]
    codecs: tuple[str, ...]
    sharding: Sharding | None = None

    @property
    def size(self) -> int:
        """Bytes of the pixels of a chunk."""
        return math.prod(self.chunk) * self.stored.itemsize

    @property
    def most(self) -> int:
        """Most bytes that a chunk may have in the store."""
        packed = any(codec != "crc32c" for codec in self.codecs)
        return self.size + 4 * len(self.codecs) + (self.size // 4 + 4096 if packed else 0)

    def decode(self, data: bytes) -> NDArray:
        """The pixels of a chunk of ``data``.

        Raises
        ------
        ValueError, RuntimeError
            The bytes are damaged, or do not hold as many pixels as the chunk.
        """
        raw: bytes | NDArray[np.uint8] = data
        checksums = self.codecs.count("crc32c")
        for codec in reversed(self.codecs):
            if codec == "crc32c":
                checksums -= 1
                raw = without_checksum(bytes(raw))
            else:
                raw = _unpacked(bytes(raw), codec, self.size + 4 * checksums)
        if len(raw) != self.size:
            raise ValueError(f"{len(raw)} bytes of {self.size}")
        pixels = np.frombuffer(raw, self.stored).reshape([self.chunk[axis] for axis in self.axes])
        if self.stored.kind == "b":
            pixels = pixels.view(np.uint8) != 0
        return pixels.transpose(np.argsort(self.axes))


def without_checksum(data: bytes) -> bytes:
    """``data`` without the CRC-32C in its last four bytes.

    Raises
    ------
    ValueError
        It is another one.
    """
    import google_crc32c  # noqa: PLC0415 - only a chunk with a checksum pays for it

    content, checksum = data[:-4], data[-4:]
    if len(data) < 4 or google_crc32c.value(content) != struct.unpack("<I", checksum)[0]:
        raise ValueError("another checksum")
    return content


def shard_index(data: bytes, sharding: Sharding) -> NDArray[np.uint64]:
    """Place and length of each inner chunk of a shard, shape (n, 2); both ``ABSENT`` where it is not stored."""
    raw = without_checksum(data) if sharding.checked else data
    return np.frombuffer(raw, "<u8").reshape(-1, 2).astype(np.uint64, copy=False)


def _unpacked(data: bytes, codec: str, size: int) -> NDArray[np.uint8]:
    if codec == "blosc":
        # Its own header says how long it is; the decoder does not miss a lost end.
        if len(data) < 16 or struct.unpack_from("<I", data, 12)[0] != len(data):
            raise ValueError(f"{len(data)} bytes of a blosc chunk of another length")
    elif codec == "lz4":
        if len(data) < 4 or struct.unpack_from("<I", data)[0] != size:
            raise ValueError(f"an lz4 chunk that is not of {size} bytes")
        data = data[4:]
    decode = getattr(imagecodecs, "deflate_decode" if codec == "zlib" else f"{codec}_decode")
    # bz2 stops quietly where the output ends, and so has one byte to run over; the others say so.
    return decode(data, out=np.empty(size + (codec == "bz2"), np.uint8))
