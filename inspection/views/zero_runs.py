"""A zstd frame of a chunk that is zero but for a few pixels, written without looking at the zeros.

A frame is a header and blocks; a block of type RLE says one byte and how often it comes, a raw block is its bytes (RFC 8878, 3.1.1.2).
So a run of zeros is four bytes whatever its length, and any zstd decoder reads it. Compressing the same chunk means to look at each
of its bytes: for a lone defect in 512 x 512 pixels many times the work.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST = 16
"""Pixels up to which a frame of runs is smaller, or hardly larger, than what compression makes, and quicker to write."""
_MAGIC = 0xFD2FB528
_DESCRIPTOR = 0xA0
"""One segment, the content's size in four bytes, no checksum, no dictionary."""
_MOST_IN_BLOCK = 128 * 1024
_RAW, _RLE = 0, 1


def frame(places: NDArray[np.int64], values: NDArray, size: int) -> bytes:
    """The frame of ``size`` pixels that are zero except at ``places``.

    Parameters
    ----------
    places : ndarray of int64, shape (n,)
        Rising, below ``size``.
    values : ndarray, shape (n,)
        Little-endian; ``size`` pixels of this type are fewer than 2**32 bytes, and at least one.
    """
    width = values.dtype.itemsize
    blocks = [_MAGIC.to_bytes(4, "little"), _DESCRIPTOR.to_bytes(1, "little"), (size * width).to_bytes(4, "little")]
    raw = values.tobytes()
    edges = [0, *(places * width).tolist(), size * width]
    for k, (begin, end) in enumerate(pairwise(edges)):
        first = begin + (width if k else 0)  # behind the pixel that the run before ended at
        for start in range(first, end, _MOST_IN_BLOCK):
            blocks += (_head(_RLE, min(_MOST_IN_BLOCK, end - start)), b"\0")
        if k < len(places):
            blocks += (_head(_RAW, width), raw[k * width : (k + 1) * width])
    last = blocks[-2]
    blocks[-2] = bytes((last[0] | 1,)) + last[1:]
    return b"".join(blocks)


def _head(kind: int, size: int) -> bytes:
    return (kind << 1 | size << 3).to_bytes(3, "little")
