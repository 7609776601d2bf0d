"""The one thing of EXIF that matters to a raster: whether the picture is meant to be turned. Source: CIPA DC-008, 4.6.8."""

from __future__ import annotations

LOOKED_AT = 2**18
"""Bytes of a file in which its EXIF is looked for: writers put it before the pixels."""
_MARKS = (b"Exif\0\0", b"eXIf")
"""Before the EXIF of JPEG and of PNG."""
_ORDERS = {b"II*\0": "little", b"MM\0*": "big"}
_ORIENTATION = 0x0112
_ENTRY = 12


def orientation(head: bytes) -> int:
    """1 = upright, as without EXIF; 2 to 8 = mirrored or turned. ``head`` is the beginning of a JPEG or PNG file."""
    for mark in _MARKS:
        exif = head[head.find(mark) + len(mark) :] if mark in head else b""
        order = _ORDERS.get(exif[:4])
        if order is None:
            continue
        little = order == "little"

        def number(at: int, size: int, exif: bytes = exif, *, little: bool = little) -> int:
            return int.from_bytes(exif[at : at + size], "little" if little else "big")

        first = number(4, 4)
        for entry in range(first + 2, min(first + 2 + _ENTRY * number(first, 2), len(exif)), _ENTRY):
            if number(entry, 2) == _ORIENTATION:
                return number(entry + 8, 2)
    return 1
