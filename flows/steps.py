"""One task for every stage: it calls the function of ``inspection.stages`` that its name says, shows progress, notes the time."""

from __future__ import annotations

import json
import time
from contextlib import nullcontext
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from inspection import console, stages
from inspection.errors import EngineError, UnreachableError
from inspection.stages.place import silent

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from prefect.client.schemas.objects import State

    Shown = Callable[[str], AbstractContextManager[console.Report]]

Step = dict[str, Any]
"""``{"stage": str, "seconds": float, "result": dict}``: plain JSON, no result is ever pickled."""

shown: ContextVar[Shown] = ContextVar("shown", default=lambda _stage: nullcontext(silent))
"""How progress is shown: a callable from a stage's name to a context that yields ``report(done, total, text)``."""


def _engine_failed(_task: Any, _run: Any, state: State[Any]) -> bool:
    """Retry what an engine (MLflow, the ledger, a sink) failed; a wrong input, a refused gate or a wrong address fails again alike."""
    failed = state.result(raise_on_failure=False)
    return isinstance(failed, EngineError) and not isinstance(failed, UnreachableError)


@task(
    name="stage",
    task_run_name="{stage}",
    retries=2,
    retry_delay_seconds=[2, 10],
    retry_condition_fn=_engine_failed,
    cache_policy=NO_CACHE,
    persist_result=False,
)
def step(stage: str, workspace: str, **options: Any) -> Step:
    """Run ``stages.STAGE(workspace, params, **options)``."""
    return _timed(stage, stage, workspace, options)


@task(name="dvc stage", task_run_name="{stage}", cache_policy=NO_CACHE, persist_result=False)
def dvc_step(stage: str, workspace: str) -> Step:
    """Run one stage of ``dvc.yaml`` through DVC. Not retried: a training that fails once is a person's business."""
    return _timed(stage, "dvc_stage", workspace, {"name": stage})


def _timed(title: str, function: str, workspace: str, options: dict[str, Any]) -> Step:
    place = stages.open_workspace(Path(workspace))
    started = time.monotonic()
    with shown.get()(title) as report:
        result = getattr(stages, function)(place, stages.params_of(place), report=report, **options)
    plain = json.loads(json.dumps(result, default=str))
    return {"stage": title, "seconds": round(time.monotonic() - started, 3), "result": plain}
