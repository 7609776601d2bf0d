"""The original WM-811K file, ``LSWMD.pkl``: a pandas DataFrame that Python 2 pickled.

The one pickle that this project reads. `wm811k_child` unpickles it in a process of its own, without a class of NumPy or pandas, without
anything but its standard streams, within limits of memory and time; what comes back are plain arrays. Columns: ``waferMap`` (0 no die,
1 pass, 2 fail), ``lotName``, ``waferIndex``, ``dieSize``, ``trianTestLabel`` (sic; not used, for its parts share lots) and ``failureType``
(``[['Edge-Ring']]``, ``[['none']]``, or empty: not labelled).

References
----------
M.-J. Wu, J.-S. R. Jang, J.-L. Chen, IEEE Trans. Semicond. Manuf. 28(1), 2015, doi 10.1109/TSM.2014.2364237; MIR-WM811K data set, 2015.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np
from numpy.lib import format as npy

from inspection.errors import FormatError
from inspection.formats.diemap import wm811k_child
from inspection.wafer.maps import DieMap, SourceWafer, WaferInfo

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from inspection.params import Ingest

_PICKLE = re.compile(rb"\x80[\x02-\x05](?:[c(}\]KXUT)N\x88\x89]|\x8c|\x95)")
_START = "import sys; sys.path.append(sys.argv[1]); from inspection.formats.diemap.wm811k_child import main; main(int(sys.argv[2]))"
"""Isolated (-I, -S), the process finds the standard library and this package, and no other."""
_PATIENCE_S = 30.0
"""Beyond the processor time that the process allows itself: for a machine that gives it little of that."""


def recognises(head: bytes, path: Path) -> bool:
    """Whether a file is a pickle of protocol 2 or later: the original one, or one that is to be refused by name."""
    if not _PICKLE.match(head):
        return False
    try:
        return b"pandas" in head or _last_byte(path) == b"."
    except OSError:
        return False


def read(path: Path, limits: Ingest) -> Iterator[SourceWafer]:
    """Die maps in the file's order, with lot, wafer, label and row; the whole file is checked before the first one is given out.

    Parameters
    ----------
    path : Path
    limits : Ingest
        ``max_file_mb`` bounds the file, ``max_wafers`` the number of maps.

    Raises
    ------
    FormatError
        ``wm811k.class``: a class or function outside the short list that the original needs, named; ``wm811k.limits``: more memory or
        time than a file of its size needs; ``wm811k.damaged``, ``wm811k.structure``, ``wm811k.columns``, ``wm811k.values``,
        ``wm811k.wafers``, ``wm811k.size``.

    Notes
    -----
    The arrays wait in a temporary file without a name, and one map at a time is in memory here; the process takes about one and a half
    times the size of the file.
    """
    size = path.stat().st_size
    if size > limits.max_file_bytes:
        raise _error("size", path.name, f"at most {limits.max_file_mb} MiB", f"{size / 2**20:.1f} MiB")
    with tempfile.TemporaryFile() as result:
        _unpickle(path, size, result, limits)
        yield from _wafers(result)


def _unpickle(path: Path, size: int, result: IO[bytes], limits: Ingest) -> None:
    """Let the child write ``result``, placed at its beginning; refuse what it refuses, and what kills it."""
    command = [sys.executable, "-I", "-S", "-c", _START, str(Path(wm811k_child.__file__).parents[3]), str(limits.max_wafers)]
    seconds = wm811k_child.processor_seconds(size)
    try:
        with path.open("rb") as source:
            done = subprocess.run(
                command,
                stdin=source,
                stdout=result,
                stderr=subprocess.DEVNULL,
                env={} if os.name == "posix" else None,
                timeout=10 * seconds + _PATIENCE_S,
                check=False,
            )
        code = done.returncode
    except subprocess.TimeoutExpired:
        code = -1
    result.seek(0)
    line = result.readline() if code == 1 else b""
    if line:
        fault = json.loads(line)["error"]
        raise _error(*fault)
    if code != 0:
        raise _error(
            "limits", path.name, f"a pickle that is read within {seconds:.1f} s of processor time", f"a process that was ended ({code})"
        )
    result.seek(0)


def _wafers(result: IO[bytes]) -> Iterator[SourceWafer]:
    names = json.loads(result.readline())
    shapes, lot, label, wafer, die_size = (npy.read_array(result, allow_pickle=False) for _ in range(5))
    npy.read_magic(result)
    npy.read_array_header_1_0(result)
    for i, (rows, cols) in enumerate(shapes.tolist()):
        status = np.frombuffer(result.read(rows * cols), np.uint8).reshape(rows, cols)
        yield SourceWafer(
            index=i,
            map=DieMap(info=WaferInfo(lot=names["lots"][lot[i]], wafer="" if wafer[i] < 0 else str(wafer[i])), status=status),
            label=None if label[i] < 0 else names["classes"][label[i]],
            notes=_notes(status, int(die_size[i])),
            row=i,
        )


def _notes(status: NDArray[np.uint8], die_size: int) -> tuple[str, ...]:
    dies = int(np.count_nonzero(status))
    return () if die_size in (-1, dies) else (f"dieSize says {die_size} dies, the map has {dies}",)


def _last_byte(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1)


def _error(code: str, where: str, expected: str, got: object) -> FormatError:
    return FormatError(
        f"wm811k.{code}",
        where=where,
        expected=expected,
        got=got,
        action="Only the original LSWMD.pkl is read; save anything else as a die-map archive (.npz).",
    )
