"""The dies of one wafer of an STDF file: from part results in the order of testing to a die map in the wafer frame."""

from __future__ import annotations

import struct
from array import array
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from inspection.formats.diemap_frame import MAX_CELLS, filled, mark_of, notch_down, unstated_diameter_mm
from inspection.formats.stdf_records import MISSING_COUNT, MISSING_PLACE, fault
from inspection.wafer.maps import FAIL, NO_DIE, PASS, DieMap, WaferInfo

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SUPERSEDES_ID, _FAILED, _NO_INDICATION = 0x01, 0x08, 0x10
_PLACES = {mark: struct.Struct(f"{mark}hh").unpack_from for mark in "<>"}
_PLACE_AT, _ID_AT = 9, 17


@dataclass(slots=True)
class Layout:
    """What WCR says, for all wafers of the file. Blanks and None: not said."""

    flat: str = " "
    right: str = " "
    up: str = " "
    centre: tuple[int, int] = (MISSING_PLACE, MISSING_PLACE)
    pitch_um: tuple[float, float] | None = None
    diameter_mm: float | None = None


@dataclass(slots=True)
class Parts:
    """Part results in the order of testing. A part without coordinates stands where the last one of its PART_ID stood."""

    x: array[int] = field(default_factory=lambda: array("h"))
    y: array[int] = field(default_factory=lambda: array("h"))
    flags: bytearray = field(default_factory=bytearray)
    withdrawn: list[int] = field(default_factory=list)
    _last: dict[bytes, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.flags)

    def add(self, body: bytes, mark: str) -> None:
        """The next PRR: its content and the byte order's mark. Fields past its end are missing."""
        x, y = _PLACES[mark](body, _PLACE_AT) if len(body) >= _PLACE_AT + 4 else (MISSING_PLACE, MISSING_PLACE)
        flags = body[2]
        part_id = body[_ID_AT + 1 : _ID_AT + 1 + body[_ID_AT]] if len(body) > _ID_AT else b""
        if part_id:
            before = self._last.get(part_id)
            if before is not None and MISSING_PLACE in {x, y}:
                x, y = self.x[before], self.y[before]
            elif before is not None and flags & _SUPERSEDES_ID:
                self.withdrawn.append(before)
            if MISSING_PLACE not in {x, y}:
                self._last[part_id] = len(self)
        self.x.append(x)
        self.y.append(y)
        self.flags.append(flags)

    def placed(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8], int]:
        """x, y and status of the parts that have a place, and how many have none.

        What a later part of the same PART_ID superseded is given back as no die, so that its place is empty unless
        something else was tested there.
        """
        x, y = np.array(self.x, np.int64), np.array(self.y, np.int64)
        flags = np.frombuffer(self.flags, np.uint8)
        status = np.where(flags & _FAILED, FAIL, PASS).astype(np.uint8)
        status[(flags & _NO_INDICATION) != 0] = NO_DIE
        status[self.withdrawn] = NO_DIE
        known = (x != MISSING_PLACE) & (y != MISSING_PLACE)
        return x[known], y[known], status[known], int((~known).sum())

    def check(self, where: str, layout: Layout) -> None:
        """Hold the coordinates against what a wafer can be.

        Raises
        ------
        FormatError
            ``stdf.coordinates``: no part has any; ``stdf.span``: they are too far from each other.
        """
        x, y, _, _ = self.placed()
        if not len(x):
            raise fault("coordinates", where, "parts with X_COORD and Y_COORD", f"{len(self)} parts without")
        rows, cols = _shape(x, y, layout)
        if rows * cols > MAX_CELLS:
            raise fault("span", where, f"coordinates that span at most {MAX_CELLS} places", f"{rows} x {cols}")


def die_map(parts: Parts, layout: Layout, info: WaferInfo, counts: tuple[int, int, int] | None) -> tuple[DieMap, list[str]]:
    """The map of one wafer in the wafer frame, and notes.

    Parameters
    ----------
    counts : (int, int, int) or None
        PART_CNT, RTST_CNT and GOOD_CNT of its WRR; None = the wafer has no WRR.
    """
    x, y, status, unplaced = parts.placed()
    notes = [f"{unplaced} parts have no coordinates"] if unplaced else []
    (left, right), (low, high) = _extent(x, layout.centre[0]), _extent(y, layout.centre[1])
    shape = (high - low + 1, right - left + 1)
    cols = right - x if layout.right == "L" else x - left
    rows = y - low if layout.up == "D" else high - y
    picture = filled(rows, cols, status, shape)
    dies = len(np.unique(rows * shape[1] + cols))
    if dies < len(x):
        notes.append(f"{len(x) - dies} dies were tested again: the last result counts")
    if parts.withdrawn:
        notes.append(f"{len(parts.withdrawn)} results were superseded by a part of the same PART_ID")
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


def _extent(values: NDArray[np.int64], centre: int) -> tuple[int, int]:
    """First and last coordinate, made even about ``centre`` where that lies among them.

    A writer in the wild gives its missing centre in the wrong byte order: one off the dies is not believed.
    """
    low, high = int(values.min()), int(values.max())
    if not low <= centre <= high:
        return low, high
    reach = max(centre - low, high - centre)
    return centre - reach, centre + reach


def _shape(x: NDArray[np.int64], y: NDArray[np.int64], layout: Layout) -> tuple[int, int]:
    (left, right), (low, high) = _extent(x, layout.centre[0]), _extent(y, layout.centre[1])
    return high - low + 1, right - left + 1


def _counted(counts: tuple[int, int, int] | None, parts: int, dies: int, good: int, status: NDArray[np.uint8]) -> list[str]:
    """Notes where WRR counts otherwise. Testers count parts with or without those tested again."""
    if counts is None:
        return ["no WRR closes this wafer: its test was broken off"]
    said, _, said_good = counts
    notes = []
    if said != MISSING_COUNT and said not in {parts, dies}:
        notes.append(f"WRR says {said} parts, the file holds {parts} of {dies} dies")
    if said_good != MISSING_COUNT and said_good not in {good, int(np.count_nonzero(status == PASS))}:
        notes.append(f"WRR says {said_good} good parts, the map holds {good}")
    return notes
