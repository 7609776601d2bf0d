"""What a landing place gives, be it a folder or a URL; :func:`open_place` tells which it is.

A *place* lists what landed, says how each thing looks now, and gives its bytes in pieces. ``search`` is the place on a
disk, ``remote`` the one behind a URL. Claiming (``landing``) knows neither.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from inspection.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from inspection.settings import Workspace

    Notice = Callable[[str, str], None]
    """(name, why): told of everything that was left or refused."""
    OneSource = Callable[[Path], bool]
    """Whether a folder is one source (a zarr store), instead of a folder to search."""

PIECE = 1 << 20
_SCHEME = re.compile(r"[A-Za-z][\w+.-]*(::[A-Za-z][\w+.-]*)*://")


@dataclass(frozen=True)
class Part:
    """One stored file of what landed, ``size`` bytes long.

    ``name`` is its last component; inside a folder that is one source, its path in that folder. ``at`` is where its place
    finds it.
    """

    name: str
    at: str
    size: int


@dataclass(frozen=True)
class Landed:
    """One thing that landed.

    Attributes
    ----------
    name : str
        Path inside the place; control characters are escaped.
    parts : tuple of Part
        The file and its sidecar, or all files of a folder that is one source, its sidecar among them, by name.
    size : int
        Bytes of all parts.
    changed_at : datetime or None
        Last change of any part, UTC naive; None = the place does not know.
    modified_at : datetime or None
        Last change of the content, UTC naive.
    fingerprint : str
        Changes whenever the content does.
    is_folder : bool
    """

    name: str
    parts: tuple[Part, ...]
    size: int
    changed_at: datetime | None
    modified_at: datetime | None
    fingerprint: str
    is_folder: bool = False


class Place(Protocol):
    """Where files land. ``name`` identifies the place from run to run and holds no secret."""

    @property
    def name(self) -> str:
        """Path or URL."""

    @property
    def is_near(self) -> bool:
        """Whether reading a file twice costs little."""

    def find(self, notice: Notice) -> Iterator[Landed]:
        """All that could be input, by name; nothing is opened."""

    def look(self, one: Landed) -> Landed:
        """``one`` as it is now.

        Raises
        ------
        OSError
            It went away, or may not be read.
        """

    def read(self, part: Part, start: int, length: int) -> bytes:
        """At most ``length`` bytes of ``part`` from ``start`` on; errors as in ``look``."""

    def pieces(self, part: Part) -> Iterator[bytes]:
        """All bytes of ``part`` in order, in pieces of about ``PIECE``; errors as in ``look``."""

    def label_table(self, into: Path) -> Path | None:
        """``labels.csv`` beside the files, copied to ``into`` where it does not lie on a disk; None = there is none."""


def is_url(source: Path | str) -> bool:
    """Whether ``source`` is a URL, ``file://`` included, and not a path."""
    return isinstance(source, str) and _SCHEME.match(source) is not None


def local_path(source: Path | str) -> Path | None:
    """The path that ``source`` means on this machine; None = it is elsewhere."""
    if not is_url(source):
        return Path(source)
    scheme, _, rest = str(source).partition("://")
    if scheme.lower() not in {"file", "local"}:
        return None
    from urllib.parse import unquote  # noqa: PLC0415 - rare

    return Path(unquote(rest.removeprefix("localhost")))


def open_place(source: Path | str, workspace: Workspace, one_source: OneSource | None = None) -> Place:
    """The place that ``source`` names: a file, a folder, or an fsspec URL such as ``s3://bucket/prefix``.

    Parameters
    ----------
    one_source : callable (folder) -> bool, optional
        Says which folders of a disk are one source each; behind a URL those are that hold the metadata of a zarr store.

    Raises
    ------
    InputNotFoundError
        Nothing is there.
    InputError
        It cannot be read; the URL's protocol is unknown, its package is missing, or it holds credentials.
    EngineError
        The server does not answer.
    """
    path = local_path(source)
    if path is not None:
        from inspection.intake.search import Folder  # noqa: PLC0415 - the two places import this module

        return Folder(path, workspace, one_source)
    from inspection.intake.remote import Bucket  # noqa: PLC0415 - fsspec only for a URL

    return Bucket(str(source))


def clean_name(name: str) -> str:
    """``name`` as a database, a log line and a table can show it.

    A file name may hold bytes that are no UTF-8, line breaks, or (in a bucket) a zero; all are written as escapes.
    """
    text = os.fsencode(name).decode("utf-8", errors="backslashreplace")
    return "".join(c if ord(c) >= 0x20 and ord(c) != 0x7F else f"\\x{ord(c):02x}" for c in text)


def refuse_credentials(url: str) -> None:
    """Refuse a URL that holds a password: it would end in logs and tables."""
    if "@" in url.partition("://")[2].partition("/")[0]:
        raise InputError(
            f"Cannot read a {url.partition(':')[0]} URL with credentials in it: expected s3://bucket/prefix, got a part before @. "
            "Put credentials into the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY)."
        )
