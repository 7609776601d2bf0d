"""The landing place on a disk: a file, or a folder searched through all its folders."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from inspection.errors import InputError, InputNotFoundError
from inspection.intake.content import NotPlainError, is_input, members, with_sidecar
from inspection.intake.labels import beside
from inspection.intake.place import PIECE, Landed, Part, clean_name
from inspection.system import refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from inspection.intake.place import Notice, OneSource
    from inspection.settings import Workspace


class Folder:
    """A file, or a folder searched through all its folders (see :class:`inspection.intake.place.Place`).

    No link is followed out of it, and nothing but plain files is opened.

    Raises
    ------
    InputNotFoundError, InputError
        See :func:`inspection.intake.place.open_place`.
    """

    is_near = True

    def __init__(self, source: Path, workspace: Workspace, one_source: OneSource | None = None) -> None:
        try:
            self._root = root = source.resolve(strict=True)
            self._is_file = root.is_file()
            if not self._is_file:
                next(root.iterdir(), None)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise InputNotFoundError(f"No input: expected a file or folder at {source}, got nothing. Correct the path.") from error
        except RuntimeError as error:  # what pathlib makes of a loop of links
            raise InputError(refusal(OSError(errno.ELOOP, ""), source).told("Cannot read the source")) from error
        except OSError as error:
            raise InputError(refusal(error, source).told("Cannot read the source")) from error
        self._one_source = one_source
        self._own = _own_places(workspace, root)

    @property
    def name(self) -> str:
        """The folder; of a single file, the folder that holds it."""
        return clean_name(str(self._base))

    @property
    def _base(self) -> Path:
        return self._root.parent if self._is_file else self._root

    def find(self, notice: Notice) -> Iterator[Landed]:
        """Files below the folder that could be input, by name."""
        if self._is_file or self._is_one(self._root):
            found = self._landed(self._root, notice)
            if found is not None:
                yield found
            return

        def unreadable(error: OSError) -> None:
            notice(_name(Path(error.filename), self._root), f"refused: the folder cannot be read: {error.strerror}")

        for folder, folders, names in os.walk(self._root, onerror=unreadable):
            here = Path(folder)
            searched = [name for name in sorted(folders) if self._is_searched(here / name, notice)]
            folders[:] = [name for name in searched if not self._is_one(here / name)]
            files = [name for name in names if is_input(name) and here / name not in self._own]
            for name in sorted(files + [name for name in searched if name not in folders]):
                found = self._landed(here / name, notice)
                if found is not None:
                    yield found

    def look(self, one: Landed) -> Landed:
        """``one`` as it is now."""
        path = Path(one.parts[0].at)
        if one.is_folder:
            path = path.parents[one.parts[0].name.count("/")]
        return _seen(path, one.name)

    def read(self, part: Part, start: int, length: int) -> bytes:
        """At most ``length`` bytes from ``start`` on."""
        with os.fdopen(_open_plain(part.at), "rb") as stream:
            stream.seek(start)
            return stream.read(length)

    def pieces(self, part: Part) -> Iterator[bytes]:
        """All bytes in order."""
        with os.fdopen(_open_plain(part.at), "rb", buffering=0) as stream:
            while piece := stream.read(PIECE):
                yield piece

    def label_table(self, into: Path) -> Path | None:  # noqa: ARG002 - it lies on a disk already
        """``labels.csv`` in the folder, or next to the file."""
        return beside(self._root)

    def _is_one(self, folder: Path) -> bool:
        return self._one_source is not None and folder.is_dir() and self._one_source(folder)

    def _is_searched(self, folder: Path, notice: Notice) -> bool:
        if folder.is_symlink():
            notice(_name(folder, self._root), "a link to a folder is not followed; put the files themselves here")
            return False
        return not folder.name.startswith(".") and folder not in self._own

    def _landed(self, path: Path, notice: Notice) -> Landed | None:
        name = _name(path, self._base)
        try:
            target = path.resolve(strict=True) if path.is_symlink() else path
            mode = target.stat().st_mode
            if not target.is_relative_to(self._base):
                notice(name, "refused: a link that leaves the source folder; put the file itself here")
            elif not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                notice(name, "refused: not a plain file")
            else:
                return _seen(target, name)
        except NotPlainError as error:
            notice(name, f"refused: {error}")
        except PermissionError as error:
            notice(name, f"refused: it cannot be read: {error.strerror}")
        except (OSError, RuntimeError):
            notice(name, "refused: a link that leads nowhere, or a file that went away")
        return None


def _seen(path: Path, name: str) -> Landed:
    """What lies at ``path`` now: a file with its sidecar, or a folder that is one source."""
    is_folder = path.is_dir()
    found = members(path) if is_folder else {part.name: part for part in with_sidecar(path)}
    stats = {member: at.stat() for member, at in found.items()}
    # The change time cannot be set back: a file put back with its old time and length is still seen as another.
    looks = [(member, s.st_size, s.st_mtime_ns, s.st_ctime_ns, s.st_ino) for member, s in stats.items()]
    modified = max(s.st_mtime_ns for s in stats.values())
    return Landed(
        name=name,
        parts=tuple(Part(member, str(at), stats[member].st_size) for member, at in found.items()),
        size=sum(s.st_size for s in stats.values()),
        changed_at=_utc(max(modified, *(s.st_ctime_ns for s in stats.values()))),
        modified_at=_utc(modified),
        fingerprint=hashlib.sha256(repr(looks).encode()).hexdigest(),
        is_folder=is_folder,
    )


def _utc(nanoseconds: int) -> datetime:
    return datetime.fromtimestamp(nanoseconds / 1e9, UTC).replace(tzinfo=None)


def _open_plain(path: str) -> int:
    """Open a file that may have been exchanged since it was listed: for a link (refused) or a pipe (which would never answer)."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise OSError(0, "no longer a plain file", path)


def _own_places(workspace: Workspace, root: Path) -> frozenset[Path]:
    # A source that contains the workspace (`--input .`) must not eat what the workspace wrote. A source inside it is
    # meant.
    places = {value for value in vars(workspace).values() if isinstance(value, Path)}
    places |= {Path(f"{place}{end}") for place in places if place.suffix == ".sqlite" for end in ("-wal", "-shm", "-journal")}
    return frozenset(places - {workspace.landing} - ({workspace.root} if root.is_relative_to(workspace.root) else set()))


def _name(path: Path, root: Path) -> str:
    return clean_name(path.relative_to(root).as_posix())
