"""Questions about files that leave the store as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from inspection.errors import FormatError, InputNotFoundError, PhysicsError
from inspection.settings import Workspace
from inspection.stages.place import open_store, params_of, require_input, require_output, require_workspace, silent

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from inspection.params import Params, Validate
    from inspection.stages.place import Report
    from inspection.wafer.maps import SourceWafer


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
    from inspection.aside import write_bytes
    from inspection.formats import table
    from inspection.views.picture import describe, draw, to_png
    from inspection.wafer.facts import facts_of

    if not file.exists():
        raise InputNotFoundError(f"No such file: expected a defect map at {file}. Check the path.")
    require_output(png)
    limits = params_of(Workspace(workspace)).ingest
    try:
        wafers = list(table.read(file, limits))
    except FormatError as error:
        raise error.found_in(file) from error
    if index >= len(wafers):
        raise InputNotFoundError(f"No wafer {index} in {file}: it holds {len(wafers)}, counted from 0.")
    odd = [_noted(wafer, params_of(Workspace(workspace)).validate_) for wafer in wafers]
    if png is not None:
        shown = wafers[index].map
        write_bytes(png, to_png(draw(shown, 800, describe(shown.info))))
    facts = [{**facts_of(wafer.map), "notes": notes} for wafer, notes in zip(wafers, odd, strict=True)]
    return {"format": table.recognise(file).name, "wafers": facts}


def _noted(wafer: SourceWafer, params: Validate) -> list[str]:
    """What its reader and the physics of a wafer note, as ingest would; and whether it would refuse it."""
    from inspection.intake.physics import check

    try:
        return [*wafer.notes, *check(wafer.map, params)]
    except PhysicsError as error:
        return [*wafer.notes, f"ingest would refuse this wafer: {error}"]
