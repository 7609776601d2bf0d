"""The landing place behind a URL: any file system that fsspec knows, ``s3://`` first of all.

Credentials come from the environment only. An object appears in a bucket whole, when its upload is complete; other file
systems show a file while it grows, and for those the end marks and the age decide (``endmarks``).
"""

from __future__ import annotations

import hashlib
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from itertools import accumulate
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from inspection.errors import EngineError, InputError, InputNotFoundError, InspectionError
from inspection.formats.compressed import inner_name
from inspection.formats.raster.sidecar import INSIDE, SIDECARS
from inspection.formats.raster.zarr_store import METADATA as STORE_MARKS
from inspection.intake.content import RASTERS, TABLES, is_input
from inspection.intake.labels import LABELS_NAME
from inspection.intake.place import PIECE, Landed, Part, clean_name, refuse_credentials
from inspection.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from inspection.intake.place import Notice

_LONGEST_NAME = 255
_BLOCK = 8 << 20
"""Bytes of one request."""
_EXTRAS = {"s3": "s3", "s3a": "s3"}
"""Our extra that brings a protocol."""
_CHANGED = ("LastModified", "last_modified", "mtime", "updated", "modified", "created")
_TAGS = ("ETag", "etag", "md5Hash", "generation")


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
        self.name = url.rstrip("/")
        protocol = url.partition(":")[0]
        from fsspec.core import url_to_fs  # noqa: PLC0415 - with its file system a second to import: only for a URL

        options: dict[str, Any] = {"use_listings_cache": False, "skip_instance_cache": True}
        if protocol in _EXTRAS:
            options["endpoint_url"] = Settings().s3_endpoint_url  # None: botocore asks AWS_ENDPOINT_URL itself
        try:
            self._fs, root = url_to_fs(url, **options)
        except ImportError as error:
            extra = _EXTRAS.get(protocol)
            remedy = f"Install it: pip install 'wafer-inspection[{extra}]'" if extra else f"Install the package that it needs ({error})"
            raise InputError(f"Cannot read {self.name}: expected the package for {protocol}://, got none. {remedy}.") from error
        except ValueError as error:
            raise InputError(f"Cannot read {self.name}: expected a URL that fsspec knows, got {error}. Correct it.") from error
        self._root = root.rstrip("/")
        with self._refusals():
            try:
                # Not `exists`, which takes a server that is away for an empty one.
                self._is_file = self._fs.info(self._root or root)["type"] == "file"
            except FileNotFoundError as error:
                advice = "Correct the URL, or create the bucket."
                raise InputNotFoundError(f"No input: expected files below {self.name}, got nothing. {advice}") from error

    def find(self, notice: Notice) -> Iterator[Landed]:  # noqa: ARG002 - a bucket holds neither links nor devices
        """Objects that could be input, by name."""
        with self._refusals():
            listed = self._single() if self._is_file else self._fs.find(self._root, detail=True)
        files = _files(listed)
        if self._is_file:
            yield _landed(PurePosixPath(self._root).name, [(p, files[p]) for p in (self._root, *_beside(self._root, files))])
            return
        stores = _stores(files)
        inside = {path for members in stores.values() for path in members}
        for path in sorted({*stores, *files} - inside):
            name = path.removeprefix(self._root).lstrip("/") or PurePosixPath(path).name
            folders, _, last = name.rpartition("/")
            if any(folder.startswith(".") for folder in folders.split("/")):
                continue
            if path in stores:
                yield _landed_folder(name, path, files)
            elif is_input(last):
                yield _landed(name, [(p, files[p]) for p in (path, *_beside(path, files))])

    def look(self, one: Landed) -> Landed:
        """``one`` as it is now."""
        with self._refusals():
            if one.is_folder:
                inner = next(part for part in one.parts if part.at.endswith("/" + part.name))
                root = inner.at.removesuffix("/" + inner.name)
                return _landed_folder(one.name, root, _files(self._fs.find(root, detail=True)) | self._there(_store_sidecars(root)))
            first = one.parts[0].at
            there = {path: self._fs.info(path) for path in (first, *(part.at for part in one.parts[1:]))}
            return _landed(one.name, list(there.items()))

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
        path = f"{PurePosixPath(self._root).parent if self._is_file else self._root}/{LABELS_NAME}"
        copy = into / LABELS_NAME
        try:
            with self._refusals():
                content = self._fs.cat_file(path)
        except FileNotFoundError:
            return None
        copy.write_bytes(content)
        return copy

    def _single(self) -> dict[str, Any]:
        return {self._root: self._fs.info(self._root)} | self._there(_sidecars(self._root))

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
        except Exception as error:  # every file system has its own errors, and no common base
            raise EngineError(
                f"Cannot read {self.name}: expected an answer of the server, got {type(error).__name__}: {str(error)[:200]}. "
                "Check the endpoint, the network and the credentials in the environment, then run again; nothing is half done."
            ) from error


