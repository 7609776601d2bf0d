"""The process that unpickles the original WM-811K file: it limits itself, then reads standard input and writes standard output.

Standard library only, and run isolated. The output begins with a line of JSON, either ``{"error": [code, where, expected, got]}`` or
``{"lots": [...], "classes": [...]}``, behind which follow plain ``.npy`` arrays: ``shapes`` (n, 2), ``lot``, ``label``, ``wafer`` and
``die_size`` of shape (n,), -1 where there is none, and ``pixels``.
"""

from __future__ import annotations

import codecs
import gc
import json
import os
import signal
import sys
from array import array
from itertools import starmap
from math import prod
from typing import IO, Any

from inspection.formats.diemap.wm811k_stand_ins import Array, RefusedError, Unpickler, text

BASE_BYTES = 192 << 20
"""Room for the interpreter and a small file; a large one may take three times its size beside it."""
SECONDS, BYTES_PER_SECOND = 0.5, 8 << 20
"""Processor time: so much for any file, and a second more for so many bytes; a laptop takes a fifth of it."""
_LONGEST = 64


def unpickled(stream: IO[bytes]) -> Any:
    """What the one pickle in ``stream`` holds."""
    frame = Unpickler(stream, encoding="bytes").load()
    if stream.read(1):
        raise RefusedError("damaged", "the pickle", "nothing behind its end", "more bytes")
    return frame


def columns(frame: Any) -> tuple[int, dict[str, list[Any]]]:
    """Number of rows, and the values of each column."""
    try:
        state = {text(k): v for k, v in frame.state.items()}
        manager = {text(k): v for k, v in state["_data"].state[3].items()}["0.14.1"]
        parts = {text(k): v for k, v in manager.items()}
        names, rows = [text(n) for n in parts["axes"][0]], len(parts["axes"][1])
        blocks = [{text(k): v for k, v in b.items()} for b in parts["blocks"]]
        found: dict[str, list[Any]] = {}
        for block in blocks:
            values, places = block["values"], block["mgr_locs"]
            at = list(range(*places.indices(len(names)))) if isinstance(places, slice) else list(places.numbers())
            if values.shape != (len(at), rows):
                raise RefusedError("structure", "a block", f"shape {(len(at), rows)}", str(values.shape))
            cells = values.objects() if values.dtype.code[0] == "O" else values.numbers()
            turned = values.fortran and values.dtype.code[0] != "O"  # objects are listed row after row whatever the order
            for k, place in enumerate(at):
                found[names[place]] = list(cells[k :: len(at)] if turned else cells[k * rows : (k + 1) * rows])
    except (AttributeError, IndexError, KeyError, TypeError) as error:
        raise RefusedError(
            "structure", "the pickle", "a DataFrame of pandas 0.14 to 0.25", f"{type(error).__name__}: {error}"[:100]
        ) from None
    return rows, found


def pixels(value: Any, row: int) -> tuple[tuple[int, int], bytes]:
    """Shape and statuses of one map, row after row."""
    if not isinstance(value, Array) or len(value.shape) != 2 or not prod(value.shape):
        raise RefusedError("values", f"row {row}, waferMap", "an array of two dimensions", type(value).__name__)
    numbers = value.numbers()
    content = numbers if isinstance(numbers, bytes) else bytes(int(v) if v in (0, 1, 2) else 255 for v in numbers)
    if odd := content.strip(b"\0\1\2"):
        raise RefusedError("values", f"row {row}, waferMap", "0 no die, 1 pass, 2 fail", str(odd[0]))
    rows, cols = value.shape
    if value.fortran:
        content = b"".join(content[r::rows] for r in range(rows))
    return (rows, cols), content


def only(value: Any, row: int, depth: int = 3) -> str | None:
    """The one text in ``array([['x']])``; None where it is empty."""
    if isinstance(value, Array):
        value = value.objects() if value.dtype.code[0] in "OUS" or prod(value.shape) == 0 else [None] * 2
    if isinstance(value, list | tuple):
        if len(value) > 1 or not depth:
            raise RefusedError("values", f"row {row}, failureType", "one name or none", f"{len(value)}")
        return only(value[0], row, depth - 1) if value else None
    if value is None or value != value:  # noqa: PLR0124 - NaN stands for an empty cell
        return None
    return text(value).strip()[:_LONGEST] or None


def whole(value: Any) -> int:
    """A whole number as pandas keeps it, -1 where it is none."""
    return int(value) if isinstance(value, int | float) and value == value and 0 <= value < 2**31 and value == int(value) else -1  # noqa: PLR0124


