"""The YAML sidecar of a table of points: which column means what, its units and frame, and who the wafers are."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BeforeValidator, Field

from inspection.errors import bounded
from inspection.formats.klarf.header import timestamp
from inspection.formats.points.columns import COLUMNS, Unit
from inspection.formats.sidecar import SIDECARS, Diameter, OfWafer, Place, Size, parse, refused

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FOR_ALL = "points"
"""Stem of the sidecar that serves every table of its folder that has none of its own."""
CODE = "points.sidecar"
MAX_SIDECAR_BYTES = 1 << 16

_MM = re.compile(r"(\d+(?:\.\d*)?)\s*(?:mm)?", re.IGNORECASE)
_Lower = BeforeValidator(lambda value: value.strip().lower() if isinstance(value, str) else value)


class Sidecar(OfWafer):
    """The sidecar's keys.

    A fact that the table has a column for comes from the column. ``origin`` is where (0, 0) of the table lies: the wafer's centre or a
    corner of the square around the wafer. ``orientation`` says where the notch is in the table's frame. ``die_origin_um`` is the
    lower left corner of die (0, 0), seen from the table's origin. ``y_axis`` is down by default where the origin is ``upper_left``.
    """

    columns: dict[str, str] = Field(default_factory=dict)
    unit: Annotated[Unit | None, _Lower] = None
    origin: Annotated[Literal["centre", "center", "lower_left", "upper_left"], _Lower] = "centre"
    orientation: Annotated[Literal["down", "left", "up", "right"], _Lower] = "down"
    y_axis: Annotated[Literal["up", "down"] | None, _Lower] = None
    diameter_mm: Diameter | None = None
    die_pitch_um: tuple[Size, Size] | None = None
    die_origin_um: tuple[Place, Place] | None = None

    @property
    def is_y_down(self) -> bool:
        """Whether y grows downwards, as rows of a picture do."""
        return self.y_axis == "down" if self.y_axis is not None else self.origin == "upper_left"

    def completed(self, said: Mapping[str, str]) -> Sidecar:
        """With what a table says of itself above its header, where the sidecar does not."""
        found: dict[str, object] = {n: said[n] for n in ("lot", "wafer", "product", "layer", "tool", "chamber", "recipe") if n in said}
        if said.get("slot", "").isdecimal():
            found["slot"] = int(said["slot"])
        if (size := _MM.fullmatch(said.get("diameter", ""))) is not None and float(size[1]) > 0:
            found["diameter_mm"] = float(size[1])
        if (at := timestamp([said.get("inspected_at") or said.get("time", "")])) is not None:
            found["inspected_at"] = at
        return self.model_copy(update={name: value for name, value in found.items() if getattr(self, name) in (None, "")})


def sidecar_path(table: Path) -> Path | None:
    """The sidecar of ``table``: ``NAME.csv.yaml``, ``NAME.yaml``, or ``points.yaml`` of its folder; None = there is none."""
    shared = [table.with_name(FOR_ALL + end) for end in SIDECARS]
    return own_sidecar(table) or next((c for c in shared if c.is_file() and c != table), None)


def own_sidecar(table: Path) -> Path | None:
    """``NAME.csv.yaml`` or ``NAME.yaml`` beside ``table``; None = there is none."""
    own = [table.with_name(table.name + end) for end in SIDECARS] + [table.with_suffix(end) for end in SIDECARS]
    return next((c for c in own if c.is_file() and c != table), None)


def read_sidecar(table: Path) -> Sidecar:
    """The sidecar of ``table``; an empty one where there is none.

    Raises
    ------
    FormatError
        ``points.sidecar``: too long, not YAML, not a mapping, a value outside its domain, or a column of no known meaning.
    """
    path = sidecar_path(table)
    if path is None:
        return Sidecar()
    parsed = parse(Sidecar, path, CODE, MAX_SIDECAR_BYTES)
    if unknown := sorted(set(parsed.columns) - set(COLUMNS)):
        raise refused(path, CODE, f"columns named {', '.join(COLUMNS)}", bounded(unknown))
    return parsed
