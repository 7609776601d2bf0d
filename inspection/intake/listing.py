"""What lies in a bucket: from the listing of a file system to what landed. Pure: no server is asked."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from itertools import accumulate
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from inspection.formats.compressed import inner_name
from inspection.formats.raster.sidecar import INSIDE, SIDECARS
from inspection.formats.raster.zarr_store import METADATA as STORE_MARKS
from inspection.intake.content import RASTERS, TABLES
from inspection.intake.place import Landed, Part, clean_name

if TYPE_CHECKING:
    from collections.abc import Mapping

_LONGEST_NAME = 255
_CHANGED = ("LastModified", "Last-Modified", "last_modified", "mtime", "updated", "modified", "created")
_TAGS = ("ETag", "etag", "md5Hash", "generation")


def plain_files(listed: Mapping[str, Any]) -> dict[str, Any]:
    """What is a file and no marker of a folder."""
    return {path: info for path, info in listed.items() if info.get("type") == "file" and not path.endswith("/")}


def store_members(files: Mapping[str, Any]) -> dict[str, list[str]]:
    """The outermost folders that hold the metadata of a zarr store, and all files in each: one source each."""
    marked = {folder for folder, _, last in (path.rpartition("/") for path in files) if last in STORE_MARKS}
    stores: dict[str, list[str]] = {}
    for path in files:
        above = accumulate(path.split("/")[:-1], lambda folder, part: f"{folder}/{part}")
        root = next((folder for folder in above if folder in marked), None)
        if root is not None:
            stores.setdefault(root, []).append(path)
    return stores


def as_landed_folder(name: str, root: str, files: Mapping[str, Any]) -> Landed:
    """A store with its sidecar as if it lay in it: the same parts in the same order as on a disk."""
    inside = {path.removeprefix(root + "/"): path for path in files if path.startswith(root + "/")}
    # A key is any text: none may name a place outside of the copy, or one that a disk cannot have.
    folders = {folder for member in inside for folder in accumulate(member.split("/")[:-1], lambda above, part: f"{above}/{part}")}
    members = {member: path for member, path in inside.items() if member not in folders and _is_plain(member)}
    if not any(INSIDE + end in inside for end in SIDECARS):
        members |= {INSIDE + PurePosixPath(path).suffix: path for path in [p for p in store_sidecar_paths(root) if p in files][:1]}
    ordered = sorted(members.items())
    whole = as_landed(name, [(path, files[path]) for _, path in ordered])
    parts = tuple(replace(part, name=member) for part, (member, _) in zip(whole.parts, ordered, strict=True))
    return replace(whole, parts=parts, is_folder=True)


def _is_plain(member: str) -> bool:
    parts = member.split("/")
    return not any(part in {"", ".", ".."} or len(part.encode(errors="replace")) > _LONGEST_NAME for part in parts) and "\0" not in member


def store_sidecar_paths(root: str) -> list[str]:
    """Where the sidecar of a store may lie, in the order of a disk."""
    last = last_part(root)
    folder = root.removesuffix(last)
    return [root + end for end in SIDECARS] + [f"{folder}{PurePosixPath(last).with_suffix(end)}" for end in SIDECARS]


def sidecar_paths(path: str) -> list[str]:
    """Where the sidecar of a raster or a table, packed or not, may lie: the same names in the same order as on a disk."""
    last = last_part(path)
    folder, inner = path.removesuffix(last), PurePosixPath(inner_name(last))
    if inner.suffix.lower() not in (*RASTERS, *TABLES):
        return []
    names = [f"{name}{end}" for name in (last, inner) for end in SIDECARS] + [str(inner.with_suffix(end)) for end in SIDECARS]
    return [folder + name for name in dict.fromkeys(names)]


def last_part(path: str) -> str:
    """The last component; a path may be a whole URL, which is no ``PurePosixPath``."""
    return path.rpartition("/")[2]


def beside(path: str, files: Mapping[str, Any]) -> list[str]:
    """The first sidecar of ``path`` that is there, if any."""
    return [one for one in sidecar_paths(path) if one in files][:1]


def as_landed(name: str, found: list[tuple[str, Mapping[str, Any]]]) -> Landed:
    """What lies at the paths of ``found``, the first of them the file itself."""
    times = [_time(info) for _, info in found]
    known = [time for time in times if time is not None]
    changed = max(known) if len(known) == len(times) else None
    # A tag tells contents apart by itself; and servers give times to the second in one answer and to the millisecond in another.
    looks = [(path, info.get("size"), _tag(info) or time) for (path, info), time in zip(found, times, strict=True)]
    return Landed(
        name=clean_name(name),
        parts=tuple(Part(last_part(path), path, int(info.get("size") or 0)) for path, info in found),
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
            value = parsedate_to_datetime(value) if value[:1].isalpha() else datetime.fromisoformat(value)
        except ValueError:
            return None
    if not isinstance(value, datetime):
        return None
    return value if value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None)
