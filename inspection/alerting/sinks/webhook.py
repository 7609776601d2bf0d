"""Each alert as JSON to a URL."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import TYPE_CHECKING

from inspection.alerting.sinks.http import checked_url, post

if TYPE_CHECKING:
    from inspection.alerting.message import Message


class WebhookSink:
    """POST of ``Message.to_json`` with an ``Idempotency-Key``.

    Parameters
    ----------
    url : str
        http or https.
    secret : bytes, optional
        When given, ``X-Inspection-Signature: sha256=HEX`` is the HMAC-SHA256 of the body under it.

    Raises
    ------
    ParamsError
        ``url`` is no http or https URL.
    """

    name = "webhook"
    refresh_s: float | None = None

    def __init__(self, url: str, secret: bytes | None = None) -> None:
        self._url = checked_url(url, "INSPECTION_WEBHOOK_URL")
        self._secret = secret

    def send(self, message: Message, idempotency_key: str) -> None:
        """Post the alert."""
        body = json.dumps(message.to_json(idempotency_key)).encode()
        headers = {"Idempotency-Key": idempotency_key}
        if self._secret is not None:
            headers["X-Inspection-Signature"] = f"sha256={hmac.new(self._secret, body, hashlib.sha256).hexdigest()}"
        post(self._url, body, headers)
