"""A defect map as KLARF rows: die index and offset in whole nanometres, columns, inspected area, and bulk text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from inspection.errors import InputError, bounded
from inspection.formats.klarf.strings import unwritable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from inspection.wafer.maps import DefectMap

NM_PER_UM = 1_000
UM2_PER_CM2 = 1e8
TRAILING = {"CLASSNUMBER": 0, "TEST": 1, "IMAGECOUNT": 0}
"""Columns every file has, with the value where the map has none. Images are not written, so IMAGECOUNT is always 0."""
IGNORED = frozenset({"DEFECTID", "XREL", "YREL", "XINDEX", "YINDEX", "X", "Y", "IMAGECOUNT", "IMAGELIST", "IMAGEINFO"})
LENGTHS = frozenset({"XREL", "YREL", "XSIZE", "YSIZE", "DSIZE"})
AREAS = frozenset({"DEFECTAREA"})
_BLOCK = 1 << 15
_NOT_IN_NAMES = re.compile(r"[^A-Z0-9_.\-/#%]")
_FIRST_OF_NAMES = re.compile(r"[A-Z_]")


@dataclass(frozen=True, slots=True, eq=False)
class KlarfWafer:
    """One map made ready to be written.

    Attributes
    ----------
    map : DefectMap
    pitch_nm, centre_nm : (int, int)
        Die pitch, and the wafer centre seen from the lower-left corner of die (0, 0).
    columns : dict of str to ndarray of shape (n,)
        In file order, lengths in um (XREL and YREL in nm).
    area_um2 : float
        Inspected area: the dies' share of the wafer.
    dies, defective_dies : int
    """

    map: DefectMap
    pitch_nm: tuple[int, int]
    centre_nm: tuple[int, int]
    columns: dict[str, NDArray]
    area_um2: float
    dies: int
    defective_dies: int

    @property
    def density_per_cm2(self) -> float:
        """DEFDENSITY of the summary."""
        return self.map.defects / (self.area_um2 / UM2_PER_CM2)


def prepare(maps: Sequence[DefectMap], *, same_time: bool) -> list[KlarfWafer]:
    """Make ``maps`` ready for one file.

    Raises
    ------
    InputError
        No map, maps that do not belong in one file, or an attribute of the wrong length.
    """
    if not maps:
        raise InputError("Cannot write a KLARF without wafers: expected at least one map, got none.")
    shared = ["lot", "product", "layer", "recipe", "diameter_mm", *(["inspected_at"] if same_time else [])]
    for name in shared:
        values = {str(getattr(m.info, name)) for m in maps}
        if len(values) > 1:
            raise InputError(
                f"Cannot write these wafers to one KLARF: expected one {name}, got {bounded(sorted(values))}. Write one file for each."
            )
    wafers = [_prepared(m) for m in maps]
    if len({w.pitch_nm for w in wafers}) > 1:
        raise InputError("Cannot write these wafers to one KLARF: expected one die pitch, got several. Write one file for each.")
    return wafers


def rows(form: str, columns: Sequence[NDArray]) -> Iterator[str]:
    """All rows as text, ``form`` once per row, in blocks of lines that each come from one formatting call."""
    count = len(columns[0])
    for begin in range(0, count, _BLOCK):
        block = [column[begin : begin + _BLOCK].tolist() for column in columns]
        yield "\n".join((form,) * len(block[0])) % tuple(chain.from_iterable(zip(*block, strict=True)))


def row_form(name: str, column: NDArray) -> str:
    """The format of one column in a 1.2 row (um). Numbers without a fixed form get the shortest that reads back alike."""
    if column.dtype.kind == "U":
        return '"%s"'
    if name in LENGTHS:
        return "%.3f"
    if name in AREAS:
        return "%.6f"
    return "%d" if column.dtype.kind in "iu" else "%r"


def in_nanometres(name: str, column: NDArray) -> NDArray:
    """The column in the units of 1.8: whole nm for lengths (a fraction where one is not a number), nm^2 for areas."""
    if name in ("XREL", "YREL") or column.dtype.kind == "U":
        return column
    if name in LENGTHS:
        nanometres = np.rint(np.asarray(column, np.float64) * NM_PER_UM)
        return nanometres.astype(np.int64) if np.isfinite(nanometres).all() else nanometres
    return np.asarray(column, np.float64) * NM_PER_UM**2 if name in AREAS else column


def _prepared(wafer_map: DefectMap) -> KlarfWafer:
    diameter = wafer_map.info.diameter_mm * 1_000.0
    pitch = wafer_map.pitch_um or (diameter, diameter)
    origin = wafer_map.origin_um or (-pitch[0] / 2, -pitch[1] / 2)
    pitch_nm = np.rint(np.multiply(pitch, NM_PER_UM)).astype(np.int64)
    centre_nm = -np.rint(np.multiply(origin, NM_PER_UM)).astype(np.int64)
    place_nm = np.rint(wafer_map.xy_um * NM_PER_UM).astype(np.int64) + centre_nm
    index, offset = np.divmod(place_nm, pitch_nm)
    own_x, own_y = (_own_whole(wafer_map, name) for name in ("XINDEX", "YINDEX"))
    if own_x is not None and own_y is not None:
        # The dies that the map's source named, also for a defect on a border or off its die.
        index = np.column_stack((own_x, own_y)).astype(np.int64)
        offset = place_nm - index * pitch_nm
    identity = _own_whole(wafer_map, "DEFECTID")
    columns: dict[str, NDArray] = {
        "DEFECTID": np.arange(1, wafer_map.defects + 1) if identity is None else identity,
        "XREL": offset[:, 0],
        "YREL": offset[:, 1],
        "XINDEX": index[:, 0],
        "YINDEX": index[:, 1],
    }
    for source_name, values in wafer_map.attributes.items():
        name = _column_name(source_name, columns)
        if name is None or values.dtype.kind not in "biufU":
            continue
        if values.shape != (wafer_map.defects,):
            raise InputError(
                f"Cannot write column {name}: expected {wafer_map.defects} values, got shape {values.shape} "
                f"(wafer {wafer_map.info.wafer}). Give one value per defect."
            )
        if values.dtype.kind == "U" and (bad := unwritable(np.unique(values).tolist())) is not None:
            raise InputError(
                f"Cannot write column {name}: expected text without quotes and control signs, got {bad!r:.80}. Rename its values."
            )
        columns[name] = values.astype(np.int32) if values.dtype.kind == "b" else values
    for name, value in TRAILING.items():
        columns.setdefault(name, np.full(wafer_map.defects, value))
    radius = wafer_map.info.radius_um
    pitch_um, centre_um = pitch_nm / NM_PER_UM, centre_nm / NM_PER_UM
    dies = wafer_map.dies
    return KlarfWafer(
        map=wafer_map,
        pitch_nm=(int(pitch_nm[0]), int(pitch_nm[1])),
        centre_nm=(int(centre_nm[0]), int(centre_nm[1])),
        columns=columns,
        area_um2=np.pi * radius**2 if dies is None else _area(dies, pitch_um, centre_um, radius),
        dies=0 if dies is None else len(dies),
        defective_dies=len(np.unique(index, axis=0)),
    )


def _column_name(source_name: str, taken: Iterable[str]) -> str | None:
    """The column under which an attribute is written: its name in capitals, other signs as ``_``; None for what KLARF says elsewhere."""
    name = source_name.upper()
    if name in IGNORED:
        return None
    name = _NOT_IN_NAMES.sub("_", name)
    name = name if _FIRST_OF_NAMES.match(name) else f"_{name}"
    used = {*taken, *IGNORED}
    return next(n for i in range(1, len(used) + 2) if (n := name if i == 1 else f"{name}_{i}") not in used)


def _own_whole(wafer_map: DefectMap, name: str) -> NDArray | None:
    """A column of whole numbers as the map's source had it."""
    values = wafer_map.attributes.get(name)
    return values if values is not None and values.dtype.kind in "iu" and values.shape == (wafer_map.defects,) else None


def _area(dies: NDArray[np.int32], pitch_um: NDArray, centre_um: NDArray, radius_um: float, steps: int = 12) -> float:
    """Area of ``dies`` on the wafer, um^2; a die across the edge is sampled at ``steps`` x ``steps`` places."""
    low = dies * pitch_um - centre_um
    farthest = np.maximum(np.abs(low), np.abs(low + pitch_um))
    crossing = low[np.hypot(*farthest.T) > radius_um]
    part = (np.arange(steps) + 0.5) / steps * pitch_um[:, None]
    x, y = crossing[:, 0, None] + part[0], crossing[:, 1, None] + part[1]
    on_wafer = np.count_nonzero(x[:, :, None] ** 2 + y[:, None, :] ** 2 <= radius_um**2)
    covered = len(dies) - len(crossing) + on_wafer / steps**2
    return float(max(covered, 1.0 / steps**2) * pitch_um[0] * pitch_um[1])
