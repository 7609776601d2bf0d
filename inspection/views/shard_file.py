"""Shards of nearly empty chunks, written straight from the places of the few pixels that are not zero.

A zarr v3 shard is its encoded chunks one after the other, then an index of (offset, length) for each chunk, all ones for
a chunk that is not there, and a CRC-32C of the index (zarr specification, codec ``sharding_indexed``). Through the library
every chunk of a shard has to be made, handed over and looked at to find that it is empty; from the places only the others
are ever touched, several times less work for a defect map. Any zarr reader reads them.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import google_crc32c
import numpy as np

from inspection.views import zero_runs

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

ABSENT = np.uint64(2**64 - 1)


@dataclass(frozen=True, eq=False)
class Places:
    """Pixels in the order in which they are written: shard by shard, chunk by chunk, row by row.

    Attributes
    ----------
    order : ndarray of intp, shape (n,)
        Of the pixels as they were given.
    inside : ndarray of int64, shape (n,)
        Place of each in its chunk.
    first : ndarray of int64, shape (chunks + 1,)
        Where each chunk's pixels begin, and the end.
    shards : ndarray of int64, shape (chunks, 2)
        Row and column of each chunk's shard.
    chunks : ndarray of int64, shape (chunks,)
        Number of each chunk in its shard.
    """

    order: NDArray[np.intp]
    inside: NDArray[np.int64]
    first: NDArray[np.int64]
    shards: NDArray[np.int64]
    chunks: NDArray[np.int64]


def places_of(rows: NDArray, cols: NDArray, shard_px: tuple[int, int], chunk_px: tuple[int, int]) -> Places:
    """Distinct pixels, at least one, in shards and chunks of so many rows and columns; a shard is a whole number of chunks each way."""
    chunk_row, row = np.divmod(rows, chunk_px[0])
    chunk_col, col = np.divmod(cols, chunk_px[1])
    grid = (shard_px[0] // chunk_px[0], shard_px[1] // chunk_px[1])
    across = int(chunk_col.max()) // grid[1] + 1
    shard = (chunk_row // grid[0]).astype(np.int64) * across + chunk_col // grid[1]
    chunk = shard * (grid[0] * grid[1]) + chunk_row % grid[0] * grid[1] + chunk_col % grid[1]
    key = chunk * (chunk_px[0] * chunk_px[1]) + row * chunk_px[1] + col
    order = np.argsort(key)
    chunk, inside = np.divmod(key[order], chunk_px[0] * chunk_px[1])
    first = np.flatnonzero(np.concatenate(([True], chunk[1:] != chunk[:-1])))
    shard, number = np.divmod(chunk[first], grid[0] * grid[1])
    return Places(order, inside, np.append(first, len(key)), np.stack(np.divmod(shard, across), axis=1), number)


class ShardFiles:
    """The shards of one array.

    Parameters
    ----------
    folder : Path
        Of the array, which has been created with these shapes, zstd, fill value 0 and the default chunk keys.
    dtype : numpy.dtype
    shard_px, chunk_px : (int, int)
        Rows and columns of a shard and of a chunk.
    level : int
        Of the compression.
    """

    def __init__(self, folder: Path, dtype: np.dtype, shard_px: tuple[int, int], chunk_px: tuple[int, int], level: int) -> None:
        import pyarrow as pa  # noqa: PLC0415 - as zarr in pyramid_store

        self._folder = folder
        self._chunks = (shard_px[0] // chunk_px[0]) * (shard_px[1] // chunk_px[1])
        self._pixels = np.zeros(chunk_px, dtype.newbyteorder("<")).reshape(-1)
        self._codec = pa.Codec("zstd", level)

    def write(self, places: Places, values: NDArray) -> None:
        """Write whole shards: ``values``, in the order in which the places were given; zero elsewhere. A shard is written once."""
        values = values[places.order].astype(self._pixels.dtype, copy=False)
        new = np.flatnonzero(np.any(np.diff(places.shards, axis=0), axis=1)) + 1
        for begin, end in pairwise([0, *new.tolist(), len(places.shards)]):
            edges = places.first[begin : end + 1].tolist()
            encoded = [self._encoded(places.inside[a:b], values[a:b]) for a, b in pairwise(edges)]
            self._put(places.shards[begin], places.chunks[begin:end], encoded)

    def _encoded(self, place: NDArray[np.int64], values: NDArray) -> bytes:
        if len(place) <= zero_runs.MOST:
            return zero_runs.frame(place, values, len(self._pixels))
        self._pixels[place] = values
        encoded: bytes = self._codec.compress(self._pixels.data, asbytes=True)
        self._pixels[place] = 0
        return encoded

    def _put(self, shard: NDArray[np.int64], chunks: NDArray[np.int64], encoded: list[bytes]) -> None:
        index = np.full((self._chunks, 2), ABSENT, "<u8")
        lengths = np.array([len(e) for e in encoded], np.uint64)
        index[chunks, 0] = np.cumsum(lengths) - lengths
        index[chunks, 1] = lengths
        table = index.tobytes()
        path = self._folder / "c" / str(shard[0]) / str(shard[1])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"".join([*encoded, table, google_crc32c.value(table).to_bytes(4, "little")]))
