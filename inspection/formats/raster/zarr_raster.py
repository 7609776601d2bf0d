"""Rasters in zarr v2, v3 and OME-Zarr (level 0): a folder, or a zip file of one; read chunk by chunk."""

from __future__ import annotations

import math
from contextlib import closing, contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from inspection.formats.raster.segments import SegmentedStream, check_segment
from inspection.formats.raster.stream import check_size, damaged, truncated
from inspection.formats.raster.turned import TRANSPOSED, TurnedStream
from inspection.formats.raster.zarr_codecs import ABSENT, shard_index
from inspection.formats.raster.zarr_metadata import find_array
from inspection.formats.raster.zarr_store import is_store, is_zipped_store, open_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from inspection.formats.raster.stream import RasterStream
    from inspection.formats.raster.zarr_array import Array
    from inspection.formats.raster.zarr_codecs import Pipeline
    from inspection.formats.raster.zarr_store import Store
    from inspection.params import Ingest

CHUNK_BYTES = 128 * 2**20
"""Most that a chunk may hold: dask writes such chunks where nothing else is asked for."""
INDEX_BYTES = 32 * 2**20
"""Of the indices of shards that are kept, and most that one may have."""


def recognises(head: bytes, path: Path) -> bool:
    """Whether ``path`` is a folder or a zip file that holds a zarr array or group."""
    return is_store(path) or is_zipped_store(head, path)


@contextmanager
def open_stream(path: Path, limits: Ingest) -> Iterator[RasterStream]:
    """Open the one picture of a zarr store. A chunk that is not stored is the array's fill value, as zarr has it.

    Raises
    ------
    FormatError
        ``raster.header``, ``raster.truncated``, ``raster.damaged``, ``raster.size``, ``raster.row``, ``raster.segment``;
        ``raster.pages``, ``raster.channels``: more than one picture; ``raster.axes``: which axes are its rows and columns is not clear;
        ``raster.link``: a place outside of the store.
    """
    with open_store(path) as store:
        found = find_array(store, path)
        array, axes = found.array, found.axes
        first, second = sorted((axes.rows, axes.columns))
        shape = array.shape[first], array.shape[second]
        check_size(path, shape, array.dtype, limits)
        outer = array.pipeline
        inner = outer.sharding.inner if outer.sharding else outer
        segment = inner.chunk[first], inner.chunk[second]
        behind = inner.size // (segment[0] * segment[1] * array.dtype.itemsize)
        check_segment(path, shape, array.dtype, segment, depth=behind, most=CHUNK_BYTES)
        chunks = _Chunks(path, store, found.prefix, array, (first, second))
        with closing(
            SegmentedStream(shape, array.dtype, segment, chunks.decoded, fill=array.fill, depth=behind, pixel_um=axes.pixel_um)
        ) as stream:
            yield TurnedStream(stream, *TRANSPOSED) if axes.transposed else stream


class _Chunks:
    """The chunks of an array; ``sides`` are the two axes of the picture, in the array's order: its rows and columns here."""

    def __init__(self, path: Path, store: Store, prefix: str, array: Array, sides: tuple[int, int]) -> None:
        self.path, self.store, self.prefix, self.array, self.sides = path, store, prefix, array, sides
        self.outer = array.pipeline
        sharding = self.outer.sharding
        if sharding is None:
            return
        self.grid = tuple(a // b for a, b in zip(self.outer.chunk, sharding.inner.chunk, strict=True))
        self.index_bytes = math.prod(self.grid) * 16 + 4 * sharding.checked
        if self.index_bytes > INDEX_BYTES:
            raise damaged(path, f"an index of a shard of at most {INDEX_BYTES} bytes", self.index_bytes)
        # A row of shards is gone through once for each row of chunks in it.
        self._index = lru_cache(maxsize=max(2, INDEX_BYTES // self.index_bytes))(self._read_index)

    def decoded(self, row: int, column: int) -> NDArray | None:
        """The chunk, inside a shard where there are shards; see :data:`~inspection.formats.raster.segments.Decode`."""
        sharding = self.outer.sharding
        if sharding is None:
            key = self._key(row, column)
            size = self.store.size(key)
            return None if size is None else self._pixels(self.outer, key, 0, size)
        first, second = self.sides
        across, down = self.grid[second], self.grid[first]
        key = self._key(row // down, column // across)
        index = self._index(key)
        if index is None:
            return None
        inside = [0] * len(self.grid)
        inside[first], inside[second] = row % down, column % across
        place, size = map(int, index[np.ravel_multi_index(inside, self.grid)])
        return None if place == size == ABSENT else self._pixels(sharding.inner, key, place, size)

    def _key(self, row: int, column: int) -> str:
        place = [0] * len(self.array.shape)
        place[self.sides[0]], place[self.sides[1]] = row, column
        return self.prefix + self.array.key(tuple(place))

    def _pixels(self, pipeline: Pipeline, key: str, start: int, size: int) -> NDArray:
        if size > pipeline.most:
            raise damaged(self.path, f"at most {pipeline.most} bytes in a chunk of {key}", size)
        data = self.store.read(key, start, size)
        try:
            pixels = pipeline.decode(data)
        except (ValueError, RuntimeError, TypeError) as error:  # imagecodecs: each codec has its own RuntimeError
            raise damaged(self.path, f"a chunk of {' x '.join(map(str, pipeline.chunk))} pixels in {key}", error) from error
        picture: NDArray = pixels[tuple(slice(None) if axis in self.sides else 0 for axis in range(pixels.ndim))]
        return picture

    def _read_index(self, key: str) -> NDArray[np.uint64] | None:
        sharding, size = self.outer.sharding, self.store.size(key)
        if sharding is None or size is None:
            return None
        if size < self.index_bytes:
            raise truncated(self.path, f"a shard with an index of {self.index_bytes} bytes at {key}", f"{size} bytes")
        data = self.store.read(key, 0 if sharding.first else size - self.index_bytes, self.index_bytes)
        try:
            index = shard_index(data, sharding)
        except ValueError as error:
            raise damaged(self.path, f"the checksum of the index of {key}", error) from error
        stored = index[np.any(index != ABSENT, axis=1)].astype(np.float64)  # no sum of two places wraps round
        if len(stored) and float(stored.sum(axis=1).max()) > size:
            raise truncated(self.path, f"all chunks within the {size} bytes of {key}", f"{stored.sum(axis=1).max():.0f}")
        return index
