"""What a KLARF file declares about itself, held against what it holds.

============================================  ===============================================================================
declared                                      where it differs
============================================  ===============================================================================
NDEFECT, per test                             note ``summary:``; ``no summary:`` where nothing declares it
DEFDENSITY, NDIE, NDEFDIE                     note ``summary:``
rows of a 1.8 DefectList (``Data n``)         refused, ``klarf.rows``: the list itself says so
rows of a test plan                           note ``die list:``
columns of DefectRecordSpec, of a DefectList  note ``spec:``
rows of ClassLookup                           nothing: it may be the size of the tool's class file
============================================  ===============================================================================

A real file declares 40 defects in its summary and holds none, so a summary is not believed against the list.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from inspection.formats.klarf.rowtext import number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

CM2_PER_UM2 = 1e-8
_MOST = 10
_ROUNDING = 1e-3
_LARGEST = 2**53
_MOST_DIES = 10_000_000
_DENSITY = re.compile(r"summary: test \S+ declares DEFDENSITY \S+ per cm2, NDEFECT / AreaPerTest is (\S+) per cm2, off by (\S+)")


@dataclass(frozen=True, slots=True)
class Declared:
    """One row of SummaryList; None where the file does not say. ``area_um2`` is the inspected area."""

    test: int
    defects: int | None
    density_per_cm2: float | None
    area_um2: float | None
    dies: int | None = None
    defective_dies: int | None = None


def declared(names: Sequence[str], tokens: Sequence[str], area_um2: Mapping[int, float], unit_um2: float = 1.0) -> list[Declared]:
    """Rows of a summary table; tokens that do not fill a row are left out. ``unit_um2`` is the file's unit of area."""
    width = len(names)
    rows = [tokens[i : i + width] for i in range(0, len(tokens) - width + 1, width)] if width else []
    out = []
    for row in rows:
        cell = {n.upper(): number(t) for n, t in zip(names, row, strict=True)}
        test = _whole(cell.get("TESTNO"))
        if test is None:
            continue
        area = _finite(cell.get("AREAPERTEST"))
        out.append(
            Declared(
                test,
                _whole(cell.get("NDEFECT")),
                _finite(cell.get("DEFDENSITY")),
                area_um2.get(test, None if area is None else area * unit_um2),
                _whole(cell.get("NDIE")),
                _whole(cell.get("NDEFDIE")),
            )
        )
    return out


def notes(rows: Sequence[Declared], columns: Mapping[str, NDArray], defects: int, dies: NDArray | None = None) -> list[str]:
    """What does not agree: the number of defects per test, the density, which is NDEFECT / AreaPerTest, and the numbers of dies.

    A list that was cut and closed shows here and nowhere else, so each difference is a note ``summary:``, and a wafer whose defects
    nobody counted has the note ``no summary:``.

    ``dies`` are the planned ones; the numbers of dies are held against the map where one test covers all of it, and 0 counts as
    not said, as tools that know no dies write it.
    """
    out = _counts(rows, columns, defects)
    if len(rows) == 1:
        out += _dies(rows[0], columns, defects, dies)
    for row in rows:
        area_cm2 = (row.area_um2 or 0.0) * CM2_PER_UM2
        if row.defects is None or row.density_per_cm2 is None or area_cm2 <= 0:
            continue
        expected = row.defects / area_cm2
        off = abs(row.density_per_cm2 - expected) / max(expected, abs(row.density_per_cm2), 1e-300)
        if off > _ROUNDING:
            out.append(
                f"summary: test {row.test} declares DEFDENSITY {row.density_per_cm2:g} per cm2, "
                f"NDEFECT / AreaPerTest is {expected:g} per cm2, off by {off:.6f}"
            )
    return out if len(out) <= _MOST else [*out[:_MOST], f"summary: and {len(out) - _MOST} more differences"]


def _counts(rows: Sequence[Declared], columns: Mapping[str, NDArray], defects: int) -> list[str]:
    """NDEFECT of each test, its rows added up, against the rows of the list that have it in column TEST; their sum where it has none."""
    of_tests: dict[int, int] = {}
    for row in rows:
        if row.defects is not None:
            of_tests[row.test] = of_tests.get(row.test, 0) + row.defects
    if not of_tests:
        return ["no summary: nothing says how many defects the list should hold"]
    test = columns.get("TEST")
    if len(of_tests) == 1 or test is None or test.dtype.kind not in "if":
        declared = sum(of_tests.values())
        who = f"test {next(iter(of_tests))} declares" if len(of_tests) == 1 else f"{len(of_tests)} tests declare"
        return [f"summary: {who} NDEFECT {declared}, the list holds {defects}"] if declared != defects else []
    held = dict(zip(*(found.tolist() for found in np.unique(test, return_counts=True)), strict=True))
    out = [
        f"summary: test {name} declares NDEFECT {declared}, the list holds {held.get(name, 0)}"
        for name, declared in of_tests.items()
        if declared != held.get(name, 0)
    ]
    if others := sum(count for name, count in held.items() if name not in of_tests):
        out.append(f"summary: {others} defects belong to tests that it has no row for")
    return out


def _dies(row: Declared, columns: Mapping[str, NDArray], defects: int, dies: NDArray | None) -> list[str]:
    out = []
    if row.dies and dies is not None and row.dies != len(dies):
        out.append(f"summary: test {row.test} declares NDIE {row.dies}, the test plan holds {len(dies)}")
    if row.defective_dies and row.defects == defects and (found := _defective_dies(columns)) not in (None, row.defective_dies):
        out.append(f"summary: test {row.test} declares NDEFDIE {row.defective_dies}, the list names {found}")
    return out


def _defective_dies(columns: Mapping[str, NDArray]) -> int | None:
    """Number of dies that the defects name; None where they name none, or dies too far apart to be those of a wafer."""
    index = [columns[n].astype(np.int64) for n in ("XINDEX", "YINDEX") if n in columns and columns[n].dtype.kind == "i"]
    if len(index) < 2 or not len(index[0]):
        return None
    x, y = (i - i.min() for i in index)
    width, height = int(x.max()) + 1, int(y.max()) + 1
    if width * height > _MOST_DIES:
        return None
    named = np.zeros(width * height, dtype=np.bool_)
    named[x * height + y] = True
    return int(np.count_nonzero(named))


def _finite(value: float | None) -> float | None:
    return value if value is not None and np.isfinite(value) else None


def _whole(value: float | None) -> int | None:
    value = _finite(value)
    return None if value is None or abs(value) >= _LARGEST or value != int(value) else int(value)
