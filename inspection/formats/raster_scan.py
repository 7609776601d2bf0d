"""Which pixels of a raster are defects: found at the speed of memory, because nearly all of them are none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numba import njit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from inspection.formats.raster_sidecar import Sidecar

_WORD = 8
_BLOCK = 2**18
"""Pixels compared at once: their truth values stay in the cache."""


def defect_places(pixels: NDArray, sidecar: Sidecar, most: int) -> NDArray[np.int64] | None:
    """Places of the defects among ``pixels`` (flat and contiguous), in order; None = there are more than ``most``.

    Without a threshold whole words of zeros are stepped over; only what is left is looked at pixel by pixel.
    """
    if sidecar.threshold is None and _WORD % pixels.dtype.itemsize == 0 and pixels.nbytes >= _WORD:
        return _occupied(pixels, sidecar, most)
    found: list[NDArray[np.int64]] = []
    count = 0
    for first in range(0, len(pixels), _BLOCK):
        marked = sidecar.is_defect(pixels[first : first + _BLOCK])
        here = int(np.count_nonzero(marked))
        count += here
        if count > most:
            return None
        if here:
            found.append(np.flatnonzero(marked) + first)
    return np.concatenate(found) if found else np.empty(0, np.int64)


def _occupied(pixels: NDArray, sidecar: Sidecar, most: int) -> NDArray[np.int64] | None:
    size = pixels.dtype.itemsize
    raw = pixels.view(np.uint8)
    whole = len(raw) // _WORD
    room = min(most + 1, whole)
    words = np.empty(room, np.int64)
    count = _nonzero_words(raw[: whole * _WORD].view(np.uint64), words)
    if count > most:  # each such word holds a pixel with a bit set; nearly always that is a defect
        marked = int(np.count_nonzero(sidecar.is_defect(pixels)))
        return None if marked > most else np.flatnonzero(sidecar.is_defect(pixels))
    per_word = _WORD // size
    places = (words[:count, None] * per_word + np.arange(per_word)).ravel()
    tail = np.arange(whole * per_word, len(pixels))
    places = np.concatenate((places, tail)) if len(tail) else places
    places = places[sidecar.is_defect(pixels[places])]
    return None if len(places) > most else places


@njit(nogil=True, cache=True)
def _nonzero_words(words: Any, out: Any) -> int:
    """Indices of the non-zero words into ``out`` while there is room; how many there are, at most one more than the room."""
    count, room = 0, len(out)
    stride = 32
    whole = len(words) - len(words) % stride
    for start in range(0, whole, stride):
        any_bit = np.uint64(0)
        for k in range(stride):
            any_bit |= words[start + k]
        if any_bit:
            for k in range(stride):
                if words[start + k]:
                    if count >= room:
                        return count + 1
                    out[count] = start + k
                    count += 1
    for k in range(whole, len(words)):
        if words[k]:
            if count >= room:
                return count + 1
            out[count] = k
            count += 1
    return count
