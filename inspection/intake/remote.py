"""The landing place behind a URL: any file system that fsspec knows, ``s3://`` first of all.

Credentials come from the environment only. An object appears in a bucket whole, when its upload is complete; other file
systems show a file while it grows, and for those the end marks and the age decide (``endmarks``).
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from inspection.errors import InputError, InspectionError
from inspection.intake.content import is_input
from inspection.intake.labels import LABELS_NAME
from inspection.intake.listing import (
    as_landed,
    as_landed_folder,
    beside,
    last_part,
    plain_files,
    sidecar_paths,
    store_members,
    store_sidecar_paths,
)
from inspection.intake.place import PIECE, Landed, Part, clean_name, refuse_credentials
from inspection.intake.url_faults import in_words
from inspection.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from inspection.intake.place import Notice

_BLOCK = 8 << 20
"""Bytes of one request."""
_HTTP = ("http", "https")
UNMEASURED = "refused: the server does not say how long it is"


class Bucket:
    """Files below ``url`` (see :class:`inspection.intake.place.Place`), or the single file that it names.

    Raises
    ------
    InputNotFoundError, InputError, EngineError
        See :func:`inspection.intake.place.open_place`.
    """

    is_near = False

    def __init__(self, url: str) -> None:
        refuse_credentials(url)
        protocol, _, path = url.partition("://")
        self.name = f"{protocol}://{path.rstrip('/')}"
        if not path.strip("/"):
            raise InputError(f"Cannot read {self.name}: expected {protocol}://BUCKET/PREFIX or //HOST/PATH, got neither. Complete the URL.")
        from fsspec.core import url_to_fs  # noqa: PLC0415 - with its file system a second to import: only for a URL

        options: dict[str, Any] = {"use_listings_cache": False, "skip_instance_cache": True}
        if protocol in {"s3", "s3a"}:
            options["endpoint_url"] = Settings().s3_endpoint_url  # None: botocore asks AWS_ENDPOINT_URL itself
        try:
            self._fs, root = url_to_fs(url, **options)
            self._root = root.rstrip("/")
            # Not `exists`, which takes a server that is away for an empty one.
            is_file = self._fs.info(self._root or root)["type"] == "file"
        except Exception as error:
            raise in_words(error, self.name) from error
        # A page of links is a file too: over HTTP only the slash at the end says folder.
        self._is_file = is_file and not (protocol.lower() in _HTTP and url.endswith("/"))

    def find(self, notice: Notice) -> Iterator[Landed]:
        """Objects that could be input, by name."""
        with self._refusals():
            listed = self._single() if self._is_file else self._fs.find(self._root, detail=True)
        files = plain_files(listed)
        stores = {} if self._is_file else store_members(files)
        inside = {path for members in stores.values() for path in members}
        for path in [self._root] if self._is_file else sorted({*stores, *files} - inside):
            name = path.removeprefix(self._root).lstrip("/") or last_part(path)
            if path in stores:
                if not _is_hidden(name):
                    yield as_landed_folder(name, path, files)
            elif self._is_file or (is_input(last_part(name)) and not _is_hidden(name)):
                parts = {part: self._measured(part, files[part]) for part in (path, *beside(path, files))}
                if any(info.get("size") is None for info in parts.values()):
                    notice(clean_name(name), UNMEASURED)
                else:
                    yield as_landed(name, list(parts.items()))

    def look(self, one: Landed) -> Landed:
        """``one`` as it is now."""
        with self._refusals():
            if one.is_folder:
                inner = next(part for part in one.parts if part.at.endswith("/" + part.name))
                root = inner.at.removesuffix("/" + inner.name)
                members = plain_files(self._fs.find(root, detail=True))
                return as_landed_folder(one.name, root, members | self._there(store_sidecar_paths(root)))
            first = one.parts[0].at
            there = {path: self._fs.info(path) for path in (first, *(part.at for part in one.parts[1:]))}
            return as_landed(one.name, list(there.items()))

    def read(self, part: Part, start: int, length: int) -> bytes:
        """At most ``length`` bytes from ``start`` on."""
        with self._refusals():
            content: bytes = self._fs.cat_file(part.at, start=start, end=start + length)
        return content

    def pieces(self, part: Part) -> Iterator[bytes]:
        """All bytes in order."""
        with self._refusals():
            stream = self._fs.open(part.at, "rb", block_size=_BLOCK, cache_type="readahead")
        with stream:
            while True:
                with self._refusals():
                    piece = stream.read(PIECE)
                if not piece:
                    return
                yield piece

    def label_table(self, into: Path) -> Path | None:
        """``labels.csv`` below the URL, or next to the single file, copied to ``into``."""
        path = f"{self._root.rpartition('/')[0] if self._is_file else self._root}/{LABELS_NAME}"
        copy = into / LABELS_NAME
        try:
            with self._refusals():
                content = self._fs.cat_file(path)
        except FileNotFoundError:
            return None
        copy.write_bytes(content)
        return copy

    def _single(self) -> dict[str, Any]:
        return {self._root: self._fs.info(self._root)} | self._there(sidecar_paths(self._root))

    def _measured(self, path: str, info: Mapping[str, Any]) -> Mapping[str, Any]:
        """``info`` with the size, for which a page of links has no room."""
        if info.get("size") is not None:
            return info
        try:
            with self._refusals():
                measured: Mapping[str, Any] = self._fs.info(path)
        except OSError:
            return info
        return measured

    def _there(self, paths: list[str]) -> dict[str, Any]:
        found = {}
        for path in paths:
            with suppress(FileNotFoundError):
                found[path] = self._fs.info(path)
        return found

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        """What a server refuses, in our words; a missing or forbidden object stays an ``OSError`` of its own."""
        try:
            yield
        except (InspectionError, FileNotFoundError, PermissionError):
            raise
        except Exception as error:
            raise in_words(error, self.name) from error


def _is_hidden(name: str) -> bool:
    return any(folder.startswith(".") for folder in name.split("/")[:-1])
