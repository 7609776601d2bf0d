"""Mail and chat through Apprise: one sink per URL, so that each is retried alone."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import apprise

from inspection.alerting.sink import SinkError
from inspection.errors import ParamsError

if TYPE_CHECKING:
    from inspection.alerting.message import Message

_TYPES = {"high": apprise.NotifyType.FAILURE, "medium": apprise.NotifyType.WARNING}


class NotifySink:
    """Title, summary and picture to one Apprise URL (``mailto://``, ``slack://``, ``msteams://``, ...).

    The name holds a digest of the URL: a changed list of URLs never redirects a waiting row, and the token stays
    out of the store.

    Raises
    ------
    ParamsError
        Apprise does not know the URL.
    """

    refresh_s: float | None = None

    def __init__(self, url: str) -> None:
        self.name = f"notify-{hashlib.sha256(url.encode()).hexdigest()[:12]}"
        self._service = apprise.Apprise()
        if not self._service.add(url):
            scheme = url.partition("://")[0][:20]
            raise ParamsError(
                f"Cannot use INSPECTION_NOTIFY_URLS: expected Apprise URLs separated by blanks, got one of "
                f"scheme {scheme!r} that Apprise does not understand. Correct the environment variable."
            )

    def send(self, message: Message, idempotency_key: str) -> None:
        """Notify. Mail and chat know no idempotency key: it is the last line of the text, for people and filters."""
        delivered = self._service.notify(
            title=message.title,
            body=f"{message.summary}\n\nAlert {message.id} · {idempotency_key}",
            notify_type=_TYPES.get(message.severity, apprise.NotifyType.INFO),
            body_format=apprise.NotifyFormat.TEXT,
            attach=None if message.picture is None else str(message.picture),
        )
        if not delivered:
            raise SinkError(
                f"Cannot send to {self.name}: expected the service to accept the message, got a refusal or no answer. "
                "Apprise's own log says why."
            )
