"""The command line: one command per stage and per daily question. Imports are lazy so that ``--help`` is instant."""

from __future__ import annotations

import os
import sys
import traceback
from contextlib import suppress
from datetime import datetime  # noqa: TC003  (Typer reads it when it runs)
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, Optional

import typer

from inspection import console
from inspection.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

app = typer.Typer(
    name="inspection",
    help="Watches silicon wafers: from a landed wafer defect map to an alert with evidence.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

refused = typer.Typer(help="Files that were refused: list them, see why, give them back.", no_args_is_help=True)
app.add_typer(refused, name="quarantine")

SHOWN_LEFT = 20
WorkspaceOption = Annotated[Path, typer.Option("--workspace", "-w", help="All that a run writes is below it.", show_default=True)]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object on standard output, all else on standard error.")]
SnapshotOption = Annotated[bool, typer.Option("--from-snapshot", help="Work on the frozen snapshot (this is how DVC calls it).")]
HERE = Path("workspace")
TIMES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]


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


class KlarfVersion(StrEnum):
    """Families of KLARF that are written."""

    v12 = "1.2"
    v18 = "1.8"


def _stage(
    name: str,
    workspace: Path,
    *,
    as_json: bool,
    starts: bool = False,
    shown: Callable[[dict[str, Any]], None] | None = None,
    **options: Any,
) -> None:
    """Run the stage ``name`` of ``inspection.stages`` with progress and print its report; ``shown`` prints it for a person.

    A missing workspace is refused, unless the stage may start one or looks for itself (``starts``).
    """
    with console.errors(as_json=as_json):
        from inspection import stages

        place = stages.open_workspace(workspace)
        if not starts:
            stages.require_workspace(place)
        with console.reporting(name.replace("_", " ")) as report:
            result = getattr(stages, name)(place, stages.params_of(place), report=report, **options)
        if shown is None or as_json:
            console.answer(result, as_json=as_json, title=name.replace("_", " "))
        else:
            shown(result)


@app.command()
def run(
    input: Annotated[Optional[str], typer.Option("--input", "-i", help="File, folder or URL (s3://bucket/prefix) of defect maps.")] = None,  # noqa: A002, UP045
    workspace: WorkspaceOption = HERE,
    json: JsonOption = False,
) -> None:
    """Everything: from landed maps to alerts. Without --input a simulated fab supplies the maps."""
    words = [sys.executable, "-m", "flows", "--workspace", str(workspace)]
    words += ["--input", input] if input is not None else []
    words += ["--json"] if json else []
    with console.errors(as_json=json):
        sys.stdout.flush()
        os.execv(sys.executable, words)  # noqa: S606  (flows stand above this module: it is started, not imported)


@app.command()
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


@app.command()
def ingest(
    # A path would fold the two slashes of a URL into one.
    source: Annotated[Optional[str], typer.Argument(help="File, folder or URL (s3://bucket/prefix); default: the landing folder.")] = None,  # noqa: UP045
    from_snapshot: SnapshotOption = False,
    workspace: WorkspaceOption = HERE,
    json: JsonOption = False,
) -> None:
    """Claim, recognise and parse what landed; bad files go to quarantine with their reason."""
    if from_snapshot:
        _stage("materialise", workspace, as_json=json)
    else:
        _stage("ingest", workspace, as_json=json, starts=True, shown=_ingested, source=source)


def _ingested(result: dict[str, Any]) -> None:
    """The closing table of an ingest: where every file that was read has gone."""
    refused = result["quarantined"]
    rows = [
        ["read", result["read"], None],
        ["new", result["new"], result["wafers"]],
        ["known", result["known"], None],
        ["superseded", None, result["superseded"]],
        *([f"quarantined: {code}", count["files"], count["wafers"]] for code, count in refused.items()),
        ["left", len(result["left"]), None],
    ]
    console.table(f"ingest, {result['seconds']:.1f} s", ("", "files", "wafers"), rows)
    _left("Left where they are", "file and why", result["left"])


def _left(title: str, what: str, lines: list[str]) -> None:
    """The first of what was left, and how many more."""
    if lines:
        more = [[f"and {len(lines) - SHOWN_LEFT} more"]] if len(lines) > SHOWN_LEFT else []
        console.table(title, (what,), [*([line] for line in lines[:SHOWN_LEFT]), *more])


