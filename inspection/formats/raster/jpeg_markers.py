"""What the markers of a JPEG file say of its picture, without decoding it. Source: ITU-T T.81, annex B."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

LOSSY = "JPEG changes values beside every edge: without a threshold in the sidecar, pixels around a defect count as defects"
START, END = b"\xff\xd8", b"\xff\xd9"
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_APP1, _EXIF = 0xE1, b"Exif\0\0"
_LAST = frozenset((0xDA, 0xD9))
_ALONE = frozenset((0x01, *range(0xD0, 0xD9)))


@dataclass(frozen=True, slots=True)
class Frame:
    """Size of a picture: its rows and columns, channels, and bits of a value in one channel."""

    height: int
    width: int
    channels: int
    bits: int


def jpeg_frame(data: bytes) -> Frame | None:
    """The frame of a JPEG stream; None = there is none before the first scan."""
    for code, content in _segments(data):
        if code in _FRAMES and len(content) >= 6:
            rows, columns = int.from_bytes(content[1:3], "big"), int.from_bytes(content[3:5], "big")
            return Frame(rows, columns, content[5], content[0])
    return None


def exif_of(data: bytes) -> bytes:
    """The EXIF of a JPEG stream; empty = there is none before the first scan. Source: CIPA DC-008, 4.7.2."""
    return next((content[len(_EXIF) :] for code, content in _segments(data) if code == _APP1 and content.startswith(_EXIF)), b"")


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The markers up to the first scan, each with what lies between it and the next one."""
    place = 2 if data.startswith(START) else len(data)
    while place + 4 <= len(data) and data[place] == 0xFF:
        code = data[place + 1]
        if code == 0xFF:  # fill bytes may stand before any marker
            place += 1
            continue
        if code in _ALONE:
            place += 2
            continue
        length = int.from_bytes(data[place + 2 : place + 4], "big")
        yield code, data[place + 4 : place + 2 + length]
        if code in _LAST or length < 2:
            return
        place += 2 + length


def ends(data: bytes) -> bool:
    """Whether the stream has its end mark; a few bytes may follow it."""
    return END in data[-64:]
