"""Readers for the tests of many processes: modules of their own, for a spawned process imports them by name."""

import os
import signal
import time
from pathlib import Path

from line_maps import read_lines


def read_or_die(path, limits):
    """`read_lines`; a file that says `die` kills its process, one that says `die once FLAG` only until FLAG exists."""
    first = path.read_text(encoding="utf-8").splitlines()[1:2]
    if first and first[0].startswith("die"):
        flag = first[0].partition("once ")[2]
        if not flag or not Path(flag).exists():
            if flag:
                Path(flag).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return iter(())
    return read_lines(path, limits)


def read_slowly(path, limits):
    """`read_lines`, long enough to be killed in the middle."""
    time.sleep(0.05)
    return read_lines(path, limits)


def read_wrongly(path, limits):
    """A fault of the reader that no file is to blame for."""
    raise AssertionError(f"never so: {path.name}, {limits}")
