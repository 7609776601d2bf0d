"""What the markers of a JPEG file say of its picture, without decoding it. Source: ITU-T T.81, annex B."""

from __future__ import annotations

from dataclasses import dataclass

LOSSY = "JPEG changes values beside every edge: without a threshold in the sidecar, pixels around a defect count as defects"
START, END = b"\xff\xd8", b"\xff\xd9"
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
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
    if not data.startswith(START):
        return None
    place = 2
    while place + 4 <= len(data):
        if data[place] != 0xFF:
            return None
        code = data[place + 1]
        if code == 0xFF:  # fill bytes may stand before any marker
            place += 1
            continue
        if code in _ALONE:
            place += 2
            continue
        length = int.from_bytes(data[place + 2 : place + 4], "big")
        if code in _FRAMES and length >= 8 and place + 10 <= len(data):
            bits, rows, columns = data[place + 4], data[place + 5 : place + 7], data[place + 7 : place + 9]
            return Frame(int.from_bytes(rows, "big"), int.from_bytes(columns, "big"), data[place + 9], bits)
        if code in {0xDA, 0xD9} or length < 2:
            return None
        place += 2 + length
    return None


def ends(data: bytes) -> bool:
    """Whether the stream has its end mark; a few bytes may follow it."""
    return END in data[-64:]