@refused.command("list")
def quarantine_list(
    code: Annotated[Optional[str], typer.Option(help="Only files refused for this reason.")] = None,  # noqa: UP045
    workspace: WorkspaceOption = HERE,
    json: JsonOption = False,
) -> None:
    """The refused files, in the order they landed."""

    def shown(result: dict[str, Any]) -> None:
        keys = ("name", "code", "where", "got", "wafers")
        rows = [[one["sha256"][:12], *(one.get(key) for key in keys)] for one in result["quarantined"]]
        console.table(f"quarantine: {len(rows)} files", ("id", *keys), rows)

    _stage("quarantine_list", workspace, as_json=json, shown=shown, code=code)


@refused.command("show")
def quarantine_show(
    id: Annotated[str, typer.Argument(help="Sha256 of the file, or its first characters.")],  # noqa: A002
    workspace: WorkspaceOption = HERE,
    json: JsonOption = False,
) -> None:
    """Why one file was refused, what to do about it, and where its bytes lie."""
    _stage("quarantine_show", workspace, as_json=json, id=id)


@refused.command("release")
def quarantine_release(
    ids: Annotated[Optional[list[str]], typer.Argument(help="Sha256 of files, or their first characters.")] = None,  # noqa: UP045
    code: Annotated[Optional[str], typer.Option(help="All files refused for this reason.")] = None,  # noqa: UP045
    everything: Annotated[bool, typer.Option("--all", help="All files in quarantine.")] = False,
    workspace: WorkspaceOption = HERE,
    json: JsonOption = False,
) -> None:
    """Give refused files back: the next `inspection ingest` reads them as if they had just landed."""
    if sum((bool(ids), code is not None, everything)) != 1:
        console.fail(InputError("Nothing to release: expected IDs, --code CODE or --all, and only one of them."), as_json=json)
    _stage("quarantine_release", workspace, as_json=json, ids=ids or (), code=code, everything=everything)


@app.command()
def history(
    lot: Annotated[str, typer.Argument()],
    wafer: Annotated[str, typer.Argument()],
    workspace: WorkspaceOption = HERE,
    json: JsonOption = False,
) -> None:
    """All inspections of one wafer: layers, re-inspections, and the versions that newer files superseded."""

    def shown(result: dict[str, Any]) -> None:
        keys = ("layer", "inspected_at", "kind", "state", "source", "defects", "label")
        console.table(f"lot {lot}, wafer {wafer}", keys, [[row[key] for key in keys] for row in result["inspections"]])

    _stage("history", workspace, as_json=json, shown=shown, lot=lot, wafer=wafer)


@app.command()
def validate(from_snapshot: SnapshotOption = False, workspace: WorkspaceOption = HERE, json: JsonOption = False) -> None:
    """Check each new lot and day with Great Expectations and rebuild the Data Docs; what fails is reported and stops nothing."""
    _stage("validate_snapshot" if from_snapshot else "validate", workspace, as_json=json)


@app.command()
def snapshot(workspace: WorkspaceOption = HERE, json: JsonOption = False) -> None:
    """Freeze the labelled wafers of the store as the training set."""
    _stage("snapshot", workspace, as_json=json)


@app.command()
def tile(workspace: WorkspaceOption = HERE, json: JsonOption = False) -> None:
    """Draw the global view and the detail tiles of every wafer of the snapshot."""
    _stage("tile", workspace, as_json=json)


@app.command()
def split(workspace: WorkspaceOption = HERE, json: JsonOption = False) -> None:
    """Cut the snapshot into lot-disjoint parts; leakage is refused."""
    _stage("split", workspace, as_json=json)


@app.command()
def train(workspace: WorkspaceOption = HERE, json: JsonOption = False) -> None:
    """Train the network; an interrupted run goes on where it stopped."""
    _stage("train", workspace, as_json=json)


@app.command()
def evaluate(workspace: WorkspaceOption = HERE, json: JsonOption = False) -> None:
    """Tune thresholds on validation, judge on test, write the bundle and the report."""
    _stage("evaluate", workspace, as_json=json)


@app.command()
def register(workspace: WorkspaceOption = HERE, json: JsonOption = False) -> None:
    """Log the candidate in MLflow and register it as @candidate."""
    _stage("register", workspace, as_json=json)


