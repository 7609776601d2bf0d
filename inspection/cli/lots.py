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
    from inspection.evaluation.lot.wording import p_value

    for sentence in result["summary"]:
        console.advise(sentence)
    zones = [z for z in result["zones"] if z["stands_out"]]
    if zones:
        rows = [[z["name"], z["defects"], z["ratio"], f"{z['low']:.3g} to {z['high']:.3g}", p_value(z["q"])] for z in zones]
        console.table("Zones that stand out", ("zone", "defects", "ratio", "95 % interval", "q"), rows)
    if result["links"]:
        console.table(
            "What wafers with a signature share", ("signature", "by", "finding", "p", "p within lots", "q"), _links(result["links"])
        )
        console.advise(
            "p within lots: the signature keeps to its lots. q: the larger of both, adjusted for all tests; a link has at most 0.05."
        )
    for note in result["notes"]:
        console.advise(note)
    console.advise(f"The page: {result['page']}")


def _links(links: list[dict[str, Any]]) -> list[list[str]]:
    """One row per signature and factor; what is said of several factors alike, in one row."""
    from inspection.evaluation.lot.commonality import FACTORS
    from inspection.evaluation.lot.wording import p_value

    rows: list[list[str]] = []
    for link in links:
        said = [link["finding"], *(p_value(link[key]) for key in ("p", "p_lots", "q"))]
        if rows and link["p"] is None and rows[-1][0] == link["signature"] and rows[-1][2:] == said:
            rows[-1][1] += f", {link['factor']}"
        else:
            rows.append([link["signature"], link["factor"], *said])
    return [[name, "all four" if by.count(",") == len(FACTORS) - 1 else by, *rest] for name, by, *rest in rows]
