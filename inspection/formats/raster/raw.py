"""Rasters without a header: the sidecar says what the bytes are.

Keys beside those that every raster's sidecar may have (``sidecar``)::

    shape: [20000, 20000]     rows, columns
    dtype: uint16             or '<u2', '>f4', ...; little-endian where it does not say
    offset_bytes: 512         of the first pixel; 0 where it does not say
    order: C                  C: rows one after the other (as where it does not say); F: columns
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from inspection.formats.raster.plain import PlainStream, check_length
from inspection.formats.raster.sidecar import describes_bytes, read_layout
from inspection.formats.raster.stream import check_size

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from inspection.formats.raster.stream import RasterStream
    from inspection.params import Ingest


def recognises(head: bytes, path: Path) -> bool:
    """Whether a sidecar beside ``path`` gives a shape and a dtype. To be asked last: any bytes will do."""
    return bool(head) and describes_bytes(path)


@contextmanager
def open_stream(path: Path, limits: Ingest) -> Iterator[RasterStream]:
    """Open a raw raster as its sidecar describes it. The file ends with its last pixel.

    Raises
    ------
    FormatError
        ``raster.sidecar``, ``raster.truncated``, ``raster.header``, ``raster.size``, ``raster.row``.
    """
    layout = read_layout(path)
    transposed = layout.order == "F"
    check_size(path, layout.shape, layout.dtype, limits, transposed=transposed)
    check_length(path, layout.offset_bytes, layout.shape, layout.dtype)
    with path.open("rb", buffering=0) as file:
        yield PlainStream(path, file, layout.offset_bytes, layout.shape, layout.dtype, transposed=transposed)
