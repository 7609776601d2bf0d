"""Rasters: one pixel per place, in a file of any kind (``kinds``) with a YAML sidecar; read in strips, never whole.

Sidecar (``NAME.yaml`` or ``NAME.npy.yaml`` beside ``NAME.npy``), every key optional::

    lot: L00007            wafer: '03'          slot, product, layer, tool, chamber, recipe
    inspected_at: '2026-01-05T06:00:00+00:00'   diameter_mm: 300.0
    pixel_um: 146.48       size of a pixel; without it what the file itself says (OME, ImageJ, TIFF's resolution), if the raster is
                           then as large as a wafer; else the wafer fills the raster
    centre_px: [1024, 1024]   wafer centre as (row, col); pixel (r, c) covers r to r+1, c to c+1
    threshold: 1           a pixel is a defect when it is at or above it (polarity bright), at or below it (dark)
    polarity: bright
    die_pitch_um: [x, y]   die_origin_um: [x, y]   dies: [[y, first x, last x], ...]   inspected dies as runs of a row
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from inspection.errors import FormatError
from inspection.formats.raster.kinds import open_raster, recognises
from inspection.formats.raster.scan import defect_places
from inspection.formats.raster.sidecar import Sidecar, read_sidecar
from inspection.formats.raster.stream import DENSE_SHARE
from inspection.wafer.maps import DefectMap, SourceWafer

__all__ = ["read", "recognises"]

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from inspection.formats.raster.stream import RasterStream
    from inspection.params import Ingest


def read(path: Path, limits: Ingest) -> Iterator[SourceWafer]:
    """Read a sparse raster as points: the centre of every pixel that is a defect.

    Parameters
    ----------
    path : Path
        A raster of any kind, or the folder of a zarr store. Its sidecar is looked for beside it; without one any non-zero
        pixel is a defect; without a size of the pixels, too, the wafer is 300 mm across and fills the raster. Notes say so.
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
        sidecar = read_sidecar(path, stream.shape, stream.pixel_um)
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
                "leave only the defects; or, where its grey is what counts, put an images.yaml into the folder that is handed in.",
            )
        found.append(places + first)
        first, count = first + strip.size, count + len(places)
    return np.concatenate(found)
