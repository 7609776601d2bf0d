"""Ingest flow: what landed becomes canonical wafers, checked lot by lot and day by day; Dask's machines read the files if there are any."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from flows.steps import Step, step
from inspection import stages
from inspection.errors import EngineError
from inspection.settings import Settings

if TYPE_CHECKING:
    from inspection.intake.landing import Claim
    from inspection.intake.parsing import Parsed


@flow(name="ingest", log_prints=False, persist_result=False)
def ingest_flow(workspace: str, source: str | None = None) -> list[Step]:
    """Claim and parse ``source`` (default: the landing folder), then Great Expectations per lot and per day."""
    address = Settings().dask_address
    spread = {} if address is None else {"spread": stages.spread_by(over_machines(workspace, address))}
    return [step("ingest", workspace, source=source, **spread), step("validate", workspace)]


@task(name="read files", retries=1, cache_policy=NO_CACHE, persist_result=False)
def read_files(workspace: str, claims: list[Claim]) -> list[Parsed]:
    """Read a batch of claimed files and write their shards, on whichever machine this runs."""
    place = stages.open_workspace(Path(workspace))
    return stages.read_claims(place, stages.params_of(place), claims)


def over_machines(workspace: str, address: str) -> Any:
    """Reads batches of files as tasks on the Dask cluster at ``address``; the machines share the workspace."""
    from prefect_dask import DaskTaskRunner  # noqa: PLC0415 - an extra, and a second to import

    # Without parameters, which would go to Prefect's server.
    def read_batches(batches: list[list[Claim]]) -> list[list[Parsed] | None]:
        runner: Any = DaskTaskRunner(address=address)  # its types say another future than Prefect's

        @flow(name="read over machines", task_runner=runner, log_prints=False, persist_result=False)
        def read_flow() -> list[Any]:
            return [_outcome(future) for future in [read_files.submit(workspace, batch) for batch in batches]]

        return read_flow()

    return read_batches


def _outcome(future: Any) -> list[Parsed] | None:
    """What a batch came to; None = the process that read it died, as often as Dask tries."""
    from distributed import KilledWorker  # noqa: PLC0415 - as above

    try:
        result = future.result(raise_on_failure=False)
    except KilledWorker:
        return None
    if isinstance(result, KilledWorker):
        return None
    if isinstance(result, BaseException):
        raise EngineError(
            f"Cannot read files on the machines of Dask: expected an answer, got {type(result).__name__}: {result}"
        ) from result
    return list(result)
