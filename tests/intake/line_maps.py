"""A small plain-text format for the tests of intake: real files, a real reader, any fault on demand.

::

    maps
    lot wafer kind value...     kind: points x,y ... | dies rows cols ... | fault NAME
    end

A wafer may say when it was inspected and when its file was written: ``7@3@5`` is wafer 7, inspected at 3, written at 5.
"""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from inspection.errors import FormatError
from inspection.wafer.maps import DefectMap, DieMap, SourceWafer, WaferInfo

FAULTS = {"index": IndexError("list index out of range"), "runtime": RuntimeError("File is encrypted")}


def read_lines(path, limits):
    """Read the format of this module, one wafer per line."""
    del limits
    lines = path.read_text(encoding="utf-8").splitlines()
    if not lines or lines[0] != "maps" or lines[-1] != "end":
        raise FormatError("maps.truncated", where=path.name, expected="`maps` ... `end`", got=lines[:1], action="Send it again.")
    for index, line in enumerate(lines[1:-1]):
        lot, wafer, kind, *values = line.split()
        wafer, *hours = wafer.split("@")
        times = dict(zip(("inspected_at", "written_at"), (datetime(2026, 1, 1, int(h), tzinfo=UTC) for h in hours), strict=False))
        info = WaferInfo(lot=lot.replace("-", ""), wafer=wafer, layer="M1", slot=index % 25 + 1, **times)
        if kind == "fault":
            raise FAULTS[values[0]]
        if kind == "points":
            xy = np.array([[float(v) for v in value.split(",")] for value in values]).reshape(-1, 2)
            yield SourceWafer(index, DefectMap(info=info, xy_um=xy))
        else:
            rows, cols = int(values[0]), int(values[1])
            status = np.frombuffer(values[2].encode(), np.uint8).reshape(rows, cols) - ord("0")
            yield SourceWafer(index, DieMap(info=info, status=status), label="Donut" if index == 0 else None)


def write_lines(path: Path, lines: list[str]) -> Path:
    """Write the format of this module."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["maps", *lines, "end"]) + "\n", encoding="utf-8")
    return path
