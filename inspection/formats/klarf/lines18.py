"""One wafer as the nested records of KLARF 1.8; in nm."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inspection.formats.klarf.rows import KlarfWafer, in_nanometres, rows
from inspection.formats.klarf.strings import equipment, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

_FLOAT = ("float", "%r")


def wafer_record(wafer: KlarfWafer, *, process: bool) -> Iterator[str]:
    """Lines of one WaferRecord; its tool stands in them if ``process``."""
    info = wafer.map.info
    columns = {name: in_nanometres(name, column) for name, column in wafer.columns.items()}
    kinds = [_kind(c) for c in columns.values()]
    types = [f"{kind} {name}" for (kind, _), name in zip(kinds, columns, strict=True)]
    yield f"    Record WaferRecord {quoted(info.wafer)}"
    yield "    {"
    yield "      Field DieOrigin 2 {0, 0}"
    yield f"      Field SampleCenterLocation 2 {{{wafer.centre_nm[0]}, {wafer.centre_nm[1]}}}"
    if info.slot is not None:
        yield f"      Field SlotNumber 1 {{{info.slot}}}"
    if process and info.tool is not None:
        yield from _list("      ", "ProcessEquipmentIDList", ["string EQUIPMENTID"], 1, [f"          {equipment(info)} ;"])
    body = rows("          " + " ".join(form for _, form in kinds) + " ;", list(columns.values()))
    yield from _list("      ", "DefectList", types, wafer.map.defects, body)
    yield from ('      Record TestRecord "1"', "      {", f"        Field AreaPerTest 1 {{{wafer.area_um2 * 1e6:.10e}}}")
    if wafer.map.dies is not None:
        plan = rows("            %d %d ;", [*wafer.map.dies.T])
        yield from _list("        ", "SampleTestPlanList", ["int32 XINDEX", "int32 YINDEX"], wafer.dies, plan)
    yield from ("      }", "      Record SummaryRecord", "      {")
    summary = ["int32 TESTNO", "int32 NDEFECT", "float DEFDENSITY", "int32 NDIE", "int32 NDEFDIE"]
    row = f"            1 {wafer.map.defects} {wafer.density_per_cm2:.8g} {wafer.dies} {wafer.defective_dies} ;"
    yield from _list("        ", "TestSummaryList", summary, 1, [row])
    yield from ("      }", "    }")


def _kind(column: NDArray) -> tuple[str, str]:
    """Type of a column in a 1.8 list, and the format of its values."""
    if column.dtype.kind == "U":
        return "string", '"%s"'
    if column.dtype.kind not in "iu":
        return _FLOAT
    return ("int64" if len(column) and max(-int(column.min()), int(column.max())) >= 1 << 31 else "int32"), "%d"


def _list(indent: str, name: str, columns: list[str], count: int, body: Iterable[str]) -> Iterator[str]:
    inner = indent + "  "
    yield f"{indent}List {name}"
    yield indent + "{"
    yield f"{inner}Columns {len(columns)} {{ {', '.join(columns)} }}"
    yield f"{inner}Data {count}"
    yield inner + "{"
    yield from body
    yield inner + "}"
    yield indent + "}"
