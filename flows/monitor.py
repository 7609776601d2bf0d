"""Monitor flow: what is waiting, done, quarantined, alerted."""

from __future__ import annotations

from prefect import flow

from flows.steps import Step, step


@flow(name="monitor", log_prints=False, persist_result=False)
def monitor_flow(workspace: str) -> list[Step]:
    """The facts of ``inspection status``, kept with the flow run."""
    return [step("status", workspace)]
