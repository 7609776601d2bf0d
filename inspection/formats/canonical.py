"""The canonical shard: wafers of any source in one Parquet file, one row each, without pickle, readable by position.

Reading what was written gives the same values and dtypes. `canonical_rows` says how a wafer lies in a row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from inspection.aside import aside
from inspection.errors import FormatError
from inspection.formats.canonical_rows import (
    INDEX_COLUMNS,
    SCHEMA,
    VERSION,
    VERSION_KEY,
    CanonicalWafer,
    from_row,
    row_bytes,
    to_columns,
    to_row,
    to_table,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    import pandas as pd

__all__ = ["INDEX_COLUMNS", "CanonicalWafer", "parts_of", "read_shard", "shard_index", "write_shard"]

ROW_GROUP = 512
_GROUP_BYTES = 64_000_000
"""A row group is closed early beyond this, so that huge wafers need no more memory than small ones."""


def write_shard(path: Path, wafers: Iterable[CanonicalWafer]) -> int:
    """Write ``wafers`` to ``path`` in row groups of at most 512, aside first and then renamed; returns how many.

    An old file at ``path`` stays as it was until the new one is complete. Times without a zone are taken as UTC.

    Raises
    ------
    InputError
        An attribute that is neither numbers nor text, or of another length than the places.
    """
    total, size = 0, 0
    group: list[dict[str, Any]] = []
    compression = {"compression": "zstd", "use_dictionary": list(INDEX_COLUMNS)}
    with aside(path) as temporary, pq.ParquetWriter(temporary, SCHEMA, **compression) as writer:
        for wafer in wafers:
            row = to_row(wafer)
            group.append(row)
            total += 1
            size += row_bytes(row)
            if len(group) == ROW_GROUP or size >= _GROUP_BYTES:
                writer.write_table(to_table(group), row_group_size=len(group))
                group, size = [], 0
        if group:
            writer.write_table(to_table(group), row_group_size=len(group))
    return total


def read_shard(path: Path, indices: Sequence[int] | None = None) -> Iterator[CanonicalWafer]:
    """Wafers of a shard: all in order, or those at ``indices`` (row positions, in the order asked, repeats allowed).

    Only the row groups that hold wanted rows are read; one group at a time is in memory, so ask in rising order.

    Raises
    ------
    FormatError
        ``shard.damaged`` or ``shard.version``: not a shard of this version.
    IndexError
        A position outside the shard.
    """
    with _open(path) as file:
        sizes = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
        begins = np.concatenate(([0], np.cumsum(sizes, dtype=np.int64)))
        wanted = range(int(begins[-1])) if indices is None else indices
        held, columns = -1, {}
        for position in wanted:
            at = int(position)
            if not 0 <= at < begins[-1]:
                raise IndexError(f"No wafer {at} in {path}: expected 0 to {int(begins[-1]) - 1}. Read shard_index first.")
            group = int(np.searchsorted(begins, at, side="right")) - 1
            if group != held:
                columns, held = to_columns(file.read_row_group(group)), group
            yield from_row(columns, at - int(begins[group]))


def parts_of(path: Path, most: int) -> list[range]:
    """All positions of a shard in parts of at most ``most`` wafers, none of them across two row groups.

    Raises
    ------
    FormatError
        As `read_shard`.
    """
    with _open(path) as file:
        sizes = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
    parts, begin = [], 0
    for size in sizes:
        parts += [range(at, min(at + most, begin + size)) for at in range(begin, begin + size, most)]
        begin += size
    return parts


def shard_index(path: Path) -> pd.DataFrame:
    """The scalar columns of a shard (`INDEX_COLUMNS`), one row per wafer in the shard's order; no arrays are read.

    Raises
    ------
    FormatError
        As `read_shard`.
    """
    with _open(path) as file:
        return file.read(columns=list(INDEX_COLUMNS)).to_pandas()


def _open(path: Path) -> pq.ParquetFile:
    try:
        file = pq.ParquetFile(path)
    except pa.ArrowInvalid as error:
        raise FormatError(
            "shard.damaged",
            where=path.name,
            expected="a complete Parquet file",
            got=error,
            action="Run the stage that writes it again.",
        ) from error
    found = (file.schema_arrow.metadata or {}).get(VERSION_KEY, b"none").decode()
    if found != str(VERSION):
        file.close()
        raise FormatError(
            "shard.version",
            where=path.name,
            expected=f"version {VERSION}",
            got=found,
            action="Run the stage that writes it again.",
        )
    return file
