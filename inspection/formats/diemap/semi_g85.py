"""SEMI G85, the XML die map: ``Map`` (one, or several in ``Maps``) with ``Device``, ``Bin``, ``Data`` and ``Row``.

The rows stand as one looks at the wafer, the first at the top, whatever OriginLocation says: it only tells where x and
y are counted from (so read public converters, and so show the files of ``OriginLocation`` 0 and 3 that are to be had).
Orientation is where the notch lies, degrees clockwise from the bottom (SEMI E5 10.16.3.2).

Dialects that occur: attributes in any case, ``G85-1101`` and ``SEMI G85 0703``, WaferId or SubstrateId, BinType ASCII,
Decimal, HexaDecimal or Integer2 with or without blanks between the codes, CDATA or plain text. WaferSize and
DeviceSize carry no unit: see ``frame.stated_mm``; a die below 100 is in mm, else in um.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from inspection.formats.diemap.frame import MAX_MAPS, MAX_ROWS, compact_time, mark_of, notch_down, stated_mm, unstated_diameter_mm
from inspection.formats.diemap.semi_xml import Attributes, Bins, attributes, diemap_of, elements, fault, local, root_name, slot_of, whole
from inspection.wafer.maps import SourceWafer, WaferInfo

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from xml.etree.ElementTree import Element

    import numpy as np
    from numpy.typing import NDArray

    from inspection.params import Ingest

_MARKS_OF_G85 = ("g85", "waferid", "substrateid", "nullbin", "bintype", "originlocation")
_LARGEST_DIE_MM = 100.0


def recognises(head: bytes, path: Path) -> bool:  # noqa: ARG001 - the signature that every format shares
    """Whether ``head`` (the first bytes of the file) is XML whose root is ``Map`` or ``Maps`` with a name that only G85 has."""
    root, text = root_name(head)
    return root in {"map", "maps"} and any(mark in text.lower() for mark in _MARKS_OF_G85)


@dataclass(slots=True)
class _Device:
    """A ``Device`` while it is read; ``wafer`` are the attributes of its Map."""

    wafer: Attributes
    header: Attributes
    bins: Bins
    rows: list[str] = field(default_factory=list)
    data: int = 0

    @property
    def wafer_id(self) -> str:
        names = (self.wafer.get("waferid"), self.wafer.get("substrateid"), self.header.get("waferid"))
        return next((n.strip() for n in names if n and n.strip()), "")

    def take(self, event: str, name: str, element: Element) -> None:
        """Take up an element within the Device."""
        if event == "start":
            self.data += name == "data"
        elif name == "bin":
            self.bins.define(attributes(element))
        elif name == "row" and self.data <= 1:
            if len(self.rows) >= MAX_ROWS:
                raise fault("g85", "rows", self.wafer_id[:40], f"at most {MAX_ROWS} rows", "more")
            self.rows.append(element.text or "")


def read(path: Path, limits: Ingest) -> Iterator[SourceWafer]:
    """Die maps of a G85 file, one per ``Device``, in its order; all are checked before the first is given out.

    Raises
    ------
    FormatError
        ``file.size``, ``g85.damaged``, ``g85.unsafe``, ``g85.depth`` (see `semi_xml.elements`); ``g85.rows``,
        ``g85.columns``: other than declared; ``g85.cell``: a bin that is not defined; ``g85.orientation``;
        ``g85.header``: a number that is none, a map type other than Array; ``g85.no_map``; ``g85.wafers``.
    """
    yield from [_source_wafer(index, device) for index, device in enumerate(_devices(path, limits))]


def _devices(path: Path, limits: Ingest) -> list[_Device]:
    devices: list[_Device] = []
    most = min(limits.max_wafers, MAX_MAPS)
    wafer: Attributes = {}
    inside = False
    for event, element in elements(path, limits, "g85"):
        name = local(element)
        if name == "map":
            wafer, inside = attributes(element), False
        elif name == "device" and event == "start":
            header, inside = attributes(element), True
            devices.append(_Device(wafer, header, Bins(header.get("bintype", ""), header.get("nullbin"))))
        elif inside:  # some writers close the Device before its bins and rows
            devices[-1].take(event, name, element)
        if len(devices) > most:
            raise fault("g85", "wafers", path.name, f"at most {most} maps", "more")
    if not devices:
        raise fault("g85", "no_map", path.name, "a Device with Data", "none")
    return devices


def _source_wafer(index: int, device: _Device) -> SourceWafer:
    header, where = device.header, f"map {index} ({device.wafer_id[:40]})"
    kind = header.get("maptype", "Array")
    if "coord" in kind.lower():
        raise fault("g85", "header", where, "MapType Array", kind)
    shape = (whole(header, "rows", "g85", where), whole(header, "columns", "g85", where))
    status, notes = diemap_of("g85", where, device.bins, device.rows, shape)
    if None in shape:
        notes.append("no Rows or Columns: nothing to hold the rows against")
    if device.data > 1:
        notes.append(f"several Data: {device.data} in one Device, the first is read")
    orientation = header.get("orientation", "").strip()
    if not orientation:
        notes.append("no Orientation: the notch is taken to lie DOWN")
    mark = mark_of(orientation or "0")
    if mark is None:
        raise fault("g85", "orientation", where, "an Orientation of 0, 90, 180 or 270", orientation)
    pitch = _pitch(header, where, notes)
    info = WaferInfo(
        lot=header.get("lotid", device.wafer.get("lotid", "")).strip(),
        wafer=device.wafer_id,
        slot=slot_of(header.get("slotnumber", device.wafer.get("slotnumber", "")).strip()),
        product=header.get("productid", "").strip() or None,
        inspected_at=compact_time(header.get("createdate", "")),
        diameter_mm=_diameter_mm(header, status, pitch, notes),
    )
    made, turned = notch_down(info, status, pitch, mark)
    return SourceWafer(index=index, map=made, notes=(*notes, *turned))


def _diameter_mm(header: Attributes, status: NDArray[np.uint8], pitch: tuple[float, float] | None, notes: list[str]) -> float:
    stated = stated_mm(_number(header.get("wafersize", "")))
    if stated is not None:
        return stated
    if header.get("wafersize", "").strip():
        notes.append(f"WaferSize: {header['wafersize'][:40]!r} is no diameter")
    return unstated_diameter_mm(status, pitch, notes)


def _pitch(header: Attributes, where: str, notes: list[str]) -> tuple[float, float] | None:
    texts = [header.get(key, "").strip() for key in ("devicesizex", "devicesizey")]
    sides = [_number(text) for text in texts]
    if not any(texts) or sides == [0.0, 0.0]:
        return None
    if not all(side > 0 and math.isfinite(side) for side in sides):
        raise fault("g85", "header", where, "DeviceSizeX and DeviceSizeY above 0", " ".join(texts))
    unit = 1e3 if max(sides) < _LARGEST_DIE_MM else 1.0
    notes.append(f"DeviceSize has no unit: read as {'mm' if unit > 1 else 'um'}")
    return sides[0] * unit, sides[1] * unit


def _number(text: str) -> float:
    """NaN where it is none."""
    try:
        return float(text)
    except ValueError:
        return math.nan
