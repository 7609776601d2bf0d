"""The dies of one wafer of an STDF file: from part results in the order of testing to a die map in the wafer frame."""

from __future__ import annotations

import struct
from array import array
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from inspection.formats.diemap.frame import MAX_CELLS, filled, mark_of, notch_down, unstated_diameter_mm
from inspection.formats.diemap.stdf_records import MISSING_COUNT, MISSING_PLACE, fault
from inspection.wafer.maps import FAIL, NO_DIE, PASS, DieMap, WaferInfo

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SUPERSEDES_ID, _FAILED, _NO_INDICATION = 0x01, 0x08, 0x10
_PLACES = {mark: struct.Struct(f"{mark}hh").unpack_from for mark in "<>"}
_PLACE_AT, _ID_AT = 9, 17
_PARTIAL = 1.06
"""Probers map partial dies, which stick out at the edge."""


@dataclass(slots=True)
class Layout:
    """What WCR says, for all wafers of the file. Blanks and None: not said."""

    flat: str = " "
    right: str = " "
    up: str = " "
    centre: tuple[int, int] = (MISSING_PLACE, MISSING_PLACE)
    pitch_um: tuple[float, float] | None = None
    diameter_mm: float | None = None

    def extents(self, x: NDArray[np.int64], y: NDArray[np.int64]) -> tuple[tuple[int, int], tuple[int, int]]:
        """First and last column and row, made even about the centre die where that is believed."""
        most: list[float] = [0.0, 0.0]
        if self.pitch_um is not None and self.diameter_mm is not None:
            most = [_PARTIAL * self.diameter_mm * 1e3 / pitch for pitch in self.pitch_um]
        return _extent(x, self.centre[0], most[0]), _extent(y, self.centre[1], most[1])


class Placed(NamedTuple):
    """Parts with a place: x, y and status of each, how many have no place, how many results are superseded (no die here)."""

    x: NDArray[np.int64]
    y: NDArray[np.int64]
    status: NDArray[np.uint8]
    unplaced: int
    superseded: int


@dataclass(slots=True)
class Parts:
    """Part results in the order of testing, 13 bytes each; ``ids`` are hashes of PART_ID, 0 = none."""

    x: array[int] = field(default_factory=lambda: array("h"))
    y: array[int] = field(default_factory=lambda: array("h"))
    flags: bytearray = field(default_factory=bytearray)
    ids: array[int] = field(default_factory=lambda: array("q"))

    def __len__(self) -> int:
        return len(self.flags)

    def add(self, body: bytes, mark: str) -> None:
        """The next PRR: its content and the byte order's mark. Fields past its end are missing."""
        x, y = _PLACES[mark](body, _PLACE_AT) if len(body) >= _PLACE_AT + 4 else (MISSING_PLACE, MISSING_PLACE)
        self.x.append(x)
        self.y.append(y)
        self.flags.append(body[2])
        part_id = body[_ID_AT + 1 : _ID_AT + 1 + body[_ID_AT]] if len(body) > _ID_AT else b""
        self.ids.append(hash(part_id) if part_id else 0)

    def placed(self) -> Placed:
        """The parts that have a place, by their own coordinates or by those of an earlier part of the same PART_ID."""
        x, y = np.array(self.x, np.int64), np.array(self.y, np.int64)
        flags = np.frombuffer(self.flags, np.uint8)
        status = np.where(flags & _FAILED, FAIL, PASS).astype(np.uint8)
        status[(flags & _NO_INDICATION) != 0] = NO_DIE
        known = (x != MISSING_PLACE) & (y != MISSING_PLACE)
        supersedes = (flags & _SUPERSEDES_ID) != 0
        before, superseded = _same_part(np.array(self.ids, np.int64), known, supersedes)
        follows = ~known & (before >= 0)
        x[follows], y[follows] = x[before[follows]], y[before[follows]]
        status[superseded] = NO_DIE
        known |= follows
        return Placed(x[known], y[known], status[known], int((~known).sum()), int(superseded.sum()))

    def check(self, where: str, layout: Layout) -> None:
        """Hold the coordinates against what a wafer can be.

        Raises
        ------
        FormatError
            ``stdf.coordinates``: no part has any; ``stdf.span``: they are too far from each other.
        """
        found = self.placed()
        if not len(found.x):
            raise fault("coordinates", where, "parts with X_COORD and Y_COORD", f"{len(self)} parts without")
        (left, right), (low, high) = layout.extents(found.x, found.y)
        rows, cols = high - low + 1, right - left + 1
        if rows * cols > MAX_CELLS:
            raise fault("span", where, f"coordinates that span at most {MAX_CELLS} places", f"{rows} x {cols}")


