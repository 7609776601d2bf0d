"""One process at a time per workspace, and how a group of processes is stopped."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import threading
from typing import IO, TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

INTERRUPT_PATIENCE_S = 60.0
"""How long an interrupted stage may take to save its state."""
TERMINATE_PATIENCE_S = 10.0


class FileLock:
    """An exclusive lock on a file, waited for; released when its last holder ends, however it ends.

    Parameters
    ----------
    path : Path
        Created when missing, never removed (removing it would let two processes hold "the" lock).
    listen : callable, optional
        Told, once, that another process holds the lock.
    """

    def __init__(self, path: Path, listen: Callable[[str], None] | None = None) -> None:
        self._path = path
        self._listen = listen
        self._file: IO[Any] | None = None

    def __enter__(self) -> Self:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._path.open("a", encoding="utf-8")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if self._listen is not None:
                self._listen(f"Waiting: another process runs a stage in {self._path.parent}")
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX)
            except BaseException:  # Ctrl-C while waiting
                self._file.close()
                raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def fileno(self) -> int:
        """The descriptor, for a child process that shall hold the lock too."""
        if self._file is None:
            raise ValueError("The lock is not held: use it inside its `with` block.")
        return self._file.fileno()


def stop_group(process: subprocess.Popen[str]) -> None:
    """Interrupt a process group that the process leads; terminate, then kill it, when it does not end.

    Its output is read to the end meanwhile, so that it never blocks on a full pipe while it saves its state.
    """
    stream = process.stdout
    drain = threading.Thread(target=stream.read if stream else bool, daemon=True)
    drain.start()
    steps = ((signal.SIGINT, INTERRUPT_PATIENCE_S), (signal.SIGTERM, TERMINATE_PATIENCE_S), (signal.SIGKILL, None))
    try:
        for number, patience in steps:
            if _send(process, number):
                return
            try:
                process.wait(timeout=patience)
            except subprocess.TimeoutExpired:
                continue
            return
    except KeyboardInterrupt:  # the user is out of patience
        _send(process, signal.SIGKILL)
        process.wait()
        raise
    finally:
        drain.join(timeout=TERMINATE_PATIENCE_S)


def _send(process: subprocess.Popen[str], number: signal.Signals) -> bool:
    """Signal the whole group; true when it is gone already."""
    if process.poll() is not None:
        return True
    os.killpg(process.pid, number)
    return False
