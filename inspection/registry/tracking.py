"""MLflow as the registry: one run and one version per bundle, found again by the bundle's sha256.

MLflow is imported when a registry is first asked for something (4 to 7 s), and its own telemetry is off.
"""

from __future__ import annotations

import json
import math
import os
import re
import warnings
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inspection.errors import EngineError, InputNotFoundError, InspectionError
from inspection.scoring.bundle import bundle_sha256

if TYPE_CHECKING:
    from collections.abc import Iterator

MODEL = "wafer-defects"
CANDIDATE, CHAMPION = "candidate", "champion"
_EXPERIMENT = "wafer-defects"
_SHA256, _ACTOR, _REASON, _GUARD, _LINEAGE = "bundle_sha256", "registered_by", "reason", "guard", "lineage."
_BATCH = 100  # MLflow takes at most so many parameters in one call
_VALUE_LIMIT = 5_000
_ABSENT = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")  # the latter for an alias that points nowhere, or no number
_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
}


@dataclass(frozen=True)
class ModelVersion:
    """A registered version; ``created`` is false when the bundle had been registered before."""

    version: str
    run_id: str
    bundle_sha256: str
    created: bool


@dataclass(frozen=True)
class VersionRecord:
    """What the registry knows about a version: what the gate and a reviewer look at."""

    version: str
    run_id: str
    bundle_sha256: str
    registered_by: str
    metrics: dict[str, float]
    lineage: dict[str, str]
    guard: str | None
    aliases: tuple[str, ...]

    def to_gate(self) -> dict[str, Any]:
        """As ``gate.judge`` takes it."""
        return {"metrics": self.metrics, "lineage": self.lineage, "guard": self.guard}


