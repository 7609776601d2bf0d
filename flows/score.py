"""Scoring flow: what waits is put into the ledger, scored by the champion, and judged by the alert rules."""

from __future__ import annotations

from prefect import flow

from flows.steps import Step, step


@flow(name="score", log_prints=False, persist_result=False)
def scoring_flow(workspace: str) -> list[Step]:
    """Enqueue, work until nothing waits, alert. In a fab the work is done by ``inspection worker`` processes all the time."""
    return [
        step("enqueue", workspace),
        step("work", workspace, until_empty=True),
        step("alerts", workspace),
    ]
