"""Training flow: snapshot, the DVC stages one by one, then the registry."""

from __future__ import annotations

from pathlib import Path

from prefect import flow

from flows.steps import Step, dvc_step, step
from inspection import stages
from inspection.dataset.project import STAGES, Project


@flow(name="train", log_prints=False, persist_result=False)
def training_flow(workspace: str) -> list[Step]:
    """Freeze the labelled wafers and train on them; a snapshot that was trained on already costs one look."""
    done = [step("snapshot", workspace)]
    place = stages.open_workspace(Path(workspace))
    if Project.open(place, Path.cwd()).up_to_date():
        done += [{"stage": stage, "seconds": 0.0, "result": {"idle": True}} for stage in STAGES]
    else:
        done += [dvc_step(stage, workspace) for stage in STAGES]
    return [*done, step("register", workspace)]
