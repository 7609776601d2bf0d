"""The one thing of EXIF that matters to a raster: whether the picture is meant to be turned. Source: CIPA DC-008, 4.6.8."""

from __future__ import annotations

_ORDERS = {b"II*\0": "little", b"MM\0*": "big"}
_ORIENTATION = 0x0112
_ENTRY = 12


def orientation(exif: bytes) -> int:
    """1 = upright, as where EXIF says nothing; 2 to 8 = mirrored or turned; others mean nothing.

    ``exif`` is the TIFF directory that EXIF is, as it lies in PNG's block ``eXIf`` and, behind ``Exif`` and two zeros, in JPEG's APP1.
    """
    order = _ORDERS.get(exif[:4])
    if order is None:
        return 1

    def number(at: int, size: int) -> int:
        return int.from_bytes(exif[at : at + size], "little" if order == "little" else "big")

    first = number(4, 4)
    for entry in range(first + 2, min(first + 2 + _ENTRY * number(first, 2), len(exif)), _ENTRY):
        if number(entry, 2) == _ORIENTATION:
            return number(entry + 8, 2)
    return 1
