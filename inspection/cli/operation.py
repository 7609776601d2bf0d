"""Commands of the day: score what waits, tell what was found, answer what was asked, and give it back to the fab's tools."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from inspection import console
from inspection.cli.options import HERE, JsonOption, WorkspaceOption
from inspection.cli.stage import run_stage, show_left
from inspection.errors import InputError, Reason

TIMES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]


class KlarfVersion(StrEnum):
    """Families of KLARF that are written."""

    v12 = "1.2"
    v18 = "1.8"


def history(
    lot: Annotated[str, typer.Argument()],
    wafer: Annotated[str, typer.Argument()],
    workspace: WorkspaceOption = HERE,
    json: JsonOption = False,
) -> None:
    """All inspections of one wafer: layers, re-inspections, and the versions that newer files superseded."""

    def shown(result: dict[str, Any]) -> None:
        keys = ("layer", "inspected_at", "kind", "state", "source", "defects", "label")
        rows = result["inspections"]
        console.table(f"lot {lot}, wafer {wafer}", keys, [[row[key] for key in keys] for row in rows])
        odd = [(row["source"], note) for row in rows for note in row["notes"]]
        odd += [(row["source"], f"refused: {Reason(**row['reason'])}") for row in rows if row["reason"]]
        if odd:
            console.table("What was odd about it", ("source", "note"), odd)

    run_stage("history", workspace, as_json=json, shown=shown, lot=lot, wafer=wafer)


def worker(
    until_empty: Annotated[bool, typer.Option("--until-empty", help="End when nothing is waiting.")] = False,
    metrics_port: Annotated[Optional[int], typer.Option(help="Serve Prometheus metrics on this loopback port.")] = None,  # noqa: UP045
    workspace: WorkspaceOption = HERE,
    json: JsonOption = False,
) -> None:
    """Score waiting wafers with the champion; SIGTERM ends it after the batch in hand."""
    run_stage("work", workspace, as_json=json, until_empty=until_empty, metrics_port=metrics_port)


def alerts(
    acknowledge: Annotated[Optional[int], typer.Option(help="Alert to acknowledge.")] = None,  # noqa: UP045
    close: Annotated[Optional[int], typer.Option(help="Alert to close.")] = None,  # noqa: UP045
    owner: Annotated[str, typer.Option(help="Who takes it.")] = "",
    comment: Annotated[str, typer.Option(help="What was found.")] = "",
    workspace: WorkspaceOption = HERE,
    json: JsonOption = False,
) -> None:
    """Judge new predictions, send what is due, and list the alerts."""
    with console.errors(as_json=json):
        from inspection import stages

        place = stages.open_workspace(workspace)
        stages.require_workspace(place)
        result = stages.alerts(place, stages.params_of(place), acknowledge=acknowledge, close=close, owner=owner, comment=comment)
        if json:
            console.answer(result, as_json=True, title="alerts")
        else:
            keys = ("id", "state", "severity", "signature", "lot", "layer", "wafers", "opened_at", "owner")
            rows = [{**a, "opened_at": _minute(a["opened_at"])} for a in result["alerts"]]
            console.table("alerts (UTC)", [k.removesuffix("_at") for k in keys], [[a.get(k) for k in keys] for a in rows])


def _minute(at: datetime | str) -> str:
    """A time for a table: seconds and less tell nobody anything, and cost a narrow terminal five lines."""
    return str(at)[:16].replace("T", " ")


def explain(
    lot: Annotated[str, typer.Argument(help="Lot; leave it out with --source.")] = "",
    wafer: Annotated[str, typer.Argument(help="Wafer of the lot.")] = "",
    layer: Annotated[Optional[str], typer.Option(help="Which layer, where there are several.")] = None,  # noqa: UP045
    source: Annotated[str, typer.Option(help="Instead of lot and wafer: the file it came in, as it landed.")] = "",
    index: Annotated[int, typer.Option(min=0, help="Which wafer of the source, from 0.")] = 0,
    png: Annotated[Optional[Path], typer.Option(help="Draw here where on the wafer its likeliest class is seen.")] = None,  # noqa: UP045
    workspace: WorkspaceOption = HERE,
    json: JsonOption = False,
) -> None:
    """Why a wafer was called so, where on it, and why it was alerted or not: every step with its numbers."""
    if bool(lot and wafer) == bool(source):
        console.fail(InputError("Nothing to explain: expected LOT and WAFER, or --source FILE with --index N, and not both."), as_json=json)

    def shown(result: dict[str, Any]) -> None:
        name = f"lot {result['lot']}, wafer {result['wafer']}" if result["lot"] else f"{result['source']}, wafer {index}"
        told = f", a person says {result['label']}" if result["label"] else ""
        for title, key in ((f"{name}: why {result['decision']}{told}?", "called"), ("Why was it alerted, or not?", "alerted")):
            console.table(title, ("question", "found", "so"), [[row[k] for k in ("question", "found", "so")] for row in result[key]])
        _show_places(result)
        if png is not None:
            nowhere = f"No picture: {result['likeliest']} has no place on this wafer to point at."
            console.advise(f"Picture: {png}" if result["png"] else nowhere)
        if result["stand_in"]:
            console.advise("The model that scored it is no longer here: the champion was asked instead.")
        if result["stored"] not in (None, result["decision"]):
            console.advise(f"The store says {result['stored']}: it was scored with other thresholds or another version of this software.")

    run_stage("explain", workspace, as_json=json, shown=shown, lot=lot, wafer=wafer, layer=layer, source=source, index=index, png=png)


def _show_places(result: dict[str, Any]) -> None:
    """Where on the wafer the likeliest class is seen."""
    rows = [
        [
            f"{place['share']:.0%}",
            f"{place['left_mm']:.0f} to {place['right_mm']:.0f}",
            f"{place['bottom_mm']:.0f} to {place['top_mm']:.0f}",
            place["defects"],
            "-" if place["dies"] is None else len(place["dies"]),
        ]
        for place in result["where"]
    ]
    if rows:
        title = f"Where is {result['likeliest']} seen? (mm from the centre, notch down)"
        console.table(title, ("of the heat", "x, mm", "y, mm", "defects", "dies with defects"), rows)


def export(
    out: Annotated[Path, typer.Option(help="Folder for the files, one KLARF per wafer.")],
    lot: Annotated[Optional[list[str]], typer.Option(help="Wafers of this lot; may be given several times.")] = None,  # noqa: UP045
    wafer: Annotated[Optional[str], typer.Option(help="Only this wafer of the lot.")] = None,  # noqa: UP045
    layer: Annotated[Optional[str], typer.Option(help="Only this layer.")] = None,  # noqa: UP045
    since: Annotated[Optional[datetime], typer.Option(formats=TIMES, help="Inspected then or later, UTC.")] = None,  # noqa: UP045
    superseded: Annotated[bool, typer.Option("--superseded", help="Older versions of an inspection, too.")] = False,
    version: Annotated[KlarfVersion, typer.Option(help="Of KLARF.")] = KlarfVersion.v12,
    classes: Annotated[bool, typer.Option(help="CLASSNUMBER is the wafer's class, or stays the tool's.")] = True,
    clusters: Annotated[bool, typer.Option(help="CLUSTERNUMBER is ours, or stays the tool's.")] = True,
    cluster_um: Annotated[Optional[float], typer.Option(min=1, help="Defects so near belong together; default: by density.")] = None,  # noqa: UP045
    cluster_least: Annotated[int, typer.Option(min=2, help="Defects that make a cluster.")] = 5,
    first_class: Annotated[int, typer.Option(min=0, max=1_000_000, help="Number of the first of our classes.")] = 9_000,
    force: Annotated[bool, typer.Option("--force", help="Replace files that have another content.")] = False,
    workspace: WorkspaceOption = HERE,
    json: JsonOption = False,
) -> None:
    """Give classes and clusters back to the fab's tools, as KLARF. Every defect of a wafer gets the wafer's class."""
    if not lot and since is None:
        console.fail(InputError("Nothing to export: expected --lot LOT or --since TIME, got neither."), as_json=json)
    if wafer is not None and len(lot or ()) != 1:
        console.fail(InputError("No wafer without its lot: expected one --lot beside --wafer."), as_json=json)
    run_stage(
        "export", workspace, as_json=json, shown=_exported, out=out, lots=lot or (), wafer=wafer, layer=layer, since=since,
        superseded=superseded, version=version.value, classes=classes, clusters=clusters, cluster_um=cluster_um,
        cluster_least=cluster_least, first_class=first_class, force=force,
    )  # fmt: skip


def _exported(result: dict[str, Any]) -> None:
    """What was given back: files, then the classes."""
    shown = ("files", "new", "unchanged", "replaced", "defects", "clusters", "in_clusters", "without_class")
    console.answer({key: result[key] for key in shown}, as_json=False, title=result["out"])
    if result["classes"]:
        console.table("classes", ("class", "wafers"), list(result["classes"].items()))
    show_left("Left out", "wafer and why", result["left"])


def status(workspace: WorkspaceOption = HERE, json: JsonOption = False) -> None:
    """What is waiting, done, quarantined, alerted; which model is champion, since when."""
    run_stage("status", workspace, as_json=json)
