"""Writes KLARF 1.2 (line records, micrometres) and 1.8 (nested records, nanometres).

A defect at (x, y) of the wafer frame is written by die and offset, so that ``x = XINDEX * DiePitch.x + XREL -
SampleCenterLocation.x``. Pitch and centre are rounded to a nanometre first and offsets taken against the rounded
values, so a reader gets every position back to half a nanometre whatever the index. ``DieOrigin`` is 0 0. Tool and
chamber are one ``"TOOL:CHAMBER"`` entry of ``ProcessEquipmentIDList``. Files are written aside and renamed: a reader
never meets half of one.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from inspection.aside import aside
from inspection.errors import InputError
from inspection.formats.klarf.rows import NM_PER_UM, KlarfWafer, in_nanometres, prepare, row_form, rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from inspection.wafer.maps import DefectMap

UNCLASSIFIED = {0: "Unclassified"}
_FLOAT = ("float", "%.10g")
UNKNOWN_TIME = "01-01-1970 00:00:00"


def write_klarf12(
    path: Path,
    maps: Sequence[DefectMap],
    *,
    station: tuple[str, str, str] = ("NONE", "NONE", "NONE"),
    classes: Mapping[int, str] = UNCLASSIFIED,
) -> int:
    """Write ``maps`` as one KLARF 1.2 file; positions to .001 um.

    Parameters
    ----------
    path : Path
        The file; replaced when it exists.
    maps : sequence of DefectMap
        Wafers of one lot, product, layer, recipe, diameter and pitch. A map without a pitch is written as one die as
        large as the wafer; one without dies gets no SampleTestPlan. Attributes become columns under their own names;
        XINDEX, YINDEX and DEFECTID stay as they are where the map has them, images are not written.
    station : (str, str, str)
        Maker, model and id of the inspection station.
    classes : mapping of int to str
        ClassLookup; `SourceWafer.classes` of the file that a map was read from.

    Returns
    -------
    int
        Bytes written.

    Raises
    ------
    InputError
        No map, maps that do not belong in one file, a name that KLARF cannot hold, or an attribute of the wrong length.
    """
    wafers = prepare(maps, same_time=False)
    info = maps[0].info
    head = [
        "FileVersion 1 2;",
        f"FileTimestamp {_time12(info.inspected_at)};",
        f"InspectionStationID {' '.join(map(_quoted, station))};",
        "SampleType WAFER;",
        f"LotID {_quoted(info.lot)};",
        f"SampleSize 1 {info.diameter_mm:g};",
        f"DeviceID {_quoted(info.product or '')};",
        f"SetupID {_quoted(info.recipe or '')} {_time12(None)};",
        f"StepID {_quoted(info.layer or '')};",
        "SampleOrientationMarkType NOTCH;",
        "OrientationMarkLocation DOWN;",
        f"DiePitch {wafers[0].pitch_nm[0] / NM_PER_UM:.3f} {wafers[0].pitch_nm[1] / NM_PER_UM:.3f};",
        "DieOrigin 0.000000 0.000000;",
    ]
    lookup = [f"ClassLookup {len(classes)}", *(f" {n} {_quoted(name)}" for n, name in classes.items())]
    head += [*lookup[:-1], lookup[-1] + ";"]
    text = "\n".join(chain(head, *(_wafer12(w) for w in wafers), ("EndOfFile;", "")))
    return _write(path, text)


def write_klarf18(
    path: Path,
    maps: Sequence[DefectMap],
    *,
    station: tuple[str, str, str] = ("NONE", "NONE", "NONE"),
    classes: Mapping[int, str] = UNCLASSIFIED,
) -> int:
    """Write ``maps`` as one KLARF 1.8 file; positions to 1 nm.

    As `write_klarf12`; the format holds one result time per lot, so the maps must also share ``inspected_at``.
    """
    wafers = prepare(maps, same_time=True)
    info = maps[0].info
    date, clock = _time12(info.inspected_at).split()
    lines = ['Record FileRecord "1.8"', "{", f"  Record LotRecord {_quoted(info.lot)}", "  {"]
    for wafer in wafers:
        lines += _wafer18(wafer)
    lines += [
        f"    Field DeviceID 1 {{{_quoted(info.product or '')}}}",
        f"    Field DiePitch 2 {{{wafers[0].pitch_nm[0]}, {wafers[0].pitch_nm[1]}}}",
        f"    Field InspectionStationID 3 {{{', '.join(map(_quoted, station))}}}",
        "    Field OrientationMarkLocation 1 {0}",
        f'    Field RecipeID 3 {{{_quoted(info.recipe or "")}, "01-01-1970", "00:00:00"}}',
        f'    Field ResultTimestamp 2 {{"{date}", "{clock}"}}',
        '    Field SampleOrientationMarkType 1 {"NOTCH"}',
        f"    Field SampleSize 2 {{{round(info.diameter_mm * 1e6)}, 0}}",
        '    Field SampleType 1 {"WAFER"}',
        f"    Field StepID 1 {{{_quoted(info.layer or '')}}}",
        "    List ClassLookupList",
        "    {",
        "      Columns 3 { int32 CLASSNUMBER, string CLASSNAME, string CLASSCODE }",
        f"      Data {len(classes)}",
        "      {",
        *(f'        {number} {_quoted(name)} "";' for number, name in classes.items()),
        "      }",
        "    }",
        "  }",
        f'  Field FileTimestamp 2 {{"{date}", "{clock}"}}',
        "}",
        "EndOfFile;",
        "",
    ]
    return _write(path, "\n".join(lines))


def _wafer12(wafer: KlarfWafer) -> list[str]:
    info = wafer.map.info
    names = list(wafer.columns)
    lines = [f"WaferID {_quoted(info.wafer)};"]
    if info.slot is not None:
        lines.append(f"Slot {info.slot};")
    lines.append(f"SampleCenterLocation {wafer.centre_nm[0] / NM_PER_UM:.3f} {wafer.centre_nm[1] / NM_PER_UM:.3f};")
    if info.inspected_at is not None:
        lines.append(f"ResultTimestamp {_time12(info.inspected_at)};")
    if info.tool is not None:
        lines += ["ProcessEquipmentIDList 1", f" {_equipment(wafer)};"]
    lines.append("InspectionTest 1;")
    if wafer.map.dies is not None:
        lines += [f"SampleTestPlan {wafer.dies}", rows(" %d %d", [*wafer.map.dies.T]) + ";"]
    lines += [f"AreaPerTest {wafer.area_um2:.10e};", f"DefectRecordSpec {len(names)} {' '.join(names)} ;"]
    if wafer.map.defects:
        form = " " + " ".join(row_form(name, column) for name, column in wafer.columns.items())
        values = [c / NM_PER_UM if name in ("XREL", "YREL") else c for name, c in wafer.columns.items()]
        lines += ["DefectList", rows(form, values) + ";"]
    else:
        lines.append("DefectList;")
    lines += [
        "SummarySpec 5 TESTNO NDEFECT DEFDENSITY NDIE NDEFDIE ;",
        "SummaryList",
        f" 1 {wafer.map.defects} {wafer.density_per_cm2:.8g} {wafer.dies} {wafer.defective_dies};",
    ]
    return lines


def _wafer18(wafer: KlarfWafer) -> list[str]:
    info = wafer.map.info
    columns = {name: in_nanometres(name, column) for name, column in wafer.columns.items()}
    kinds = {"i": ("int32", "%d"), "u": ("int32", "%d"), "U": ("string", '"%s"')}
    types = [f"{kinds.get(c.dtype.kind, _FLOAT)[0]} {name}" for name, c in columns.items()]
    form = " ".join(kinds.get(c.dtype.kind, _FLOAT)[1] for c in columns.values())
    lines = [
        f"    Record WaferRecord {_quoted(info.wafer)}",
        "    {",
        "      Field DieOrigin 2 {0, 0}",
        f"      Field SampleCenterLocation 2 {{{wafer.centre_nm[0]}, {wafer.centre_nm[1]}}}",
    ]
    if info.slot is not None:
        lines.append(f"      Field SlotNumber 1 {{{info.slot}}}")
    if info.tool is not None:
        lines += _list18("      ", "ProcessEquipmentIDList", ["string EQUIPMENTID"], 1, f"          {_equipment(wafer)} ;")
    body = rows("          " + form + " ;", list(columns.values())) if wafer.map.defects else ""
    lines += _list18("      ", "DefectList", types, wafer.map.defects, body)
    lines += ['      Record TestRecord "1"', "      {", f"        Field AreaPerTest 1 {{{wafer.area_um2 * 1e6:.10e}}}"]
    if wafer.map.dies is not None:
        plan = rows("            %d %d ;", [*wafer.map.dies.T])
        lines += _list18("        ", "SampleTestPlanList", ["int32 XINDEX", "int32 YINDEX"], wafer.dies, plan)
    lines += ["      }", "      Record SummaryRecord", "      {"]
    summary = ["int32 TESTNO", "int32 NDEFECT", "float DEFDENSITY", "int32 NDIE", "int32 NDEFDIE"]
    row = f"            1 {wafer.map.defects} {wafer.density_per_cm2:.8g} {wafer.dies} {wafer.defective_dies} ;"
    return [*lines, *_list18("        ", "TestSummaryList", summary, 1, row), "      }", "    }"]


def _list18(indent: str, name: str, columns: list[str], count: int, body: str) -> list[str]:
    inner = indent + "  "
    return [
        f"{indent}List {name}",
        indent + "{",
        f"{inner}Columns {len(columns)} {{ {', '.join(columns)} }}",
        f"{inner}Data {count}",
        inner + "{",
        *([body] if body else []),
        inner + "}",
        indent + "}",
    ]


def _equipment(wafer: KlarfWafer) -> str:
    info = wafer.map.info
    return _quoted(f"{info.tool}:{info.chamber}" if info.chamber is not None else f"{info.tool}")


def _quoted(text: str) -> str:
    if any(c in text for c in '"\n\r'):
        raise InputError(f"Cannot write {text!r:.80} to KLARF: expected a string without quotes and line breaks. Rename it.")
    return f'"{text}"'


def _time12(at: datetime | None) -> str:
    return UNKNOWN_TIME if at is None else at.strftime("%m-%d-%Y %H:%M:%S")


def _write(path: Path, text: str) -> int:
    data = text.encode("utf-8")
    with aside(path) as temporary:
        temporary.write_bytes(data)
    return len(data)
