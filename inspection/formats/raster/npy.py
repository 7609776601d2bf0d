"""Rasters in NumPy's ``.npy``: one array of two dimensions, and others of one pixel; Fortran order is read as it lies, transposed."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from tokenize import TokenError
from typing import TYPE_CHECKING

from numpy.lib import format as npy

from inspection.errors import FormatError
from inspection.formats.raster.plain import PlainStream, check_length
from inspection.formats.raster.stream import check_size

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

    import numpy as np

    from inspection.formats.raster.stream import RasterStream
    from inspection.params import Ingest

MAGIC = b"\x93NUMPY"
HEADER_FAULTS = (ValueError, TypeError, SyntaxError, TokenError, EOFError, RecursionError, MemoryError)
"""What NumPy raises on a header that is not one: it is parsed as a Python literal."""


def recognises(head: bytes, path: Path) -> bool:  # noqa: ARG001 - the signature that every format shares
    """Whether ``head`` (the first bytes of the file) is that of a ``.npy`` file."""
    return head.startswith(MAGIC)


@contextmanager
def open_stream(path: Path, limits: Ingest) -> Iterator[RasterStream]:
    """Open a ``.npy`` file of two dimensions of bool, integers or floats. The file has exactly the length it claims.

    Raises
    ------
    FormatError
        ``raster.header``, ``raster.truncated``, ``raster.size``, ``raster.row``.
    """
    with path.open("rb", buffering=0) as file:
        shape, fortran, dtype = _header(file, path)
        check_size(path, shape, dtype, limits, transposed=fortran)
        check_length(path, file.tell(), shape, dtype)
        yield PlainStream(path, file, file.tell(), shape, dtype, transposed=fortran)


def _header(file: BinaryIO, path: Path) -> tuple[tuple[int, int], bool, np.dtype]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a header of Python 2 is read, and NumPy says how slowly
            version = npy.read_magic(file)
            reader = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
            shape, fortran, dtype = reader(file)
    except HEADER_FAULTS as error:
        raise FormatError(
            "raster.header",
            where=path.name,
            expected="a NumPy .npy header",
            got=error,
            action="Write the raster again with numpy.save.",
        ) from error
    shape = _flat(shape)
    if len(shape) != 2 or dtype.kind not in "buif" or dtype.itemsize > 8 or min(shape) < 1:
        raise FormatError(
            "raster.header",
            where=path.name,
            expected="two dimensions (others of one pixel are left out) of bool, integers or floats of at most 64 bits",
            got=f"shape {shape}, {dtype}",
            action="Save one wafer per file as a two-dimensional array of numbers.",
        )
    return (int(shape[0]), int(shape[1])), fortran, dtype


def _flat(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Without the dimensions of 1 that channel or batch writers leave around a picture; they change nothing in either order."""
    spare = len(shape) - 2
    return tuple(n for n in shape if n != 1 or (spare := spare - 1) < 0)
