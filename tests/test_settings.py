"""Laws of the settings: from the environment only, refused by name, secrets never shown."""

import pytest

from inspection.errors import ParamsError
from inspection.settings import Settings


def test_a_value_outside_its_domain_is_refused_by_the_name_of_its_variable(monkeypatch):
    monkeypatch.setenv("INSPECTION_PROFILE", "prod")
    with pytest.raises(ParamsError, match="INSPECTION_PROFILE: Input should be 'local' or 'production'"):
        Settings()


def test_secrets_are_not_shown(monkeypatch):
    monkeypatch.setenv("INSPECTION_WEBHOOK_URL", "https://host/s3cret")
    monkeypatch.setenv("INSPECTION_NOTIFY_URLS", "mailto://s3cret@host")
    settings = Settings()
    assert "s3cret" not in f"{settings!r} {settings} {settings.model_dump()}"
    assert settings.webhook_url is not None
    assert settings.webhook_url.get_secret_value() == "https://host/s3cret"


def test_every_default_needs_no_server(monkeypatch):
    for name in ("PROFILE", "STORE_URL", "MLFLOW_URI", "ALERTMANAGER_URL", "WEBHOOK_URL"):
        monkeypatch.delenv(f"INSPECTION_{name}", raising=False)
    settings = Settings()
    assert settings.profile == "local"
    assert [settings.store_url, settings.mlflow_uri, settings.alertmanager_url, settings.webhook_url] == [None] * 4
