"""Shards of nearly empty chunks, written straight from the places of the few pixels that are not zero.

A zarr v3 shard is its encoded chunks one after the other, then an index of (offset, length) for each chunk, all ones for
a chunk that is not there, and a CRC-32C of the index (zarr specification, codec ``sharding_indexed``). Through the library
every chunk of a shard has to be made, handed over and looked at to find that it is empty; from the places only the others
are ever touched, several times less work for a defect map. Any zarr reader reads them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import google_crc32c
import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

ABSENT = np.uint64(2**64 - 1)


class ShardFiles:
    """The shards of one array.

    Parameters
    ----------
    folder : Path
        Of the array, which has been created with these shapes, zstd, fill value 0 and the default chunk keys.
    dtype : numpy.dtype
    shard_px, chunk_px : (int, int)
        Rows and columns of a shard and of a chunk; a shard is a whole number of chunks each way.
    level : int
        Of the compression.
    """

    def __init__(self, folder: Path, dtype: np.dtype, shard_px: tuple[int, int], chunk_px: tuple[int, int], level: int) -> None:
        self._folder, self._shard, self._chunk = folder, shard_px, chunk_px
        self._grid = (shard_px[0] // chunk_px[0], shard_px[1] // chunk_px[1])
        self._pixels = np.zeros(chunk_px, dtype.newbyteorder("<")).reshape(-1)
        self._codec = pa.Codec("zstd", level)

    def write(self, rows: NDArray[np.int64], cols: NDArray[np.int64], values: NDArray) -> None:
        """Write whole shards: ``values`` at distinct places, zero elsewhere. A shard is written once."""
        shard_row, in_row = np.divmod(rows, self._shard[0])
        shard_col, in_col = np.divmod(cols, self._shard[1])
        chunk_row, pixel_row = np.divmod(in_row, self._chunk[0])
        chunk_col, pixel_col = np.divmod(in_col, self._chunk[1])
        per_shard = self._grid[0] * self._grid[1]
        across = int(shard_col.max()) + 1 if len(cols) else 1
        key = (shard_row * across + shard_col) * per_shard + chunk_row * self._grid[1] + chunk_col
        order = np.argsort(key, kind="stable")
        key, values = key[order], values[order].astype(self._pixels.dtype, copy=False)
        place = (pixel_row * self._chunk[1] + pixel_col)[order]
        first = np.flatnonzero(np.concatenate(([True], key[1:] != key[:-1]))) if len(key) else key
        ends = np.append(first[1:], len(key))
        shards, chunks = np.divmod(key[first], per_shard)
        begin = 0
        for last in np.append(np.flatnonzero(np.diff(shards)), len(shards) - 1) if len(shards) else ():
            here = slice(begin, last + 1)
            encoded = [self._encoded(place[a:b], values[a:b]) for a, b in zip(first[here], ends[here], strict=True)]
            self._put(*divmod(int(shards[last]), across), chunks[here], encoded)
            begin = last + 1

    def _encoded(self, place: NDArray[np.int64], values: NDArray) -> bytes:
        self._pixels[place] = values
        encoded: bytes = self._codec.compress(self._pixels.data, asbytes=True)
        self._pixels[place] = 0
        return encoded

    def _put(self, row: int, col: int, chunks: NDArray[np.int64], encoded: list[bytes]) -> None:
        index = np.full((self._grid[0] * self._grid[1], 2), ABSENT, "<u8")
        lengths = np.array([len(e) for e in encoded], np.uint64)
        index[chunks, 0] = np.cumsum(lengths) - lengths
        index[chunks, 1] = lengths
        table = index.tobytes()
        path = self._folder / "c" / str(row) / str(col)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"".join([*encoded, table, google_crc32c.value(table).to_bytes(4, "little")]))
