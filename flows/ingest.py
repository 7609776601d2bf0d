"""Ingest flow: what landed becomes canonical wafers, checked lot by lot and day by day; Dask's machines read the files if there are any."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from flows.machines import over_machines
from flows.steps import Step, step
from inspection import stages
from inspection.settings import Settings

if TYPE_CHECKING:
    from inspection.intake.landing import Claim
    from inspection.intake.parsing import Parsed


@flow(name="ingest", log_prints=False, persist_result=False)
def ingest_flow(workspace: str, source: str | None = None) -> list[Step]:
    """Claim and parse ``source`` (default: the landing folder), then Great Expectations per lot and per day."""
    return [take_in(workspace, source), step("validate", workspace)]


def take_in(workspace: str, source: str | None) -> Step:
    """The ingest stage by itself."""
    address = Settings().dask_address
    spread = {} if address is None else {"spread": stages.read_by(over_machines("read over machines", address, read_files, workspace))}
    return step("ingest", workspace, source=source, **spread)


@task(name="read files", retries=1, cache_policy=NO_CACHE, persist_result=False)
def read_files(workspace: str, claims: list[Claim]) -> list[Parsed]:
    """Read a batch of claimed files and write their shards, on whichever machine this runs."""
    place = stages.open_workspace(Path(workspace))
    return stages.read_claims(place, stages.params_of(place), claims)
