"""Ingest flow: what landed becomes canonical wafers, checked lot by lot and day by day."""

from __future__ import annotations

from pathlib import Path

from prefect import flow

from flows.steps import Step, step


@flow(name="ingest", log_prints=False, persist_result=False)
def ingest_flow(workspace: str, source: str | None = None) -> list[Step]:
    """Claim and parse ``source`` (default: the landing folder), then Great Expectations per lot and per day."""
    return [
        step("ingest", workspace, source=None if source is None else Path(source)),
        step("validate", workspace),
    ]
