"""Why a wafer was called so, and why it was alerted or not: the rules again, with the model that scored it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from inspection.errors import InputError, InputNotFoundError, bounded
from inspection.stages.lot_rows import known_wafers
from inspection.stages.place import open_store, require_output, require_workspace, silent

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from inspection.params import Params
    from inspection.scoring.predictor import Predictor, Seen
    from inspection.settings import Workspace
    from inspection.stages.place import Report
    from inspection.store.database import Store
    from inspection.wafer.maps import InspectionMap


def explain(
    workspace: Workspace,
    params: Params,
    *,
    lot: str = "",
    wafer: str = "",
    source: str = "",
    index: int = 0,
    layer: str | None = None,
    png: Path | None = None,
    report: Report = silent,
) -> dict[str, Any]:
    """Every step from one wafer's latest inspection to its decision and its alert, or to none.

    The wafer is named by ``lot`` and ``wafer``, or by its ``source`` (as ``inspection history`` shows it) and its ``index`` in it. It is
    scored again with the model that scored it, or with the champion when none did or its bundle is gone. The store is only read.

    Returns
    -------
    dict
        ``lot wafer layer source label`` (a person's), ``model``, ``stand_in`` (another model scored it), ``decision``, ``stored`` (the
        decision in the store, None = not scored), ``called`` and ``alerted``: lists of ``{question, found, so}``. ``likeliest``: its
        likeliest class, and ``where`` this is seen, the hottest region first: ``share`` of the heat, its box ``left_mm bottom_mm
        right_mm top_mm`` in the wafer frame, ``defects`` and ``dies`` in it (None = no die grid); none for a normal class, an image, or a
        network without places. ``png``: the picture of it that was asked for, None where there is nothing to show.
    """
    require_workspace(workspace)
    require_output(png)
    from inspection.inference.shards import ShardReader
    from inspection.scoring.predictor import Predictor

    with open_store(workspace) as store:
        chosen = _wafer(store, layer, lot=lot, wafer=wafer, source=source, index=index)
        folder = _bundle(store, workspace, chosen["model_sha256"])
        stand_in = chosen["model_sha256"] not in (None, folder.name)
        report(0, 0, "reading the model")
        predictor = Predictor.load(folder, (1,))
        (found,) = ShardReader(workspace.canonical)([{"file_sha256": chosen["file_sha256"], "index": chosen["index"]}])
        seen = predictor.look(predictor.prepare([found]))
        called = _called(predictor, seen)
        alerted = _alerted(store, params, chosen) if chosen["decision"] is not None else NOT_SCORED
        likeliest = int(predictor.bundle.probabilities(seen.logits)[0].argmax())
        places = _where(predictor, found, likeliest, png)
    told = {key: chosen[key] for key in ("lot", "wafer", "layer", "source", "label")}
    told |= {"model": folder.name, "stand_in": stand_in, "decision": called[-1]["so"], "stored": chosen["decision"]}
    return {**told, "called": called, "alerted": alerted, "likeliest": predictor.bundle.taxonomy.names[likeliest], **places}


PICTURE_PX = 800
NOT_SCORED = [{"question": "Was it scored?", "found": "no model has scored it yet", "so": "no alert; `inspection worker --until-empty`"}]


def _wafer(store: Store, layer: str | None, **named: Any) -> Any:
    from inspection.store.calls import inspections_of

    what = f"wafer {named['wafer']} of lot {named['lot']}" if named["lot"] else f"wafer {named['index']} of {named['source']}"
    with store.read() as connection:
        rows = inspections_of(connection, **named)
        there = "" if rows else known_wafers(connection, named["lot"]) if named["lot"] else "`inspection history LOT WAFER` shows sources"
    if not rows:
        raise InputNotFoundError(f"No {what}: expected one that was ingested and is valid, got none; {there}. Check the name.")
    layers = sorted({row["layer"] or "" for row in rows})
    if layer is None and len(layers) > 1:
        raise InputError(f"There are several layers of {what}: expected --layer, one of {bounded(layers)}, got none.")
    here = [row for row in rows if layer is None or (row["layer"] or "") == layer]
    if not here:
        raise InputNotFoundError(f"No layer {layer} of {what}: expected one of {bounded(layers)}.")
    return here[-1]


def _bundle(store: Store, workspace: Workspace, sha256: str | None) -> Path:
    from inspection.registry.promotion import resolve

    if sha256 is not None and (workspace.bundles / sha256).is_dir():
        return workspace.bundles / sha256
    return resolve(store, workspace.bundles, "champion")


def _called(predictor: Predictor, seen: Seen) -> list[dict[str, str]]:
    from inspection.scoring.explanation import why_called

    return [asdict(step) for step in why_called(predictor.bundle, seen.logits, seen.first, seen.embedding, int(seen.looks[0]))]


def _where(predictor: Predictor, found: InspectionMap, k: int, png: Path | None) -> dict[str, Any]:
    """The regions where class ``k`` is seen, and their picture."""
    from inspection.aside import write_bytes
    from inspection.evaluation.regions import LEVEL, defects_in, dies_of, find_regions
    from inspection.views.overlay import draw_heat
    from inspection.views.picture import describe, to_png
    from inspection.wafer.maps import ImageMap

    one = predictor.bundle.taxonomy.classes[k]
    localiser = None if one.normal else predictor.localiser()
    if localiser is None or isinstance(found, ImageMap):
        return {"where": [], "png": None}
    heat = localiser.heat(found, k)
    rows = []
    for region in find_regions(heat.values, heat.window):
        inside = defects_in(region.cells, heat.window, found)
        dies = dies_of(found, inside)
        box_mm = dict(zip(("left_mm", "bottom_mm", "right_mm", "top_mm"), (side / 1000 for side in region.box_um), strict=True))
        rows.append({"share": region.share, **box_mm, "defects": int(inside.sum()), "dies": None if dies is None else dies.tolist()})
    if png is not None:
        title = f"{describe(found.info)} · where {one.name} is seen"
        write_bytes(png, to_png(draw_heat(found, heat.values, heat.window, level=LEVEL, size_px=PICTURE_PX, title=title)))
    return {"where": rows, "png": None if png is None else str(png)}


def _alerted(store: Store, params: Params, chosen: Any) -> list[dict[str, str]]:
    from inspection.alerting.explanation import why_alerted
    from inspection.alerting.judging import signals_at
    from inspection.store import alerts

    with store.read() as connection:
        here = signals_at(connection, chosen["lot"], chosen["layer"] or "", chosen["source"], params.classes)
        (signal,) = (s for s in here if (s.file_sha256, s.index) == (chosen["file_sha256"], chosen["index"]))
        opened: Sequence[str] = list(alerts.by_keys(connection, [signal.place.key(signal.decision)]))
    return [dict(zip(("question", "found", "so"), step, strict=True)) for step in why_alerted(signal, here, params.alert, opened)]
