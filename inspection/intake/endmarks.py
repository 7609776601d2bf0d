"""Whether a file is still being written: by the mark that ends its kind, else by its age."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from inspection.intake.place import Landed, Place

_HEAD, _TAIL = 4_096, 128
_ZIP_TAIL = 65_557  # the end record (22 bytes) and the longest comment that may follow it


def still_written(place: Place, one: Landed, settle_s: float, now: datetime) -> bool:
    """Whether ``one`` changed less than ``settle_s`` seconds ago, or at an unknown time, and shows no end mark.

    A KLARF ends with ``EndOfFile``, a zip archive with its directory, Parquet with its magic word. What has no end mark
    is still being written until it has kept still for ``settle_s``. A file from the future is not: a clock that is ahead
    must not hide a file for ever.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    if settle_s <= 0:
        return False
    if one.changed_at is not None and not 0 <= (now - one.changed_at).total_seconds() < settle_s:
        return False
    if one.is_folder or one.size == 0:
        return True
    first = one.parts[0]
    return not has_end_mark(lambda start, length: place.read(first, start, length), one.size)


def has_end_mark(read: Callable[[int, int], bytes], size: int) -> bool:
    """Whether a file of ``size`` bytes bears the end mark of its kind; ``read(start, length)`` gives its bytes."""
    head = read(0, _HEAD)
    if head.startswith(b"PK\x03\x04"):
        return b"PK\x05\x06" in _end(read, size, _ZIP_TAIL)
    if head.startswith(b"PAR1"):
        return size > len(b"PAR1") and _end(read, size, 4) == b"PAR1"
    if _is_klarf(head):
        return b"endoffile" in _end(read, size, _TAIL).lower()
    return False


def _is_klarf(head: bytes) -> bool:
    low = head.lstrip(b"\xef\xbb\xbf").lstrip()[:64].lower()
    return low.startswith((b"fileversion", b"record filerecord"))


def _end(read: Callable[[int, int], bytes], size: int, length: int) -> bytes:
    return read(max(0, size - length), length)
