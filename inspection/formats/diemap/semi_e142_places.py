"""Dies of an E142 map that stand with their coordinates: from (x, y) to their place in the picture of the wafer."""

from __future__ import annotations

import re
import sys
from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from inspection.formats.diemap.frame import filled, origins
from inspection.formats.diemap.semi_xml import Attributes, Bins, fault
from inspection.wafer.maps import NO_DIE

if TYPE_CHECKING:
    from numpy.typing import NDArray

_WHOLE = re.compile(r"\s*[+-]?\d{1,9}\s*")
_AREA = "e142"
_ORIGINS = ("lowerleft", "lowerright", "upperleft", "upperright", "center", "centre")
_AXES = ("upright", "upleft", "downright", "downleft")
"""The first of each holds where the file names none: the defaults of the schema (E142.1)."""
_DEFAULTS = (("OriginLocation", "LowerLeft"), ("AxisDirection", "UpRight"))


@dataclass(slots=True)
class Dies:
    """Coordinates and bin codes of the dies of one map, in the file's order."""

    x: array[int] = field(default_factory=lambda: array("q"))
    y: array[int] = field(default_factory=lambda: array("q"))
    codes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.codes)

    def add(self, found: Attributes, code: str, area: str) -> None:
        """One more die.

        Raises
        ------
        FormatError
            ``AREA.header``: an X or Y that is no whole number.
        """
        for values, axis in ((self.x, "x"), (self.y, "y")):
            text = found.get(axis, "")
            if not _WHOLE.fullmatch(text):
                raise fault(area, "header", f"BinCode {len(self)}", f"a whole number for {axis.upper()}", text)
            values.append(int(text))
        self.codes.append(sys.intern(code.strip() or code[:1]))  # a few codes, millions of dies


def placed(
    dies: Dies, bins: Bins, shape: tuple[int | None, int | None], substrate: Attributes, room: int, where: str
) -> tuple[NDArray[np.uint8], list[str]]:
    """Status of every place, of shape (rows, columns), and notes.

    Where all coordinates fit the layout's ``shape`` counted from OriginLocation, the map has that shape; where they do
    not (coordinates that begin at 1, or at a prober's own origin), it has that of their extent. At most ``room`` places.

    Raises
    ------
    FormatError
        ``e142.axis``: an OriginLocation or AxisDirection nobody knows; ``e142.cell``: a bin that is not defined;
        ``e142.cells``: coordinates too far from each other.
    """
    origin = _words(substrate.get("originlocation", ""), _ORIGINS, where)
    axis = _words(substrate.get("axisdirection", ""), _AXES, where)
    right = -1 if axis.endswith("left") else 1
    down = -1 if axis.startswith("up") else 1
    cols = np.frombuffer(dies.x, np.int64) * right
    rows = np.frombuffer(dies.y, np.int64) * down
    notes = [
        f"no {name}: {taken} is taken, the schema's default" for name, taken in _DEFAULTS if not substrate.get(name.lower(), "").strip()
    ]
    if None not in shape:
        cols_from = cols + origins(shape[1] or 1)[_side(origin, "left", "right")]
        rows_from = rows + origins(shape[0] or 1)[_side(origin, "upper", "lower")]
    if None not in shape and _within(rows_from, shape[0]) and _within(cols_from, shape[1]):
        rows, cols = rows_from, cols_from
        size = (int(shape[0] or 1), int(shape[1] or 1))
    else:
        rows, cols = rows - rows.min(), cols - cols.min()
        size = (int(rows.max()) + 1, int(cols.max()) + 1)
        notes.append("the coordinates do not fit the layout's Dimension: the map has their extent")
    if size[0] * size[1] > room:
        raise fault(_AREA, "cells", where, f"at most {room} places, all maps together", f"{size[0]} x {size[1]}")
    codes, inverse, counts = np.unique(np.array(dies.codes, dtype=object), return_inverse=True, return_counts=True)
    meaning = [bins.status(code) for code in codes.tolist()]
    if None in meaning:
        raise fault(_AREA, "cell", where, "a bin code that the file defines", repr(codes[meaning.index(None)])[:40])
    values = np.array([NO_DIE if m is None else m for m in meaning], np.uint8)[inverse]
    if repeated := len(dies) - len(np.unique(rows * size[1] + cols)):
        notes.append(f"dies twice: {repeated} dies stand twice, the last one counts")
    return filled(rows, cols, values, size), [*notes, *bins.notes(dict(zip(codes.tolist(), counts.tolist(), strict=True)))]


def unknown_axes(substrate: Attributes) -> list[str]:
    """Notes on an OriginLocation or AxisDirection that the schema does not know, for rows: how x and y are counted moves none of them."""
    said = ((name, substrate.get(name.lower(), ""), known) for (name, _), known in zip(_DEFAULTS, (_ORIGINS, _AXES), strict=True))
    return [
        f"{name} {text[:40]!r} is none that E142 knows: it would move no row"
        for name, text, known in said
        if _word(text, known) not in known
    ]


def _within(places: NDArray[np.int64], size: int | None) -> bool:
    return int(places.min()) >= 0 and int(places.max()) < (size or 0)


def _side(origin: str, first: str, last: str) -> int:
    """0 the first row or column, 1 the centre, 2 the last."""
    return 0 if first in origin else 2 if last in origin else 1


def _words(text: str, known: tuple[str, ...], where: str) -> str:
    """``UpperLeft``, ``Upper Left``, ``UPPER_LEFT`` and ``toUpperLeft`` as ``upperleft``; the first of ``known`` where there is none."""
    word = _word(text, known)
    if word not in known:
        raise fault(_AREA, "axis", where, " ".join(known), text[:40])
    return word


def _word(text: str, known: tuple[str, ...]) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower()).removeprefix("to") or known[0]
