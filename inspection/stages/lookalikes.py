"""The nearest labelled wafers of one wafer: what looked like it before, and what that was called."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inspection.errors import BundleError, FormatError, InputError, InputNotFoundError
from inspection.stages.lot_rows import known_wafers
from inspection.stages.place import open_store, require_output, require_workspace, silent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from inspection.params import Params
    from inspection.scoring.predictor import Predictor
    from inspection.scoring.reference import Neighbours, Reference
    from inspection.settings import Workspace
    from inspection.stages.place import Report
    from inspection.store.database import Store
    from inspection.wafer.maps import InspectionMap

SHEET_COLUMNS, SHEET_PX = 3, 320


@dataclass(frozen=True, slots=True)
class _Asked:
    """The wafer that was asked about; ``key`` (file_sha256, index) where it lies in the store."""

    map: InspectionMap
    source: str
    key: tuple[str, int] | None = None


def similar(
    workspace: Workspace,
    params: Params,
    *,
    target: str,
    wafer: str | None = None,
    k: int = 8,
    index: int = 0,
    layer: str | None = None,
    other_lots: bool = False,
    model: str = "champion",
    png: Path | None = None,
    report: Report = silent,
) -> dict[str, Any]:
    """Find the labelled wafers that look most like one wafer to the model. The store is only read.

    Parameters
    ----------
    target, wafer : str
        A lot and its wafer (of several inspections the latest; ``layer`` chooses among them), or without ``wafer`` a file that we can
        read, of which wafer number ``index`` is meant.
    k : int, 1 to 1 000
    other_lots : bool
        Leave out the wafers of its own lot.
    model : champion, candidate or a version
    png : Path, optional
        Draw it and its neighbours here, it first.

    Returns
    -------
    dict
        ``asked`` (``lot wafer layer source label decision probability``: what the model says of it), ``neighbours``, nearest first (``rank
        distance class lot wafer layer source file_sha256 index``; what the store does not know of them is empty), ``classes`` among them,
        ``reference`` (labelled wafers searched), ``exact``, ``model``, ``png``, ``not_drawn``.

    Raises
    ------
    InputNotFoundError
        No such file or wafer.
    BundleError
        The model was trained before models kept their labelled wafers.
    """
    require_workspace(workspace)
    require_output(png)
    if not 1 <= k <= 1_000:
        raise InputError(f"Cannot look for {k} wafers: expected 1 to 1000. Give another -k.")

    from inspection.registry.promotion import resolve
    from inspection.scoring.predictor import Predictor
    from inspection.store.wafers import named

    with open_store(workspace) as store:
        asked = _of_file(Path(target), index, params) if wafer is None else _of_store(store, workspace, target, wafer, layer)
        report(0, 0, "model")
        predictor = Predictor.load(resolve(store, workspace.bundles, model), params.infer.batch_sizes)
        reference = reference_of(predictor)
        found = look_up(predictor, reference, asked.map, k, but=asked.key, other_lots=other_lots)
        rows = [row for row in found.rows[0].tolist() if row >= 0]
        with store.read() as connection:
            facts = named(connection, [(str(reference.file_sha256[r]), int(reference.index[r])) for r in rows])
    names = predictor.bundle.taxonomy.names
    neighbours = [_neighbour(rank, reference, row, float(found.distance[0, rank - 1]), names, facts) for rank, row in enumerate(rows, 1)]
    (said,) = predictor.score(predictor.prepare([asked.map]))
    info = asked.map.info
    who = {"lot": info.lot, "wafer": info.wafer, "layer": info.layer, "source": asked.source}
    not_drawn = 0 if png is None else _draw(png, workspace, asked.map, said.decision, neighbours)
    return {
        "asked": {**who, "label": said.label, "decision": said.decision, "probability": said.probability},
        "neighbours": neighbours,
        "classes": dict(Counter(one["class"] for one in neighbours).most_common()),
        "reference": len(reference),
        "exact": reference.kept_cells is None,
        "model": model,
        "png": None if png is None else str(png),
        "not_drawn": not_drawn,
    }


def reference_of(predictor: Predictor) -> Reference:
    """The labelled wafers that the model was given; BundleError for a model that has none."""
    reference = predictor.bundle.reference
    if reference is None or not len(reference):
        raise BundleError(
            "Nothing to compare with: expected labelled wafers in the model's bundle (reference.npz), got none, as it was trained by an "
            "older version. Train and promote a new model: `inspection run`, then `inspection promote`."
        )
    return reference


def look_up(
    predictor: Predictor, reference: Reference, wafer: InspectionMap, k: int, *, but: tuple[str, int] | None, other_lots: bool
) -> Neighbours:
    """The ``k`` nearest labelled wafers of ``wafer``, without itself (``but``) and, with ``other_lots``, those of its lot."""
    embedding = predictor.embeddings(predictor.prepare([wafer]))
    return reference.nearest(embedding, k, not_of=[wafer.info.lot or None] if other_lots else None, but=[but])


def _of_file(path: Path, index: int, params: Params) -> _Asked:
    from inspection.formats import table
    from inspection.scoring.bundle import file_sha256

    if not path.is_file():
        raise InputNotFoundError(
            f"No such wafer: expected a file at {path}, got none. Name a file, or a lot and a wafer: `inspection similar LOT WAFER`."
        )
    held = 0
    try:
        for source in table.read(path, params.ingest):
            if source.index == index:
                return _Asked(source.map, str(path), (file_sha256(path), index))
            held += 1
    except FormatError as error:
        raise error.found_in(path) from error
    raise InputNotFoundError(f"No wafer {index} in {path}: it holds {held}, counted from 0.")


def _of_store(store: Store, workspace: Workspace, lot: str, wafer: str, layer: str | None) -> _Asked:
    from inspection.inference.shards import ShardReader
    from inspection.store.calls import Selection, calls

    with store.read() as connection:
        rows = calls(connection, Selection((lot,), wafer, layer))
        there = "" if rows else known_wafers(connection, lot)
    if not rows:
        raise InputNotFoundError(
            f"No such wafer: expected an ingested wafer {wafer!r} of lot {lot!r}{f' on layer {layer!r}' if layer else ''}, got none; "
            f"{there}. `inspection history LOT WAFER` lists the inspections of one; a file is named alone: `inspection similar FILE`."
        )
    row = max(rows, key=lambda r: r["inspected_at"] or datetime.min)  # noqa: DTZ901 - naive UTC, as the store keeps it
    (source,) = ShardReader(workspace.canonical).sources([dict(row)])
    return _Asked(source.map, f"lot {lot}, wafer {wafer}", (row["file_sha256"], row["index"]))


def _neighbour(
    rank: int, reference: Reference, row: int, distance: float, names: Sequence[str], facts: Mapping[tuple[str, int], Mapping[Any, Any]]
) -> dict[str, Any]:
    key = str(reference.file_sha256[row]), int(reference.index[row])
    known: Mapping[Any, Any] = facts.get(key, {})
    return {
        "rank": rank,
        "distance": round(distance, 6),
        "class": names[reference.label[row]],
        **{name: known.get(name) or "" for name in ("lot", "wafer", "layer", "source")},
        "file_sha256": key[0],
        "index": key[1],
    }


def _draw(png: Path, workspace: Workspace, asked: InspectionMap, decision: str, neighbours: Sequence[Mapping[str, Any]]) -> int:
    """Write the contact sheet; returns how many neighbours are not on it, as their maps are not in this workspace."""
    from inspection.aside import write_bytes
    from inspection.inference.shards import ShardReader
    from inspection.views.picture import contact_sheet, describe, to_png

    read = ShardReader(workspace.canonical)
    maps, titles, missing = [asked], [f"asked: {describe(asked.info, decision)}"], []
    for one in neighbours:
        try:
            (found,) = read([dict(one)])
        except InputNotFoundError:
            missing.append(str(one["rank"]))
            continue
        maps.append(found)
        titles.append(f"{one['rank']}: {describe(found.info, one['class'])} · {one['distance']:.3f}")
    write_bytes(png, to_png(contact_sheet(maps, titles, columns=SHEET_COLUMNS, size_px=SHEET_PX)))
    return len(missing)
