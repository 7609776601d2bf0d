"""Strings and times as KLARF writes them."""

from __future__ import annotations

import unicodedata
from datetime import UTC
from typing import TYPE_CHECKING

from inspection.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from inspection.wafer.maps import WaferInfo

UNKNOWN_TIME = "01-01-1970 00:00:00"
_UNWRITABLE = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Unicode's control signs, halves of characters, and line and paragraph separators."""


def unwritable(texts: Iterable[str]) -> str | None:
    """The first text that a KLARF string cannot hold: it has no way to write a quote, and a line break or control sign breaks readers."""
    return next((t for t in texts if any(c == '"' or unicodedata.category(c) in _UNWRITABLE for c in t)), None)


def quoted(text: str) -> str:
    """``text`` in quotes.

    Raises
    ------
    InputError
        A string that KLARF cannot hold.
    """
    if unwritable([text]) is not None:
        raise InputError(f"Cannot write {text!r:.80} to KLARF: expected a string without quotes and control signs. Rename it.")
    return f'"{text}"'


def timestamp(at: datetime | None) -> str:
    """`MM-DD-YYYY HH:MM:SS` of a UTC time, with its fraction where it has one, so that the inspection is found again."""
    if at is None:
        return UNKNOWN_TIME
    at = at if at.tzinfo is None else at.astimezone(UTC)
    return f"{at:%m-%d}-{at.year:04} {at:%H:%M:%S}" + (f".{at.microsecond:06}" if at.microsecond else "")


def equipment(info: WaferInfo) -> str:
    """Tool and chamber as one entry of ProcessEquipmentIDList."""
    return quoted(f"{info.tool}:{info.chamber}" if info.chamber is not None else f"{info.tool}")
