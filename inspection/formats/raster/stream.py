"""What every kind of raster file gives: its shape and its pixels in strips from the top, never the whole picture.

Each kind is one module with ``recognises(head, path)`` and ``open_stream(path, limits)``, a context manager that gives a
:class:`RasterStream`. ``kinds.open_raster`` picks the module by the file's content.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from inspection.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from inspection.formats.raster.scale import PixelSize
    from inspection.params import Ingest

STRIP_BYTES = 16 * 2**20
"""About how much a strip holds: large enough for the disk, small enough for the cache and for bounded memory."""
DENSE_SHARE = 0.05
"""Share of the pixels beyond which a raster is a picture and no sparse defect map."""
MAX_ROW_BYTES = 64 * 2**20
"""A row is the least that can be given out: a longer one would not fit bounded memory."""
MAX_PIXELS = 2**40
"""A header that claims more is damaged."""


class RasterStream(Protocol):
    """An open raster.

    Attributes
    ----------
    shape : (int, int)
        Rows and columns of the picture, row 0 at the top.
    dtype : numpy.dtype
        Of the pixels: bool, integers or floats, in native byte order.
    transposed : bool
        True when the file holds columns (Fortran order): then ``strips`` runs over the transposed picture, of shape
        ``(columns, rows)``, from its first column on.
    pixel_um : (float, float), optional
        Height and width of a pixel as the file itself says, believed or not (``scale``); None = it says nothing.
    notes : tuple of str
        What is odd about the file and was survived: a page left out, colour reduced to grey.
    """

    @property
    def shape(self) -> tuple[int, int]: ...  # noqa: D102
    @property
    def dtype(self) -> np.dtype: ...  # noqa: D102
    @property
    def transposed(self) -> bool: ...  # noqa: D102
    @property
    def notes(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def pixel_um(self) -> PixelSize | None: ...  # noqa: D102

    def strips(self) -> Iterator[NDArray]:
        """All pixels once: C-contiguous arrays (k, width) with k >= 1 from the top, of about ``STRIP_BYTES``.

        An array may be used again by the reader: it is valid until the next one is asked for. A strip may be a single
        row of more than ``STRIP_BYTES``.

        Raises
        ------
        FormatError
            ``raster.truncated`` or ``raster.damaged``: the bytes are not what the header says.
        """
        ...


def check_size(path: Path, shape: tuple[int, int], dtype: np.dtype, limits: Ingest, *, transposed: bool = False) -> None:
    """Hold the size that a header claims against the limits, before any memory is taken for it.

    Raises
    ------
    FormatError
        ``raster.header``: no pixels, or more than any file holds; ``raster.size``: more bytes of pixels than
        ``ingest.max_file_mb``, which is what bounds a compressed file; ``raster.row``: a row longer than
        ``MAX_ROW_BYTES``.
    """
    rows, columns = shape
    if min(shape) < 1 or rows * columns > MAX_PIXELS:
        raise FormatError(
            "raster.header",
            where=path.name,
            expected=f"1 to {MAX_PIXELS} pixels",
            got=f"{rows} x {columns}",
            action="The header is damaged: transfer the file again.",
        )
    if rows * columns * dtype.itemsize > limits.max_file_bytes:
        raise FormatError(
            "raster.size",
            where=path.name,
            expected=f"at most {limits.max_file_mb} MiB of pixels",
            got=f"{rows} x {columns} of {dtype}",
            action="Raise ingest.max_file_mb in params.yaml if this size is meant.",
        )
    if (width := rows if transposed else columns) * dtype.itemsize > MAX_ROW_BYTES:
        raise FormatError(
            "raster.row",
            where=path.name,
            expected=f"rows of at most {MAX_ROW_BYTES >> 20} MiB",
            got=f"{width} pixels of {dtype}",
            action="Write the raster in two dimensions, one wafer per file.",
        )


def rows_of(width: int, dtype: np.dtype, size: int | None = None) -> int:
    """How many rows of ``width`` pixels make about ``size`` bytes (``STRIP_BYTES`` where it is not given); at least one."""
    return max(1, (STRIP_BYTES if size is None else size) // (width * dtype.itemsize))


def truncated(path: Path, expected: object, got: object) -> FormatError:
    """The file ends before what its header promises."""
    return FormatError("raster.truncated", where=path.name, expected=str(expected), got=got, action="Transfer the file again.")


def damaged(path: Path, expected: object, got: object) -> FormatError:
    """Bytes that are not what the header says."""
    return FormatError("raster.damaged", where=path.name, expected=str(expected), got=got, action="Transfer the file again.")
