"""Schedules: ``python -m flows.serve --workspace DIR`` serves every deployment until it is stopped.

Uses the server that ``PREFECT_API_URL`` names, or starts one on a free loopback port.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from flows.engine import configure, local_api
from inspection.settings import Workspace

if TYPE_CHECKING:
    from prefect import Flow

    from flows.steps import Step

CRONS = {"ingest": "* * * * *", "score": "* * * * *", "monitor": "7 * * * *", "train": "30 2 * * 0"}
"""Ingest and score each minute, monitor hourly, retrain weekly (UTC)."""


def main(arguments: list[str] | None = None) -> None:
    """Serve the deployments; Ctrl-C ends it."""
    parser = argparse.ArgumentParser(prog="flows.serve", description=main.__doc__)
    parser.add_argument("--workspace", type=Path, default=Path("workspace"))
    workspace = Workspace(parser.parse_args(arguments).workspace)
    configure(workspace, schedules=True)
    with local_api(workspace) as ready:
        from prefect import serve  # noqa: PLC0415  (after configure)

        from flows.ingest import ingest_flow  # noqa: PLC0415
        from flows.monitor import monitor_flow  # noqa: PLC0415
        from flows.score import scoring_flow  # noqa: PLC0415
        from flows.train import training_flow  # noqa: PLC0415

        flows: dict[str, Flow[..., list[Step]]] = {
            "ingest": ingest_flow,
            "score": scoring_flow,
            "monitor": monitor_flow,
            "train": training_flow,
        }
        address = ready()
        # One run of a deployment at a time: after an outage the schedule's missed runs are dropped, not run one by one.
        deployments = [
            flow.to_deployment(
                name=f"{name}-{workspace.root.name}",
                cron=CRONS[name],
                parameters={"workspace": str(workspace.root)},
                concurrency_limit=1,
            )
            for name, flow in flows.items()
        ]
        sys.stderr.write(f"Serving {', '.join(CRONS)} for {workspace.root} with {address}; Ctrl-C ends it.\n")
        # Prefect types its sync-or-async functions as both.
        serve(*deployments)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
