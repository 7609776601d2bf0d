"""The pyramid of sums and maxima of one raster or one defect map, built in one streaming pass and bounded memory.

A raster of which at most ``DENSE_SHARE`` of the pixels are defects is *counted*: level 0 is 1 where a defect lies, so that the sum of every
level is the number of defects. Any other one keeps its grey *values*. Few enough defects go the sparse way, by their places; the numbers
are the same either way.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from inspection.formats.raster.scan import defect_places
from inspection.formats.raster.stream import DENSE_SHARE
from inspection.views.cascade import SparseCascade
from inspection.views.pyramid_store import CHUNK_PX, LevelSpec
from inspection.views.reduction import shapes_of, stored_sum, without_nan
from inspection.views.write_behind import WriteBehind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from numpy.typing import NDArray

    from inspection.formats.raster.sidecar import Sidecar
    from inspection.formats.raster.stream import RasterStream
    from inspection.views.cascade import Totals
    from inspection.views.pyramid_store import PyramidWriter

    Progress = Callable[[int, int], None]

SPARSE_SHARD_PX = (2 * CHUNK_PX, 128 * CHUNK_PX)
"""A coarse level waits for as many of its own rows before it can be handed out: few keep the memory small. Wide, because making a file
costs as much as writing some hundred nearly empty chunks to it."""
DENSE_SHARD_COLS = 8 * CHUNK_PX
SPARSE_MOST = 2**20
"""Defects in one row of shards beyond which the dense way needs less memory."""
BAND_BYTES = 12 * 2**20
"""About the size of a band of level 0 on the dense way; everything else follows from it."""
Kind = Literal["counts", "values"]


@dataclass(frozen=True, eq=False)
class Built:
    """What a pass found: ``defects``, the kind of the numbers, and the totals of every level; ``writer`` takes the metadata."""

    kind: Kind
    defects: int
    totals: Totals
    writer: PyramidWriter


class _TooManyError(Exception):
    """The sparse way holds too many defects; ``proven`` when they are too many for counts, whatever comes."""

    def __init__(self, *, proven: bool) -> None:
        self.proven = proven
        super().__init__()


def build(
    open_stream: Callable[[], AbstractContextManager[RasterStream]], sidecar: Sidecar, folder: Path, *, progress: Progress | None = None
) -> Built:
    """Build the pyramid of a raster into ``folder``.

    Parameters
    ----------
    open_stream : callable
        Opens the stream at its beginning. Called once; again only for a raster that turns out not to be sparse (a dense one
        is known after 5 % of it).
    sidecar : Sidecar
        Says which pixels are defects.
    folder : Path
        Empty or absent. Metadata is written last; the caller renames the folder.
    progress : callable (rows done, rows in all), optional

    Raises
    ------
    FormatError
        The stream's.
    """
    try:
        with open_stream() as stream, _short_turns():
            return _build_sparse(stream, sidecar, folder, progress)
    except _TooManyError as found:
        kind: Kind = "values"
        if not found.proven:
            with open_stream() as stream:
                kind = _kind_of(stream, sidecar)
    with open_stream() as stream:
        return _build_dense(stream, sidecar, folder, kind, progress)


def build_from_points(rows: NDArray[np.int64], cols: NDArray[np.int64], shape: tuple[int, int], folder: Path) -> Built:
    """Build the pyramid of defects at pixels (``rows``, ``cols``) of a raster of ``shape`` that is never made.

    Several defects may share a pixel: level 0 counts them.
    """
    place = rows * shape[1] + cols
    _, most = np.unique(place, return_counts=True)
    peak = int(most.max()) if len(most) else 1
    levels = _counted(shape, peak)
    with WriteBehind(folder, levels, SPARSE_SHARD_PX) as sink:
        cascade = SparseCascade(shape, levels[-1].sum_dtype, levels[-1].max_dtype, SPARSE_SHARD_PX[0], sink.points)
        cascade.add(place)
        cascade.complete(shape[0])
    return Built("counts", len(rows), cascade.totals, sink.writer)


@contextmanager
def _short_turns() -> Iterator[None]:
    """Threads change places after 0.3 ms of Python instead of 5: a strip takes 6 ms to read, and its reader would wait as long again."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(min(usual, 3e-4))
    try:
        yield
    finally:
        sys.setswitchinterval(usual)


