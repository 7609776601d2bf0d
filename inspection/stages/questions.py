"""Questions about files that leave the store as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from inspection.errors import FormatError, InputNotFoundError
from inspection.settings import Workspace
from inspection.stages.place import open_store, params_of, require_input, require_workspace, silent

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from inspection.params import Params
    from inspection.stages.place import Report


def classify(
    workspace: Workspace, params: Params, *, paths: Sequence[Path], out: Path, model: str = "champion", report: Report = silent
) -> dict[str, Any]:
    """Score anything we can read into a Parquet file, one row per wafer; the store is read for the champion's name only."""
    for path in paths:
        require_input(path)
    require_workspace(workspace)

    from inspection.registry.promotion import resolve
    from inspection.scoring.files import score_files
    from inspection.scoring.predictor import Predictor

    with open_store(workspace) as store:
        bundle = resolve(store, workspace.bundles, model)
    predictor = Predictor.load(bundle, params.infer.batch_sizes)
    return {"model": model, **score_files(predictor, paths, out, params.ingest, report)}


def show_file(file: Path, workspace: Path, *, png: Path | None = None, index: int = 0) -> dict[str, Any]:
    """What ``file`` holds, in the wafer frame; with ``png``, a picture of its wafer number ``index``."""
    from inspection.formats import table
    from inspection.views.picture import describe, draw, to_png
    from inspection.wafer.facts import facts_of

    if not file.exists():
        raise InputNotFoundError(f"No such file: expected a defect map at {file}. Check the path.")
    limits = params_of(Workspace(workspace)).ingest
    try:
        wafers = list(table.read(file, limits))
    except FormatError as error:
        raise error.found_in(file) from error
    if index >= len(wafers):
        raise InputNotFoundError(f"No wafer {index} in {file}: it holds {len(wafers)}, counted from 0.")
    if png is not None:
        shown = wafers[index].map
        png.write_bytes(to_png(draw(shown, 800, describe(shown.info))))
    return {"format": table.recognise(file).name, "wafers": [{**facts_of(w.map), "notes": list(w.notes)} for w in wafers]}
