"""From a die map as its file shows it to the wafer frame; the same for SINF, SEMI G85, SEMI E142 and STDF.

A file shows the wafer turned: its mark (notch or flat) lies DOWN, LEFT, UP or RIGHT. SEMI E5 (10.16.3.2) counts the
orientation clockwise from the bottom with the die side up, and turns the wafer, never the axes.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from inspection.formats.notch import MARKS
from inspection.wafer.maps import DEFAULT_DIAMETER_MM, NO_DIE, DieMap

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from inspection.wafer.maps import WaferInfo

MAX_CELLS = 2**26
"""Most cells of one map, dies or not: ten times the dies of the densest wafers. A file that asks for more is damaged."""

MAX_ROWS = 2**15
"""Most rows of one map: several times what a 450 mm wafer of 0.1 mm dies has."""

MAX_MAPS = 10_000
"""Most maps of one file, whatever ``ingest.max_wafers`` allows: each costs memory beyond its bytes, and a lot has 25."""

NOMINAL_MM = (25.0, 51.0, 76.0, 100.0, 125.0, 150.0, 200.0, 300.0, 450.0)
"""Diameters of wafers (SEMI M1); a `4 inch` wafer is one of 100 mm, an `8 inch` one of 200 mm."""

_UM = {
    **dict.fromkeys(("um", "micron", "microns", "micrometer", "micrometers", "micrometre", "micrometres"), 1.0),
    **dict.fromkeys(("mm", "millimeter", "millimeters", "millimetre", "millimetres"), 1e3),
    **dict.fromkeys(("cm", "centimeter", "centimeters", "centimetre", "centimetres"), 1e4),
    **dict.fromkeys(("mil", "mils"), 25.4),
    **dict.fromkeys(("in", "inch", "inches"), 25.4e3),
    **dict.fromkeys(("nm", "nanometer", "nanometers", "nanometre", "nanometres"), 1e-3),
}
_LARGEST_INCH = 18.0


def mark_of(text: str, zero: str = "DOWN") -> str | None:
    """Where the mark lies: degrees clockwise from where ``zero`` says, or a word (``D``, ``down``, ``bottom``); None = neither."""
    word = text.strip().upper()
    words = {"D": "DOWN", "B": "DOWN", "L": "LEFT", "U": "UP", "T": "UP", "R": "RIGHT"}
    if word in {"DOWN", "BOTTOM", "LEFT", "UP", "TOP", "RIGHT"} or (len(word) == 1 and word in words):
        return words[word[0]]
    try:
        turns = float(word) / 90.0
    except ValueError:
        return None
    if not math.isfinite(turns) or turns != round(turns):
        return None
    return MARKS[(MARKS.index(zero) + round(turns)) % 4]


def notch_down(
    info: WaferInfo, status: NDArray[np.uint8], pitch_um: tuple[float, float] | None, mark: str, *, mirrored: bool = False
) -> tuple[DieMap, list[str]]:
    """The map in the wafer frame, and notes.

    Parameters
    ----------
    status : ndarray of shape (rows, cols), uint8
        As the file shows it: row 0 at the top, column 0 at the left.
    pitch_um : (float, float) or None
        Width and height of a die in that view.
    mark : {"DOWN", "LEFT", "UP", "RIGHT"}
        Where the notch or flat lies in that view.
    mirrored : bool
        The view is that of the wafer's back.
    """
    turns, notes = MARKS.index(mark), []
    status = np.rot90(status, turns)
    if turns % 2 and pitch_um is not None:
        pitch_um = (pitch_um[1], pitch_um[0])
    if turns:
        notes.append(f"turned: the file has its notch {mark}, the map has it DOWN")
    if mirrored:
        status = status[:, ::-1]
        notes.append("mirrored: the file shows the back of the wafer, the map its front")
    return DieMap(info=info, status=np.ascontiguousarray(status), pitch_um=pitch_um), notes


def origins(size: int) -> tuple[int, int, int]:
    """Rows or columns that may be the origin of ``size``: the first, the centre by SEMI E5 (10.16.2.7), the last."""
    return 0, max(0, (size + 1) // 2 - 1), size - 1


def filled(rows: NDArray[np.int64], cols: NDArray[np.int64], values: NDArray[np.uint8], shape: tuple[int, int]) -> NDArray[np.uint8]:
    """A map of ``shape`` with ``values`` at their places, the last one where several share a place, no die elsewhere."""
    flat = rows * shape[1] + cols
    # The first in reverse order is the last one: the outcome of a doubled index is then no matter of luck.
    places, first = np.unique(flat[::-1], return_index=True)
    status = np.full(shape[0] * shape[1], NO_DIE, np.uint8)
    status[places] = values[::-1][first]
    return status.reshape(shape)


def length_um(value: float, unit: str) -> float | None:
    """``value`` of ``unit`` (mm, mil, um, micron, cm, inch, nm, ...) in um; None where the unit or the value is none."""
    factor = _UM.get(unit.strip().lower().replace("\u00b5", "u").replace("\u03bc", "u"))
    return value * factor if factor is not None and math.isfinite(value) else None


def nominal_mm(diameter_mm: float) -> float:
    """The nominal diameter within 3 % of ``diameter_mm`` (203.2 is 200), else ``diameter_mm`` itself."""
    nearest = min(NOMINAL_MM, key=lambda n: abs(n - diameter_mm))
    return nearest if abs(nearest - diameter_mm) <= 0.03 * nearest else diameter_mm


def stated_mm(value: float) -> float | None:
    """Diameter, mm, from a number whose unit nobody states: inches up to 18, um from 10 000 on; None = no diameter."""
    if not math.isfinite(value) or value <= 0:
        return None
    if value <= _LARGEST_INCH:
        return nominal_mm(value * 25.4)
    return nominal_mm(value / 1e3 if value >= 1e4 else value)


def diameter_from(status: NDArray[np.uint8], pitch_um: tuple[float, float] | None) -> float | None:
    """The smallest nominal diameter, mm, that holds the dies; None without a pitch or where none does.

    Dies at the edge may stick out by 6 %: probers map partial dies. Dies that fill a tenth of the smallest wafer say nothing
    about its size: they are few, or in the wrong unit, which only a wafer of the usual size brings to light.
    """
    rows, cols = np.flatnonzero(status.any(axis=1)), np.flatnonzero(status.any(axis=0))
    if pitch_um is None or not len(rows):
        return None
    width = (cols[-1] - cols[0] + 1) * pitch_um[0] / 1e3
    height = (rows[-1] - rows[0] + 1) * pitch_um[1] / 1e3
    if max(width, height) < 0.1 * NOMINAL_MM[0]:
        return None
    return next((n for n in NOMINAL_MM if max(width, height) <= 1.06 * n), None)


def unstated_diameter_mm(status: NDArray[np.uint8], pitch_um: tuple[float, float] | None, notes: list[str]) -> float:
    """Diameter, mm, of a wafer whose file states none, by `diameter_from` or the default; says so in ``notes``."""
    found = diameter_from(status, pitch_um)
    if found is None:
        notes.append(f"no wafer size in the file: {DEFAULT_DIAMETER_MM:g} mm assumed")
        return DEFAULT_DIAMETER_MM
    notes.append(f"no wafer size in the file: {found:g} mm taken from the extent of the dies")
    return found


def compact_time(text: str) -> datetime | None:
    """UTC time of SEMI's ``yyyymmddhhmmss[cc]`` or of ISO 8601; None where it is neither."""
    digits = text.strip()
    if digits.isascii() and digits.isdigit() and len(digits) >= len("yyyymmdd"):
        padded = digits[:14].ljust(14, "0")
        try:
            return datetime.strptime(padded, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
        except ValueError:
            return None
    try:
        at = datetime.fromisoformat(digits)
    except ValueError:
        return None
    try:
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except OverflowError:
        return None
