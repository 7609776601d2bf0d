"""SEMI E142, the XML substrate map: ``MapData`` with Layouts, Substrates and SubstrateMaps.

Each ``BinCodeMap`` of each ``SubstrateMap`` is a wafer map of its own; the name of its Overlay becomes the layer. Two
ways to write one:

- ``2DArray`` (also where MapType is missing): a ``BinCode`` per row, as one looks at the wafer, the first at the top.
  OriginLocation and AxisDirection only tell from where and which way x and y are counted (so read public converters).
- ``Coordinate``: a ``BinCode`` with X and Y per die. Here OriginLocation (LowerLeft, LowerRight, UpperLeft, UpperRight or
  Center) and AxisDirection (UpRight, UpLeft, DownRight or DownLeft) decide where a die lies; where one is missing, the
  first of these is taken, as the schema has it, and a note says so.

Orientation is where the notch lies, degrees clockwise from the bottom. ``SubstrateSide="BottomSide"`` shows the back.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from inspection.formats.diemap.frame import (
    MAX_CELLS,
    MAX_MAPS,
    MAX_ROWS,
    compact_time,
    length_um,
    mark_of,
    nominal_mm,
    notch_down,
    unstated_diameter_mm,
)
from inspection.formats.diemap.semi_e142_places import Dies, placed, unknown_axes
from inspection.formats.diemap.semi_xml import Attributes, Bins, attributes, diemap_of, elements, fault, local, root_name, slot_of, whole
from inspection.wafer.maps import DieMap, SourceWafer, WaferInfo

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from xml.etree.ElementTree import Element

    import numpy as np
    from numpy.typing import NDArray

    from inspection.params import Ingest

AREA = "e142"
_WRAPPED = re.compile(r"<(?:[\w.-]{1,60}:)?MapData[\s>]")
_WAFERS_MM = (20.0, 500.0)
_LAYOUT_PARTS = frozenset(("dimension", "devicesize", "stepsize", "productid"))
_OTHER_MAPS = frozenset(("deviceidmap", "devicedatamap", "transfermap"))


def recognises(head: bytes, path: Path) -> bool:  # noqa: ARG001 - the signature that every format shares
    """Whether ``head`` (the first bytes of the file) is XML whose root is ``MapData``, or that wraps one for a web service."""
    root, text = root_name(head)
    return root == "mapdata" or (bool(root) and _WRAPPED.search(text) is not None)


@dataclass(slots=True)
class _Map:
    """A ``BinCodeMap`` while it is read; ``substrate`` are the attributes of its SubstrateMap."""

    substrate: Attributes
    layer: str
    header: Attributes
    bins: Bins
    rows: list[str] = field(default_factory=list)
    dies: Dies = field(default_factory=Dies)


@dataclass(slots=True)
class _File:
    """What a file says, in the order it says it: a map may come before its layout or substrate."""

    layouts: dict[str, dict[str, Attributes]] = field(default_factory=dict)
    substrates: dict[str, Attributes] = field(default_factory=dict)
    maps: list[_Map] = field(default_factory=list)
    other: set[str] = field(default_factory=set)
    layout: dict[str, Attributes] = field(default_factory=dict)
    substrate: Attributes | None = None
    on: Attributes = field(default_factory=dict)
    layer: str = ""
    open: bool = False

    def start(self, name: str, element: Element) -> None:
        found = attributes(element)
        if name == "layout":
            self.layout = self.layouts.setdefault(found.get("layoutid", "").strip().upper(), {})
            self.layout["layout"] = found
        elif name == "substrate":
            self.substrate = self.substrates.setdefault(found.get("substrateid", "").strip(), {})
            self.substrate.update(found)
        elif name == "substratemap":
            self.on = found
        elif name == "overlay":
            self.layer = found.get("mapname", "").strip()
        elif name == "bincodemap":
            self.maps.append(_Map(self.on, self.layer, found, Bins(found.get("bintype", ""), found.get("nullbin"))))
            self.open = True
        elif name in _OTHER_MAPS:
            self.other.add(name)

    def end(self, name: str, element: Element) -> None:
        if name == "bincodemap":
            self.open = False
        elif self.open and name in {"bindefinition", "bin"}:
            self.maps[-1].bins.define(attributes(element))
        elif self.open and name == "bincode":
            found = attributes(element)
            if "x" in found or "y" in found:
                self.maps[-1].dies.add(found, element.text or "", AREA)
            else:
                if len(self.maps[-1].rows) >= MAX_ROWS:
                    raise fault(AREA, "rows", f"map {len(self.maps) - 1}", f"at most {MAX_ROWS} rows", "more")
                self.maps[-1].rows.append(element.text or "")
        elif name in _LAYOUT_PARTS:
            self.layout.setdefault(name, {**attributes(element), "text": element.text or ""})
        elif name == "substrate":
            self.substrate = None
        elif self.substrate is not None and element.text and element.text.strip():
            self.substrate.setdefault(name, element.text.strip())

    def layouts_of(self, one: _Map) -> list[dict[str, Attributes]]:
        """The layouts that the map names, from the outermost to the one of the dies."""
        names = [n.strip().upper() for n in one.substrate.get("layoutspecifier", "").split("/")]
        found = [self.layouts[n] for n in names if n in self.layouts]
        return found or list(self.layouts.values())[-1:]


def read(path: Path, limits: Ingest) -> Iterator[SourceWafer]:
    """Die maps of an E142 file in its order; all are checked before the first is given out.

    Raises
    ------
    FormatError
        ``file.size``, ``e142.damaged``, ``e142.unsafe``, ``e142.depth`` (see `semi_xml.elements`); ``e142.rows``,
        ``e142.columns``: other than the layout's Dimension; ``e142.cell``: a bin that is not defined;
        ``e142.orientation``; ``e142.axis``; ``e142.header``: a number that is none; ``e142.cells``: coordinates too
        far from each other; ``e142.no_map``: no BinCodeMap; ``e142.wafers``.
    """
    file, most = _File(), min(limits.max_wafers, MAX_MAPS)
    for event, element in elements(path, limits, AREA):
        if event == "start":
            file.start(local(element), element)
            if max(len(file.maps), len(file.layouts), len(file.substrates)) > most:
                raise fault(AREA, "wafers", path.name, f"at most {most} maps, layouts and substrates", "more")
        else:
            file.end(local(element), element)
    if not file.maps:
        raise fault(AREA, "no_map", path.name, "a BinCodeMap", ", ".join(sorted(file.other)) or "none")
    yield from _source_wafers(file)


def _source_wafers(file: _File) -> list[SourceWafer]:
    wafers: list[SourceWafer] = []
    room = MAX_CELLS  # for all maps by coordinates together: two dies far from each other make a large map of few bytes
    for index, one in enumerate(file.maps):
        wafers.append(_source_wafer(index, one, file, room))
        if one.dies:
            made = wafers[-1].map
            room += len(one.dies) - (made.status.size if isinstance(made, DieMap) else 0)
    return wafers


def _source_wafer(index: int, one: _Map, file: _File, room: int) -> SourceWafer:
    name = one.substrate.get("substrateid", "").strip()
    where = f"map {index} ({name[:40]})"
    layouts = file.layouts_of(one)
    layout = layouts[-1] if layouts else {}
    size = layout.get("dimension", {})
    shape = (whole(size, "y", AREA, where), whole(size, "x", AREA, where))
    if one.dies and one.rows:
        raise fault(AREA, "rows", where, "rows or dies with coordinates", "both")
    if one.dies:
        status, notes = placed(one.dies, one.bins, shape, one.substrate, room, where)
    else:
        status, notes = diemap_of(AREA, where, one.bins, one.rows, shape)
        notes += unknown_axes(one.substrate)
        if None in shape:
            notes.append("no Dimension: nothing to hold the rows against")
    notes += [f"overlay: {other} is not read" for other in sorted(file.other)]
    orientation = one.substrate.get("orientation", "").strip()
    mark = mark_of(orientation or "0")
    if mark is None:
        raise fault(AREA, "orientation", where, "an Orientation of 0, 90, 180 or 270", orientation)
    pitch = _lengths_um(layout, "stepsize", where) or _lengths_um(layout, "devicesize", where)
    if pitch is None:
        notes.append("no StepSize: the dies are taken to fill the wafer")
    substrate = file.substrates.get(name, {})
    info = WaferInfo(
        lot=substrate.get("lotid", ""),
        wafer=name,
        slot=slot_of(substrate.get("slotnumber", "")),
        product=layout.get("productid", {}).get("text", "").strip() or None,
        layer=one.layer or None,
        inspected_at=compact_time(substrate.get("createdate", "") or substrate.get("lastmodified", "")),
        diameter_mm=_diameter_mm(layouts, status, pitch, where, notes),
    )
    back = one.substrate.get("substrateside", "").strip().lower().startswith("bottom")
    made, turned = notch_down(info, status, pitch, mark, mirrored=back)
    return SourceWafer(index=index, map=made, notes=(*notes, *turned))


def _lengths_um(layout: dict[str, Attributes], name: str, where: str) -> tuple[float, float] | None:
    """X and Y of StepSize or DeviceSize; None = not given, or 0.

    Raises
    ------
    FormatError
        ``e142.header``: no numbers, or a unit nobody knows.
    """
    found = layout.get(name, {})
    if not found.get("x", "").strip() and not found.get("y", "").strip():
        return None
    unit = found.get("units") or layout.get("layout", {}).get("defaultunits") or "mm"
    try:
        sides = [length_um(float(found.get(axis, "nan")), unit) for axis in ("x", "y")]
    except ValueError:
        sides = [None, None]
    width, height = sides
    if width is None or height is None or min(width, height) < 0 or not math.isfinite(width + height):
        raise fault(AREA, "header", where, f"{name} X and Y in mm, um, mil, cm or inch", f"{found.get('x')} {found.get('y')} {unit}")
    return (width, height) if width and height else None


def _diameter_mm(
    layouts: list[dict[str, Attributes]], status: NDArray[np.uint8], pitch: tuple[float, float] | None, where: str, notes: list[str]
) -> float:
    """From the layout of the whole wafer, which lies around that of the dies; else from the extent of the dies."""
    if len(layouts) > 1 and (sides := _lengths_um(layouts[0], "devicesize", where)) is not None:
        diameter = max(sides) / 1e3
        if _WAFERS_MM[0] <= diameter <= _WAFERS_MM[1]:
            return nominal_mm(diameter)
    return unstated_diameter_mm(status, pitch, notes)
