"""Rasters for tests: an array as a stream, and a pyramid made the obvious way."""

import numpy as np

from inspection.formats.raster.sidecar import Sidecar
from inspection.wafer.maps import WaferInfo


class ArrayStream:
    """A stream over an array in memory, in strips of ``rows`` from one buffer that is used again, as a reader may."""

    notes = ()
    pixel_um = None

    def __init__(self, array, rows):
        self.transposed = array.flags.f_contiguous and not array.flags.c_contiguous
        self._upright, self._rows = array.T if self.transposed else np.ascontiguousarray(array), rows
        self.shape, self.dtype = array.shape, array.dtype

    def strips(self):
        buffer = np.empty((self._rows, self._upright.shape[1]), self.dtype)
        for first in range(0, len(self._upright), self._rows):
            piece = self._upright[first : first + self._rows]
            buffer[: len(piece)] = piece
            yield buffer[: len(piece)]


def any_nonzero(**changes):
    """A sidecar that says nothing: any non-zero pixel is a defect."""
    values = {
        "info": WaferInfo(), "pixel_um": 1.0, "pixel_known": True, "centre_px": (0.0, 0.0), "threshold": None, "dark": False,
        "pitch_um": None, "origin_um": None, "dies": None, "notes": (),
    }  # fmt: skip
    return Sidecar(**{**values, **changes})


def naive(array, levels):
    """(sums, maxima) of level 0 to ``levels``, each from the whole array below; what is not a number is 0."""
    wide = np.float64 if array.dtype.kind == "f" or array.dtype.itemsize == 8 else np.int64
    peaks = (
        np.nan_to_num(array, nan=0, posinf=np.inf, neginf=-np.inf)
        if array.dtype.kind == "f"
        else array.astype("u1" if array.dtype.kind == "b" else array.dtype)
    )
    found = [(peaks.astype(wide), peaks)]
    for _ in range(levels):
        found.append(_coarser(*found[-1]))
    return found


def _coarser(sums, peaks):
    """Sum and maximum of each 2 x 2 block; of an odd last row or column, what there is of it."""
    odd = [(0, n % 2) for n in sums.shape]
    if any(more for _, more in odd):
        sums, peaks = np.pad(sums, odd), np.pad(peaks, odd, mode="edge")
    for axis in (0, 1):
        first, second = ((slice(None),) * axis + (slice(start, None, 2),) for start in (0, 1))
        sums, peaks = sums[first] + sums[second], np.maximum(peaks[first], peaks[second])
    return sums, peaks
