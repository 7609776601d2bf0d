"""Files and folders that appear whole or not at all: written aside in the same folder, then renamed."""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shutil
import time
import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ASIDE = ".aside-"
_MACHINE = hashlib.blake2s(platform.node().encode(), digest_size=4).hexdigest()
_FORGOTTEN_S = 24 * 3600
"""What another machine has not touched for so long it will not finish."""


@contextmanager
def aside(path: Path) -> Iterator[Path]:
    """A free path beside ``path`` to write to; renamed to ``path`` at the end of the block, removed on an error.

    No two writers share it, so that two processes that write the same file leave one whole version of it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / _name()
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def aside_folder(path: Path) -> Iterator[Path]:
    """A new folder beside ``path`` to fill; it takes the place of ``path`` at the end of the block, and is removed on an error.

    An old folder at ``path`` changes places with it in one step and is then deleted: killed at any moment, one of both is at ``path``,
    whole. Where the system cannot do that (network file systems, other systems than Linux) it is moved away first: for a moment there
    is none, never a mixture.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / _name()
    temporary.mkdir()
    try:
        yield temporary
        if not path.exists():
            temporary.rename(path)
        elif not _change_places(temporary, path):
            old = path.parent / _name()
            path.rename(old)
            temporary.rename(path)
            shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _change_places(one: Path, other: Path) -> bool:
    """renameat2(2) with RENAME_EXCHANGE; False where there is no such thing."""
    renameat2 = getattr(ctypes.CDLL(None), "renameat2", None)
    at_cwd, exchange = -100, 2
    return renameat2 is not None and renameat2(at_cwd, os.fsencode(one), at_cwd, os.fsencode(other), exchange) == 0


@contextmanager
def scratch(folder: Path) -> Iterator[Path]:
    """A new folder inside ``folder`` to fill, for what gets its name only when it is known; what is left of it is removed."""
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / _name()
    temporary.mkdir()
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write ``content``; it is on the disk before ``path`` names it, so that a power cut leaves no empty file either."""
    with aside(path) as temporary, temporary.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8, as `write_bytes` does."""
    write_bytes(path, text.encode("utf-8"))


def sweep(folder: Path) -> None:
    """Remove what killed processes of this machine left aside in ``folder``, and what other machines left there a day ago."""
    if not folder.is_dir():
        return
    for left in folder.glob(f"{ASIDE}*"):
        if _is_left(left):
            shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink(missing_ok=True)


def _is_left(path: Path) -> bool:
    machine, _, rest = path.name.removeprefix(ASIDE).partition("-")
    owner = rest.partition("-")[0]
    if machine == _MACHINE and owner.isdecimal():
        return not alive(int(owner))
    try:
        return time.time() - path.lstat().st_mtime > _FORGOTTEN_S
    except FileNotFoundError:
        return False


def _name() -> str:
    """Says whose it is: a number of a process means nothing on another machine that shares the folder."""
    return f"{ASIDE}{_MACHINE}-{os.getpid()}-{uuid.uuid4().hex}"


def alive(process: int) -> bool:
    """Whether a process of this number runs on this machine; one that has ended and that nobody has asked about yet does not."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        state = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[0]
    except (OSError, IndexError):  # no Linux, or it ended just now
        return True
    return state not in "ZX"
