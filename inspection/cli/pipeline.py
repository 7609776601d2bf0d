"""Commands of the pipeline in its order: from what lands to the bundle and its report. And the fab that supplies files."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from inspection import console
from inspection.cli.options import HERE, JsonOption, SnapshotOption, WorkspaceOption
from inspection.cli.stage import run_stage, show_left, show_notes, start_flow, start_spread
from inspection.errors import bounded


class Difficulty(StrEnum):
    """How hard the simulated signatures are to tell apart."""

    easy = "easy"
    hard = "hard"


class Format(StrEnum):
    """What the simulated tools write."""

    klarf12 = "klarf12"
    klarf18 = "klarf18"
    raster = "raster"
    mixed = "mixed"


def run(
    input: Annotated[Optional[str], typer.Option("--input", "-i", help="File, folder or URL (s3://bucket/prefix) of defect maps.")] = None,  # noqa: A002, UP045
    workspace: WorkspaceOption = HERE,
    json: JsonOption = False,
) -> None:
    """Everything: from landed maps to alerts. Without --input a simulated fab supplies the maps."""
    with console.errors(as_json=json):
        start_flow("run", workspace, input, as_json=json)


def simulate(
    out: Annotated[Path, typer.Argument(help="Folder to write to.")],
    lots: Annotated[int, typer.Option(min=1)] = 40,
    wafers: Annotated[int, typer.Option(min=1, max=25, help="Wafers per lot.")] = 25,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    difficulty: Annotated[Difficulty, typer.Option()] = Difficulty.easy,
    format: Annotated[Format, typer.Option()] = Format.klarf12,  # noqa: A002
    raster_px: Annotated[int, typer.Option(min=64, max=100_000, help="Side of raster files; 56000 makes about 3 GB.")] = 2048,
    first_lot: Annotated[int, typer.Option(min=1, help="Number of the first lot.")] = 1,
    json: JsonOption = False,
) -> None:
    """Let a simulated fab write true files, labels.csv and truth.csv. Same arguments, same bytes."""
    with console.errors(as_json=json):
        from inspection.stages import simulate_fab

        with console.reporting("simulate") as report:
            result = simulate_fab(
                out, lots=lots, wafers=wafers, seed=seed, difficulty=difficulty.value, format=format.value,
                raster_px=raster_px, first_lot=first_lot, report=report,
            )  # fmt: skip
        console.answer(result, as_json=json, title=f"simulated fab in {out}")


def ingest(
    # A path would fold the two slashes of a URL into one.
    source: Annotated[Optional[str], typer.Argument(help="File, folder or URL (s3://bucket/prefix); default: the landing folder.")] = None,  # noqa: UP045
    from_snapshot: SnapshotOption = False,
    workspace: WorkspaceOption = HERE,
    json: JsonOption = False,
) -> None:
    """Claim, recognise and parse what landed; bad files go to quarantine with their reason."""
    if from_snapshot:
        run_stage("materialise", workspace, as_json=json)
        return
    start_spread("ingest", workspace, source, as_json=json)
    run_stage("ingest", workspace, as_json=json, starts=True, shown=show_ingested, source=source)


def show_ingested(result: dict[str, Any], *, as_json: bool = False) -> None:
    """The closing table of an ingest: where every file that was read has gone."""
    if as_json:
        console.answer(result, as_json=True, title="ingest")
        return
    refused, resumed = result["quarantined"], result["resumed_wafers"]
    rows = [
        ["read", result["read"], None],
        ["new", result["new"], result["wafers"] - resumed],
        ["taken up again (interrupted or released)", result["resumed"], resumed],
        ["known", result["known"], None],
        *([f"quarantined: {code}", count["files"], count["wafers"]] for code, count in refused.items()),
        ["left", len(result["left"]), None],
        ["superseded", None, result["superseded"]],
        ["taken in with notes", None, result["noted"]],
        *([["named in labels.csv", None, result["labels"]["matched"]]] if "labels" in result else []),
    ]
    console.table(f"ingest, {result['seconds']:.1f} s", ("", "files", "wafers"), rows)
    show_notes(result["notes"], result["notes_seen"])
    show_left("Left where they are", "file and why", result["left"])
    if unmatched := result.get("labels", {}).get("unmatched_rows"):
        shown = ", ".join(result["labels"]["unmatched"])
        console.advise(f"{unmatched} rows of labels.csv name no wafer that was taken in: {shown}{', ...' if unmatched > 10 else ''}")
    if own := result.get("labels", {}).get("without_entry"):
        console.advise(
            f"Classes that `taxonomy` in params.yaml has no entry for: {bounded(own)}. They are learnt as they are: not "
            "normal, of medium severity, never turned or mirrored. To say otherwise, add for example "
            f"`{own[0]}: {{normal: true, symmetries: [half_turn, flip], severity: none}}`."
        )
    if refused:
        console.advise("Why files were refused, and what to do: `inspection quarantine list`, then `inspection quarantine show ID`.")


def validate(from_snapshot: SnapshotOption = False, workspace: WorkspaceOption = HERE, json: JsonOption = False) -> None:
    """Check each new lot and day with Great Expectations and rebuild the Data Docs; what fails is reported and stops nothing."""
    if from_snapshot:
        run_stage("validate_snapshot", workspace, as_json=json)
    else:
        run_stage("validate", workspace, as_json=json, shown=_validated)


def _validated(result: dict[str, Any]) -> None:
    """What was checked, what was not as expected, and the page that says why."""
    shown = {key: result[key] for key in ("lots", "days")}
    shown["not as expected"] = len(result["failed"])
    shown["cold start: too few earlier lots to compare"] = result["cold_start"]
    shown["cold start: too few earlier days"] = result["days_cold_start"]
    console.answer(shown, as_json=False, title="validate: nothing new" if result["idle"] else "validate")
    show_left("Not as expected", "lot and layer, or day, and its faults", result["failed"])
    console.advise(f"What was expected and found, of every lot and day: {result['data_docs']}")


def snapshot(workspace: WorkspaceOption = HERE, json: JsonOption = False) -> None:
    """Freeze the labelled wafers of the store as the training set."""
    run_stage("snapshot", workspace, as_json=json)


def tile(workspace: WorkspaceOption = HERE, json: JsonOption = False) -> None:
    """Draw the global view and the detail tiles of every wafer of the snapshot."""
    start_spread("tile", workspace, as_json=json)
    run_stage("tile", workspace, as_json=json)


def split(workspace: WorkspaceOption = HERE, json: JsonOption = False) -> None:
    """Cut the snapshot into lot-disjoint parts; leakage is refused."""
    run_stage("split", workspace, as_json=json)


def guard(
    params: Annotated[Optional[Path], typer.Option(help="Another params.yaml whose policy is to be examined; nothing is written.")] = None,  # noqa: UP045
    from_snapshot: SnapshotOption = False,
    workspace: WorkspaceOption = HERE,
    json: JsonOption = False,
) -> None:
    """Prove that the class cannot be told from what its augmentation leaves in the picture; exit code 1 when it can.

    With --from-snapshot (as DVC calls it) the verdict does not decide the exit code.
    """
    run_stage("guard", workspace, as_json=json, shown=show_guard, policy=params, strict=not from_snapshot)


def show_guard(result: dict[str, Any]) -> None:
    """The verdict, and each class's AUC in each test."""
    for test in result["tests"]:
        rows = []
        for row in test["classes"]:
            seen = row["alone"]
            if (seen["low"], seen["high"]) != (0, 1):  # too few wafers to try
                area = f"{seen['area']:.3f} ({seen['low']:.3f} .. {seen['high']:.3f})"
                rows.append([row["class"], area, f"{row['matched']:.3f}", row["call"]])
        if rows:
            title = f"{test['name']}: {test['base_maps']} maps{'' if test['blocks'] else ', for information: blocks nothing'}"
            console.table(title, ("class", "AUC picture by picture", "on the same wafer", "call"), rows)
    console.table("guard", ("verdict",), [[result["words"]], *([[result["page"]]] if result["page"] else [])])


def train(workspace: WorkspaceOption = HERE, json: JsonOption = False) -> None:
    """Train the network; an interrupted run goes on where it stopped."""
    run_stage("train", workspace, as_json=json)


def evaluate(workspace: WorkspaceOption = HERE, json: JsonOption = False) -> None:
    """Tune thresholds on validation, judge on test, write the bundle and the report."""
    run_stage("evaluate", workspace, as_json=json)
