"""One MLflow run per bundle: its parameters, metrics, report and the bundle itself as a model that nothing pickles."""

from __future__ import annotations

import json
import math
import re
import warnings
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

SHA256 = "bundle_sha256"
"""The tag by which the runs and versions of a bundle are found again."""
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
) -> tuple[str, str]:
    """One finished run with everything in it; runs that a crash left behind for this bundle are deleted.

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
    metrics, params, report
        As `Registry.register` takes them.

    Returns
    -------
    (str, str)
        The run's id and the URI of the model in it.
    """
    experiment = _experiment_id(client, artifact_root)
    for run in client.search_runs([experiment], f"tags.{SHA256} = '{tags[SHA256]}'"):
        client.delete_run(run.info.run_id)
    flat = list(_flatten(params))
    with warnings.catch_warnings():
        # The signature is ours and tested; an example would make MLflow load the network and score.
        warnings.filterwarnings("ignore", message=".*input example was not provided", category=UserWarning)
        with mlflow.start_run(experiment_id=experiment, run_name=tags[SHA256][:12], tags=tags) as run:
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
