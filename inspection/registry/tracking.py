"""MLflow as the registry: one run and one version per bundle, found again by the bundle's sha256.

MLflow is imported when a registry is first asked for something (4 to 7 s), and its own telemetry is off.
"""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inspection.errors import EngineError, InputNotFoundError, InspectionError
from inspection.registry.runs import SHA256, log_run, log_session
from inspection.scoring.bundle import bundle_sha256

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

MODEL = "wafer-defects"
CANDIDATE, CHAMPION = "candidate", "champion"
_ACTOR, _REASON, _GUARD, _OVERRIDE, _LINEAGE = "registered_by", "reason", "guard", "guard_override", "lineage."
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
    guard_override: str | None = None

    def to_gate(self) -> dict[str, Any]:
        """As ``gate.judge`` takes it."""
        return {"metrics": self.metrics, "lineage": self.lineage, "guard": self.guard, "guard_override": self.guard_override}


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
        guard_override: str = "",
        report: Path | None = None,
        session: str = "",
        history: Sequence[Mapping[str, float]] = (),
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
        guard_override : str, optional
            Why the bundle is registered although the guard did not pass.
        report : Path, optional
            File or folder with the evaluation's pages and pictures.
        session, history
            The training session that made it, whose run it joins, and that session's epochs (``log_curves``).

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
        tags = {SHA256: sha256, _ACTOR: actor, _REASON: reason}
        tags |= {_GUARD: guard} if guard is not None else {}
        tags |= {_OVERRIDE: guard_override} if guard_override else {}
        tags |= {_LINEAGE + key: str(value) for key, value in lineage.items() if value}
        with self._engine("register the bundle"):
            run_id, model_uri = log_run(
                self._mlflow, self._client, artifact_root=self._root, bundle=bundle, tags=tags, metrics=metrics, params=params,
                report=report, session=session, history=history,
            )  # fmt: skip
            version = self._client.create_model_version(MODEL, source=model_uri, run_id=run_id, tags=tags)
        self.set_alias(CANDIDATE, str(version.version))
        return ModelVersion(str(version.version), run_id, sha256, created=True)

    def log_curves(self, session: str, params: Mapping[str, Any], history: Sequence[Mapping[str, float]], *, ended: bool = False) -> str:
        """Write the epochs of a training session that its run does not know yet; returns the run's id.

        Parameters
        ----------
        session : str
            What it learns from and how; the same one later, or after an interruption, is the same run.
        params : mapping
            The parameters that it reads.
        history : sequence of mapping
            One row per epoch: ``epoch`` (from 1), ``loss`` and other numbers.
        ended : bool
            Whether this was its last epoch.
        """
        with self._engine("write the curves of the training"):
            return log_session(
                self._client, artifact_root=self._root, session=session, params=params, history=history, ended=ended
            )  # fmt: skip

    def find(self, sha256: str) -> VersionRecord | None:
        """The version of the bundle with this sha256, or None."""
        with self._engine("search for the bundle"):
            self._ensure_model()
            found = self._client.search_model_versions(f"name = '{MODEL}' and tags.{SHA256} = '{sha256}'")
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
            bundle_sha256=tags.get(SHA256, ""),
            registered_by=tags.get(_ACTOR, ""),
            metrics=dict(run.data.metrics),
            lineage={k.removeprefix(_LINEAGE): v for k, v in tags.items() if k.startswith(_LINEAGE)},
            guard=tags.get(_GUARD),
            guard_override=tags.get(_OVERRIDE),
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

    @property
    def _root(self) -> str | None:
        """Where a new experiment keeps its artifacts; None = the server decides."""
        return None if self._uri.startswith("http") else self._artifact_root.resolve().as_uri()

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


def _redacted(uri: str) -> str:
    """``uri`` without the password that it may carry."""
    return re.sub(r"//[^/@]*@", "//***@", uri)
