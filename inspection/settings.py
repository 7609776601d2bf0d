"""Where things run: settings of one machine, from ``INSPECTION_*`` environment variables only (secrets too).

What changes a *result* is a parameter (``params.yaml``), not a setting.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from inspection.errors import ParamsError, bounded


class Settings(BaseSettings):
    """Settings of this machine; every default works on a laptop without a server.

    Raises
    ------
    ParamsError
        A value outside its domain; names the variable, never its value, which may be a secret.
    """

    model_config = SettingsConfigDict(env_prefix="INSPECTION_", frozen=True, extra="ignore")

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            faults = [f"INSPECTION_{'_'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors(include_input=False)]
            raise ParamsError(f"Cannot use the settings of this machine: {bounded(faults)}. Correct the environment variables.") from None

    profile: Literal["local", "production"] = "local"
    """``local`` lets one person promote and lineage be missing; ``production`` asks for both persons and full lineage."""
    store_url: str | None = None
    """SQLAlchemy URL of the store; default: SQLite below the workspace."""
    mlflow_uri: str | None = None
    """MLflow tracking and registry URI; default: SQLite below the workspace."""
    s3_endpoint_url: str | None = None
    """Endpoint of an S3 server that is not Amazon's, for landing places ``s3://``; default: ``AWS_ENDPOINT_URL``, else Amazon's."""
    workers: int = Field(default=0, ge=0)
    """Processes that read what landed and that draw views; 0 = one per core. They change the speed, never the result."""
    dask_address: str | None = None
    """Address of a Dask scheduler, for example ``tcp://host:8786``: its machines read files and draw views; default: this one's cores."""
    alertmanager_url: str | None = None
    """Base URL of an Alertmanager, for example ``http://127.0.0.1:9093``; default: not used."""
    webhook_url: SecretStr | None = None
    """URL that receives each alert as JSON; default: not used."""
    webhook_secret: SecretStr | None = None
    """Signs each webhook call (``X-Inspection-Signature: sha256=...``); default: unsigned."""
    notify_urls: SecretStr | None = None
    """Apprise URLs (mail, chat), separated by blanks; default: not used."""
    actor: str = Field(default="local-user")
    """Who acts, for the audit log."""


class Workspace:
    """Names of everything that a run writes, all below ``root``."""

    def __init__(self, root: Path | str) -> None:
        self.root = root = Path(root).resolve()
        self.landing = root / "landing"
        """Drop files here."""
        self.archive = root / "archive"
        """Claimed files, byte-identical: ``archive/SHA256/NAME``."""
        self.canonical = root / "canonical"
        """One Parquet shard per source file: ``canonical/SHA256.parquet``."""
        self.quarantine = root / "quarantine"
        """Refused files, byte-identical, each with its ``reason.json``."""
        self.snapshot = root / "snapshot"
        """The frozen training set: ``manifest.json`` and ``wafers.csv``."""
        self.data = root / "data"
        """Outputs of the DVC stages."""
        self.reports = root / "reports"
        """``reports/VERSION/report.html``."""
        self.alerts = root / "alerts"
        """Pictures of the alerts and ``alerts.jsonl``."""
        self.expectations = root / "expectations"
        """Great Expectations project and Data Docs."""
        self.bundles = root / "bundles"
        """Registered bundles: ``bundles/SHA256/``."""
        self.store = root / "store.sqlite"
        self.mlflow = root / "mlflow.sqlite"
        self.mlflow_artifacts = root / "mlartifacts"
        self.prefect = root / "prefect"
        self.logs = root / "logs"