def _files(listed: Mapping[str, Any]) -> dict[str, Any]:
    return {path: info for path, info in listed.items() if info.get("type") == "file" and not path.endswith("/")}


def _stores(files: Mapping[str, Any]) -> dict[str, list[str]]:
    """The outermost folders that hold the metadata of a zarr store, and all files in each: one source each."""
    marked = {folder for folder, _, last in (path.rpartition("/") for path in files) if last in STORE_MARKS}
    stores: dict[str, list[str]] = {}
    for path in files:
        above = accumulate(path.split("/")[:-1], lambda folder, part: f"{folder}/{part}")
        root = next((folder for folder in above if folder in marked), None)
        if root is not None:
            stores.setdefault(root, []).append(path)
    return stores


def _landed_folder(name: str, root: str, files: Mapping[str, Any]) -> Landed:
    """A store with its sidecar as if it lay in it: the same parts in the same order as on a disk."""
    inside = {path.removeprefix(root + "/"): path for path in files if path.startswith(root + "/")}
    # A key is any text: none may name a place outside of the copy, or one that a disk cannot have.
    folders = {folder for member in inside for folder in accumulate(member.split("/")[:-1], lambda above, part: f"{above}/{part}")}
    members = {member: path for member, path in inside.items() if member not in folders and _is_plain(member)}
    if not any(INSIDE + end in inside for end in SIDECARS):
        members |= {INSIDE + PurePosixPath(path).suffix: path for path in [p for p in _store_sidecars(root) if p in files][:1]}
    ordered = sorted(members.items())
    landed = _landed(name, [(path, files[path]) for _, path in ordered])
    parts = tuple(replace(part, name=member) for part, (member, _) in zip(landed.parts, ordered, strict=True))
    return replace(landed, parts=parts, is_folder=True)


def _is_plain(member: str) -> bool:
    parts = member.split("/")
    return not any(part in {"", ".", ".."} or len(part.encode(errors="replace")) > _LONGEST_NAME for part in parts) and "\0" not in member


def _store_sidecars(root: str) -> list[str]:
    """Where the sidecar of a store may lie, in the order of a disk."""
    return [root + end for end in SIDECARS] + [str(PurePosixPath(root).with_suffix(end)) for end in SIDECARS]


def _sidecars(path: str) -> list[str]:
    """Where the sidecar of a raster or a table, packed or not, may lie: the same names in the same order as on a disk."""
    inner = PurePosixPath(path).with_name(inner_name(PurePosixPath(path).name))
    if inner.suffix.lower() not in (*RASTERS, *TABLES):
        return []
    names = [path + end for end in SIDECARS] + [f"{inner}{end}" for end in SIDECARS] + [str(inner.with_suffix(end)) for end in SIDECARS]
    return list(dict.fromkeys(names))


def _beside(path: str, files: Mapping[str, Any]) -> list[str]:
    return [one for one in _sidecars(path) if one in files][:1]


def _landed(name: str, found: list[tuple[str, Mapping[str, Any]]]) -> Landed:
    times = [_time(info) for _, info in found]
    known = [time for time in times if time is not None]
    changed = max(known) if len(known) == len(times) else None
    # A tag tells contents apart by itself; and servers give times to the second in one answer and to the millisecond in another.
    looks = [(path, info.get("size"), _tag(info) or time) for (path, info), time in zip(found, times, strict=True)]
    return Landed(
        name=clean_name(name),
        parts=tuple(Part(PurePosixPath(path).name, path, int(info.get("size") or 0)) for path, info in found),
        size=sum(int(info.get("size") or 0) for _, info in found),
        changed_at=changed,
        modified_at=changed,
        fingerprint=hashlib.sha256(repr(looks).encode()).hexdigest(),
    )


def _tag(info: Mapping[str, Any]) -> str | None:
    return next((f"{tag} {info[tag]}" for tag in _TAGS if info.get(tag) is not None), None)


def _time(info: Mapping[str, Any]) -> datetime | None:
    """When a file was last changed, UTC naive; each file system has its own word for it."""
    value = next((info[key] for key in _CHANGED if info.get(key) is not None), None)
    if isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC).replace(tzinfo=None)
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if not isinstance(value, datetime):
        return None
    return value if value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None)
