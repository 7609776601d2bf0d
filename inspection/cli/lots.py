"""The command on a lot: its page, and what the page says in short."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from inspection import console
from inspection.cli.options import HERE, JsonOption, WorkspaceOption
from inspection.cli.stage import run_stage
from inspection.errors import InputError


def lot(
    name: Annotated[str, typer.Argument(metavar="LOT")],
    layer: Annotated[Optional[str], typer.Option(help="Only this layer; default: the one inspected last.")] = None,  # noqa: UP045
    out: Annotated[Optional[Path], typer.Option(help="The page; default: reports/lots/LOT_LAYER.html below the workspace.")] = None,  # noqa: UP045
    reticle: Annotated[Optional[str], typer.Option(metavar="COLUMNSxROWS", help="Dies of one exposure field, such as 2x3.")] = None,  # noqa: UP045
    earlier: Annotated[int, typer.Option(min=0, max=500, help="At most so many earlier lots to compare with.")] = 30,
    workspace: WorkspaceOption = HERE,
    json: JsonOption = False,
) -> None:
    """Draw a lot: its wafers, the stacked map, zones against earlier lots, and what bad wafers share, on one HTML page."""
    field = None
    if reticle is not None:
        parts = re.fullmatch(r"(\d{1,3})[xX×](\d{1,3})", reticle.strip(), re.ASCII)
        if parts is None:
            console.fail(
                InputError(f"Cannot read --reticle: expected COLUMNSxROWS of dies such as 2x3, got {reticle!r}. Write both numbers."),
                as_json=json,
            )
        field = (int(parts[1]), int(parts[2]))
    run_stage(
        "lot", workspace, as_json=json, shown=_shown, lot_name=name, layer=layer, out=out, reticle=field, most_earlier=earlier,
    )  # fmt: skip


def _shown(result: dict[str, Any]) -> None:
    """The sentences of the page, the zones that stand out, and the links that were found."""
    for sentence in result["summary"]:
        console.advise(sentence)
    zones = [z for z in result["zones"] if z["stands_out"]]
    if zones:
        rows = [[z["name"], z["defects"], z["ratio"], f"{z['low']:.3g} to {z['high']:.3g}", z["q"]] for z in zones]
        console.table("Zones that stand out", ("zone", "defects", "ratio", "95 % interval", "q"), rows)
    if result["links"]:
        rows = [[link["signature"], link["factor"], link["finding"], link["q"], link["p_lots"]] for link in result["links"]]
        console.table("What wafers with a signature share", ("signature", "by", "finding", "q", "p within lots"), rows)
    for note in result["notes"]:
        console.advise(note)
    console.advise(f"The page: {result['page']}")
