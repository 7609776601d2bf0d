"""Which column of a table of points means what: the usual names, their units, and what a sidecar says instead.

A name counts without case, blanks and punctuation, and a unit behind it is split off: ``X (µm)``, ``x_um`` and ``X.UM`` are one. A column
that nobody knows is an attribute.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Literal

from inspection.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Unit = Literal["um", "mm", "nm"]
UM: dict[str, float] = {"um": 1.0, "mm": 1e3, "nm": 1e-3}
"""Micrometres in one unit."""

_UNITS = {"um": "um", "micron": "um", "microns": "um", "micrometer": "um", "micrometre": "um", "mm": "mm", "nm": "nm"}

FACTS: dict[str, tuple[str, ...]] = {
    "lot": ("lot", "lotid", "lotname", "lotno", "lotnumber"),
    "wafer": ("wafer", "waferid", "wafername", "waferno", "wafernumber", "wafernum", "waferindex"),
    "slot": ("slot", "slotid", "slotno", "slotnumber", "waferslot"),
    "product": ("product", "productid", "productname", "device", "deviceid"),
    "layer": ("layer", "layerid", "layername", "step", "stepid", "stepname", "processstep", "inspectionstep"),
    "tool": ("tool", "toolid", "toolname", "equipment", "equipmentid", "eqp", "eqpid", "inspectionstation", "inspectionstationid"),
    "chamber": ("chamber", "chamberid", "chambername"),
    "recipe": ("recipe", "recipeid", "recipename", "setup", "setupid"),
    "inspected_at": ("inspectedat", "inspectiontime", "inspectiontimestamp", "resulttimestamp", "resulttime", "scantime"),
    "time": ("time", "timestamp", "datetime", "date"),
    "diameter": ("diameter", "waferdiameter", "wafersize", "samplesize"),
}
"""Facts of a wafer and the names of their columns, squashed."""

INSPECTION = ("lot", "wafer", "slot", "layer", "tool", "recipe", "inspected_at")
"""Rows that agree in these are one inspection of one wafer."""

_PLACE = (
    *("{}", "{}pos", "pos{}", "{}position", "position{}", "{}coord", "coord{}", "{}coordinate", "coordinate{}", "{}loc", "loc{}"),
    *("{}location", "location{}", "{}wafer", "wafer{}", "{}defect", "defect{}", "{}abs", "abs{}", "{}center", "center{}", "{}centre"),
    *("centre{}", "{}wafercoord", "{}wafercenter"),
)
_PAIRS: dict[str, tuple[str, ...]] = {
    "": _PLACE,
    "index": ("{}index", "index{}", "die{}", "{}die", "{}dieindex", "dieindex{}", "{}idx", "dieid{}"),
    "rel": ("{}rel", "rel{}", "{}relative", "relative{}", "{}indie", "{}local", "local{}"),
    "pitch": ("{}pitch", "pitch{}", "diepitch{}", "{}diepitch", "{}diesize", "diesize{}"),
}
"""Names that come in pairs, best first; ``{}`` stands for x and y."""

COLUMNS = (*(f"{axis}{pair}" for pair, axis in product(_PAIRS, "xy")), *FACTS)
"""Every meaning a column may have, as the keys of ``columns`` in a sidecar."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Place of each known column in the header, and what the numbers are in.

    Attributes
    ----------
    at : mapping of str to int
        Meaning (one of `COLUMNS`) to place in the header.
    units : mapping of str to (str or None)
        Unit that the header gives to the column of a meaning; absent or None = it gives none.
    names : tuple of str
        The header, blanks stripped.
    """

    at: Mapping[str, int]
    units: Mapping[str, str | None]
    names: tuple[str, ...]

    @property
    def relative(self) -> bool:
        """Whether places are given by die index and place on the die."""
        return "x" not in self.at

    @property
    def numbers(self) -> tuple[str, ...]:
        """Meanings whose columns must hold numbers."""
        places = ("xrel", "yrel") if self.relative else ("x", "y")
        return tuple(m for m in (*places, "xindex", "yindex", "xpitch", "ypitch", "diameter") if m in self.at)

    @property
    def attributes(self) -> dict[int, str]:
        """Place and name of every column that has a name and no meaning of use here."""
        used = {self.at[m] for m in self.at if m in FACTS or m in self.numbers}
        return {i: name for i, name in enumerate(self.names) if name and i not in used}


def resolve(header: Sequence[str], given: Mapping[str, str]) -> Columns | None:
    """What the columns of ``header`` mean; None where no place of a defect can be made out.

    Parameters
    ----------
    header : sequence of str
    given : mapping of str to str
        Names by meaning, from a sidecar: they come before the usual names.

    Raises
    ------
    FormatError
        ``points.columns``: a name of ``given`` that the header lacks, or a column that is there twice.
    """
    names = tuple(name.strip() for name in header)
    stems = [squashed(name) for name in names]
    at: dict[str, int] = {}
    for meaning, name in given.items():
        at[meaning] = _named(names, name)
    for pair in _PAIRS:
        if not {f"x{pair}", f"y{pair}"} & at.keys():
            at.update(_pair(pair, stems, set(at.values())))
    for fact, usual in FACTS.items():
        if fact not in at:
            places = [i for i, (stem, unit) in enumerate(stems) if stem in usual and i not in at.values()]
            if places and (fact == "diameter" or stems[places[0]][1] is None):
                at[fact] = min(places, key=lambda i: (usual.index(stems[i][0]), i))
    whole = {"x", "y"} <= at.keys() or {"xindex", "yindex", "xrel", "yrel"} <= at.keys()
    if not whole:
        return None
    twice = [names[i] for i in at.values() if names.count(names[i]) > 1]
    if twice:
        raise _columns_error("each column once", f"{twice[0]!r} twice")
    return Columns(at, {m: stems[i][1] for m, i in at.items()}, names)


def _words(name: str) -> list[str]:
    return re.sub(r"[^a-z0-9]+", " ", name.lower().replace("\N{MICRO SIGN}", "u").replace("\N{GREEK SMALL LETTER MU}", "u")).split()


def squashed(name: str) -> tuple[str, str | None]:
    """A name without case and punctuation, and its unit."""
    words = _words(name)
    unit = _UNITS.get(words[-1]) if len(words) > 1 else None
    return "".join(words[:-1] if unit else words), unit


def unit_of(cell: str) -> str | None:
    """The unit that a cell names, in whatever brackets: ``(um)``; None where it names none."""
    return _UNITS.get("".join(_words(cell)))


def _named(names: Sequence[str], name: str) -> int:
    """The place of ``name``, in the very spelling or else in any case."""
    wanted = name.strip()
    exact = [i for i, n in enumerate(names) if n == wanted] or [i for i, n in enumerate(names) if n.lower() == wanted.lower()]
    if len(exact) != 1:
        raise _columns_error(f"one column {wanted[:60]!r}, as the sidecar says", f"{len(exact)} of that name among {', '.join(names)}")
    return exact[0]


def _pair(pair: str, stems: Sequence[tuple[str, str | None]], taken: set[int]) -> dict[str, int]:
    """The best pair of columns of one kind, both in the same unit; empty where there is none."""
    free = {s: i for i, s in reversed(list(enumerate(stems))) if i not in taken}
    for template, unit in _candidates(pair):
        x, y = (free.get((template.format(axis), unit)) for axis in "xy")
        if x is not None and y is not None:
            return {f"x{pair}": x, f"y{pair}": y}
    return {}


def _candidates(pair: str) -> Iterator[tuple[str, str | None]]:
    yield from product(_PAIRS[pair], ("um", "mm", "nm", None))


def _columns_error(expected: str, got: str) -> FormatError:
    return FormatError(
        "points.columns",
        where="the header",
        expected=expected,
        got=got,
        action="Name the columns in a sidecar: columns: {x: ..., y: ..., lot: ..., wafer: ...}.",
    )
