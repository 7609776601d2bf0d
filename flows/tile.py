"""Tile flow: the views of the snapshot's wafers, drawn on the machines of Dask if there are any."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from flows.machines import over_machines
from flows.steps import Step, step
from inspection import stages
from inspection.settings import Settings

if TYPE_CHECKING:
    from inspection.views.shards import Drawing, Drawn


@flow(name="tile", log_prints=False, persist_result=False)
def tile_flow(workspace: str) -> Step:
    """The tile stage. DVC starts it as it starts every stage, by the command line."""
    address = Settings().dask_address
    spread = {} if address is None else {"spread": stages.draw_by(over_machines("draw over machines", address, draw_views))}
    return step("tile", workspace, **spread)


@task(name="draw views", retries=1, cache_policy=NO_CACHE, persist_result=False)
def draw_views(piece: tuple[Drawing, range]) -> Drawn:
    """Draw a part of a shard into the files that wait for it, on whichever machine this runs."""
    drawing, part = piece
    return drawing.draw(part)
