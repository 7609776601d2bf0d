"""Commands on files: what is in them, what the champion says of them, and their pyramid. The store stays as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from inspection import console
from inspection.cli.options import HERE, JsonOption, WorkspaceOption
from inspection.cli.stage import run_stage


def classify(
    paths: Annotated[list[Path], typer.Argument(help="Files or folders of anything we can read.")],
    out: Annotated[Path, typer.Option(help="Parquet file: one row per wafer.")] = Path("predictions.parquet"),
    model: Annotated[str, typer.Option(help="champion, candidate or a version.")] = "champion",
    workspace: WorkspaceOption = HERE,
    json: JsonOption = False,
) -> None:
    """Score files without touching the store."""
    run_stage("classify", workspace, as_json=json, starts=True, paths=paths, out=out, model=model)


def show(
    file: Annotated[Path, typer.Argument(help="Any file that we can read.")],
    png: Annotated[Optional[Path], typer.Option(help="Draw the wafer here.")] = None,  # noqa: UP045
    index: Annotated[int, typer.Option(min=0, help="Which wafer of the file to draw.")] = 0,
    workspace: WorkspaceOption = HERE,
    json: JsonOption = False,
) -> None:
    """Print what a file holds and draw its wafer."""
    with console.errors(as_json=json):
        from inspection.stages import show_file

        result = show_file(file, workspace, png=png, index=index)
        if json:
            console.answer({"wafers": result["wafers"]}, as_json=True, title="")
        else:
            keys = ("lot", "wafer", "defects", "mean_x_um", "mean_y_um", "max_radius_um")
            shown = result["wafers"]
            console.table(f"{file}: {result['format']}, {len(shown)} wafers", keys, [[w[k] for k in keys] for w in shown[:25]])
            notes = [(place, note) for place, one in enumerate(shown[:25]) for note in one["notes"]]
            if notes:
                console.table("What is odd about it, and how it was read", ("wafer", "note"), notes)


def pyramid(
    file: Annotated[Path, typer.Argument(help="A raster of any size, or any other file that we can read.")],
    out: Annotated[Path, typer.Option(help="A new folder: an OME-Zarr image of sums and maxima, with tiles and a picture.")],
    tiles: Annotated[int, typer.Option(min=0, help="At most so many detail tiles.")] = 16,
    index: Annotated[int, typer.Option(min=0, help="Which wafer of a file of points.")] = 0,
    workspace: WorkspaceOption = HERE,
    json: JsonOption = False,
) -> None:
    """Downsample one file in a single pass without losing a defect."""
    with console.errors(as_json=json):
        from inspection.settings import Workspace
        from inspection.stages import pyramid as build

        with console.reporting("pyramid") as report:
            made = build(file, out, Workspace(workspace), tiles=tiles, index=index, report=report)
        if json:
            console.answer(made, as_json=True, title="")
            return
        rows = [[level["level"], " x ".join(map(str, level["shape"])), level["sum"], level["max"]] for level in made["levels"]]
        console.table(f"{file.name}: {made['defects']:,} defects, {made['kind']}", ("level", "pixels", "sum", "max"), rows)
        shown = {key: made[key] for key in ("tiles", "pixel_um", "notes", "seconds", "peak_rss_mb")}
        console.answer({**shown, "picture": str(out / "view.png")}, as_json=False, title=str(out))
