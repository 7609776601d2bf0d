"""Rasters: one pixel per place, in a file of any kind (``kinds``) with a YAML sidecar; read in strips, never whole.

Written as ``.npy``, in strips too. Sidecar (``NAME.yaml`` or ``NAME.npy.yaml`` beside ``NAME.npy``), every key optional::

    lot: L00007            wafer: '03'          slot, product, layer, tool, chamber, recipe
    inspected_at: '2026-01-05T06:00:00+00:00'   diameter_mm: 300.0
    pixel_um: 146.48       size of a pixel
    centre_px: [1024, 1024]   wafer centre as (row, col); pixel (r, c) covers r to r+1, c to c+1
    threshold: 1           a pixel is a defect when it is at or above it (polarity bright), at or below it (dark)
    polarity: bright
    die_pitch_um: [x, y]   die_origin_um: [x, y]   dies: [[y, first x, last x], ...]   inspected dies as runs of a row
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import yaml
from numpy.lib import format as npy

from inspection.aside import aside
from inspection.errors import FormatError, InputError
from inspection.formats.raster.kinds import open_raster, recognises
from inspection.formats.raster.scan import defect_places
from inspection.formats.raster.sidecar import Sidecar, read_sidecar, sidecar_of
from inspection.formats.raster.stream import DENSE_SHARE
from inspection.wafer.maps import DefectMap, SourceWafer

__all__ = ["read", "recognises", "write_raster"]

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

    from numpy.typing import NDArray

    from inspection.formats.raster.stream import RasterStream
    from inspection.params import Ingest

STRIP_BYTES = 4 * 2**20
"""Most that is held of a raster while it is written."""


def write_raster(path: Path, wafer_map: DefectMap, size_px: int, pixel_um: float, value: int = 255) -> int:
    """Write a wafer as a square 8-bit raster and its sidecar; two defects in one pixel become one.

    Strips without a defect are skipped over, which leaves zeros: the file has its full length and takes little room on
    most disks.

    Parameters
    ----------
    path : Path
        Ends in ``.npy``; replaced when it exists.
    wafer_map : DefectMap
    size_px : int
        Rows and columns. The wafer centre is the centre of the raster.
    pixel_um : float
        Size of a pixel. ``size_px * pixel_um`` below the diameter would cut the wafer: refused when a defect falls
        outside.
    value : int
        Of a defect's pixel, 1 to 255.

    Returns
    -------
    int
        Pixels set.

    Raises
    ------
    InputError
        A defect outside the raster, or an argument outside its domain.
    """
    if path.suffix != ".npy" or size_px < 1 or not pixel_um > 0 or not 1 <= value <= 255:
        raise InputError(
            "Cannot write a raster: expected a .npy path, size_px >= 1, pixel_um > 0, value 1 to 255, "
            f"got {path.name}, {size_px}, {pixel_um}, {value}. Correct the arguments."
        )
    column = np.floor(wafer_map.xy_um[:, 0] / pixel_um + size_px / 2).astype(np.int64)
    row = np.floor(size_px / 2 - wafer_map.xy_um[:, 1] / pixel_um).astype(np.int64)
    if np.any((column < 0) | (column >= size_px) | (row < 0) | (row >= size_px)):
        raise InputError(
            f"Cannot write {path.name}: expected every defect inside {size_px} x {size_px} pixels of {pixel_um} um, "
            "got some outside. Use a larger size_px or pixel_um."
        )
    flat = np.unique(row * size_px + column)
    with aside(path) as temporary:
        with temporary.open("wb") as file:
            npy.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": (size_px, size_px)})
            _write_strips(file, flat, size_px * size_px, value)
        # The sidecar first: a raster that is there has one.
        path.with_suffix(".yaml").write_text(
            yaml.safe_dump(sidecar_of(wafer_map, size_px, pixel_um), sort_keys=False, default_flow_style=None, width=200),
            encoding="utf-8",
        )
    return len(flat)


def read(path: Path, limits: Ingest) -> Iterator[SourceWafer]:
    """Read a sparse raster as points: the centre of every pixel that is a defect.

    Parameters
    ----------
    path : Path
        A raster of any kind, or the folder of a zarr store. Its sidecar is looked for beside it; without one the wafer is
        300 mm across and fills the raster, any non-zero pixel is a defect, and a note says so.
    limits : Ingest
        ``max_defects`` bounds the points.

    Yields
    ------
    SourceWafer
        One.

    Raises
    ------
    FormatError
        ``raster.sidecar``; ``raster.dense``: more than 5 % of the pixels are defects; and what the kind's
        ``open_stream`` and its strips name (``raster.header``, ``raster.truncated``, ...).
    """
    with open_raster(path, limits) as stream:
        sidecar = read_sidecar(path, stream.shape)
        flat = _defects(stream, path, sidecar, max_defects=limits.max_defects)
        notes = sidecar.notes + stream.notes
        rows, columns = stream.shape
        row, column = np.divmod(flat, rows)[::-1] if stream.transposed else np.divmod(flat, columns)
    xy = np.column_stack(
        (
            (column + 0.5 - sidecar.centre_px[1]) * sidecar.pixel_um,
            (sidecar.centre_px[0] - row - 0.5) * sidecar.pixel_um,
        )
    )
    defect_map = DefectMap(info=sidecar.info, xy_um=xy, pitch_um=sidecar.pitch_um, origin_um=sidecar.origin_um, dies=sidecar.dies)
    yield SourceWafer(index=0, map=defect_map, notes=notes)


def _write_strips(file: BinaryIO, flat: NDArray[np.int64], total: int, value: int) -> None:
    """Write ``total`` bytes, ``value`` at the sorted places ``flat``."""
    start = file.tell()
    strip = np.zeros(min(STRIP_BYTES, total), np.uint8)
    for first in range(0, total, len(strip)):
        low, high = np.searchsorted(flat, (first, first + len(strip)))
        if low == high:
            continue
        inside = flat[low:high] - first
        strip[inside] = value
        file.seek(start + first)
        file.write(strip[: min(len(strip), total - first)].data)
        strip[inside] = 0
    file.truncate(start + total)


def _defects(stream: RasterStream, path: Path, sidecar: Sidecar, *, max_defects: int) -> NDArray[np.int64]:
    """Places of the defect pixels, in the order of the stream."""
    total = stream.shape[0] * stream.shape[1]
    limit = min(max_defects, int(DENSE_SHARE * total))
    found: list[NDArray[np.int64]] = []
    first = count = 0
    for strip in stream.strips():
        places = defect_places(strip.reshape(-1), sidecar, limit - count)
        if places is None:
            raise FormatError(
                "raster.dense",
                where=path.name,
                expected=f"at most {limit} defect pixels ({DENSE_SHARE:.0%} of {total}, or ingest.max_defects)",
                got=f"more in the first {first + strip.size} pixels",
                action="This is a picture, not a sparse defect map: give a threshold and polarity in the sidecar that "
                "leave only the defects.",
            )
        found.append(places + first)
        first, count = first + strip.size, count + len(places)
    return np.concatenate(found)
