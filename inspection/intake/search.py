"""Searching a landing place: what could be input, what belongs together, what is still being written."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from inspection.errors import InputError, InputNotFoundError
from inspection.formats import points_sidecar
from inspection.formats.compressed import inner_name, sidecar_of
from inspection.formats.raster_sidecar import SIDECARS
from inspection.intake.labels import LABELS_NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from inspection.settings import Workspace

    Notice = Callable[[str, str], None]

RASTERS = (".npy", ".tif", ".tiff")
TABLES = (".csv", ".tsv", ".txt", ".parquet", ".pq")
PIECE = 1 << 20
_HEAD, _TAIL = 4_096, 128
_ZIP_TAIL = 65_557  # the end record (22 bytes) and the longest comment that may follow it
_LONGEST_NAME = 120


@dataclass(frozen=True)
class Landed:
    """A file found: ``path`` is resolved, ``name`` relative to the source, ``parts`` the file and its sidecar."""

    path: Path
    name: str
    parts: tuple[Path, ...]


def find(source: Path, workspace: Workspace, notice: Notice) -> Iterator[Landed]:
    """Files below ``source`` that could be input, by name; nothing is opened.

    Raises
    ------
    InputNotFoundError, InputError
        See :func:`claim`.
    """
    try:
        root = source.resolve(strict=True)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputNotFoundError(f"No input: expected a file or folder at {source}, got nothing. Correct the path.") from error
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links
        raise InputError(f"Cannot read {source}: expected a readable file or folder, got {error}. Check the path.") from error
    if root.is_file():
        yield Landed(root, _text(root.name), with_sidecar(root))
        return
    own = _own_places(workspace, root)
    for folder, folders, names in os.walk(root, onerror=_unreadable):
        here = Path(folder)
        folders[:] = [name for name in sorted(folders) if _is_searched(here / name, root, own, notice)]
        for name in sorted(names):
            found = _landed(here / name, root, notice) if _is_input(name) and here / name not in own else None
            if found is not None:
                yield found


def _is_searched(folder: Path, root: Path, own: frozenset[Path], notice: Notice) -> bool:
    if folder.is_symlink():
        notice(_name(folder, root), "a link to a folder is not followed; put the files themselves here")
        return False
    return not folder.name.startswith(".") and folder not in own


def _own_places(workspace: Workspace, root: Path) -> frozenset[Path]:
    # A source that contains the workspace (`--input .`) must not eat what the workspace wrote. A source inside it is
    # meant.
    places = {value for value in vars(workspace).values() if isinstance(value, Path)}
    places |= {Path(f"{place}{end}") for place in places if place.suffix == ".sqlite" for end in ("-wal", "-shm", "-journal")}
    return frozenset(places - {workspace.landing} - ({workspace.root} if root.is_relative_to(workspace.root) else set()))


def _is_input(name: str) -> bool:
    low = name.lower()
    return not (low.startswith((".", "truth.")) or low == LABELS_NAME or low.endswith(SIDECARS))


def _landed(path: Path, root: Path, notice: Notice) -> Landed | None:
    try:
        target = path.resolve(strict=True) if path.is_symlink() else path
        mode = target.stat().st_mode
    except (OSError, RuntimeError):
        notice(_name(path, root), "refused: a link that leads nowhere, or a file that went away")
        return None
    if not target.is_relative_to(root):
        notice(_name(path, root), "refused: a link that leaves the source folder; put the file itself here")
        return None
    if not stat.S_ISREG(mode):
        notice(_name(path, root), "refused: not a plain file")
        return None
    return Landed(target, _name(path, root), with_sidecar(target))


def _name(path: Path, root: Path) -> str:
    return _text(path.relative_to(root).as_posix())


def _text(name: str) -> str:
    # A file name may hold bytes that are no UTF-8; a database text may not.
    return os.fsencode(name).decode("utf-8", errors="backslashreplace")


def _unreadable(error: OSError) -> None:
    raise InputError(f"Cannot read the folder {error.filename}: got {error.strerror}. Check its permissions.") from error


def safe_name(name: str) -> str:
    """The last part of ``name`` with letters, digits and ``._-`` only, at most 120 characters, never hidden or empty.

    The suffix stays, for it tells a raster from its sidecar.
    """
    base = re.sub(r"[^A-Za-z0-9._-]", "_", name.replace("\\", "/").rpartition("/")[2]).lstrip(".")
    stem, dot, suffix = base.rpartition(".")
    if dot and len(suffix) <= 16:
        return f"{stem[: _LONGEST_NAME - len(suffix) - 1] or 'file'}.{suffix}" if suffix else stem[:_LONGEST_NAME] or "file"
    return base[:_LONGEST_NAME] or "file"


def sidecar(path: Path) -> Path | None:
    """The YAML file that belongs to a raster or a table of points, packed or not, as its reader will look for it; None = it has none."""
    suffix = Path(inner_name(path.name)).suffix.lower()
    if suffix in TABLES:
        return sidecar_of(path) or points_sidecar.sidecar_path(path)
    return sidecar_of(path) if suffix in RASTERS else None


def content_sha256(parts: Sequence[Path]) -> str:
    """Identity of a content, ``parts`` as :func:`with_sidecar` gives them: sha256 of all their bytes in order.

    Two rasters with equal pixels and different sidecars are different wafers; hence the sidecar counts. For every other
    file this is the plain sha256.
    """
    digest = hashlib.sha256()
    for part in parts:
        with part.open("rb") as stream:
            while piece := stream.read(PIECE):
                digest.update(piece)
    return digest.hexdigest()


def with_sidecar(path: Path) -> tuple[Path, ...]:
    """A file and its sidecar, if it has one."""
    beside = sidecar(path)
    # A sidecar that is a link could lead out of the source: it is not taken.
    return (path,) if beside is None or beside.is_symlink() else (path, beside)


def still_written(path: Path, settle_s: float, now: float | None = None) -> bool:
    """Whether a file changed less than ``settle_s`` seconds ago and lacks the mark that ends its kind.

    KLARF ends with ``EndOfFile``, a zip archive with its directory, Parquet with its magic word; a raster waits for its
    sidecar; an empty file was just opened. What has no end mark counts as written, and so does every older file: its
    reader then judges it.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    status = path.stat()
    age = (time.time() if now is None else now) - status.st_mtime
    if not 0 <= age < settle_s:
        return False
    if status.st_size == 0:
        return True
    with path.open("rb") as stream:
        head = stream.read(_HEAD)
        if head.startswith(b"PK\x03\x04"):
            return b"PK\x05\x06" not in _end(stream, status.st_size, _ZIP_TAIL)
        if head.startswith(b"PAR1"):
            return _end(stream, status.st_size, 4) != b"PAR1"
        if _is_klarf(head):
            return b"endoffile" not in _end(stream, status.st_size, _TAIL).lower()
    return path.suffix.lower() in RASTERS and sidecar(path) is None


def _is_klarf(head: bytes) -> bool:
    low = head.lstrip(b"\xef\xbb\xbf").lstrip()[:64].lower()
    return low.startswith((b"fileversion", b"record filerecord"))


def _end(stream: BinaryIO, size: int, length: int) -> bytes:
    stream.seek(max(0, size - length))
    return stream.read(length)
