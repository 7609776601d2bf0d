"""The stage that gives back: classes and clusters of scored wafers as KLARF for the fab's own tools."""

from __future__ import annotations

import filecmp
from collections import Counter
from datetime import UTC
from typing import TYPE_CHECKING, Any

from inspection.errors import InputError, InputNotFoundError, bounded
from inspection.stages.place import open_store, require_workspace, silent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from inspection.formats.klarf.returned import Form, Version
    from inspection.params import Params
    from inspection.settings import Workspace
    from inspection.stages.place import Report
    from inspection.wafer.maps import SourceWafer


def export(
    workspace: Workspace,
    params: Params,
    *,
    out: Path,
    lots: Sequence[str] = (),
    wafer: str | None = None,
    layer: str | None = None,
    since: datetime | None = None,
    superseded: bool = False,
    version: Version = "1.2",
    classes: bool = True,
    clusters: bool = True,
    cluster_um: float | None = None,
    cluster_least: int | None = None,
    first_class: int | None = None,
    force: bool = False,
    report: Report = silent,
) -> dict[str, Any]:
    """Write one KLARF per wafer into ``out``; see `inspection.formats.klarf.returned` for what stands in it.

    The class is a person's label where there is one, else the decision of the latest prediction; a wafer with neither keeps its tool's
    class numbers. All files are made aside first. One that is there already with the same content is left alone; where one has another
    content, nothing is written unless ``force``. The store is only read.

    Returns
    -------
    dict
        ``files`` = ``new`` + ``unchanged`` + ``replaced``, ``defects``, ``clusters``, ``in_clusters`` (defects), ``classes`` as
        ``{name: wafers}``, ``without_class`` wafers, ``left`` as ``LOT WAFER: WHY``, ``out``, ``idle``.
    """
    from inspection.aside import scratch
    from inspection.formats.klarf.returned import FIRST_CLASS, LEAST, Form, class_numbers
    from inspection.inference.shards import ShardReader
    from inspection.store.calls import Selection, calls

    require_workspace(workspace)
    _refuse_landing(out, workspace)
    with open_store(workspace) as store, store.read() as connection:
        chosen = [dict(row) for row in calls(connection, Selection(lots, wafer, layer, since, superseded))]
    if not chosen:
        raise InputNotFoundError(
            "Nothing to export: expected ingested wafers of this lot, wafer, layer and time, got none. `inspection status` counts them, "
            "`inspection history LOT WAFER` lists the inspections of one."
        )
    form = Form(version, clusters, cluster_um, LEAST if cluster_least is None else cluster_least)
    numbers = class_numbers(params.classes, FIRST_CLASS if first_class is None else first_class)
    is_new = not out.exists()
    try:
        with scratch(out) as folder:
            made = _Files(folder, numbers, form)
            sources = ShardReader(workspace.canonical).sources(chosen)
            for done, (row, source) in enumerate(zip(chosen, sources, strict=True), 1):
                made.add(source, row if classes else {**row, "label": None, "decision": None})
                report(done, len(chosen), "wafers")
            placed = _put(folder, out, force=force)
    finally:
        if is_new and out.is_dir() and not any(out.iterdir()):
            out.rmdir()
    return {**placed, **made.facts(), "out": str(out), "idle": not placed["new"] + placed["replaced"]}


class _Files:
    """Writes wafers to ``folder`` one after the other and counts what they hold."""

    def __init__(self, folder: Path, numbers: Mapping[str, int], form: Form) -> None:
        self._folder, self._numbers, self._form = folder, numbers, form
        self._sums: Counter[str] = Counter()
        self._classes: Counter[str] = Counter()
        self._without = 0
        self._left: list[str] = []

    def add(self, source: SourceWafer, row: dict[str, Any]) -> None:
        """One wafer as a file of its own; one that KLARF cannot hold is left, and the reason kept."""
        from inspection.formats.klarf.returned import file_name, write

        called = row["label"] or row["decision"]
        called_at = row["scored_at"] if called is not None and row["label"] is None else None
        name = file_name(source.map.info, f"{row['file_sha256'][:8]}-{row['index']}")
        try:
            at = None if called_at is None else called_at.replace(tzinfo=UTC, microsecond=0)
            written = write(self._folder / name, source, called, self._numbers, self._form, called_at=at)
        except InputError as error:
            self._left.append(f"{row['lot']} {row['wafer']}: {error}")
            return
        self._sums.update(defects=written.defects, clusters=written.clusters, in_clusters=written.in_clusters)
        if called is None:
            self._without += 1
        else:
            self._classes[called] += 1

    def facts(self) -> dict[str, Any]:
        return {
            **{name: self._sums[name] for name in ("defects", "clusters", "in_clusters")},
            "classes": dict(sorted(self._classes.items())), "without_class": self._without, "left": self._left,
        }  # fmt: skip


def _put(folder: Path, out: Path, *, force: bool) -> dict[str, int]:
    """Move finished files to ``out``, each whole; all of them or, where one would be changed without ``force``, none."""
    files = sorted(folder.iterdir())
    there = {f.name for f in files if (out / f.name).exists()}
    same = {name for name in there if filecmp.cmp(folder / name, out / name, shallow=False)}
    changed = sorted(there - same)
    if changed and not force:
        raise InputError(
            f"Would overwrite {len(changed)} of {len(files)} files in {out}: expected none with another content, "
            f"got {bounded(changed, 3)}. Nothing was written. Name another folder, or replace them with --force."
        )
    for file in files:
        if file.name not in same:
            file.replace(out / file.name)
    return {"files": len(files), "new": len(files) - len(there), "unchanged": len(same), "replaced": len(changed)}


def _refuse_landing(out: Path, workspace: Workspace) -> None:
    if out.resolve().is_relative_to(workspace.landing):
        raise InputError(
            f"Cannot export to {out}: expected a folder outside the landing folder, where the files would be ingested as newer versions of "
            "their wafers. Name another."
        )
