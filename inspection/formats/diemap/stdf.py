"""STDF V4, the test results of wafer sort: one die map per wafer, pass or fail by PART_FLG.

WIR opens a wafer on a test head, the PRRs of that head are its dies, WRR closes it; wafers of several heads may be open
at once. Of PART_FLG, bit 3 says failed and bit 4 that there is no pass/fail indication, which is no tested die; bit 0
says that the part supersedes the one of the same PART_ID. A die that is tested again counts as tested last.

WCR places the map: DIE_WID, DIE_HT and WAFR_SIZ in WF_UNITS, WF_FLAT (where the flat lies), POS_X and POS_Y (which way
the coordinates grow), CENTER_X and CENTER_Y. Missing coordinates and centres are -32768. Field tables: the public STDF
V4 specification, as pystdf and Semi-ATE/STDF quote it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from inspection.formats.diemap.frame import MAX_MAPS, length_um, nominal_mm
from inspection.formats.diemap.stdf_records import (
    MIR,
    MISSING_COUNT,
    MISSING_PLACE,
    MRR,
    PCR,
    PRR,
    VERSION,
    WCR,
    WIR,
    WRR,
    Fields,
    fault,
    order_of,
    records,
)
from inspection.formats.diemap.stdf_wafer import Layout, Parts, die_map
from inspection.formats.sizes import check_size
from inspection.wafer.maps import SourceWafer, WaferInfo

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from inspection.formats.diemap.stdf_records import Order, Record
    from inspection.params import Ingest

_UNITS = {1: "inch", 2: "cm", 3: "mm", 4: "mil"}
_HEADER = 6
_ALL_HEADS = 255


def recognises(head: bytes, path: Path) -> bool:  # noqa: ARG001 - the signature that every format shares
    """Whether ``head`` (the first bytes of the file) is an STDF file attributes record."""
    return order_of(head) is not None


@dataclass(slots=True, eq=False)
class _Wafer:
    """A wafer while its records are read; ``counts`` are PART_CNT and GOOD_CNT of its WRR, None = not closed.

    Of two names that of WRR supersedes that of WIR (specification, WAFER_ID of WRR).
    """

    head: int
    name: str
    begun: int
    parts: Parts = field(default_factory=Parts)
    counts: tuple[int, int] | None = None
    notes: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _File:
    order: Order
    most: int
    layout: Layout = field(default_factory=Layout)
    lot: str = ""
    product: str = ""
    tool: str = ""
    recipe: str = ""
    layer: str = ""
    begun: int = 0
    whole: bool = False
    wafers: list[_Wafer] = field(default_factory=list)
    open: dict[int, _Wafer] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    loose: _Wafer | None = None
    unopened: int = 0
    parts: int | None = None
    """Of all heads and sites together, as PCR counts them."""

    def take(self, record: Record) -> None:
        """Take up the next record."""
        if record.kind == PRR:
            self._part(record)
            return
        fields = Fields(record, self.order)
        if record.kind == WIR:
            self._open(fields)
        elif record.kind == WRR:
            self._close(fields)
        elif record.kind == WCR:
            self._configure(fields)
        elif record.kind == MIR:
            self._master(fields)
        elif record.kind == PCR:
            self._count(fields)
        elif record.kind == MRR:
            self.whole = True

    def _part(self, record: Record) -> None:
        if len(record.body) < 3:
            raise fault("record", f"byte {record.at}", "a PRR of at least 3 bytes", len(record.body))
        wafer = self.open.get(record.body[0]) or self.open.get(_ALL_HEADS)
        if wafer is None:
            self.loose = self.loose or _Wafer(record.body[0], "", 0)
            wafer = self.loose
        wafer.parts.add(record.body, self.order.mark)

    def _open(self, fields: Fields) -> None:
        head = fields.number("B", 255)
        fields.number("B", 255)
        begun = fields.number("I", 0)
        self._forget_empty(self.open.get(head))
        self.open[head] = _Wafer(head, fields.text(), begun)
        self.wafers.append(self.open[head])
        if len(self.wafers) > self.most:
            raise fault("wafers", f"wafer {self.open[head].name[:40]}", f"at most {self.most} wafers", "more")

    def _forget_empty(self, wafer: _Wafer | None) -> None:
        if wafer is not None and not len(wafer.parts):
            self.wafers.remove(wafer)

    def _close(self, fields: Fields) -> None:
        head = fields.number("B", 255)
        fields.number("B", 255)
        fields.number("I", 0)
        counts = [fields.number("I", MISSING_COUNT) for _ in range(5)]  # PART RTST ABRT GOOD FUNC
        name = fields.text()
        wafer = self.open.pop(head, None) or self.open.pop(_ALL_HEADS, None)
        if wafer is None:
            self.unopened += 1
            return
        if name and wafer.name and name != wafer.name:
            wafer.notes.append(f"wafer name: WIR says {wafer.name[:40]!r}, WRR {name[:40]!r}; the latter counts")
        wafer.name = name or wafer.name
        wafer.counts = (counts[0], counts[3])
        self._forget_empty(wafer)

    def _configure(self, fields: Fields) -> None:
        size, height, width = fields.real(), fields.real(), fields.real()
        unit = _UNITS.get(fields.number("B", 0), "")
        self.layout.flat = fields.character().upper()
        self.layout.centre = (fields.number("h", MISSING_PLACE), fields.number("h", MISSING_PLACE))
        self.layout.right, self.layout.up = fields.character().upper(), fields.character().upper()
        width_um, height_um, size_um = (length_um(v, unit) if v > 0 else None for v in (width, height, size))
        self.layout.pitch_um = (width_um, height_um) if width_um and height_um else None
        self.layout.diameter_mm = nominal_mm(size_um / 1e3) if size_um else None

    def _count(self, fields: Fields) -> None:
        head = fields.number("B", _ALL_HEADS)
        fields.number("B", 0)
        parts = fields.number("I", MISSING_COUNT)
        if head == _ALL_HEADS and parts != MISSING_COUNT:
            self.parts = parts

    def _master(self, fields: Fields) -> None:
        fields.number("I", 0)
        self.begun = fields.number("I", 0)
        fields.number("B", 0)
        for _ in range(3):
            fields.character()
        fields.number("H", 0)
        fields.character()
        texts = [fields.text() for _ in range(11)]
        # LOT_ID PART_TYP NODE_NAM TSTR_TYP JOB_NAM JOB_REV SBLOT_ID OPER_NAM EXEC_TYP EXEC_VER TEST_COD
        self.lot, self.product, self.tool, self.recipe, self.layer = (texts[i] for i in (0, 1, 2, 4, 10))

    def info(self, wafer: _Wafer) -> WaferInfo:
        """Identity of a wafer; times are taken as UTC (testers write their local time)."""
        seconds = wafer.begun or self.begun
        return WaferInfo(
            lot=self.lot,
            wafer=wafer.name,
            product=self.product or None,
            layer=self.layer or None,
            tool=self.tool or None,
            recipe=self.recipe or None,
            inspected_at=datetime.fromtimestamp(seconds, UTC) if seconds else None,
        )


def read(path: Path, limits: Ingest) -> Iterator[SourceWafer]:
    """Die maps of an STDF file, one per WIR, in its order; the whole file is walked before the first is given out.

    Raises
    ------
    FormatError
        ``file.size``; ``stdf.version``: not V4; ``stdf.truncated``: it ends within a record or without its MRR;
        ``stdf.record``: a PRR that is too short; ``stdf.no_wafer``: no tested die at all; ``stdf.coordinates``: dies without
        any; ``stdf.span``: dies too far from each other; ``stdf.wafers``: more than ``limits.max_wafers``.
    """
    file = _load(path, limits)
    for wafer in file.wafers:
        wafer.parts.check(f"wafer {wafer.name[:40]}", file.layout)
    for index, wafer in enumerate(file.wafers):
        made, notes = die_map(wafer.parts, file.layout, file.info(wafer), wafer.counts)
        yield SourceWafer(index=index, map=made, notes=(*file.notes, *wafer.notes, *notes))


def _load(path: Path, limits: Ingest) -> _File:
    check_size(path, limits)
    with path.open("rb") as stream:
        head = stream.read(_HEADER)
    order = order_of(head)
    if order is None:
        raise fault("record", path.name, "a FAR whose length and CPU_TYPE agree on the byte order", head.hex(" "))
    if head[5] != VERSION:
        raise fault("version", path.name, f"STDF_VER {VERSION}", head[5])
    file = _File(order, min(limits.max_wafers, MAX_MAPS))
    for record in records(path, order):
        file.take(record)
    if not file.whole:
        raise fault("truncated", path.name, "an MRR at the end", "none")
    held = sum(len(w.parts) for w in file.wafers) + (0 if file.loose is None else len(file.loose.parts))
    if file.parts is not None and file.parts > held:  # where parts are tested again some testers count them once
        file.notes.append(f"part count: PCR says {file.parts} parts, the file holds {held}")
    if file.unopened:
        file.notes.append(f"no WIR: {file.unopened} WRR close a wafer that none opened")
    file.wafers = [w for w in file.wafers if len(w.parts)]
    if file.loose is not None and file.wafers:
        file.notes.append(f"loose parts: {len(file.loose.parts)} parts belong to no wafer")
    elif file.loose is not None:
        file.notes.append("no WIR: all parts are taken as one wafer")
        file.wafers.append(file.loose)
    if not file.wafers:
        raise fault("no_wafer", path.name, "at least one PRR of a wafer", "none")
    return file
