"""The main job: from landed maps to alerts, every step only if there is something new for it."""

from __future__ import annotations

from pathlib import Path

from prefect import flow

from flows.ingest import ingest_flow
from flows.promote import promote_flow
from flows.score import scoring_flow
from flows.steps import Step, step
from flows.train import training_flow
from inspection import stages

FIRST = "first champion of this workspace, promoted by its first run"
REPLACED = "learnt from landed files: it replaces a champion that only ever saw the simulated fab"


@flow(name="run", log_prints=False, persist_result=False)
def run_flow(workspace: str, input: str | None = None) -> list[Step]:  # noqa: A002  (the command line's word)
    """Ingest, train and promote when there is no champion, score, alert. Without ``input`` a simulated fab supplies the maps.

    The other flows run inside this one (``.fn``): a subflow costs a second or more each at its end.
    """
    done: list[Step] = []
    source = input
    if input is None:
        done.append(step("simulate", workspace))
        source = done[-1]["result"]["folder"]
    done += ingest_flow.fn(workspace, source)

    place = stages.open_workspace(Path(workspace))
    there = stages.trainable(place)
    if not there["labelled"] and there["champion"] is None:
        # Nothing to learn from and nothing to serve: the first champion learns on the simulated fab, and says so.
        done.append(step("simulate", workspace))
        done += ingest_flow.fn(workspace, done[-1]["result"]["folder"])
    if stages.trainable(place)["labelled"]:
        done += training_flow.fn(workspace)
    there = stages.trainable(place)
    if there["replaceable"]:
        done += promote_flow.fn(workspace, FIRST if there["champion"] is None else REPLACED)

    if input is None:
        done.append(step("simulate", workspace, fresh=True))
        done += ingest_flow.fn(workspace, done[-1]["result"]["folder"])
    done += scoring_flow.fn(workspace)
    return [*done, step("status", workspace)]
