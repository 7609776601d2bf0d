"""Tables of points, CSV or Parquet: one row per defect, columns by their usual names or by a YAML sidecar.

A file with places but no column for the wafer is one wafer, named by the file. With one, each inspection (lot, wafer, slot, layer, tool,
recipe, time) is a map of its own, in the order of first appearance; the rows need not be together. A row that names a wafer and leaves
the place empty declares a wafer without a defect. Columns without a known meaning become attributes.

``columns`` knows the names, ``sidecar`` the sidecar, ``csv`` and ``parquet`` read, ``wafers`` makes the
maps.
"""

from __future__ import annotations

import os
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import pyarrow as pa

from inspection.errors import FormatError
from inspection.formats.points import csv as points_csv
from inspection.formats.points import parquet
from inspection.formats.points.columns import INSPECTION, resolve
from inspection.formats.points.dialect import SAMPLE_BYTES, dialect_of
from inspection.formats.points.rows import line_of
from inspection.formats.points.sidecar import own_sidecar, read_sidecar
from inspection.formats.points.source import PointsTable
from inspection.formats.points.wafers import wafers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from inspection.formats.points.columns import Columns
    from inspection.formats.points.sidecar import Sidecar
    from inspection.params import Ingest
    from inspection.wafer.maps import SourceWafer

LABELS = "labels.csv"
_SHORTEST_ROW = 4
"""``0,0`` and a line end: no file has more rows than its size over this."""


def recognises(head: bytes, path: Path) -> bool:
    """Whether a file is Parquet, or text with a header that says where defects lie (by its sidecar, if it has one).

    Any Parquet file is taken for a table of points: no other format here is one.
    """
    if path.name.lower() == LABELS:
        return False
    if head.startswith(parquet.MAGIC):
        return True
    if b"\0" in head:
        return False
    try:
        given = read_sidecar(path).columns
    except FormatError:
        given = {}  # the reader says what is wrong with it
    try:
        return dialect_of(_sample(path), lambda header: resolve(header, given)) is not None
    except FormatError:
        # A sidecar of its own that maps columns is meant for a table; one for all of a folder says nothing about this file.
        return own_sidecar(path) is not None
    except OSError:
        return False


def read(path: Path, limits: Ingest) -> Iterator[SourceWafer]:
    """Wafers of a table of points in the order of their first rows.

    Parameters
    ----------
    path : Path
        CSV with a delimiter of ``, ; tab |``, or Parquet.
    limits : Ingest
        ``max_file_mb``, ``max_defects`` per wafer and ``max_wafers`` are held before anything of that size is built.

    Raises
    ------
    FormatError
        ``points.columns``, ``points.sidecar``, ``points.row``, ``points.number``, ``points.place``, ``points.damaged``, ``points.size``
        and those of `points_wafers.wafers`; the reason says where.
    """
    size = path.stat().st_size
    if size > limits.max_file_bytes:
        raise _error("size", path, f"at most {limits.max_file_mb} MiB", f"{size / 2**20:.1f} MiB")
    sidecar = read_sidecar(path)
    with path.open("rb") as file:
        magic = file.read(len(parquet.MAGIC))
    source = (_parquet if magic == parquet.MAGIC else _csv)(path, sidecar, limits)
    of_header = source.columns.units.get("xrel" if source.columns.relative else "x")
    if None not in {of_header, sidecar.unit} and of_header != sidecar.unit:
        raise _error("unit", path, f"places in {sidecar.unit}, as the sidecar says", f"{of_header} in the header")
    # The parser's own buffers are larger than the table: given back, they serve the maps.
    pa.default_memory_pool().release_unused()
    yield from wafers(source, limits)


def _csv(path: Path, sidecar: Sidecar, limits: Ingest) -> PointsTable:
    dialect = dialect_of(_sample(path), lambda header: resolve(header, sidecar.columns))
    if dialect is None:
        raise _no_places(path, "no header that names them in its first lines")
    size = path.stat().st_size
    if size // _SHORTEST_ROW > limits.max_defects:
        # A row that cannot be read is the parser's to name.
        with suppress(pa.ArrowInvalid):
            _hold_rows(partial(points_csv.batches_of_facts, path, dialect), dialect.columns, path, limits)
    table, read_as = points_csv.read_table(path, dialect)
    notes = list(read_as.notes)
    if not _ends_a_line(path):
        notes.append("no line end at the end of the file: its last row may be cut")
    return PointsTable(table, dialect.columns, sidecar.completed(dialect.said), path.stem, size, partial(line_of, path, dialect), notes)


def _parquet(path: Path, sidecar: Sidecar, limits: Ingest) -> PointsTable:
    header = parquet.header_of(path)
    columns = resolve(header, sidecar.columns)
    if columns is None:
        raise _no_places(path, ", ".join(n for n in header if n)[:150])
    if parquet.rows_of(path) > min(limits.max_defects, limits.max_wafers):
        _hold_rows(partial(parquet.batches_of_facts, path), columns, path, limits)
    table = parquet.read_table(path, columns, limits)
    return PointsTable(table, columns, sidecar, path.stem, path.stat().st_size, lambda row: f"row {row + 1}")


def _hold_rows(batches: Callable[[list[int]], Iterable[pa.RecordBatch]], columns: Columns, path: Path, limits: Ingest) -> None:
    """Count the rows of each wafer while little is in memory. Comments between the rows count as rows, so the limit errs by them."""
    keys = [columns.at[fact] for fact in INSPECTION if fact in columns.at]
    names = [str(k) for k in keys]
    counts: dict[tuple[object, ...], int] = {}
    for batch in batches(keys or [columns.at[columns.numbers[0]]]):
        if not keys:
            counts[()] = counts.get((), 0) + batch.num_rows
        else:
            counted = pa.Table.from_batches([batch]).group_by(names).aggregate([([], "count_all")]).to_pydict()
            for *key, rows in zip(*(counted[n] for n in (*names, "count_all")), strict=True):
                counts[tuple(key)] = counts.get(tuple(key), 0) + rows
        if max(counts.values()) > limits.max_defects:
            raise _error("defects", path, f"at most {limits.max_defects} defects per wafer", "more")
        if len(counts) > limits.max_wafers:
            raise _error("wafers", path, f"at most {limits.max_wafers} wafers", "more")


def _sample(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(SAMPLE_BYTES)


def _ends_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) in b"\r\n"


def _no_places(path: Path, got: str) -> FormatError:
    return _error("columns", path, "columns x and y (or xindex, yindex, xrel, yrel), by their usual names or by a sidecar", got)


def _error(code: str, path: Path, expected: str, got: object) -> FormatError:
    action = "Name the columns in a sidecar, or hand the wafers in as several files."
    return FormatError(f"points.{code}", where=path.name, expected=expected, got=got, action=action)
