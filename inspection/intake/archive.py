"""The archive: claimed contents, byte-identical, each in the folder of its sha256; nothing there is half a copy."""

from __future__ import annotations

import hashlib
from contextlib import ExitStack, contextmanager
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from inspection.errors import EngineError
from inspection.intake.content import member_head, safe_name
from inspection.system import refusal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import RawIOBase
    from pathlib import Path

    from inspection.intake.place import Landed, Place
    from inspection.settings import Workspace

CHANGED = "left for later: it changed while it was read"


class UnreadableError(Exception):
    """The source's bytes cannot be had now; says why."""


def archived(workspace: Workspace, sha256: str, name: str) -> Path:
    """Where the bytes of a claimed file lie."""
    return workspace.archive / sha256 / safe_name(name)


def fetch(place: Place, one: Landed, folder: Path | None) -> str:
    """Copy the parts into ``folder`` (None: only read them) as ``0``, ``1``, or as the folder ``0``; the sha256 of the content.

    Raises
    ------
    UnreadableError
        There are more bytes than were listed.
    OSError
        The source cannot be read.
    EngineError
        The disk refuses the copy.
    """
    digest = hashlib.sha256()
    left = one.size
    for number, part in enumerate(one.parts):
        if one.is_folder:
            digest.update(member_head(part.name, part.size))
        target = None if folder is None else folder / "0" / part.name if one.is_folder else folder / str(number)
        with ExitStack() as stack:
            stream = None
            if target is not None:
                with writing(one, target.parent):
                    target.parent.mkdir(parents=True, exist_ok=True)
                    stream = stack.enter_context(target.open("wb", buffering=0))
            for piece in place.pieces(part):
                left -= len(piece)
                if left < 0:  # also what never ends, whatever its length said
                    raise UnreadableError(CHANGED)
                digest.update(piece)
                if stream is not None:
                    with writing(one, target):
                        _write_all(stream, piece)
    return digest.hexdigest()


def _write_all(stream: RawIOBase, piece: bytes) -> None:
    # Unbuffered, so that a full disk is felt at the write and not when the file is closed.
    rest = memoryview(piece)
    while rest:
        rest = rest[stream.write(rest) :]


@contextmanager
def writing(one: Landed, into: Path | None) -> Iterator[None]:
    """The archive's faults are the machine's and stop everything; those of the source stop only ``one``."""
    try:
        yield
    except OSError as error:
        raise EngineError(f"{refusal(error, into).told(f'Cannot copy {one.name}, {one.size} bytes,')} Nothing is half done.") from error


def keep(one: Landed, folder: Path, kept: Path) -> None:
    """Give the copy in ``folder`` its place: the folder of its content at once, or, where a killed run left one, part by part."""
    names = [kept.name]
    for part in () if one.is_folder else one.parts[1:]:
        # The copy keeps the form of the original: NAME.npy.yaml or NAME.yaml.
        suffix = PurePosixPath(part.name).suffix
        names.append((kept.name if part.name == one.parts[0].name + suffix else kept.stem) + suffix)
    for number, name in enumerate(names):
        (folder / str(number)).rename(folder / name)
    if not kept.parent.exists():
        folder.rename(kept.parent)
        return
    for name in reversed(names):  # the file itself last: where it lies, its sidecar does
        (folder / name).replace(kept.parent / name)