def die_map(parts: Parts, layout: Layout, info: WaferInfo, counts: tuple[int, int] | None) -> tuple[DieMap, list[str]]:
    """The map of one wafer in the wafer frame, and notes.

    Parameters
    ----------
    counts : (int, int) or None
        PART_CNT and GOOD_CNT of its WRR; None = the wafer has no WRR.
    """
    x, y, status, unplaced, superseded = parts.placed()
    notes = [f"no coordinates: {unplaced} parts have none"] if unplaced else []
    (left, right), (low, high) = layout.extents(x, y)
    shape = (high - low + 1, right - left + 1)
    cols = right - x if layout.right == "L" else x - left
    rows = y - low if layout.up == "D" else high - y
    picture = filled(rows, cols, status, shape)
    dies = len(np.unique(rows * shape[1] + cols))
    if dies < len(x):
        notes.append(f"tested again: {len(x) - dies} dies, the last result counts")
    if superseded:
        notes.append(f"superseded: {superseded} results, by a part of the same PART_ID")
    for name, found, known in (("POS_X", layout.right, "LR"), ("POS_Y", layout.up, "UD")):
        if found not in known:
            notes.append(f"no {name}: taken as {known[-1] if known == 'LR' else known[0]}")
    mark = mark_of(layout.flat) if layout.flat in "UDLR" else None
    if mark is None:
        notes.append("no WF_FLAT: the flat or notch is taken to lie DOWN")
    notes += _counted(counts, len(parts), dies, int(np.count_nonzero(picture == PASS)), status)
    diameter = layout.diameter_mm or unstated_diameter_mm(picture, layout.pitch_um, notes)
    made, turned = notch_down(replace(info, diameter_mm=diameter), picture, layout.pitch_um, mark or "DOWN")
    return made, [*notes, *turned]


def _extent(values: NDArray[np.int64], centre: int, most: float) -> tuple[int, int]:
    """First and last coordinate, made even about ``centre``: where that lies among them, or all dies are on a wafer of ``most`` about it.

    A writer in the wild gives its missing centre in the wrong byte order: one off the dies and off the wafer is not believed.
    """
    low, high = int(values.min()), int(values.max())
    reach = max(abs(centre - low), abs(centre - high))
    if low <= centre <= high or 2 * reach + 1 <= most:
        return centre - reach, centre + reach
    return low, high


def _same_part(
    ids: NDArray[np.int64], known: NDArray[np.bool_], supersedes: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """For each part: the last one before it of its PART_ID with a place (-1 = none), and whether a later one supersedes it."""
    before, superseded = np.full(len(ids), -1, np.int64), np.zeros(len(ids), np.bool_)
    if not (supersedes.any() or not known.all()):
        return before, superseded
    order = np.argsort(ids, kind="stable")
    order = order[ids[order] != 0]
    if not len(order):
        return before, superseded
    position = np.arange(len(order))
    opens = np.r_[True, np.diff(ids[order]) != 0]
    begin = np.maximum.accumulate(np.where(opens, position, 0))
    last = np.maximum.accumulate(np.where(known[order], position, -1))
    last = np.r_[-1, last[:-1]]  # the one before, not the part itself
    found = last >= begin
    before[order[found]] = order[last[found]]
    # The same from the end: the next superseding part, if it is one of the same group.
    group = np.cumsum(opens)
    ahead = np.minimum.accumulate(np.where(supersedes[order], position, len(order))[::-1])[::-1]
    ahead = np.r_[ahead[1:], len(order)]
    later = ahead < len(order)
    superseded[order[later]] = group[ahead[later]] == group[later]
    return before, superseded


def _counted(counts: tuple[int, int] | None, parts: int, dies: int, good: int, status: NDArray[np.uint8]) -> list[str]:
    """Notes where WRR counts otherwise. Testers count parts with or without those tested again."""
    if counts is None:
        return ["no WRR closes this wafer: its test was broken off"]
    said, said_good = counts
    notes = []
    if said != MISSING_COUNT and said not in {parts, dies}:
        notes.append(f"part count: WRR says {said} parts, the file holds {parts} of {dies} dies")
    if said_good != MISSING_COUNT and said_good not in {good, int(np.count_nonzero(status == PASS))}:
        notes.append(f"part count: WRR says {said_good} good parts, the map holds {good}")
    return notes
