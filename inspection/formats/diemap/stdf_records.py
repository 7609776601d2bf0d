"""STDF V4 records: where each begins and ends, and the fields of those that tell of wafers.

A record is a length (2 bytes), a type, a subtype and that many bytes. The first one (FAR) tells the byte order by its
CPU_TYPE: 1 big-endian (Sun), 2 little-endian (PC), 0 little-endian with VAX floats. Trailing fields that are invalid
may be left out, so every field past the required ones has a value for "missing".
"""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, NamedTuple

from inspection.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FAR, MIR, MRR = (0, 10), (1, 10), (1, 20)
WIR, WRR, WCR = (2, 10), (2, 20), (2, 30)
PCR, PRR = (1, 30), (5, 20)
WANTED = frozenset((MIR, MRR, PCR, WIR, WRR, WCR, PRR))

VERSION = 4
MISSING_PLACE = -32768
MISSING_COUNT = 2**32 - 1
_VAX, _SUN, _PC = 0, 1, 2
_BLOCK = 8 * 2**20
_FAR_BYTES = 6


class Order(NamedTuple):
    """How numbers are written: ``mark`` is that of `struct`; ``vax`` = floats are DEC's F_floating."""

    mark: str
    vax: bool


def order_of(head: bytes) -> Order | None:
    """Byte order and float kind by the FAR that a file begins with; None = it does not begin with a FAR."""
    if len(head) < _FAR_BYTES or head[2:4] != bytes(FAR):
        return None
    cpu = head[4]
    length = {b"\0\2": ">", b"\2\0": "<"}.get(head[:2])
    said = {_SUN: ">", _VAX: "<", _PC: "<"}.get(cpu, length)
    if length is None or said != length:
        return None
    return Order(length, cpu == _VAX)


class Record(NamedTuple):
    """One record: (type, subtype), its content without the header, and where it begins in the file."""

    kind: tuple[int, int]
    body: bytes
    at: int


def records(path: Path, order: Order) -> Iterator[Record]:
    """The records of `WANTED` kinds in the file's order; any other is skipped by its length. Memory stays that of a block.

    Raises
    ------
    FormatError
        ``stdf.truncated``: the file ends within a record.
    """
    unpack = struct.Struct(f"{order.mark}HBB").unpack_from
    with path.open("rb") as file:
        begin, block = 0, b""
        while more := file.read(_BLOCK):
            block += more
            at, last = 0, len(block) - 4
            while at <= last:
                length, kind, sub = unpack(block, at)
                end = at + 4 + length
                if end > len(block):
                    break
                if (kind, sub) in WANTED:
                    yield Record((kind, sub), block[at + 4 : end], begin + at)
                at = end
            begin, block = begin + at, block[at:]
    if block:
        raise fault("truncated", f"byte {begin}", "a whole record", f"{len(block)} bytes of one")


def fault(code: str, where: str, expected: str, got: object) -> FormatError:
    """The error of a file that is cut, damaged or of no use for die maps."""
    action = "Transfer the file again; if it is the same then, ask for it to be written again."
    return FormatError(f"stdf.{code}", where=where, expected=expected, got=got, action=action)


class Fields:
    """The fields of one record, read from left to right; past its end every field is missing."""

    def __init__(self, record: Record, order: Order) -> None:
        self._body, self._order, self._place = record.body, order, 0

    def number(self, form: str, missing: int) -> int:
        """A whole number: ``form`` is a letter of `struct` (B U*1, H U*2, I U*4, h I*2)."""
        piece = struct.Struct(self._order.mark + form)
        if self._place + piece.size > len(self._body):
            self._place = len(self._body)
            return missing
        (value,) = piece.unpack_from(self._body, self._place)
        self._place += piece.size
        return int(value)

    def real(self) -> float:
        """R*4; 0 where it is missing or no number."""
        piece = self._body[self._place : self._place + 4]
        self._place += 4
        if len(piece) < 4:
            return 0.0
        if self._order.vax:  # words change places, and the exponent counts two more
            piece = piece[2:4] + piece[:2]
        (value,) = struct.unpack(self._order.mark + "f", piece)
        value = value / 4.0 if self._order.vax else value
        return value if math.isfinite(value) else 0.0

    def character(self) -> str:
        """C*1; a blank where it is missing."""
        piece = self._body[self._place : self._place + 1]
        self._place += 1
        return piece.decode("latin-1") or " "

    def text(self) -> str:
        """C*n: a length and as many characters, without blanks around them; empty where it is missing or too long."""
        length = self.number("B", 0)
        piece = self._body[self._place : self._place + length]
        self._place += length
        return piece.decode("latin-1").strip(" \0") if len(piece) == length else ""
