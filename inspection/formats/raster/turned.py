"""A raster whose file begins at another corner or runs down its columns: read as it lies, given out as it is meant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from inspection.formats.raster.segments import SegmentedStream


@dataclass(frozen=True, slots=True, eq=False)
class TurnedStream:
    """``stored`` as a picture.

    Attributes
    ----------
    transposed : bool
        What the file calls a row is a column of the picture.
    backwards : bool
        Its first row is the last one (of the rows; transposed: of the columns).
    mirrored : bool
        Its rows begin with their last pixel.
    """

    stored: SegmentedStream
    transposed: bool
    backwards: bool
    mirrored: bool

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the picture."""
        rows, columns = self.stored.shape
        return (columns, rows) if self.transposed else (rows, columns)

    @property
    def dtype(self) -> np.dtype:
        """Of the pixels."""
        return self.stored.dtype

    @property
    def notes(self) -> tuple[str, ...]:
        """Those of the file."""
        return self.stored.notes

    def strips(self) -> Iterator[NDArray]:
        """Strips of the picture; see :class:`~inspection.formats.raster.stream.RasterStream`."""
        for strip in self.stored.strips(backwards=self.backwards):
            yield np.ascontiguousarray(strip[:: -1 if self.backwards else 1, :: -1 if self.mirrored else 1])
