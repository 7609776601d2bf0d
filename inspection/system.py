"""What the operating system refuses, in words: what was expected, what was got, and what to do about it."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

_AGAIN = "Then run the same command again; what is done stays done"


class _Kind(NamedTuple):
    expected: str
    got: str
    action: str
    is_path: bool


def _path(expected: str, got: str, action: str) -> _Kind:
    return _Kind(expected, got, action, is_path=True)


def _machine(expected: str, got: str, action: str) -> _Kind:
    return _Kind(expected, got, f"{action} {_AGAIN}", is_path=False)


_FULL = _machine("room on the disk", "a full disk", "Free space there (`df -h`, `df -i`).")
_HANDLES = _machine("a free file handle", "too many open files", "Raise the limit (`ulimit -n`), or end other processes.")
_DENIED = _path("permission", "a refusal", "Give this user the right (`ls -ld` shows whose it is), or name another path")
_KINDS = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _machine("room within the quota", "a full quota", "Free space there, or have the quota raised (`quota -s`)."),
    errno.EFBIG: _machine("a file of this size", "the limit of a file's size", "Raise it (`ulimit -f`), or use another disk."),
    errno.EMFILE: _HANDLES,
    errno.ENFILE: _HANDLES,
    errno.ENOMEM: _machine("free memory", "none", "Give the machine more, or end other processes."),
    errno.EIO: _machine("a disk that answers", "a fault of the disk", "Look into the system's log (`dmesg`) and mend it."),
    errno.ESTALE: _machine("a disk that answers", "a network disk that was exchanged", "Mount it anew."),
    errno.EACCES: _DENIED,
    errno.EPERM: _DENIED,
    errno.EROFS: _path("a disk that can be written", "one that is mounted read-only", "Mount it for writing, or name another path"),
    errno.ENAMETOOLONG: _path("a name that a disk can hold (255 bytes)", "a longer one", "Shorten it"),
    errno.EISDIR: _path("a file", "a folder", "Name a file in it, or move the folder away"),
    errno.ENOTDIR: _path("a folder", "a file on the way to it", "Correct the path, or move the file away"),
    errno.EEXIST: _path("a free name, or a folder", "something else of that name", "Move it away, or name another path"),
    errno.ENOTEMPTY: _path("an empty folder", "one with files in it", "Move it away, or name another path"),
    errno.ENOENT: _path("a file, or a folder to write to", "nothing there", "Correct the path, or make the folder"),
    errno.ELOOP: _path("a file or a folder", "links that lead in a circle", "Name the file itself"),
}


@dataclass(frozen=True)
class Refusal:
    """What the system refused.

    Attributes
    ----------
    expected, got, action : str
        Without a full stop at the end.
    where : str
        The path, shortened; empty where the system does not name one.
    is_path : bool
        Whether a path that somebody named cannot be used: the same command fails again. Otherwise it is the machine's fault, which
        passes.
    """

    expected: str
    got: str
    action: str
    where: str
    is_path: bool

    def told(self, failed: str) -> str:
        """One line: what failed, where, expected, got, what to do."""
        return f"{failed}{f' at {self.where}' if self.where else ''}: expected {self.expected}, got {self.got}. {self.action}."


def refusal(error: OSError, where: Path | str | None = None) -> Refusal:
    """``error`` in words; ``where`` stands in where the error names no path (a write does not)."""
    path = next((os.fsdecode(name) for name in (error.filename2, error.filename, where) if isinstance(name, str | bytes | Path)), "")
    kind = _KINDS.get(error.errno or 0)
    if kind is None:
        kind = _machine("an answer of the system", str(error.strerror or error).split("\n", 1)[0][:200] or "none", "Look into its log.")
    return Refusal(kind.expected, _who(kind), kind.action, _short(path), kind.is_path)


def _who(kind: _Kind) -> str:
    return kind.got if kind is not _DENIED else f"{kind.got} for user {os.geteuid()}"


def _short(path: str) -> str:
    plain = path.encode(errors="backslashreplace").decode()
    return plain if len(plain) <= 200 else f"{plain[:100]}... ({len(plain)} characters)"
