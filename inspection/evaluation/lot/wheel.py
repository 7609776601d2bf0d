"""The zones of a wafer as two drawings, rings and sectors, coloured by how they differ from earlier lots."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from inspection.evaluation.lot.zones import RING_EDGES, SECTORS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inspection.evaluation.lot.comparison import ZoneResult

RADIUS = 100.0
LESS, SAME, MORE = (33, 92, 152), (247, 247, 247), (178, 72, 8)
"""Blue, white and orange: told apart by every eye, and by their words."""
FULL_RATIO = 3.0
"""The ratio, and its inverse, at which a colour is at its strongest."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One zone as an SVG path, y down, the wafer's radius being ``RADIUS``; ``fill`` is None where nothing is known."""

    result: ZoneResult
    path: str
    fill: str | None


def rings(results: Sequence[ZoneResult]) -> list[Piece]:
    """The rings, from the edge to the centre: draw them in this order."""
    found = [r for r in results if r.zone.kind == "ring"]
    ends = [*RING_EDGES, 1.0]
    return [Piece(result, _circle(end * RADIUS), fill(result.ratio)) for result, end in reversed(list(zip(found, ends, strict=True)))]


def sectors(results: Sequence[ZoneResult]) -> list[Piece]:
    """The sectors, anticlockwise from the right."""
    found = [r for r in results if r.zone.kind == "sector"]
    half = math.pi / len(SECTORS)
    pieces = []
    for i, result in enumerate(found):
        (x0, y0), (x1, y1) = ((RADIUS * math.cos(a), -RADIUS * math.sin(a)) for a in ((2 * i - 1) * half, (2 * i + 1) * half))
        pieces.append(Piece(result, f"M0 0L{x0:.2f} {y0:.2f}A{RADIUS} {RADIUS} 0 0 0 {x1:.2f} {y1:.2f}Z", fill(result.ratio)))
    return pieces


def fill(ratio: float | None) -> str | None:
    """Colour of a ratio: white at 1."""
    if ratio is None:
        return None
    strength = max(-1.0, min(1.0, math.log(ratio) / math.log(FULL_RATIO)))
    end = MORE if strength > 0 else LESS
    return "#" + "".join(f"{round(s + (e - s) * abs(strength)):02x}" for s, e in zip(SAME, end, strict=True))


def _circle(radius: float) -> str:
    return f"M{-radius:.2f} 0A{radius:.2f} {radius:.2f} 0 1 0 {radius:.2f} 0A{radius:.2f} {radius:.2f} 0 1 0 {-radius:.2f} 0Z"
