"""Files and folders that appear whole or not at all: written aside in the same folder, then renamed."""

from __future__ import annotations

import os
import shutil
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ASIDE = ".aside-"


@contextmanager
def aside(path: Path) -> Iterator[Path]:
    """A free path beside ``path`` to write to; renamed to ``path`` at the end of the block, removed on an error.

    No two writers share it, so that two processes that write the same file leave one whole version of it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f"{ASIDE}{os.getpid()}-{uuid.uuid4().hex}"
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def aside_folder(path: Path) -> Iterator[Path]:
    """A new folder beside ``path`` to fill; it takes the place of ``path`` at the end of the block, and is removed on an error.

    An old folder at ``path`` is moved away first and then deleted: for a moment there is none, never a mixture.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f"{ASIDE}{os.getpid()}-{uuid.uuid4().hex}"
    temporary.mkdir()
    try:
        yield temporary
        if path.exists():
            old = path.parent / f"{ASIDE}{os.getpid()}-{uuid.uuid4().hex}"
            path.rename(old)
            temporary.rename(path)
            shutil.rmtree(old, ignore_errors=True)
        else:
            temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def scratch(folder: Path) -> Iterator[Path]:
    """A new folder inside ``folder`` to fill, for what gets its name only when it is known; what is left of it is removed."""
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f"{ASIDE}{os.getpid()}-{uuid.uuid4().hex}"
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
    """Remove what killed processes of this machine left aside in ``folder``."""
    if not folder.is_dir():
        return
    for left in folder.glob(f"{ASIDE}*"):
        owner = left.name.removeprefix(ASIDE).partition("-")[0]
        if owner.isdecimal() and not alive(int(owner)):
            shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink(missing_ok=True)


def alive(process: int) -> bool:
    """Whether a process of this number runs on this machine."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
