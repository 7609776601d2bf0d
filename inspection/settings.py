"""Where things run: settings of one machine, from ``INSPECTION_*`` environment variables only (secrets too).

What changes a *result* is a parameter (``params.py``), not a setting.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Settings of this machine; every default works on a laptop without a server."""

    model_config = SettingsConfigDict(env_prefix="INSPECTION_", frozen=True, extra="ignore")

    profile: Literal["local", "production"] = "local"
    """``local`` lets one person promote and lineage be missing; ``production`` asks for both persons and full lineage."""
    store_url: str | None = None
    """SQLAlchemy URL of the store; default: SQLite below the workspace."""
    mlflow_uri: str | None = None
    """MLflow tracking and registry URI; default: SQLite below the workspace."""
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
