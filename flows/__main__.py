"""``python -m flows [run|ingest|tile] --workspace DIR [--input PATH] [--json]``: the jobs that the command line starts as flows."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.engine import configure, local_api
from inspection import console
from inspection.cli.pipeline import show_ingested
from inspection.stages import open_workspace, require_input

if TYPE_CHECKING:
    from flows.steps import Step
    from inspection.settings import Workspace

LONGEST, SHOWN_ALERTS = 40, 12
JOBS = ("run", "ingest", "tile")
"""The main job; and the two that Dask's machines do together, when there are any."""


def main(arguments: list[str] | None = None) -> None:
    """Run a job, then say what came out and where to look."""
    parser = argparse.ArgumentParser(prog="python -m flows", description=main.__doc__)
    parser.add_argument("job", nargs="?", choices=JOBS, default="run")
    parser.add_argument("--workspace", type=Path, default=Path("workspace"))
    parser.add_argument("--input", default=None)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(arguments)
    with console.errors(as_json=given.json):
        workspace = open_workspace(given.workspace)
        if given.input is not None:
            require_input(given.input)
        configure(workspace)
        with local_api(workspace) as ready:
            with console.reporting("starting Prefect's local server"):
                from flows.ingest import take_in  # noqa: PLC0415  (imports Prefect: after configure)
                from flows.run import run_flow  # noqa: PLC0415
                from flows.steps import shown  # noqa: PLC0415
                from flows.tile import tile_flow  # noqa: PLC0415

                ready()
            shown.set(console.reporting)
            root = str(workspace.root)
            if given.job == "ingest":
                show_ingested(take_in(root, given.input)["result"], as_json=given.json)
            elif given.job == "tile":
                console.answer(tile_flow(root)["result"], as_json=given.json, title="tile")
            else:
                done = run_flow(root, given.input)
                if given.json:
                    console.answer({"workspace": root, "steps": done}, as_json=True, title="run")
                else:
                    _closing(workspace, done)


def _closing(workspace: Workspace, done: list[Step]) -> None:
    rows = [[step["stage"], f"{step['seconds']:.1f}", _brief(step["result"])] for step in done]
    console.table("What was done", ("stage", "seconds", "what came out"), rows)
    events: list[dict[str, Any]] = next((step["result"].get("alerts", []) for step in done if step["stage"] == "alerts"), [])
    if events:
        keys = ("severity", "signature", "lot", "layer", "wafers", "state")
        console.table(f"Alerts: {len(events)}", keys, [[event.get(key) for key in keys] for event in events[:SHOWN_ALERTS]])
    found: dict[str, Any] = {step["stage"]: step["result"] for step in done}
    where = {"report": found.get("register", {}).get("report"), "alerts": str(workspace.alerts)}
    where["MLflow"] = f"mlflow ui --backend-store-uri sqlite:///{workspace.mlflow}"
    console.answer({key: value for key, value in where.items() if value}, as_json=False, title="Where to look")


def _brief(result: dict[str, Any]) -> str:
    """What came out of a stage, on one line: numbers and short words, not paths and hashes."""
    if result.get("idle"):
        return "nothing new"
    words = []
    for key, value in result.items():
        if isinstance(value, list) and value and key in ("opened", "failed", "left"):
            value = len(value)  # noqa: PLW2901  (how many is what one line has room for)
        if key not in ("idle", "seconds", "stopped") and isinstance(value, int | float | str) and len(str(value)) < LONGEST:
            words.append(f"{key.replace('_', ' ')} {value:.4g}" if isinstance(value, float) else f"{key.replace('_', ' ')} {value}")
    return ", ".join(words)


if __name__ == "__main__":
    main()