def _build_sparse(stream: RasterStream, sidecar: Sidecar, folder: Path, progress: Progress | None) -> Built:
    height, width = _height_width(stream)
    total = height * width
    defects = done = waiting = 0
    levels = _counted((height, width), 1)
    with WriteBehind(folder, levels, SPARSE_SHARD_PX, transposed=stream.transposed) as sink:
        cascade = SparseCascade((height, width), levels[-1].sum_dtype, levels[-1].max_dtype, SPARSE_SHARD_PX[0], sink.points)
        for strip in stream.strips():
            room = min(int(DENSE_SHARE * total) - defects, SPARSE_MOST - waiting)
            places = defect_places(strip.reshape(-1), sidecar, room)
            if places is None:
                marked = defects + int(np.count_nonzero(sidecar.is_defect(strip)))
                raise _TooManyError(proven=marked > DENSE_SHARE * total)
            cascade.add(places + done * width)
            defects, waiting = defects + len(places), waiting + len(places)
            before, done = done, done + len(strip)
            if done // SPARSE_SHARD_PX[0] > before // SPARSE_SHARD_PX[0]:
                waiting = 0
            cascade.complete(done)
            if progress is not None:
                progress(done, height)
    return Built("counts", defects, _upright(cascade.totals, stream), sink.writer)


def _build_dense(stream: RasterStream, sidecar: Sidecar, folder: Path, kind: Kind, progress: Progress | None) -> Built:
    from inspection.views.dense_cascade import DenseCascade  # noqa: PLC0415 - brings the compiler, which a sparse raster does without

    shape = _height_width(stream)
    dtype = np.dtype(np.uint8) if kind == "counts" or stream.dtype.kind == "b" else stream.dtype
    if dtype == np.float16:  # which the compiler does not know
        dtype = np.dtype(np.float32)
    band = _band_rows(shape[1], dtype)
    levels = (
        _counted(shape, 1)
        if kind == "counts"
        else [LevelSpec(s, dtype if k == 0 else stored_sum(dtype, k), dtype) for k, s in enumerate(shapes_of(shape))]
    )
    defects = done = 0
    with WriteBehind(folder, levels, (band, DENSE_SHARD_COLS), transposed=stream.transposed) as sink:
        cascade = DenseCascade(shape, dtype, band, sink.rows)
        for strip in stream.strips():
            marked = sidecar.is_defect(strip)
            defects += int(np.count_nonzero(marked))
            cascade.add(marked.view(np.uint8) if kind == "counts" else without_nan(strip).astype(dtype, copy=False))
            done += len(strip)
            if progress is not None:
                progress(done, shape[0])
        cascade.finish()
    return Built(kind, defects, _upright(cascade.totals, stream), sink.writer)


def _kind_of(stream: RasterStream, sidecar: Sidecar) -> Kind:
    """Counts or values: a pass that only counts."""
    height, width = _height_width(stream)
    defects = sum(int(np.count_nonzero(sidecar.is_defect(strip))) for strip in stream.strips())
    return "values" if defects > DENSE_SHARE * height * width else "counts"


def _upright(totals: Totals, stream: RasterStream) -> Totals:
    """The totals of the picture, when what came was the transposed one."""
    if stream.transposed:
        totals.shapes = [(cols, rows) for rows, cols in totals.shapes]
        totals.overview = {k: (sums.T, peaks.T) for k, (sums, peaks) in totals.overview.items()}
    return totals


def _height_width(stream: RasterStream) -> tuple[int, int]:
    """Shape of what the strips make up."""
    return stream.shape[::-1] if stream.transposed else stream.shape


def _counted(shape: tuple[int, int], peak: int) -> list[LevelSpec]:
    byte = np.dtype(np.uint8)
    return [LevelSpec(s, stored_sum(byte, k, peak), np.min_scalar_type(peak)) for k, s in enumerate(shapes_of(shape))]


def _band_rows(width: int, dtype: np.dtype) -> int:
    """Rows of a band: a power of two from 64 to a chunk's side."""
    wanted = max(64, min(CHUNK_PX, BAND_BYTES // (width * dtype.itemsize)))
    return int(2 ** int(np.log2(wanted)))