def write(out: IO[bytes], frame: Any, size: int, max_wafers: int) -> None:
    """Check every row, then write the result."""
    rows, found = columns(frame)
    if missing := {"waferMap", "failureType"} - found.keys():
        raise RefusedError(
            "columns", "the DataFrame", "columns waferMap, failureType, lotName, waferIndex", f"no {', '.join(sorted(missing))}"
        )
    if rows > max_wafers:
        raise RefusedError("wafers", "the DataFrame", f"at most {max_wafers} maps", str(rows))
    maps = list(starmap(pixels, zip(found["waferMap"], range(rows), strict=True)))
    total = sum(len(content) for _, content in maps)
    if total > size:  # each map of the true file has its own bytes
        raise RefusedError("size", "waferMap", f"at most {size} pixels, the size of the file", str(total))
    nothing: list[Any] = [None] * rows
    lots = [only(v, i) or "" for i, v in enumerate(found.get("lotName", nothing))]
    labels = [only(v, i) for i, v in enumerate(found["failureType"])]
    known_lots = {name: k for k, name in enumerate(dict.fromkeys(lots))}
    known = {name: k for k, name in enumerate(sorted({v for v in labels if v is not None}))}
    out.write(json.dumps({"lots": list(known_lots), "classes": list(known)}).encode() + b"\n")
    _npy(out, (rows, 2), array("i", [side for shape, _ in maps for side in shape]))
    _npy(out, (rows,), array("i", [known_lots[v] for v in lots]))
    _npy(out, (rows,), array("i", [-1 if v is None else known[v] for v in labels]))
    for name in ("waferIndex", "dieSize"):
        _npy(out, (rows,), array("i", map(whole, found.get(name, nothing))))
    _npy_header(out, (total,), "|u1")
    for _, content in maps:
        out.write(content)


def _npy(out: IO[bytes], shape: tuple[int, ...], values: array[int]) -> None:
    _npy_header(out, shape, ("<" if sys.byteorder == "little" else ">") + f"i{values.itemsize}")
    out.write(values.tobytes())


def _npy_header(out: IO[bytes], shape: tuple[int, ...], descr: str) -> None:
    """Version 1.0 of the format that numpy.lib.format documents."""
    header = repr({"descr": descr, "fortran_order": False, "shape": shape}).encode()
    header += b" " * (-(10 + len(header) + 1) % 64) + b"\n"
    out.write(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)


def processor_seconds(size: int) -> float:
    """Seconds that a file of ``size`` bytes may take."""
    return SECONDS + size / BYTES_PER_SECOND


def limit(size: int) -> None:
    """Bound memory, processor time, output and files of this process, where the system can."""
    for coding in ("latin-1", "utf-32-le", "utf-32-be"):
        codecs.lookup(coding)  # no module can be opened any more once the limits hold
    try:
        import resource  # noqa: PLC0415 - POSIX only
    except ImportError:
        return
    seconds = processor_seconds(size)
    signal.setitimer(signal.ITIMER_PROF, seconds)  # its signal ends the process; the limit below knows whole seconds only
    for name, value in (
        ("RLIMIT_AS", BASE_BYTES + 3 * size),
        ("RLIMIT_CPU", 1 + int(seconds)),
        ("RLIMIT_FSIZE", (32 << 20) + 2 * size),
        ("RLIMIT_CORE", 0),
        ("RLIMIT_NPROC", 0),
        ("RLIMIT_NOFILE", 3),
    ):
        hard = resource.getrlimit(getattr(resource, name))[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)  # noqa: PLW2901
        resource.setrlimit(getattr(resource, name), (value, value))


def main(max_wafers: int) -> None:
    """Read standard input, write standard output, and end: 0 = done, 1 = refused."""
    size = os.fstat(0).st_size
    limit(size)
    gc.disable()  # millions of small objects, none of them in a cycle
    fault: tuple[str, ...]
    try:
        frame = unpickled(sys.stdin.buffer)
        write(sys.stdout.buffer, frame, size, max_wafers)
        sys.stdout.buffer.flush()
    except RefusedError as error:
        fault = error.args
    except MemoryError:
        fault = ("limits", "the pickle", "no more memory than its size needs", "more")
    except Exception as error:  # noqa: BLE001 - whatever damaged bytes make the unpickler raise
        fault = ("damaged", "the pickle", "a complete pickle of Python 2", f"{type(error).__name__}: {error}"[:150])
    else:
        os._exit(0)  # no need to take millions of objects apart
    os.ftruncate(1, 0)
    os.lseek(1, 0, os.SEEK_SET)
    os.write(1, json.dumps({"error": [str(f)[:200] for f in fault]}).encode() + b"\n")
    os._exit(1)
