"""How large a KLARF file says its wafer is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inspection.errors import FormatError
from inspection.formats.klarf.rowtext import number
from inspection.wafer.maps import DEFAULT_DIAMETER_MM

if TYPE_CHECKING:
    from collections.abc import Sequence

_INCHES_MM = {2: 50.8, 3: 76.2, 4: 100.0, 5: 125.0, 6: 150.0, 8: 200.0, 12: 300.0, 18: 450.0}
"""Wafers that are named in inches, and what they measure."""

_UNITS = (("mm", 1.0), ("um", 1e3), ("nm", 1e6))
_SMALLEST_MM, _LARGEST_MM = 20.0, 1_000.0
"""What a wafer measures; a SampleSize beyond is in another unit than its format says."""


def diameter_mm(tokens: Sequence[str], notes: list[str], units_per_um: float, where: str) -> float:
    """Diameter of the wafer that SampleSize declares: `1 200` in 1.2, mm, and `200000000, 0` in 1.8, nm.

    A size that no wafer has is tried as inches, mm, um and nm, and the unit noted.

    Raises
    ------
    FormatError
        ``klarf.number``: no size of a wafer in any unit.
    """
    values = [number(t) for t in tokens]
    if not values:
        notes.append(f"no SampleSize: {DEFAULT_DIAMETER_MM:g} mm assumed")
        return DEFAULT_DIAMETER_MM
    given = units_per_um * 1000.0 if units_per_um != 1.0 else 1.0
    if units_per_um == 1.0:
        # The first number says how many follow (or the shape); a rectangle is held by the circle of its longer side.
        values = values[1:] or values
        if len(values) > 1 and min(values) != max(values):
            notes.append(f"rectangle: SampleSize {' '.join(tokens)[:40]}, the longer side is taken as the diameter")
    size = max(values)
    if _SMALLEST_MM <= size / given <= _LARGEST_MM:
        return size / given
    for unit, diameter in (
        ("inches", _INCHES_MM.get(int(size) if size == size // 1 and size < 99 else 0, 0.0)),
        *((n, size / per) for n, per in _UNITS),
    ):
        if _SMALLEST_MM <= diameter <= _LARGEST_MM:
            notes.append(f"sample size: SampleSize {' '.join(tokens)[:40]} is taken as {unit}, {diameter:g} mm")
            return diameter
    raise FormatError(
        "klarf.number",
        where=where,
        expected=f"a SampleSize of {_SMALLEST_MM:g} to {_LARGEST_MM:g} mm",
        got=" ".join(tokens)[:40],
        action="Export the file again: this record is damaged.",
    )
