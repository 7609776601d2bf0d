"""A raster whose file begins at another corner or runs down its columns: read as it lies, given out as it is meant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from inspection.formats.raster.scale import PixelSize

UPRIGHT = (False, False, False)
TURNS = {
    1: UPRIGHT, 2: (False, False, True), 3: (False, True, True), 4: (False, True, False),
    5: (True, False, False), 6: (True, True, False), 7: (True, True, True), 8: (True, False, True),
}  # fmt: skip
"""Of each Orientation of TIFF and EXIF (CIPA DC-008, 4.6.5), whether the rows of the file are columns, whether its first row is the
last, whether its rows run backwards: the fields of `TurnedStream`."""
TRANSPOSED = TURNS[5]


class Stored(Protocol):
    """A raster that can be read from its end, too."""

    @property
    def shape(self) -> tuple[int, int]: ...  # noqa: D102
    @property
    def dtype(self) -> np.dtype: ...  # noqa: D102
    @property
    def notes(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def pixel_um(self) -> PixelSize | None: ...  # noqa: D102

    def strips(self, *, backwards: bool = False) -> Iterator[NDArray]:
        """Its strips; ``backwards``: the last one first, the rows in each in their order."""
        ...


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

    stored: Stored
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

    @property
    def pixel_um(self) -> PixelSize | None:
        """Of the picture's pixels, by the file."""
        stored = self.stored.pixel_um
        return stored[::-1] if stored and self.transposed else stored

    def strips(self) -> Iterator[NDArray]:
        """Strips of the picture; see :class:`~inspection.formats.raster.stream.RasterStream`."""
        for strip in self.stored.strips(backwards=self.backwards):
            yield np.ascontiguousarray(strip[:: -1 if self.backwards else 1, :: -1 if self.mirrored else 1])