class Registry:
    """A model registry at an MLflow URI.

    Parameters
    ----------
    uri : str
        ``sqlite:////path/mlflow.sqlite`` or the address of an MLflow server.
    artifact_root : Path
        Where a SQLite registry keeps artifacts; a server decides that itself.
    """

    def __init__(self, uri: str, artifact_root: Path) -> None:
        self._uri = uri
        self._artifact_root = artifact_root

    def register(
        self,
        bundle: Path,
        *,
        actor: str,
        reason: str,
        metrics: Mapping[str, Any],
        params: Mapping[str, Any],
        lineage: Mapping[str, str],
        guard: str | None = None,
        report: Path | None = None,
    ) -> ModelVersion:
        """Log a run and register ``bundle`` as the candidate; the same bundle again is the same version.

        Parameters
        ----------
        bundle : Path
            Folder of the bundle; it is copied, and nothing of it is pickled.
        actor, reason : str
            Who registers it and why.
        metrics : mapping
            ``macro_f1`` and others; nested mappings become dotted names, what is no finite number is left out.
        params : mapping
            The parameters it was trained with; nested mappings become dotted names.
        lineage : mapping
            ``snapshot_sha256``, ``params_sha256``, ``code_version`` and what else leads back to its making.
        guard : str, optional
            Verdict of the augmentation guard: ``pass`` or what failed; None when it was not run.
        report : Path, optional
            File or folder with the evaluation's pages and pictures.

        Raises
        ------
        InputNotFoundError
            No such bundle.
        EngineError
            MLflow failed.
        """
        if not bundle.is_dir():
            raise InputNotFoundError(f"Cannot register: expected a bundle's folder at {bundle}. Run `inspection evaluate`.")
        sha256 = bundle_sha256(bundle)
        known = self.find(sha256)
        if known is not None:
            self.set_alias(CANDIDATE, known.version)
            return ModelVersion(known.version, known.run_id, sha256, created=False)
        tags = {_SHA256: sha256, _ACTOR: actor, _REASON: reason}
        tags |= {_GUARD: guard} if guard is not None else {}
        tags |= {_LINEAGE + key: str(value) for key, value in lineage.items() if value}
        with self._engine("register the bundle"):
            run_id, model_uri = self._log(bundle, tags, metrics, params, report)
            version = self._client.create_model_version(MODEL, source=model_uri, run_id=run_id, tags=tags)
        self.set_alias(CANDIDATE, str(version.version))
        return ModelVersion(str(version.version), run_id, sha256, created=True)

    def find(self, sha256: str) -> VersionRecord | None:
        """The version of the bundle with this sha256, or None."""
        with self._engine("search for the bundle"):
            self._ensure_model()
            found = self._client.search_model_versions(f"name = '{MODEL}' and tags.{_SHA256} = '{sha256}'")
        return self.describe(str(min(int(v.version) for v in found))) if found else None

    def describe(self, version: str) -> VersionRecord:
        """Metrics, lineage and tags of a version, or of an alias (``candidate``, ``champion``)."""
        with self._engine(f"describe version {version}"):
            try:
                if version in (CANDIDATE, CHAMPION):
                    found = self._client.get_model_version_by_alias(MODEL, version)
                else:
                    found = self._client.get_model_version(MODEL, version)
            except self._mlflow.MlflowException as error:
                if error.error_code not in _ABSENT:
                    raise
                raise InputNotFoundError(
                    f"No version {version!r} of {MODEL}: {error.message.rstrip('.')}. Register one first, or name one that was registered."
                ) from error
            run = self._client.get_run(found.run_id)
        tags = found.tags
        return VersionRecord(
            version=str(found.version),
            run_id=found.run_id,
            bundle_sha256=tags.get(_SHA256, ""),
            registered_by=tags.get(_ACTOR, ""),
            metrics=dict(run.data.metrics),
            lineage={k.removeprefix(_LINEAGE): v for k, v in tags.items() if k.startswith(_LINEAGE)},
            guard=tags.get(_GUARD),
            aliases=tuple(sorted(found.aliases)),
        )

    def set_alias(self, alias: str, version: str) -> None:
        """Point ``alias`` to ``version``; doing it again changes nothing."""
        with self._engine(f"set alias {alias}"):
            self._client.set_registered_model_alias(MODEL, alias, version)

    def set_tag(self, version: str, key: str, value: str) -> None:
        """Write a tag on a version."""
        with self._engine(f"tag version {version}"):
            self._client.set_model_version_tag(MODEL, version, key, value)

    def fetch(self, version: str, folder: Path) -> Path:
        """Download the bundle of ``version``, or of an alias, below ``folder`` and return its path."""
        version = self.describe(version).version
        folder.mkdir(parents=True, exist_ok=True)
        with self._engine(f"fetch version {version}"):
            source = self._client.get_model_version_download_uri(MODEL, version)
            found = self._mlflow.artifacts.download_artifacts(
                artifact_uri=f"{source}/artifacts", dst_path=str(folder), tracking_uri=self._uri
            )
        bundles = [path for path in Path(found).iterdir() if path.is_dir()]
        if len(bundles) != 1:
            raise EngineError(f"Version {version} of {MODEL} is damaged: expected one bundle in it, got {len(bundles)}. Register it again.")
        return bundles[0]

    @contextmanager
    def _engine(self, what: str) -> Iterator[None]:
        """MLflow turned to this registry; what it raises becomes an ``EngineError`` that says what we wanted of it."""
        # Registering a version makes a client of its own, which looks at MLflow's global address only.
        self._mlflow.set_tracking_uri(self._uri)
        self._mlflow.set_registry_uri(self._uri)
        try:
            yield
        except InspectionError:
            raise
        except Exception as error:
            # MLflow lets errors of its database through as SQLAlchemy's, which only the store may import.
            of_database = type(error).__module__.startswith("sqlalchemy.")
            if of_database or isinstance(error, self._mlflow.MlflowException | OSError):
                raise EngineError(
                    f"MLflow failed to {what}: {str(error)[:500]} Check the registry's address ({_redacted(self._uri)}) and its disk, "
                    "then run again."
                ) from error
            raise

    @cached_property
    def _mlflow(self) -> Any:
        os.environ.update(_QUIET)
        import mlflow  # noqa: PLC0415

        return mlflow

    @cached_property
    def _client(self) -> Any:
        self._artifact_root.mkdir(parents=True, exist_ok=True)
        return self._mlflow.MlflowClient(tracking_uri=self._uri, registry_uri=self._uri)

    def _ensure_model(self) -> None:
        try:
            self._client.create_registered_model(MODEL)
        except self._mlflow.MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise

    def _experiment_id(self) -> str:
        found = self._client.get_experiment_by_name(_EXPERIMENT)
        if found is not None:
            return str(found.experiment_id)
        root = None if self._uri.startswith("http") else self._artifact_root.resolve().as_uri()
        return str(self._client.create_experiment(_EXPERIMENT, artifact_location=root))

    def _log(
        self,
        bundle: Path,
        tags: dict[str, str],
        metrics: Mapping[str, Any],
        params: Mapping[str, Any],
        report: Path | None,
    ) -> tuple[str, str]:
        """One finished run with everything in it; runs that a crash left behind for this bundle are deleted."""
        experiment = self._experiment_id()
        for run in self._client.search_runs([experiment], f"tags.{_SHA256} = '{tags[_SHA256]}'"):
            self._client.delete_run(run.info.run_id)
        flat = list(_flatten(params))
        with warnings.catch_warnings():
            # The signature is ours and tested; an example would make MLflow load the network and score.
            warnings.filterwarnings("ignore", message=".*input example was not provided", category=UserWarning)
            with self._mlflow.start_run(experiment_id=experiment, run_name=tags[_SHA256][:12], tags=tags) as run:
                for start in range(0, len(flat), _BATCH):
                    self._mlflow.log_params(dict(flat[start : start + _BATCH]))
                self._mlflow.log_metrics(dict(_numbers(metrics)))
                self._mlflow.log_dict({k: params[k] for k in params}, "params.json")
                if report is not None and report.is_dir():
                    self._mlflow.log_artifacts(str(report), "report")
                elif report is not None and report.is_file():
                    self._mlflow.log_artifact(str(report), "report")
                logged = self._mlflow.pyfunc.log_model(
                    name="model",
                    python_model=str(Path(__file__).with_name("serving.py")),
                    artifacts={"bundle": str(bundle.resolve())},
                    signature=self._signature(),
                    pip_requirements=[f"wafer-inspection=={metadata.version('wafer-inspection')}"],
                )
                return run.info.run_id, logged.model_uri

    @staticmethod
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


def _redacted(uri: str) -> str:
    """``uri`` without the password that it may carry."""
    return re.sub(r"//[^/@]*@", "//***@", uri)