@app.command()
def promote(
    version: Annotated[Optional[str], typer.Argument(help="Registered version; default: @candidate.")] = None,  # noqa: UP045
    reason: Annotated[str, typer.Option(help="Why; it stays on the model.")] = "",
    workspace: WorkspaceOption = HERE,
    json: JsonOption = False,
) -> None:
    """Make a version the champion that workers serve."""
    if not reason.strip():
        console.fail(
            InputError("Promotion needs a reason: expected --reason TEXT, got none. It stays on the model in the audit log."), as_json=json
        )
    _stage("promote", workspace, as_json=json, version=version, reason=reason)


@app.command()
def classify(
    paths: Annotated[list[Path], typer.Argument(help="Files or folders of anything we can read.")],
    out: Annotated[Path, typer.Option(help="Parquet file: one row per wafer.")] = Path("predictions.parquet"),
    model: Annotated[str, typer.Option(help="champion, candidate or a version.")] = "champion",
    workspace: WorkspaceOption = HERE,
    json: JsonOption = False,
) -> None:
    """Score files without touching the store."""
    _stage("classify", workspace, as_json=json, starts=True, paths=paths, out=out, model=model)


@app.command()
def worker(
    until_empty: Annotated[bool, typer.Option("--until-empty", help="End when nothing is waiting.")] = False,
    metrics_port: Annotated[Optional[int], typer.Option(help="Serve Prometheus metrics on this loopback port.")] = None,  # noqa: UP045
    workspace: WorkspaceOption = HERE,
    json: JsonOption = False,
) -> None:
    """Score waiting wafers with the champion; SIGTERM ends it after the batch in hand."""
    _stage("work", workspace, as_json=json, until_empty=until_empty, metrics_port=metrics_port)


@app.command()
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
        result = stages.alerts(
            place, stages.params_of(place), report=console.silent, acknowledge=acknowledge, close=close, owner=owner, comment=comment
        )
        if json:
            console.answer(result, as_json=True, title="alerts")
        else:
            keys = ("id", "state", "severity", "signature", "lot", "layer", "wafers", "opened_at", "owner")
            console.table("alerts", keys, [[a.get(k) for k in keys] for a in result["alerts"]])


@app.command()
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


@app.command()
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


@app.command()
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
    first_class: Annotated[int, typer.Option(min=0, max=1_000_000, help="Number of the first of our classes.")] = 1_000,
    force: Annotated[bool, typer.Option("--force", help="Replace files that have another content.")] = False,
    workspace: WorkspaceOption = HERE,
    json: JsonOption = False,
) -> None:
    """Give classes and clusters back to the fab's tools, as KLARF. Every defect of a wafer gets the wafer's class."""
    if not lot and since is None:
        console.fail(InputError("Nothing to export: expected --lot LOT or --since TIME, got neither."), as_json=json)
    if wafer is not None and len(lot or ()) != 1:
        console.fail(InputError("No wafer without its lot: expected one --lot beside --wafer."), as_json=json)
    _stage(
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
    _left("Left out", "wafer and why", result["left"])


@app.command()
def status(workspace: WorkspaceOption = HERE, json: JsonOption = False) -> None:
    """What is waiting, done, quarantined, alerted; which model is champion, since when."""
    _stage("status", workspace, as_json=json)


def command_line() -> NoReturn:
    """Run the command that ``sys.argv`` names; ends with ``SystemExit``."""
    try:
        code = app(standalone_mode=False)
    except Exception as error:
        # Typer names no public base of its usage errors: they are what can show itself and has an exit code.
        show_usage, exit_code = getattr(error, "show", None), getattr(error, "exit_code", None)
        if show_usage is None or exit_code is None:
            raise
        show_usage()
        if "--json" in sys.argv:
            console.refusal(error, exit_code, f"{error} See `inspection --help`.")
        sys.exit(exit_code)
    sys.exit(code)


def main() -> None:
    """Entry point of the command ``inspection``."""
    code: int | str | None = console.FAILED
    try:
        command_line()
    except SystemExit as end:
        code = end.code
    except BaseException:  # noqa: BLE001  (as the interpreter itself would: shown, then the end)
        with suppress(OSError):  # whoever read our words may be gone
            traceback.print_exc()
    if code and "tensorflow" in sys.modules:
        # A fit that was stopped in a step leaves threads that wait for the interpreter while it waits for them to end.
        with suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code if isinstance(code, int) else console.FAILED)
    sys.exit(code)


if __name__ == "__main__":
    main()
