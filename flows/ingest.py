"""Ingest flow: what landed becomes canonical wafers, checked lot by lot."""

from __future__ import annotations

from prefect import flow

from flows.steps import Step, step


@flow(name="ingest", log_prints=False, persist_result=False)
def ingest_flow(workspace: str, source: str | None = None) -> list[Step]:
    """Claim and parse ``source`` (default: the landing folder), then Great Expectations per lot."""
    return [
        step("ingest", workspace, source=source),
        step("validate", workspace),
    ]
