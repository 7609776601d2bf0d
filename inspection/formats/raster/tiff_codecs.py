"""One strip or tile of a TIFF file, from its bytes to its pixels; never more of them than the header allows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import imagecodecs
import numpy as np

from inspection.formats.raster.jpeg_markers import ends, jpeg_frame

if TYPE_CHECKING:
    from numpy.typing import NDArray

NONE, LZW, JPEG, DEFLATE, OLD_DEFLATE, PACKBITS, ZSTD = 1, 5, 7, 8, 32946, 32773, 50000
COMPRESSIONS = {
    NONE: "none",
    LZW: "LZW",
    JPEG: "JPEG",
    DEFLATE: "deflate",
    OLD_DEFLATE: "deflate (old number)",
    PACKBITS: "PackBits",
    ZSTD: "zstd",
}
HORIZONTAL, FLOATING = 2, 3
_BYTES = {LZW: "lzw_decode", DEFLATE: "deflate_decode", OLD_DEFLATE: "deflate_decode", PACKBITS: "packbits_decode", ZSTD: "zstd_decode"}
_SLACK = 256
"""Some writers of LZW and PackBits fill up the last row's byte or word."""


@dataclass(frozen=True, slots=True)
class Coding:
    """How the pixels of a page are written.

    Attributes
    ----------
    stored : numpy.dtype
        In the file's byte order; bool for one bit per pixel.
    packed : int
        Bits of a pixel where they are no whole bytes, each row filled up to a byte; else 0.
    reversed_bits : bool
        FillOrder 2: the lowest bit of a byte comes first.
    white : int
        Largest value of an unsigned pixel.
    """

    compression: int
    predictor: int
    stored: np.dtype
    packed: int
    reversed_bits: bool
    tables: bytes
    white: int

    @property
    def dtype(self) -> np.dtype:
        """Of the decoded pixels: native byte order."""
        return self.stored.newbyteorder("=")

    @property
    def is_plain(self) -> bool:
        """Whether the bytes of the file are the pixels."""
        return self.compression == NONE and self.predictor == 1 and not self.packed and not self.reversed_bits

    def size(self, height: int, width: int) -> int:
        """Bytes of a piece of ``height`` x ``width`` pixels before compression."""
        return height * (-(-width * self.packed // 8) if self.packed else width * self.stored.itemsize)

    def fault(self) -> str:
        """What is wrong with this combination; empty = it can be read."""
        if self.predictor not in {1, HORIZONTAL, FLOATING}:
            return "predictor 1, 2 or 3"
        if self.compression == JPEG and (self.stored.kind != "u" or self.stored.itemsize != 1 or self.packed):
            return "8 bits in a JPEG page"
        if self.predictor == FLOATING and self.stored.kind != "f":
            return "floats where the predictor is 3"
        if self.predictor == HORIZONTAL and self.packed:
            return "whole bytes where the predictor is 2"
        return ""


def decode(data: bytes, coding: Coding, shape: tuple[int, int], inside: tuple[int, int]) -> NDArray:
    """The pixels of one piece.

    Parameters
    ----------
    shape : (int, int)
        Of the piece as it was written.
    inside : (int, int)
        How much of it, from its upper left corner, lies in the picture.

    Returns
    -------
    array
        At least ``inside`` of the piece, in native byte order.

    Raises
    ------
    ValueError, RuntimeError
        The bytes are damaged, or hold fewer pixels than the piece; or more, where the compression tells.
    """
    if coding.compression == JPEG:
        return _jpeg(data, coding.tables, shape, inside)
    height, width = shape
    if coding.reversed_bits:
        data = bytes(imagecodecs.bitorder_decode(data))
    size = coding.size(height, width)
    raw = _unpacked(data, coding.compression, size)
    if len(raw) < size or (coding.compression == LZW and len(raw) == size + _SLACK):  # LZW stops quietly at the end of the output
        raise ValueError(f"{len(raw)} bytes of {size}")
    if coding.packed:
        pixels = imagecodecs.packints_decode(bytes(raw[:size]), coding.dtype, coding.packed, runlen=width)
        return pixels.reshape(height, width)
    if coding.predictor == FLOATING:  # its bytes lie in an order of their own, whatever the file's
        return imagecodecs.floatpred_decode(np.frombuffer(raw, coding.dtype, height * width).reshape(height, width), axis=-1)
    pixels = np.frombuffer(raw, coding.stored, height * width).reshape(height, width).astype(coding.dtype, copy=False)
    if coding.predictor == HORIZONTAL:
        # On the bits of floats too: whole numbers wrap round, and floats would round.
        bits = pixels.view(f"u{pixels.dtype.itemsize}")
        return np.cumsum(bits, axis=1, dtype=bits.dtype).view(coding.dtype)
    return pixels


def _unpacked(data: bytes, compression: int, size: int) -> NDArray[np.uint8] | bytes:
    if compression == NONE:
        return data
    # An output that is there already: whatever the bytes claim or unfold to, no more memory is taken.
    buffer = np.empty(size + (_SLACK if compression in {LZW, PACKBITS} else 0), np.uint8)
    return getattr(imagecodecs, _BYTES[compression])(data, out=buffer)


def _jpeg(data: bytes, tables: bytes, shape: tuple[int, int], inside: tuple[int, int]) -> NDArray[np.uint8]:
    frame = jpeg_frame(data)
    if frame is None or (frame.channels, frame.bits) != (1, 8):
        raise ValueError(f"expected 8 bits of grey, got the JPEG frame {frame}")
    # A writer may cut the last tiles to the picture.
    if not (inside[0] <= frame.height <= shape[0] and inside[1] <= frame.width <= shape[1]):
        raise ValueError(f"{frame.height} x {frame.width} pixels")
    if not ends(data):
        raise ValueError("no end of the JPEG stream")  # the decoder would fill up what is missing
    return imagecodecs.jpeg8_decode(data, tables=tables or None).reshape(frame.height, frame.width)
