"""Text that no format reads: UTF-16 and UTF-32, as a program of Windows saves a file that it was only meant to show."""

from __future__ import annotations

import codecs

# The marks of UTF-32 begin as those of UTF-16 do.
_MARKS = (
    (codecs.BOM_UTF32_LE, "UTF-32", "utf-32"),
    (codecs.BOM_UTF32_BE, "UTF-32", "utf-32"),
    (codecs.BOM_UTF16_LE, "UTF-16", "utf-16"),
    (codecs.BOM_UTF16_BE, "UTF-16", "utf-16"),
)
_LOOKED_AT = 64
"""Bytes: so many letters in a row are no chance."""
_FEWEST = 8


def wide_text(head: bytes) -> tuple[str, str] | None:
    """Name of the encoding and the first line of a file that begins with ``head`` and is text in UTF-16 or UTF-32; None for any other.

    By its mark, or, where it has none, by the zero beside every letter.
    """
    for mark, name, codec in _MARKS:
        if head.startswith(mark):
            return name, _first_line(head, codec)
    start = head[: min(len(head) // 2 * 2, _LOOKED_AT)]
    for zeros, letters, codec in ((start[1::2], start[::2], "utf-16-le"), (start[::2], start[1::2], "utf-16-be")):
        if len(start) >= _FEWEST and not any(zeros) and all(c in b"\t\r\n" or 0x20 <= c < 0x7F for c in letters):
            return codec.upper().replace("16-", "16"), _first_line(head, codec)
    return None


def _first_line(head: bytes, codec: str) -> str:
    lines = head[: len(head) // 4 * 4].decode(codec, errors="replace").splitlines()
    return lines[0][:40] if lines else ""
