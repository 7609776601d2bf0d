"""The pyramid on disk: one zarr v3 group with OME-Zarr 0.5 metadata, chunks in shards, empty chunks not written.

Layout: ``0`` is the finest level (its sum and maximum are the pixels themselves), ``sum/K`` and ``max/K`` the levels above it, all
of shape (rows, cols), row 0 at the top. The group's attributes hold two multiscales, ``sum`` and ``max``, so that any OME-Zarr viewer
opens either, and under ``wafer_inspection`` what was counted.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from inspection.errors import FormatError, InputError
from inspection.views.shard_file import ShardFiles, places_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import zarr
    from numpy.typing import NDArray

VERSION = 1
CHUNK_PX = 512
_ZSTD_LEVEL = 1
_FAST = {"codec_pipeline.path": "zarrs.ZarrsCodecPipeline"}


@dataclass(frozen=True, slots=True)
class LevelSpec:
    """One level: its shape and the types of its sums and maxima."""

    shape: tuple[int, int]
    sum_dtype: np.dtype
    max_dtype: np.dtype


class PyramidWriter:
    """Takes the levels piece by piece; level 0 has one array, given as ``sums``.

    Parameters
    ----------
    folder : Path
        Its content is replaced.
    levels : sequence of LevelSpec
    shard_px : (int, int)
        Rows and, at most, columns of a shard; blocks should begin at a multiple of its rows.
    transposed : bool
        What comes is the transposed picture; what is stored is the picture.
    """

    def __init__(self, folder: Path, levels: Sequence[LevelSpec], shard_px: tuple[int, int], *, transposed: bool = False) -> None:
        import zarr  # noqa: PLC0415 - takes as long to import as a tenth of a 3 GB pass: the writer is made beside the first strips

        self._folder, self._transposed = folder, transposed
        with zarr.config.set(_FAST):
            self._group = zarr.open_group(folder, mode="w", zarr_format=3)
            self._sums = [self._array("0" if k == 0 else f"sum/{k}", s.shape, s.sum_dtype, shard_px) for k, s in enumerate(levels)]
            self._peaks = [self._array(f"max/{k}", s.shape, s.max_dtype, shard_px) for k, s in enumerate(levels) if k]

    def _array(self, name: str, shape: tuple[int, int], dtype: np.dtype, shard_px: tuple[int, int]) -> zarr.Array:
        from zarr.codecs import ZstdCodec  # noqa: PLC0415 - as above

        chunk = (min(CHUNK_PX, shard_px[0]), CHUNK_PX)
        shard = (shard_px[0], min(shard_px[1], CHUNK_PX * -(-shape[1] // CHUNK_PX)))
        if self._transposed:
            shape, chunk, shard = shape[::-1], chunk[::-1], shard[::-1]
        return self._group.create_array(
            name,
            shape=shape,
            dtype=dtype,
            chunks=chunk,
            shards=shard,
            compressors=[ZstdCodec(level=_ZSTD_LEVEL)],
            fill_value=0,
            dimension_names=("y", "x"),
            config={"write_empty_chunks": False},
        )

    def write_rows(self, level: int, row: int, sums: NDArray, peaks: NDArray) -> None:
        """Write whole rows of ``level`` from ``row`` on; whole shards are written without reading them first."""
        self._put(self._sums[level], row, sums)
        if level:
            self._put(self._peaks[level - 1], row, peaks)

    def _put(self, target: zarr.Array, row: int, block: NDArray) -> None:
        pixels = block.astype(target.dtype, copy=False)
        if self._transposed:
            target[:, row : row + len(block)] = np.ascontiguousarray(pixels.T)
        else:
            target[row : row + len(block)] = pixels

    def write_points(self, level: int, place: NDArray[np.int64], sums: NDArray, peaks: NDArray) -> None:
        """Write all non-zero pixels, at least one, of some whole rows of shards of ``level``, by place (``row * width + col``)."""
        target = self._sums[level]
        rows, cols = np.divmod(place, target.shape[0 if self._transposed else 1])
        if self._transposed:
            rows, cols = cols, rows
        places = places_of(rows, cols, target.shards, target.chunks)
        self._shards(target).write(places, sums)
        if level:
            self._shards(self._peaks[level - 1]).write(places, peaks)

    def _shards(self, target: zarr.Array) -> ShardFiles:
        return ShardFiles(self._folder / target.path, target.dtype, target.shards, target.chunks, _ZSTD_LEVEL)

    def write_array(self, name: str, array: NDArray, axes: tuple[str, ...]) -> None:
        """Write a further, small array beside the levels."""
        target = self._group.create_array(
            name, shape=array.shape, dtype=array.dtype, chunks=tuple(max(1, n) for n in array.shape), dimension_names=axes
        )
        target[...] = array

    def read(self, level: int, row: int, col: int, side: int) -> tuple[NDArray, NDArray]:
        """Sums and maxima of a square window of what has been written; zero beyond the level."""
        pair = []
        for array in (self._sums[level], self._sums[0] if level == 0 else self._peaks[level - 1]):
            window = np.zeros((side, side), array.dtype)
            inside = np.asarray(array[row : row + side, col : col + side])
            window[: inside.shape[0], : inside.shape[1]] = inside
            pair.append(window)
        return pair[0], pair[1]

    def finish(self, name: str, pixel_um: float | None, facts: dict[str, Any]) -> None:
        """Write the metadata: only now is the group an OME-Zarr image."""
        self._group.attrs.update({
            "ome": {"version": "0.5", "multiscales": [_multiscale(name, kind, len(self._sums), pixel_um) for kind in ("sum", "max")]},
            "wafer_inspection": {"version": VERSION, **facts},
        })  # fmt: skip


def _multiscale(name: str, kind: str, levels: int, pixel_um: float | None) -> dict[str, Any]:
    """OME-Zarr 0.5 multiscales entry; a coarse pixel's centre lies half a pixel further in: hence the translation."""
    unit = {} if pixel_um is None else {"unit": "micrometer"}
    pixel = 1.0 if pixel_um is None else pixel_um
    datasets = []
    for k in range(levels):
        shift = pixel * (2**k - 1) / 2
        transforms: list[dict[str, Any]] = [{"type": "scale", "scale": [pixel * 2**k] * 2}]
        if k:
            transforms.append({"type": "translation", "translation": [shift] * 2})
        datasets.append({"path": "0" if k == 0 else f"{kind}/{k}", "coordinateTransformations": transforms})
    axes = [{"name": axis, "type": "space", **unit} for axis in ("y", "x")]
    return {"name": f"{name} ({kind})", "axes": axes, "datasets": datasets, "type": f"2x2 {kind}"}


