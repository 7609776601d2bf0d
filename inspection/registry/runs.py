"""One MLflow run per bundle: its parameters, metrics, report and the bundle itself as a model that nothing pickles.

The run begins with the training session, which writes its curves while it lasts; the first bundle made of it is logged to the same run.
"""

from __future__ import annotations

import json
import math
import re
import time
import warnings
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SHA256 = "bundle_sha256"
"""The tag by which the runs and versions of a bundle are found again."""
SESSION = "training_session"
"""The tag by which the run of a training session is found again: what it learns from and how, not when."""
CURVE = "training/"
"""Metrics of this name are curves: one value per epoch."""
_EXPERIMENT = "wafer-defects"
_BATCH = 100  # MLflow takes at most so many parameters in one call
_VALUE_LIMIT = 5_000


def log_run(
    mlflow: Any,
    client: Any,
    *,
    artifact_root: str | None,
    bundle: Path,
    tags: dict[str, str],
    metrics: Mapping[str, Any],
    params: Mapping[str, Any],
    report: Path | None,
    session: str = "",
    history: Sequence[Mapping[str, float]] = (),
) -> tuple[str, str]:
    """One finished run with everything in it: the training session's own, or a new one when another bundle has that.

    Runs that a crash left behind for this bundle are deleted.

    Parameters
    ----------
    mlflow, client
        The module, turned to the registry, and its client.
    artifact_root : str or None
        URI where a new experiment keeps its artifacts; None = the server decides.
    bundle : Path
        Folder of the bundle.
    tags : dict
        Of the run; ``SHA256`` is one of them.
    metrics, params, report, session, history
        As `Registry.register` takes them.

    Returns
    -------
    (str, str)
        The run's id and the URI of the model in it.
    """
    experiment = _experiment_id(client, artifact_root)
    begun = _session_run(client, experiment, session, tags[SHA256])
    for run in client.search_runs([experiment], f"tags.{SHA256} = '{tags[SHA256]}'"):
        if run.info.run_id != begun:
            client.delete_run(run.info.run_id)
    tags = {**tags, SESSION: session} if session else tags
    flat = list(_flatten(params))
    with warnings.catch_warnings():
        # The signature is ours and tested; an example would make MLflow load the network and score.
        warnings.filterwarnings("ignore", message=".*input example was not provided", category=UserWarning)
        with mlflow.start_run(run_id=begun, experiment_id=experiment, run_name=tags[SHA256][:12], tags=tags) as run:
            _log_rows(client, run.info.run_id, history)
            for start in range(0, len(flat), _BATCH):
                mlflow.log_params(dict(flat[start : start + _BATCH]))
            mlflow.log_metrics(dict(_numbers(metrics)))
            mlflow.log_dict({k: params[k] for k in params}, "params.json")
            if report is not None and report.is_dir():
                mlflow.log_artifacts(str(report), "report")
            elif report is not None and report.is_file():
                mlflow.log_artifact(str(report), "report")
            logged = mlflow.pyfunc.log_model(
                name="model",
                python_model=str(Path(__file__).with_name("serving.py")),
                artifacts={"bundle": str(bundle.resolve())},
                signature=_signature(),
                pip_requirements=[f"wafer-inspection=={metadata.version('wafer-inspection')}"],
            )
            return run.info.run_id, logged.model_uri


def log_session(
    client: Any,
    *,
    artifact_root: str | None,
    session: str,
    params: Mapping[str, Any],
    history: Sequence[Mapping[str, float]],
    ended: bool,
) -> str:
    """Write the curves of a training session to its run, begun where there is none, and return the run's id.

    Epochs that are there already are left alone: an interrupted session goes on in the same run.
    """
    from mlflow.entities import Param  # noqa: PLC0415

    experiment = _experiment_id(client, artifact_root)
    run_id = _session_run(client, experiment, session)
    if run_id is None:
        run_id = str(client.create_run(experiment, run_name=f"training {session[:12]}", tags={SESSION: session}).info.run_id)
        flat = [Param(key, value) for key, value in _flatten(params)]
        for start in range(0, len(flat), _BATCH):
            client.log_batch(run_id, params=flat[start : start + _BATCH])
    _log_rows(client, run_id, history)
    if ended and client.get_run(run_id).info.status == "RUNNING":
        client.set_terminated(run_id)
    return run_id


def _session_run(client: Any, experiment: str, session: str, sha256: str = "") -> str | None:
    """The oldest run of ``session``; with ``sha256`` only one that no other bundle has taken."""
    if not session:
        return None
    found = client.search_runs([experiment], f"tags.{SESSION} = '{session}'", order_by=["attributes.start_time ASC"])
    free = [run.info.run_id for run in found if not sha256 or run.data.tags.get(SHA256, sha256) == sha256]
    return str(free[0]) if free else None


def _log_rows(client: Any, run_id: str, history: Sequence[Mapping[str, float]]) -> None:
    """One step of each curve per epoch that the run does not know yet."""
    if not history:
        return
    from mlflow.entities import Metric  # noqa: PLC0415

    known = max((metric.step for metric in client.get_metric_history(run_id, f"{CURVE}loss")), default=0)
    now = int(time.time() * 1000)
    values = [
        Metric(CURVE + key, float(value), now, int(row["epoch"]))
        for row in history
        if row["epoch"] > known
        for key, value in sorted(row.items(), reverse=True)
        if key not in {"epoch", "seconds"} and math.isfinite(value)
    ]
    for start in range(0, len(values), _BATCH):
        client.log_batch(run_id, metrics=values[start : start + _BATCH])


def _experiment_id(client: Any, artifact_root: str | None) -> str:
    found = client.get_experiment_by_name(_EXPERIMENT)
    if found is not None:
        return str(found.experiment_id)
    return str(client.create_experiment(_EXPERIMENT, artifact_location=artifact_root))


def _signature() -> Any:
    from mlflow.models import ModelSignature  # noqa: PLC0415
    from mlflow.types import ColSpec, Schema  # noqa: PLC0415

    text = ("path", "lot", "wafer", "label", "decision")
    outputs = [ColSpec("string", name) for name in text]
    outputs += [ColSpec("long", "index"), ColSpec("double", "probability")]
    return ModelSignature(inputs=Schema([ColSpec("string", "path")]), outputs=Schema(outputs))


def _flatten(params: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in params.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            text = value if isinstance(value, str) else json.dumps(value, default=str)
            yield prefix + key, text[:_VALUE_LIMIT]


def _numbers(metrics: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    """The finite numbers of nested metrics, by dotted names."""
    for key, value in metrics.items():
        if isinstance(value, Mapping):
            yield from _numbers(value, f"{prefix}{key}.")
        elif isinstance(value, int | float) and math.isfinite(value):
            yield re.sub(r"[^\w./ -]", "_", prefix + key), float(value)
