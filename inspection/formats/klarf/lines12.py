"""One wafer as the line records of KLARF 1.2, and how its clusters were made; in um."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from inspection.formats.klarf.rows import NM_PER_UM, KlarfWafer, row_form, rows
from inspection.formats.klarf.strings import equipment, quoted, timestamp

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


@dataclass(frozen=True, slots=True)
class Clustering:
    """How CLUSTERNUMBER was made: the distance up to which defects belong together, the fewest of a cluster, and the class of each.

    Written to 1.2 as DefectClusterSetup and ClusterClassificationList; no file or reader of 1.8 shows where it would stand there.
    """

    threshold_um: float
    least: int
    classes: Mapping[int, int] = field(default_factory=dict)


def clustering_records(made: Clustering) -> list[str]:
    """The records of ``made``: they stand behind ClassLookup, before the first test."""
    lines = ["DefectClusterSpec 2 THRESHOLD MINSIZE ;", f"DefectClusterSetup {made.threshold_um:.3f} {made.least};"]
    if made.classes:
        listed = [f" {cluster} {number}" for cluster, number in made.classes.items()]
        lines += [f"ClusterClassificationList {len(listed)}", *listed[:-1], listed[-1] + ";"]
    return lines


def wafer_records(wafer: KlarfWafer, *, process: bool) -> Iterator[str]:
    """Lines of one wafer; its tool stands in them if ``process``."""
    info = wafer.map.info
    names = list(wafer.columns)
    yield f"WaferID {quoted(info.wafer)};"
    if info.slot is not None:
        yield f"Slot {info.slot};"
    yield f"SampleCenterLocation {wafer.centre_nm[0] / NM_PER_UM:.3f} {wafer.centre_nm[1] / NM_PER_UM:.3f};"
    if info.inspected_at is not None:
        yield f"ResultTimestamp {timestamp(info.inspected_at)};"
    if process and info.tool is not None:
        yield from ("ProcessEquipmentIDList 1", f" {equipment(info)};")
    yield "InspectionTest 1;"
    if wafer.map.dies is not None:
        yield f"SampleTestPlan {wafer.dies}"
        yield from _closed(rows(" %d %d", [*wafer.map.dies.T]))
    yield f"AreaPerTest {wafer.area_um2:.10e};"
    yield f"DefectRecordSpec {len(names)} {' '.join(names)} ;"
    if wafer.map.defects:
        form = " " + " ".join(row_form(name, column) for name, column in wafer.columns.items())
        yield "DefectList"
        yield from _closed(rows(form, [c / NM_PER_UM if name in ("XREL", "YREL") else c for name, c in wafer.columns.items()]))
    else:
        yield "DefectList;"
    yield "SummarySpec 5 TESTNO NDEFECT DEFDENSITY NDIE NDEFDIE ;"
    yield "SummaryList"
    yield f" 1 {wafer.map.defects} {wafer.density_per_cm2:.8g} {wafer.dies} {wafer.defective_dies};"


def _closed(blocks: Iterable[str]) -> Iterator[str]:
    """Rows that end their record: the ``;`` stands on the line of the last one, where every reader looks for it."""
    last = None
    for block in blocks:
        if last is not None:
            yield last
        last = block
    yield f"{last or ''};"
