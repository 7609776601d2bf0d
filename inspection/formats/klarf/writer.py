"""Writes KLARF 1.2 (line records, micrometres) and 1.8 (nested records, nanometres).

A defect at (x, y) of the wafer frame is written by die and offset, so that ``x = XINDEX * DiePitch.x + XREL -
SampleCenterLocation.x``. Pitch and centre are rounded to a nanometre first and offsets taken against the rounded
values, so a reader gets every position back to half a nanometre whatever the index. ``DieOrigin`` is 0 0. Tool and
chamber are one ``"TOOL:CHAMBER"`` entry of ``ProcessEquipmentIDList``; a tool without chamber, which is what a KLARF
without that list gives, goes back to ``InspectionStationID``. Files are written aside and renamed: a reader never meets
half of one.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from inspection.aside import aside
from inspection.formats.klarf.lines12 import Clustering, clustering_records, wafer_records
from inspection.formats.klarf.lines18 import wafer_record
from inspection.formats.klarf.rows import NM_PER_UM, prepare
from inspection.formats.klarf.strings import UNKNOWN_TIME, quoted, timestamp

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from inspection.wafer.maps import DefectMap

__all__ = ["UNCLASSIFIED", "Clustering", "write_klarf12", "write_klarf18"]

UNCLASSIFIED = {0: "Unclassified"}
NO_STATION = ("NONE", "NONE", "NONE")


def write_klarf12(
    path: Path,
    maps: Sequence[DefectMap],
    *,
    station: tuple[str, str, str] | None = None,
    classes: Mapping[int, str] = UNCLASSIFIED,
    clustering: Clustering | None = None,
) -> int:
    """Write ``maps`` as one KLARF 1.2 file; positions to .001 um.

    Parameters
    ----------
    path : Path
        The file; replaced when it exists.
    maps : sequence of DefectMap
        Wafers of one lot, product, layer, recipe, diameter and pitch. A map without a pitch is written as one die as
        large as the wafer; one without dies gets no SampleTestPlan. Attributes become columns under their own names (in
        capitals, other signs as ``_``); XINDEX, YINDEX and DEFECTID stay as they are where the map has them, images are
        not written. FileTimestamp is ``written_at``, else the time of the inspection.
    station : (str, str, str), optional
        Maker, model and id of the inspection station; default: the maps' tool, as said above.
    classes : mapping of int to str
        ClassLookup; `SourceWafer.classes` of the file that a map was read from.
    clustering : Clustering, optional
        What CLUSTERNUMBER among the attributes means.

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
    named, process = _stations(maps, station)
    head = [
        "FileVersion 1 2;",
        f"FileTimestamp {timestamp(info.written_at or info.inspected_at)};",
        f"InspectionStationID {' '.join(map(quoted, named))};",
        "SampleType WAFER;",
        f"LotID {quoted(info.lot)};",
        f"SampleSize 1 {info.diameter_mm:g};",
        f"DeviceID {quoted(info.product or '')};",
        f"SetupID {quoted(info.recipe or '')} {UNKNOWN_TIME};",
        f"StepID {quoted(info.layer or '')};",
        "SampleOrientationMarkType NOTCH;",
        "OrientationMarkLocation DOWN;",
        f"DiePitch {wafers[0].pitch_nm[0] / NM_PER_UM:.3f} {wafers[0].pitch_nm[1] / NM_PER_UM:.3f};",
        "DieOrigin 0.000000 0.000000;",
    ]
    lookup = [f"ClassLookup {len(classes)}", *(f" {n} {quoted(name)}" for n, name in classes.items())]
    head += [*lookup[:-1], lookup[-1] + ";"]
    if clustering is not None:
        head += clustering_records(clustering)
    return _write(path, chain(head, *(wafer_records(w, process=process) for w in wafers), ("EndOfFile;",)))


def write_klarf18(
    path: Path,
    maps: Sequence[DefectMap],
    *,
    station: tuple[str, str, str] | None = None,
    classes: Mapping[int, str] = UNCLASSIFIED,
) -> int:
    """Write ``maps`` as one KLARF 1.8 file; positions to 1 nm.

    As `write_klarf12`; the format holds one result time per lot, so the maps must also share ``inspected_at``.
    """
    wafers = prepare(maps, same_time=True)
    info = maps[0].info
    named, process = _stations(maps, station)
    date, clock = timestamp(info.inspected_at).split()
    written_date, written_clock = timestamp(info.written_at or info.inspected_at).split()
    head = ['Record FileRecord "1.8"', "{", f"  Record LotRecord {quoted(info.lot)}", "  {"]
    tail = [
        f"    Field DeviceID 1 {{{quoted(info.product or '')}}}",
        f"    Field DiePitch 2 {{{wafers[0].pitch_nm[0]}, {wafers[0].pitch_nm[1]}}}",
        f"    Field InspectionStationID 3 {{{', '.join(map(quoted, named))}}}",
        "    Field OrientationMarkLocation 1 {0}",
        f'    Field RecipeID 3 {{{quoted(info.recipe or "")}, "01-01-1970", "00:00:00"}}',
        f'    Field ResultTimestamp 2 {{"{date}", "{clock}"}}',
        '    Field SampleOrientationMarkType 1 {"NOTCH"}',
        f"    Field SampleSize 2 {{{round(info.diameter_mm * 1e6)}, 0}}",
        '    Field SampleType 1 {"WAFER"}',
        f"    Field StepID 1 {{{quoted(info.layer or '')}}}",
        "    List ClassLookupList",
        "    {",
        "      Columns 3 { int32 CLASSNUMBER, string CLASSNAME, string CLASSCODE }",
        f"      Data {len(classes)}",
        "      {",
        *(f'        {number} {quoted(name)} "";' for number, name in classes.items()),
        "      }",
        "    }",
        "  }",
        f'  Field FileTimestamp 2 {{"{written_date}", "{written_clock}"}}',
        "}",
        "EndOfFile;",
    ]
    return _write(path, chain(head, *(wafer_record(w, process=process) for w in wafers), tail))


def _stations(maps: Sequence[DefectMap], station: tuple[str, str, str] | None) -> tuple[tuple[str, str, str], bool]:
    """The inspection station of a file, and whether its maps' tools stand in ProcessEquipmentIDList."""
    if station is not None:
        return station, True
    tools = {(m.info.tool, m.info.chamber) for m in maps}
    tool, chamber = next(iter(tools))
    return (("NONE", "NONE", tool), False) if len(tools) == 1 and tool and chamber is None else (NO_STATION, True)


def _write(path: Path, lines: Iterable[str]) -> int:
    with aside(path) as temporary:
        with temporary.open("w", encoding="utf-8", newline="\n") as stream:
            stream.writelines(line + "\n" for line in lines)
        return temporary.stat().st_size
