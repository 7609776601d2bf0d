"""One POST of JSON with every time bounded, and errors that name no secret."""

from __future__ import annotations

import logging
from contextvars import ContextVar
from urllib.parse import urlsplit

import httpx

from inspection.alerting.sink import SinkError
from inspection.errors import ParamsError

TIMEOUT = httpx.Timeout(10.0, connect=5.0)
EXCERPT_CHARS = 200
_NEVER = frozenset({400, 413, 422})
"""Answers that say: this content will not be taken, now or later."""


_posting: ContextVar[bool] = ContextVar("_posting", default=False)


def _not_ours(_: logging.LogRecord) -> bool:
    return not _posting.get()


# httpx logs the whole URL of each request, and a webhook's URL is its secret: our own requests are not logged.
logging.getLogger("httpx").addFilter(_not_ours)


def checked_url(url: str, setting: str) -> str:
    """``url`` without a trailing slash.

    Raises
    ------
    ParamsError
        Not http or https, or no host; the value itself is not shown, it may hold a token.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ParamsError(
            f"Cannot use {setting}: expected an http or https URL with a host, got a value of scheme {parts.scheme!r}. "
            f"Correct the environment variable {setting}."
        )
    return url.rstrip("/")


def post(url: str, body: bytes, headers: dict[str, str]) -> None:
    """POST ``body``; returns when the receiver answered 2xx.

    The body of the answer is read only for an error's text, one piece at most: a receiver that trickles cannot hold us.

    Raises
    ------
    SinkError
        No connection, no answer in time, or another status (a redirect is not followed: it is a wrong URL).
    """
    parts = urlsplit(url)
    host = f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")
    posting = _posting.set(True)
    try:
        with (
            httpx.Client(timeout=TIMEOUT) as client,
            client.stream("POST", url, content=body, headers={"Content-Type": "application/json", **headers}) as answer,
        ):
            if answer.is_success:
                return
            excerpt = next(answer.iter_text(), "")[:EXCERPT_CHARS].strip()
            status = answer.status_code
    except httpx.HTTPError as error:
        raise SinkError(
            f"Cannot post to {host}: expected an answer within {TIMEOUT.read:.0f} s, got {type(error).__name__}. "
            "Check that the receiver runs and can be reached."
        ) from error
    finally:
        _posting.reset(posting)
    raise SinkError(
        f"Cannot post to {host}: expected status 2xx, got {status} ({excerpt!r}). Check the receiver and its URL.",
        final=status in _NEVER,
    )
