"""The values of a zarr store by their keys: a folder, or a zip file of one. Nothing outside of it is ever read."""

from __future__ import annotations

import os
import stat
import struct
import zipfile
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from inspection.errors import FormatError
from inspection.formats.raster.stream import damaged, truncated

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ZIP = b"PK\x03\x04"
METADATA = ("zarr.json", ".zarray", ".zgroup")
_END = b"PK\x05\x06"
MAX_CHILDREN = 10_000
MAX_DIRECTORY = 16 * 2**20
"""Of a zip file: a quarter of a million chunks."""
BROKEN_ZIP = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError, struct.error, OSError, OverflowError)
"""What the zip reader raises on damaged bytes (RuntimeError: encrypted or an unknown compression)."""


class Store(Protocol):
    """Values by key: ``a/b`` is the value ``b`` in the folder ``a``."""

    def size(self, key: str) -> int | None:
        """Bytes of a value; None = there is none."""
        ...

    def read(self, key: str, start: int, length: int) -> bytes:
        """``length`` bytes of a value that is there; may be called from several threads."""
        ...

    def children(self, prefix: str) -> list[str]:
        """Names of the folders in the folder ``prefix`` (empty = the store itself)."""
        ...


def is_store(path: Path) -> bool:
    """Whether ``path`` is a folder that holds a zarr array or group; never raises. A link to a folder is none."""
    try:
        return path.is_dir() and not path.is_symlink() and any((path / name).is_file() for name in METADATA)
    except OSError:
        return False


def is_zipped_store(head: bytes, path: Path) -> bool:
    """Whether ``path`` is a zip file that holds a zarr array or group; never raises."""
    if not head.startswith(ZIP):
        return False
    try:
        if directory_bytes(path) > MAX_DIRECTORY:
            return False
        with zipfile.ZipFile(path) as archive:
            return _root(archive.namelist()) is not None
    except BROKEN_ZIP:
        return False


@contextmanager
def open_store(path: Path) -> Iterator[Store]:
    """Open a folder or a zip file as a store.

    Raises
    ------
    FormatError
        ``raster.damaged``: no such store in the zip file.
    """
    if path.is_dir():
        yield FolderStore(path)
        return
    try:
        if (size := directory_bytes(path)) > MAX_DIRECTORY:
            raise damaged(path, f"a zip directory of at most {MAX_DIRECTORY} bytes", size)
        archive = zipfile.ZipFile(path)
    except BROKEN_ZIP as error:
        raise error if isinstance(error, FormatError) else damaged(path, "a zip file", error) from error
    with archive:
        yield ZipStore(path, archive)


class FolderStore:
    """A folder. A link inside it is followed only to places inside it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.root = os.path.realpath(path)

    def size(self, key: str) -> int | None:
        """See :class:`Store`."""
        try:
            status = (self.path / key).stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError) as error:  # a name that no file can have, links in a circle
            raise damaged(self.path, f"a readable file at {key:.80}", error) from error
        if not stat.S_ISREG(status.st_mode):
            raise damaged(self.path, f"a plain file at {key}", "another kind")
        return status.st_size

    def read(self, key: str, start: int, length: int) -> bytes:
        """See :class:`Store`."""
        place = os.path.realpath(self.path / key)
        if not place.startswith(self.root + os.sep):
            raise FormatError(
                "raster.link",
                where=self.path.name,
                expected="every chunk inside the store's folder",
                got=f"a link that leads out of it at {key}",
                action="Put the files themselves into the folder.",
            )
        # A pipe that took the file's place since its size was asked for would wait for ever.
        try:
            descriptor = os.open(place, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
            try:
                data = os.pread(descriptor, length, start)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise damaged(self.path, f"a readable file at {key:.80}", error) from error
        if len(data) != length:
            raise truncated(self.path, f"{length} bytes from {start} in {key}", len(data))
        return data

    def children(self, prefix: str) -> list[str]:
        """See :class:`Store`."""
        found = []
        with os.scandir(self.path / prefix) as entries:
            for number, entry in enumerate(entries):
                if number == MAX_CHILDREN:
                    raise damaged(self.path, f"at most {MAX_CHILDREN} entries in a group", "more")
                if entry.is_dir(follow_symlinks=False):
                    found.append(entry.name)
        return sorted(found)


class ZipStore:
    """A zip file of a store, or of a folder that is one."""

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self.path, self.archive = path, archive
        self.root = _root(archive.namelist())
        self.members = {member.filename: member for member in archive.infolist()}
        if self.root is None:
            raise damaged(path, "a zarr array or group in the zip file", "none")

    def size(self, key: str) -> int | None:
        """See :class:`Store`."""
        member = self.members.get(f"{self.root}{key}")
        return None if member is None else member.file_size

    def read(self, key: str, start: int, length: int) -> bytes:
        """See :class:`Store`."""
        try:
            with self.archive.open(self.members[f"{self.root}{key}"]) as file:
                if start:
                    file.seek(start)
                data = file.read(length)
        except BROKEN_ZIP as error:
            raise damaged(self.path, f"a whole entry {key} in the zip file", error) from error
        if len(data) != length:
            raise truncated(self.path, f"{length} bytes from {start} in {key}", len(data))
        return data

    def children(self, prefix: str) -> list[str]:
        """See :class:`Store`."""
        folder = f"{self.root}{prefix}/" if prefix else str(self.root)
        inside = (name.removeprefix(folder) for name in self.members if name.startswith(folder))
        return sorted({name.partition("/")[0] for name in inside if "/" in name})[:MAX_CHILDREN]


def _root(names: list[str]) -> str | None:
    """What stands before the keys: nothing, or the one folder that was packed; None = no store."""
    known = set(names)
    tops = {name.partition("/")[0] for name in names}
    candidates = ["", f"{tops.pop()}/"] if len(tops) == 1 else [""]
    return next((root for root in candidates if any(root + name in known for name in METADATA)), None)


def directory_bytes(path: Path) -> int:
    """Length of the directory that a zip reader would read whole; 0 where there is none.

    Source: APPNOTE 6.3.10, 4.3.14 to 4.3.16. Where it is unclear which end record counts, the length of the file.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - 65_557 - 76))
        tail = file.read()
    end = len(tail) - 22 if tail[-22:-18] == _END and tail[-2:] == b"\0\0" else tail.rfind(_END)
    if end < 0:
        return 0
    if len(tail) < end + 22:
        return size
    big = end - 76  # the longer record lies right before its locator, which lies right before the end record
    if big >= 0 and tail[end - 20 : end - 16] == b"PK\x06\x07" and tail[big : big + 4] == b"PK\x06\x06":
        return int(struct.unpack_from("<Q", tail, big + 40)[0])
    return int(struct.unpack_from("<I", tail, end + 12)[0])
