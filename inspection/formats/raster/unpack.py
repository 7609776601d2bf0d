"""Packed bytes of a strip, tile or chunk, unpacked into no more memory than its header promises; for TIFF and zarr.

The codecs of the zarr library unfold whatever the bytes hold. Here the output is there before they are opened, so that a piece
which would unfold to gigabytes is refused.
"""

from __future__ import annotations

import lzma
import struct
from typing import TYPE_CHECKING

import imagecodecs
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from numpy.typing import NDArray

_DECODERS: dict[str, Callable[..., Any]] = {
    "blosc": imagecodecs.blosc_decode,
    "bz2": imagecodecs.bz2_decode,
    "deflate": imagecodecs.deflate_decode,
    "gzip": imagecodecs.gzip_decode,
    "lz4": imagecodecs.lz4_decode,
    "lzw": imagecodecs.lzw_decode,
    "packbits": imagecodecs.packbits_decode,
    "zstd": imagecodecs.zstd_decode,
}
_SLACK = {"lzw": 256, "packbits": 256, "bz2": 1}
"""Some writers of LZW and PackBits fill up the last row's byte or word; bz2 stops quietly where the output ends."""
_QUIET = {"lzw", "bz2"}
"""Decoders that stop quietly at the end of the output: one that is full to the last byte holds too much."""
_LZMA_BYTES = 128 * 2**20
"""Most that its dictionary may take, which its own header claims."""


def unpacked(data: bytes, codec: str, size: int) -> NDArray[np.uint8] | bytes:
    """``size`` bytes that ``codec`` packed; a few more where its writers fill up the end.

    Raises
    ------
    ValueError, RuntimeError
        The bytes are damaged, or hold more or less; each codec of imagecodecs has a RuntimeError of its own.
    """
    raw = _lzma(data, size) if codec == "lzma" else _decoded(data, codec, size)
    if len(raw) < size:
        raise ValueError(f"{len(raw)} bytes of {size}")
    return raw


def _decoded(data: bytes, codec: str, size: int) -> NDArray[np.uint8]:
    if codec == "blosc":  # its own header says how long it is; the decoder does not miss a lost end
        if len(data) < 16 or struct.unpack_from("<I", data, 12)[0] != len(data):
            raise ValueError(f"{len(data)} bytes of a blosc chunk of another length")
    elif codec == "lz4":  # as numcodecs writes it, its length first
        if len(data) < 4 or struct.unpack_from("<I", data)[0] != size:
            raise ValueError(f"an lz4 chunk that is not of {size} bytes")
        data = data[4:]
    most = size + _SLACK.get(codec, 0)
    raw: NDArray[np.uint8] = _DECODERS[codec](data, out=np.empty(most, np.uint8))
    if len(raw) == most > size and codec in _QUIET:
        raise ValueError(f"more than {size} bytes")
    return raw


def _lzma(data: bytes, size: int) -> bytes:
    unpack = lzma.LZMADecompressor(memlimit=_LZMA_BYTES)
    try:
        raw = unpack.decompress(data, size + 1)
    except lzma.LZMAError as error:
        raise ValueError(f"lzma: {error}") from error
    if len(raw) > size or not unpack.eof:
        raise ValueError(f"more than {size} bytes, or a stream that is cut")
    return raw
