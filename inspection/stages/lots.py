"""The stage that draws a lot: from the store and the canonical shards to one page."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any

from inspection.errors import bounded
from inspection.stages.lot_rows import LotRows
from inspection.stages.place import open_store, require_output, require_workspace, silent, told

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from inspection.evaluation.lot.commonality import WaferRecord
    from inspection.evaluation.lot.page import LotView
    from inspection.evaluation.lot.stacking import Stack
    from inspection.evaluation.lot.zones import Reticle, ZoneCounts
    from inspection.inference.shards import ShardReader
    from inspection.params import Params
    from inspection.settings import Workspace
    from inspection.stages.lot_rows import Row
    from inspection.stages.place import Report
    from inspection.wafer.maps import InspectionMap

SEED = 0
"""Of the random tables of commonality: the same store gives the same page."""


def lot(
    workspace: Workspace,
    params: Params,
    *,
    lot_name: str,
    layer: str | None = None,
    out: Path | None = None,
    reticle: Reticle | None = None,
    most_earlier: int = 30,
    report: Report = silent,
) -> dict[str, Any]:
    """Draw the page of one lot and layer; the store is only read.

    Of each wafer the newest valid inspection counts. The baseline of the zones are the newest ``most_earlier`` lots of the same product,
    layer, kind and diameter whose inspection began before this lot's, and what of them was inspected before it; commonality goes over the
    earlier lots of the product, whatever the layer.

    Returns
    -------
    dict
        ``page``, ``summary`` sentences, ``lot layer product kind wafers defects``, ``earlier`` lots, ``zones``, ``links``, ``notes``.

    Raises
    ------
    InputNotFoundError
        No such lot, or no such layer of it; the message names those that are like it.
    InputError
        ``reticle`` or ``out`` cannot be.
    """
    import numpy as np

    from inspection.evaluation.lot import commonality, comparison, page, wording, zones
    from inspection.inference.shards import ShardReader

    require_workspace(workspace)
    zones.zones(reticle)
    require_output(out)
    with open_store(workspace) as store, store.read() as connection:
        found = LotRows.of(connection, lot_name, layer, most_earlier)
    reader = ShardReader(workspace.canonical)
    maps = [source.map for source in reader.sources(found.rows)]
    recipes = {_key(row): made.info.recipe for row, made in zip(found.rows, maps, strict=True)}
    framed = found.alike.kind != "image"
    earlier = _measure(found.earlier, reader, reticle, recipes, report) if framed else []
    tested = comparison.compare(zones.measure(maps, reticle), earlier) if framed else []  # type: ignore[arg-type]
    _add_recipes(found.linked, workspace, recipes, report)
    normal = [c.name for c in params.classes.values() if c.normal]
    links = commonality.commonality(
        [_record(row, recipes) for row in found.rows], [_record(row, recipes) for row in found.linked], normal, np.random.default_rng(SEED)
    )
    stack, words = _stacked(maps, found.alike.kind)
    view = _view(found, maps, normal, stack, words, tested, links)
    path = out or workspace.reports / "lots" / page.file_name(lot_name, found.alike.layer)
    page.write_page(path, view, partial(told, report, "pictures"))
    return {
        "page": str(path), "summary": wording.summary(view), "lot": lot_name, "layer": view.layer, "product": view.product,
        "kind": view.kind, "wafers": len(view.wafers), "defects": sum(w.defects for w in view.wafers), "earlier": list(view.earlier),
        "zones": [{"kind": r.zone.kind, "name": r.zone.name, "stands_out": r.stands_out, **_numbers(r)} for r in tested],
        "links": [{**asdict(one), "finding": wording.link(one)} for one in links], "notes": list(view.notes),
    }  # fmt: skip


def _measure(
    rows: Sequence[Row], reader: ShardReader, reticle: Reticle | None, recipes: dict[tuple[str, int], str | None], report: Report
) -> list[ZoneCounts]:
    """Zone counts of every earlier lot, one lot in memory at a time; what the maps say of recipes goes to ``recipes``."""
    from inspection.evaluation.lot.zones import measure

    counts, done = [], 0
    for _, group in groupby(rows, key=lambda row: row["lot"]):
        chosen = sorted(group, key=_key)
        maps: list[Any] = []
        for row, source in zip(chosen, reader.sources(chosen), strict=True):
            recipes[_key(row)] = source.map.info.recipe
            maps.append(source.map)
            done += 1
            report(done, len(rows), "earlier wafers")
        counts.append(measure(maps, reticle))
    return counts


def _add_recipes(rows: Iterable[Row], workspace: Workspace, recipes: dict[tuple[str, int], str | None], report: Report) -> None:
    """The recipes of wafers whose maps were not read: the store does not keep them."""
    from inspection.formats.canonical import shard_index

    files = sorted({row["file_sha256"] for row in rows if _key(row) not in recipes})
    for done, sha256 in enumerate(files, 1):
        path = workspace.canonical / f"{sha256}.parquet"
        if path.is_file():
            table = shard_index(path)
            recipes.update({(sha256, int(i)): r for i, r in zip(table["index"], table["recipe"], strict=True)})
        report(done, len(files), "recipes")


def _record(row: Row, recipes: dict[tuple[str, int], str | None]) -> WaferRecord:
    from inspection.evaluation.lot.commonality import WaferRecord

    tool, chamber, slot = row["tool"] or None, row["chamber"] or None, row["slot"]
    factors = {
        "tool": tool,
        "chamber": f"{tool} {chamber}" if tool and chamber else chamber,  # every tool has a chamber A
        "slot": None if slot is None else f"slot {slot}",
        "recipe": recipes.get(_key(row)) or None,
    }
    return WaferRecord(row["lot"], row["label"] or row["decision"], row["defects"], factors)


def _stacked(maps: Sequence[InspectionMap], kind: str) -> tuple[Stack | None, str]:
    from inspection.evaluation.lot.stacking import one_grid, stack_dies, stack_points

    wafers: list[Any] = list(maps)
    if kind == "points":
        words = (
            "The defects of all wafers, laid over each other. Darker: more defects per inspected area of a wafer. "
            "Each place counts only the wafers that were inspected there; the map is smoothed by a fortieth of the radius."
        )
        return stack_points(wafers), words
    if kind == "dies":
        if one_grid(wafers):
            return stack_dies(wafers), "Of each die, the share of the wafers on which it failed. Darker: it failed on more of them."
        words = (
            "The die grids of these wafers differ, so no die can be followed from wafer to wafer. Instead, place by place: of the wafers "
            "with a tested die at a place, the share on which that die failed."
        )
        return stack_dies(wafers), words
    return None, "These are images of unknown places on the wafer: there is nothing to lay over each other, and no zone to count in."


def _view(
    found: LotRows, maps: Sequence[InspectionMap], normal: list[str], stack: Stack | None, words: str, tested: Any, links: Any
) -> LotView:
    from inspection.evaluation.lot.page import LotView, LotWafer

    wafers = [
        LotWafer(
            map=made, wafer=row["wafer"], slot=row["slot"], defects=row["defects"], label=row["label"] or None, decision=row["decision"],
            likeliest=row["called_label"], probability=row["probability"],
        )
        for row, made in zip(found.rows, maps, strict=True)
    ]  # fmt: skip
    times = sorted(row["inspected_at"] for row in found.rows if row["inspected_at"] is not None)
    models = sorted({row["model_sha256"][:12] for row in found.rows if row["model_sha256"]})
    lots = list(dict.fromkeys(row["lot"] for row in found.earlier))
    first = {name: min(r["inspected_at"] for r in found.earlier if r["lot"] == name) for name in lots}
    earlier = sorted(lots, key=lambda name: (first[name], name))
    span = [f"{earlier[0]} to {earlier[-1]} ({len(earlier)})"] if earlier else []
    return LotView(
        lot=found.lot, product=found.alike.product, layer=found.alike.layer, kind=found.alike.kind, inspected=_when(times), wafers=wafers,
        normal=normal, stack=stack, stack_words=words, zones=tested, earlier=earlier, baseline_refused=found.refused, links=links,
        link_lots=len({row["lot"] for row in found.linked} | {found.lot}), notes=found.notes,
        lineage={
            "lot": found.lot, "layer": found.alike.layer or "not named", "product": found.alike.product or "not named",
            "earlier lots": ", ".join(span) or "none", "model": bounded(models) or "none",
            "files": bounded(sorted({row["file_sha256"][:12] for row in found.rows}), 30), "seed": SEED,
        },
    )  # fmt: skip


def _when(times: Sequence[Any]) -> str:
    if not times:
        return ""
    first, last = times[0], times[-1]
    if first.date() == last.date():
        return f"inspected on {first:%Y-%m-%d} from {first:%H:%M} to {last:%H:%M} UTC"
    return f"inspected from {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC"


def _numbers(result: Any) -> dict[str, Any]:
    return {name: value for name, value in asdict(result).items() if name != "zone"}


def _key(row: Row) -> tuple[str, int]:
    return row["file_sha256"], row["index"]
