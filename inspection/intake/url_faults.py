"""What goes wrong with a URL, in words: every file system has its own errors, and no common base."""

from __future__ import annotations

import re
import socket
import ssl
from typing import TYPE_CHECKING

from inspection.errors import EngineError, InputError, InputNotFoundError, InspectionError

if TYPE_CHECKING:
    from collections.abc import Iterator

KNOWN = "s3://bucket/prefix, gs://, abfs://, http(s)://, sftp://, ftp:// or file://"
_PACKAGES = {
    **dict.fromkeys(("s3", "s3a"), "'wafer-inspection[s3]'"),
    **dict.fromkeys(("gs", "gcs"), "gcsfs"),
    **dict.fromkeys(("abfs", "abfss", "az", "adl"), "adlfs"),
    **dict.fromkeys(("sftp", "ssh"), "paramiko"),
    "smb": "smbprotocol",
}
"""What brings a protocol that fsspec alone does not speak."""
_S3 = ("s3", "s3a")
_ENVIRONMENT = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
_ENDPOINT = "INSPECTION_S3_ENDPOINT_URL or AWS_ENDPOINT_URL"
_AGAIN = "run the same command again; nothing is half done"
_UNREACHED = frozenset({"EndpointConnectionError", "ClientConnectorError", "ClientConnectorDNSError", "ConnectTimeoutError"})
_NO_CREDENTIALS = frozenset({"NoCredentialsError", "PartialCredentialsError", "ProfileNotFound", "DefaultCredentialsError"})
_MEANT_URL = re.compile(r"(?:s3a?|gs|gcs|abfss?|az|https?|s?ftp|ssh|smb|hdfs|file)(?::/?|//)[^/]", re.IGNORECASE)


def meant_url(source: object) -> bool:
    """Whether a path looks as if a URL was meant: ``s3:/bucket``, ``s3:bucket``, ``https//host``."""
    return _MEANT_URL.match(str(source)) is not None


def in_words(error: Exception, url: str) -> InspectionError:
    """What ``error``, raised for ``url``, means: what failed, expected, got, and what to do.

    Returns
    -------
    InputNotFoundError, InputError
        The URL, the environment or the installation must be corrected.
    EngineError
        The server or the network failed: the same command may succeed later.
    """
    fault = _Fault(error, url)
    return _of_installation(fault) or _of_network(fault) or _of_answer(fault)


class _Fault:
    """An error with all that it came of."""

    def __init__(self, error: Exception, url: str) -> None:
        self.error, self.url, self.failed = error, url, f"Cannot read {url}"
        self.scheme = url.partition(":")[0].lower()
        self.is_s3 = self.scheme in _S3
        self.chain = [*_chain(error)]
        self.names = {type(one).__name__ for one in self.chain}
        self.status = next((s for s in map(_status, self.chain) if s is not None), None)
        self.got = _said(self.chain)

    def came_of(self, *kinds: type[BaseException]) -> bool:
        return any(isinstance(one, kinds) for one in self.chain)


def _of_installation(fault: _Fault) -> InspectionError | None:
    """Packages, protocols, credentials and addresses that are missing here."""
    failed, scheme, got, error = fault.failed, fault.scheme, fault.got, fault.error
    if isinstance(error, ImportError):
        package = _PACKAGES.get(scheme)
        remedy = f"Install it: pip install {package}" if package else f"Install what it needs ({got})"
        return InputError(f"{failed}: expected the package for {scheme}://, got none. {remedy}.")
    if isinstance(error, ValueError) and "not known" in str(error):
        return InputError(f"{failed}: expected a URL that fsspec knows ({KNOWN}), got {scheme}://. Correct it.")
    if isinstance(error, ValueError) and "endpoint" in str(error).lower():
        return InputError(f"{failed}: expected the address of a server in {_ENDPOINT}, got {got}. Correct it: http://HOST:PORT.")
    if fault.names & _NO_CREDENTIALS:
        where = f"in the environment ({_ENVIRONMENT})" if fault.is_s3 else "where its package looks for them"
        return InputError(f"{failed}: expected credentials {where}, got none. Set them, then run the same command again.")
    return None


def _of_network(fault: _Fault) -> InspectionError | None:
    """No server, or none that speaks as expected."""
    failed, got = fault.failed, fault.got
    check = f"Check the endpoint ({_ENDPOINT}) and the network." if fault.is_s3 else "Check the address and the network."
    if fault.came_of(ssl.SSLError):
        return InputError(f"{failed}: expected a server that speaks TLS and whose certificate is known, got {got}. Check https or http.")
    if fault.came_of(socket.gaierror):
        return EngineError(f"{failed}: expected a server of that name, got none ({got}). {check} Then {_AGAIN}.")
    if fault.names & _UNREACHED or fault.came_of(ConnectionError, TimeoutError):
        return EngineError(f"{failed}: expected a server that answers, got {got}. {check} Then {_AGAIN}.")
    return None


def _of_answer(fault: _Fault) -> InspectionError:
    """What the server answered."""
    failed, got, status, error = fault.failed, fault.got, fault.status, fault.error
    if status in {401, 403} or isinstance(error, PermissionError):
        account = f"Check the credentials ({_ENVIRONMENT}) and what they may do." if fault.is_s3 else "Ask who runs the server."
        return InputError(f"{failed}: expected the right to read it, got {f'{status}, ' if status else ''}{got}. {account}")
    if status is not None and status >= 500:
        return EngineError(f"{failed}: expected an answer of the server, got {status}, {got}. Look into its log, then {_AGAIN}.")
    if isinstance(error, FileNotFoundError):
        advice = "Correct the URL, or create the bucket." if fault.is_s3 else "Correct the URL."
        nothing = "nothing" if status is None else f"nothing ({status})"
        return InputNotFoundError(f"No input: expected files below {fault.url}, got {nothing}. {advice}")
    return EngineError(
        f"{failed}: expected an answer of the server, got {type(error).__name__}: {got}. "
        f"Check the endpoint, the network and the credentials in the environment, then {_AGAIN}."
    )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """``error`` and what it came of, the cause before the circumstance."""
    for _ in range(8):
        if error is None:
            return
        yield error
        error = error.__cause__ or error.__context__


def _status(error: BaseException) -> int | None:
    """The HTTP status that an error of aiohttp or botocore carries."""
    status = getattr(error, "status", None)
    response = getattr(error, "response", None)
    if status is None and isinstance(response, dict):
        status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return status if isinstance(status, int) and status >= 400 else None


def _said(chain: list[BaseException]) -> str:
    """The first line of the innermost plain words, shortened."""
    inner = next((one for one in chain if isinstance(one, OSError) and one.strerror), None)
    text = str(inner.strerror if inner is not None else chain[-1] if _status(chain[-1]) else chain[0])
    return " ".join(text.split("\n", 1)[0].split())[:200] or type(chain[0]).__name__
