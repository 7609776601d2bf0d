"""What every kind of raster file gives: its shape and its pixels in strips from the top, never the whole picture.

Each kind is one module with ``recognises(head, path)`` and ``open_stream(path, limits)``, a context manager that gives a
:class:`RasterStream`. ``open_raster`` picks the module by the file's content.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

STRIP_BYTES = 16 * 2**20
"""About how much a strip holds: large enough for the disk, small enough for the cache and for bounded memory."""
DENSE_SHARE = 0.05
"""Share of the pixels beyond which a raster is a picture and no sparse defect map."""
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
    """

    shape: tuple[int, int]
    dtype: np.dtype
    transposed: bool

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
