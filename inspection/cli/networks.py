"""Commands on networks: which there are, and what one of them is made of."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from inspection import console
from inspection.cli.options import HERE, JsonOption, WorkspaceOption

if TYPE_CHECKING:
    from collections.abc import Sequence

MB = 1e6


class Source(StrEnum):
    """Which recipe of ``tile`` draws the views."""

    points = "points"
    dies = "dies"


def model(
    name: Annotated[Optional[str], typer.Argument(help="A network; without one, all of them.")] = None,  # noqa: UP045
    source: Annotated[Source, typer.Option(help="Views as for points or as for die maps (params.yaml: tile).")] = Source.points,
    size_px: Annotated[Optional[int], typer.Option(min=1, help="Other views: pixels a side.")] = None,  # noqa: UP045
    tiles: Annotated[Optional[int], typer.Option(min=0, help="Other views: detail tiles.")] = None,  # noqa: UP045
    channels: Annotated[int, typer.Option(min=1, help="Of a view.")] = 3,
    classes: Annotated[int, typer.Option(min=1, help="Logits.")] = 13,
    symmetric: Annotated[bool, typer.Option("--symmetric", help="Built to say the same of all turns and flips of a view.")] = False,
    speed: Annotated[bool, typer.Option(help="Measure images per second on this machine.")] = True,
    layers: Annotated[bool, typer.Option("--layers", help="Every layer, not only the stages.")] = False,
    workspace: WorkspaceOption = HERE,
    json: JsonOption = False,
) -> None:
    """What a network is: layers, parameters, receptive field, cost, memory and images per second here."""
    with console.errors(as_json=json):
        from inspection import stages

        place = stages.open_workspace(workspace)
        params = stages.params_of(place)
        recipe = getattr(params.tile, source.value)
        recipe = recipe.model_copy(update={k: v for k, v in (("size_px", size_px), ("tiles", tiles)) if v is not None})
        options = {"recipe": recipe, "classes": classes, "channels": channels}
        with console.reporting("model") as report:
            if name is None:
                result = stages.models(place, params, report=report, **options)
            else:
                result = stages.model(place, params, report=report, name=name, symmetric=symmetric, speed=speed, **options)
        if json:
            console.answer(result, as_json=True, title="")
        elif name is None:
            _show_all(result)
        else:
            _show(result, every_layer=layers)


def _show_all(result: dict[str, Any]) -> None:
    """One line for each network."""
    rows = [[row["name"], row["what"], f"{row['parameters']:,}", _millions(row["multiply_adds"])] for row in result["models"]]
    size, channels = result["views"]["size_px"], result["channels"]
    title = f"Networks on views of {size} x {size} x {channels}, {result['classes']} classes (train.model)"
    console.table(title, ("name", "what it is", "parameters", "multiply-adds"), _right(rows, 2, 3))


def _show(result: dict[str, Any], *, every_layer: bool) -> None:
    """Stages or layers, then what they come to."""
    title = f"{result['name']}: {result['what']}"
    if every_layer:
        rows = [
            [row["stage"], row["name"], row["kind"], _size(row["shape"]), f"{row['parameters']:,}", _millions(row["multiply_adds"])]
            for row in result["layers"]
        ]
        console.table(title, ("stage", "layer", "kind", "writes", "parameters", "multiply-adds"), _right(rows, 4, 5))
    else:
        rows = [
            [row["name"], _counted(row["layers"]), _size(row["shape"]), f"{row['parameters']:,}", _millions(row["multiply_adds"])]
            for row in result["stages"]
        ]
        console.table(title, ("stage", "layers", "writes", "parameters", "multiply-adds"), _right(rows, 3, 4))
    facts = {
        "inputs": ", ".join(f"{name} {_size(shape)}" for name, shape in result["inputs"].items()),
        "parameters": f"{result['parameters']:,}, trainable {result['trainable']:,}",
        "multiply-adds": f"{_millions(result['multiply_adds'])} for one wafer",
        "activations": f"{result['scoring_bytes'] / MB:.1f} MB for a wafer in scoring, {result['training_bytes'] / MB:.1f} MB in training",
        "receptive field": "; ".join(_field(row, result["inputs"][row["source"]]) for row in result["receptive_fields"]),
        "embedding": f"{result['embedding']} features, then {result['classes']} logits",
    }
    if "images_per_second" in result:
        on = result["measured_on"]
        rates = ", ".join(f"{rate:,.0f} in batches of {batch}" for batch, rate in result["images_per_second"].items())
        facts["images per second"] = f"{rates} ({on['machine']}, {on['cores']} cores, {on['backend']})"
    console.answer(facts, as_json=False, title="")


def _field(row: dict[str, Any], shape: Sequence[int]) -> str:
    """One receptive field in words."""
    view = shape[-3:-1]
    everything = all(first <= 0 and last >= size - 1 for (first, last), size in zip(row["window"], view, strict=True))
    text = f"{row['source']}: {row['rows']} x {row['cols']} px"
    if row["gated"]:
        text += ", through its gates any distance"
    return f"{text}, which is the whole view" if everything else f"{text} of {view[0]} x {view[1]}"


def _counted(layers: dict[str, int]) -> str:
    return ", ".join(f"{count} {kind}" if count > 1 else kind for kind, count in layers.items())


def _size(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))


def _millions(number: int) -> str:
    return f"{number / 1e6:,.2f} M"


def _right(rows: list[list[str]], *columns: int) -> list[list[str]]:
    """The same rows, numbers in ``columns`` flush right."""
    widths = {c: max(len(row[c]) for row in rows) for c in columns}
    return [[cell.rjust(widths.get(c, 0)) for c, cell in enumerate(row)] for row in rows]
