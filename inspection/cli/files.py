"""Commands on files: what is in them, what the champion says of them, what they look like, their pyramid, and what there is to count."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Optional

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


def similar(
    target: Annotated[str, typer.Argument(metavar="FILE|LOT", help="A file that we can read, or a lot in the store.")],
    wafer: Annotated[Optional[str], typer.Argument(help="The wafer of the lot.")] = None,  # noqa: UP045
    k: Annotated[int, typer.Option("-k", min=1, max=1_000, help="How many neighbours.")] = 8,
    png: Annotated[Optional[Path], typer.Option(help="Draw the wafer and its neighbours here.")] = None,  # noqa: UP045
    index: Annotated[int, typer.Option(min=0, help="Which wafer of the file.")] = 0,
    layer: Annotated[Optional[str], typer.Option(help="Which layer of the wafer; default: the latest inspection.")] = None,  # noqa: UP045
    other_lots: Annotated[bool, typer.Option("--other-lots", help="Leave out wafers of its own lot.")] = False,
    model: Annotated[str, typer.Option(help="champion, candidate or a version.")] = "champion",
    workspace: WorkspaceOption = HERE,
    json: JsonOption = False,
) -> None:
    """Find the labelled wafers that look most like one wafer."""

    def shown(result: dict[str, Any]) -> None:
        asked = result["asked"]
        called = f"{asked['decision']} ({asked['label']} {asked['probability']:.0%})"
        keys = ("rank", "distance", "class", "lot", "wafer", "layer", "source", "index")
        console.table(f"{asked['source']}: {called}; nearest of {result['reference']:,} labelled wafers", keys,
                      [[one[key] for key in keys] for one in result["neighbours"]])  # fmt: skip
        classes = ", ".join(f"{count} {name}" for name, count in result["classes"].items()) or "none"
        console.advise(f"Among them: {classes}. Distance: 0 = the same to the model, 1 = nothing in common.")
        if result["png"] is not None:
            missing = f"; {result['not_drawn']} neighbours are not in this workspace and not drawn" if result["not_drawn"] else ""
            console.advise(f"Picture: {result['png']}{missing}")

    run_stage("similar", workspace, as_json=json, shown=shown, target=target, wafer=wafer, k=k, png=png, index=index, layer=layer,
              other_lots=other_lots, model=model)  # fmt: skip


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


def count(
    image: Annotated[Path, typer.Argument(help="A grey image of any size, or its pyramid.")],
    model: Annotated[str, typer.Option(help="champion, candidate or a version; one that was trained on patches.")] = "champion",
    background: Annotated[Optional[str], typer.Option(help="The class of patches without an object; default: the normal one.")] = None,  # noqa: UP045
    threshold: Annotated[float, typer.Option(min=0.0, max=1.0, help="Least probability of an object.")] = 0.5,
    truth: Annotated[Optional[Path], typer.Option(help="The true objects, CSV of row,col,label: shows the errors.")] = None,  # noqa: UP045
    out: Annotated[Optional[Path], typer.Option(help="Write every object here, as CSV.")] = None,  # noqa: UP045
    png: Annotated[Optional[Path], typer.Option(help="Draw the image with its objects here.")] = None,  # noqa: UP045
    workspace: WorkspaceOption = HERE,
    json: JsonOption = False,
) -> None:
    """Count the objects of an image by class, with a model of patches slid over it."""

    def shown(result: dict[str, Any]) -> None:
        keys = [key for key in ("class", "counted", "true", "matched", "error") if key in result["classes"][0]]
        rows = [[f"{row[key]:+.1%}" if key == "error" and row[key] is not None else row[key] for key in keys] for row in result["classes"]]
        size = " x ".join(map(str, result["pixels"]))
        title = f"{result['image']}: {result['objects']:,} objects on {size} pixels, in windows of {result['window_px']}"
        console.table(title, keys, rows)
        for name in ("out", "png"):
            if result[name] is not None:
                console.advise(f"Written: {result[name]}")

    run_stage("count", workspace, as_json=json, shown=shown, image=image, model=model, background=background, threshold=threshold,
              truth=truth, out=out, png=png)  # fmt: skip
