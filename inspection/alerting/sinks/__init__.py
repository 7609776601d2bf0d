"""The sinks: log and file always, the others when the settings name them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inspection.alerting.sinks.local import FileSink, LogSink

if TYPE_CHECKING:
    from inspection.alerting.sink import Sink
    from inspection.settings import Settings, Workspace


def configured(settings: Settings, workspace: Workspace) -> list[Sink]:
    """The sinks of this machine, local ones first.

    Raises
    ------
    ParamsError
        A setting that is no usable URL; names the setting, never its secret value.
    """
    # The modules of the network sinks bring their clients with them: imported only when used.
    sinks: list[Sink] = [LogSink(workspace), FileSink(workspace)]
    if settings.alertmanager_url is not None:
        from inspection.alerting.sinks.alertmanager import AlertmanagerSink  # noqa: PLC0415

        sinks.append(AlertmanagerSink(settings.alertmanager_url, workspace))
    if settings.webhook_url is not None:
        from inspection.alerting.sinks.webhook import WebhookSink  # noqa: PLC0415

        secret = settings.webhook_secret
        key = None if secret is None else secret.get_secret_value().encode()
        sinks.append(WebhookSink(settings.webhook_url.get_secret_value(), key))
    if settings.notify_urls is not None:
        from inspection.alerting.sinks.notify import NotifySink  # noqa: PLC0415

        unique = dict.fromkeys(settings.notify_urls.get_secret_value().split())
        sinks += [NotifySink(url) for url in unique]
    return sinks
