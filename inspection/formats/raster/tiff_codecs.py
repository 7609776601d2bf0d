"""One strip or tile of a TIFF file, from its bytes to its pixels; never more of them than the header allows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import imagecodecs
import numpy as np

from inspection.formats.raster.jpeg_markers import ends, jpeg_frame
from inspection.formats.raster.unpack import unpacked

if TYPE_CHECKING:
    from numpy.typing import NDArray

NONE, FAX4, LZW, JPEG, DEFLATE, OLD_DEFLATE, PACKBITS, LZMA, ZSTD = 1, 4, 5, 7, 8, 32946, 32773, 34925, 50000
COMPRESSIONS = {
    NONE: "none",
    FAX4: "CCITT group 4",
    LZW: "LZW",
    JPEG: "JPEG",
    DEFLATE: "deflate",
    OLD_DEFLATE: "deflate (old number)",
    PACKBITS: "PackBits",
    LZMA: "LZMA",
    ZSTD: "zstd",
}
_CODECS = {LZW: "lzw", DEFLATE: "deflate", OLD_DEFLATE: "deflate", PACKBITS: "packbits", LZMA: "lzma", ZSTD: "zstd"}
HORIZONTAL, FLOATING = 2, 3
_RGB = 2
_END_OF_FAX = 0x001001
"""The 24 bits that close a page of group 4 (ITU-T T.6, 2.4.1)."""


@dataclass(frozen=True, slots=True)
class Coding:
    """How the pixels of a page are written.

    Attributes
    ----------
    stored : numpy.dtype
        In the file's byte order; bool for one bit per pixel.
    packed : int
        Bits of a value where they are no whole bytes, each row filled up to a byte; else 0.
    reversed_bits : bool
        FillOrder 2: the lowest bit of a byte comes first.
    white : int
        Largest value of an unsigned pixel.
    samples : int
        Values of a pixel in one strip or tile.
    rgb : bool
        The values of a JPEG strip or tile are red, green and blue as they stand, not luminance and colour difference.
    """

    compression: int
    predictor: int
    stored: np.dtype
    packed: int
    reversed_bits: bool
    tables: bytes
    white: int
    samples: int = 1
    rgb: bool = False

    @property
    def dtype(self) -> np.dtype:
        """Of the decoded pixels: native byte order."""
        return self.stored.newbyteorder("=")

    @property
    def is_plain(self) -> bool:
        """Whether the bytes of the file are the pixels."""
        return self.compression == NONE and self.predictor == 1 and self.samples == 1 and not self.packed and not self.reversed_bits

    def size(self, height: int, width: int) -> int:
        """Bytes of a piece of ``height`` x ``width`` pixels before compression."""
        values = width * self.samples
        return height * (-(-values * self.packed // 8) if self.packed else values * self.stored.itemsize)

    def fault(self) -> str:
        """What is wrong with this combination; empty = it can be read."""
        jpeg, fax = self.compression == JPEG, self.compression == FAX4
        faults = (
            (self.predictor not in {1, HORIZONTAL, FLOATING}, "predictor 1, 2 or 3"),
            (jpeg and (self.stored.kind != "u" or self.stored.itemsize != 1 or self.packed), "8 bits in a JPEG page"),
            (jpeg and self.samples not in {1, 3}, "grey or three colours, and no opacity, in a JPEG page"),
            (fax and (self.packed != 1 or self.samples != 1), "one bit in a page of CCITT group 4"),
            (self.predictor == FLOATING and self.stored.kind != "f", "floats where the predictor is 3"),
            (self.predictor == HORIZONTAL and self.packed, "whole bytes where the predictor is 2"),
        )
        return next((reason for wrong, reason in faults if wrong), "")


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
    array of shape (height, width) or (height, width, samples)
        At least ``inside`` of the piece, in native byte order.

    Raises
    ------
    ValueError, RuntimeError
        The bytes are damaged, or hold fewer pixels than the piece; or more, where the compression tells.
    """
    if coding.compression == JPEG:
        return _jpeg(data, coding, shape, inside)
    height, width = shape
    if coding.reversed_bits:
        data = bytes(imagecodecs.bitorder_decode(data))
    if coding.compression == FAX4:
        return _fax(data, shape)
    size = coding.size(height, width)
    raw = data if coding.compression == NONE else unpacked(data, _CODECS[coding.compression], size)
    if len(raw) < size:
        raise ValueError(f"{len(raw)} bytes of {size}")
    across = (width, coding.samples) if coding.samples > 1 else (width,)
    values = width * coding.samples
    if coding.packed:
        pixels = imagecodecs.packints_decode(bytes(raw[:size]), coding.dtype, coding.packed, runlen=values)
        return pixels.reshape(height, *across)
    if coding.predictor == FLOATING:  # its bytes lie in an order of their own, whatever the file's
        return imagecodecs.floatpred_decode(np.frombuffer(raw, coding.dtype, height * values).reshape(height, *across), axis=1)
    pixels = np.frombuffer(raw, coding.stored, height * values)
    own = pixels.flags.writeable  # in place where that is possible: a piece may be large
    if not coding.stored.isnative:
        pixels, own = pixels.byteswap(inplace=own).view(coding.dtype), True
    pixels = pixels.reshape(height, *across)
    if coding.predictor == HORIZONTAL:
        # On the bits of floats too: whole numbers wrap round, and floats would round.
        bits = pixels.view(f"u{pixels.dtype.itemsize}")
        return np.cumsum(bits, axis=1, dtype=bits.dtype, out=bits if own else None).view(coding.dtype)
    return pixels


def _fax(data: bytes, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """A piece of CCITT group 4, which is closed by its end mark: the decoder would fill up what is missing."""
    tail = int.from_bytes(data[-8:], "big")
    if not any(tail >> shift & 0xFFFFFF == _END_OF_FAX for shift in range(40)):
        raise ValueError("no end of the group 4 page")
    return imagecodecs.ccittfax4_decode(data, *shape).reshape(shape).view(np.bool_)


def _jpeg(data: bytes, coding: Coding, shape: tuple[int, int], inside: tuple[int, int]) -> NDArray[np.uint8]:
    frame = jpeg_frame(data)
    if frame is None or (frame.channels, frame.bits) != (coding.samples, 8):
        raise ValueError(f"expected 8 bits in {coding.samples} channel(s), got the JPEG frame {frame}")
    # A writer may cut the last tiles to the picture.
    if not (inside[0] <= frame.height <= shape[0] and inside[1] <= frame.width <= shape[1]):
        raise ValueError(f"{frame.height} x {frame.width} pixels")
    if not ends(data):
        raise ValueError("no end of the JPEG stream")  # the decoder would fill up what is missing
    if coding.samples == 1:
        return imagecodecs.jpeg8_decode(data, tables=coding.tables or None).reshape(frame.height, frame.width)
    # As JFIF has it the values are luminance and colour difference, whatever the page says.
    stored = _RGB if coding.rgb and b"JFIF" not in data[:32] else None
    pixels = imagecodecs.jpeg8_decode(data, tables=coding.tables or None, colorspace=stored, outcolorspace=_RGB)
    return pixels.reshape(frame.height, frame.width, coding.samples)
