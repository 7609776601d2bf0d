"""Which kind of raster a file is, by its content."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inspection.errors import UnknownFormatError
from inspection.formats.raster import bmp, picture, tiff, zarr_raster
from inspection.formats.raster import npy as raster_npy
from inspection.formats.raster import raw as raster_raw

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from inspection.formats.raster.stream import RasterStream
    from inspection.params import Ingest

KINDS = (raster_npy, tiff, picture, bmp, zarr_raster, raster_raw)
"""In the order in which they are asked: a raw file may begin with any bytes."""
HEAD_BYTES = 64


def recognises(head: bytes, path: Path) -> bool:
    """Whether any kind of raster recognises the file, or the folder of a zarr store (whose ``head`` is empty)."""
    return any(kind.recognises(head, path) for kind in KINDS)


def open_raster(path: Path, limits: Ingest) -> AbstractContextManager[RasterStream]:
    """Open a raster of any kind; the stream is valid inside the ``with`` block.

    Raises
    ------
    UnknownFormatError
        ``raster.unknown``: no kind recognises it.
    FormatError
        On entering the block: what the kind's ``open_stream`` names.
    """
    head = b""
    if path.is_file():
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    for kind in KINDS:
        if kind.recognises(head, path):
            return kind.open_stream(path, limits)
    raise UnknownFormatError(
        "raster.unknown",
        where=path.name,
        expected=".npy, TIFF, PNG, JPEG, BMP, a zarr store, or raw bytes with shape and dtype in a YAML sidecar",
        got=f"a file that begins with {head[:24]!r}" if head else "no such file, or a folder that is no zarr store",
        action="Export the raster in one of these formats.",
    )