class Pyramid:
    """A pyramid to read from.

    Attributes
    ----------
    facts : dict
        ``defects``, ``kind`` and what else `PyramidWriter.finish` was given.
    """

    def __init__(self, folder: Path) -> None:
        """Open ``folder``.

        Raises
        ------
        FormatError
            ``pyramid.damaged``: no pyramid of this version.
        """
        import zarr  # noqa: PLC0415 - as above

        try:
            with zarr.config.set(_FAST):
                group = zarr.open_group(folder, mode="r", zarr_format=3)
                self.facts: dict[str, Any] = dict(group.attrs["wafer_inspection"])
                count = len(group.attrs["ome"]["multiscales"][0]["datasets"])
                self._sums = [group["0" if k == 0 else f"sum/{k}"] for k in range(count)]
                self._peaks = [group["0" if k == 0 else f"max/{k}"] for k in range(count)]
        except (KeyError, TypeError, ValueError, OSError, json.JSONDecodeError) as error:
            raise FormatError(
                "pyramid.damaged", where=folder.name, expected="a pyramid", got=error, action="Build it again with `inspection pyramid`."
            ) from error
        if self.facts.get("version") != VERSION:
            raise FormatError(
                "pyramid.version",
                where=folder.name,
                expected=f"version {VERSION}",
                got=self.facts.get("version"),
                action="Build it again with `inspection pyramid`.",
            )

    @property
    def shapes(self) -> list[tuple[int, int]]:
        """Shape of each level, the finest first."""
        return [tuple(a.shape) for a in self._sums]

    def window(self, level: int, row: int, col: int, rows: int, cols: int, kind: Literal["sum", "max"] = "sum") -> NDArray:
        """Pixels of a level, of shape (rows, cols).

        Raises
        ------
        InputError
            A level that is not there, or a window that is not inside it.
        """
        arrays = self._sums if kind == "sum" else self._peaks
        if not 0 <= level < len(arrays):
            raise InputError(f"No level {level}: expected 0 to {len(arrays) - 1}. Ask for one of these.")
        height, width = arrays[level].shape
        if not (0 <= row <= row + rows <= height and 0 <= col <= col + cols <= width):
            raise InputError(
                f"No such window: expected one inside {height} x {width} of level {level}, got {rows} x {cols} at ({row}, {col})."
            )
        return np.asarray(arrays[level][row : row + rows, col : col + cols])
