"""Parquet tables of points, streamed by row group into one Arrow table of the few types that points need."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from inspection.errors import FormatError
from inspection.formats.points.columns import FACTS
from inspection.formats.points.csv import TEXT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from inspection.formats.points.columns import Columns
    from inspection.params import Ingest

MAGIC = b"PAR1"
_ROWS = 1 << 17


def rows_of(path: Path) -> int:
    """Number of rows, as the file declares it; `read_table` holds it against the rows that there are.

    Raises
    ------
    FormatError
        ``points.damaged``.
    """
    with _opened(path) as file:
        return int(file.metadata.num_rows)


def header_of(path: Path) -> tuple[str, ...]:
    """Names of the columns; a nested one has an empty name, as nothing here can use it.

    Raises
    ------
    FormatError
        ``points.damaged``.
    """
    with _opened(path) as file:
        return tuple("" if pa.types.is_nested(f.type) else f.name for f in file.schema_arrow)


def read_table(path: Path, columns: Columns, limits: Ingest) -> pa.Table:
    """All rows as a table whose columns are named by their places in the header, as `points_csv.read_table` gives it.

    Raises
    ------
    FormatError
        ``points.damaged``; ``points.size``: more than ``max_file_mb`` unpacked; ``points.number``: words where numbers belong.
    """
    wanted = [i for i, name in enumerate(columns.names) if name and columns.names.count(name) == 1]
    numbers = {columns.at[m] for m in columns.numbers}
    facts = {columns.at[m] for m in columns.at if m in FACTS and m != "diameter"}
    names = header_of(path)  # as the file has them: those of ``columns`` are without the blanks around them
    with _opened(path, [names[i] for i in wanted if i not in numbers]) as file:
        # Repeated values take next to no room in Parquet: what they unpack to is what counts.
        unpacked = file.metadata.num_rows * 8 * max(len(numbers), 1)
        if unpacked > limits.max_file_bytes:
            raise _error("size", path.name, f"at most {limits.max_file_mb} MiB unpacked", f"{unpacked / 2**20:.0f} MiB")
        done, size = [], 0
        for batch in file.iter_batches(_ROWS, columns=[names[i] for i in wanted]):
            arrays = {}
            for i in wanted:
                array = batch.column(names[i])
                made = _number(array, columns.names[i]) if i in numbers else _text(array) if i in facts else _plain(array)
                if made is not None:
                    arrays[str(i)] = made
            done.append(pa.record_batch(arrays))
            size += done[-1].nbytes
            if size > limits.max_file_bytes:
                raise _error("size", path.name, f"at most {limits.max_file_mb} MiB unpacked", "more")
        if not done:
            return pa.table({str(i): pa.array([], pa.float64() if i in numbers else TEXT) for i in sorted(numbers | facts)})
        if sum(batch.num_rows for batch in done) != file.metadata.num_rows:
            raise _error("damaged", path.name, f"{file.metadata.num_rows} rows", "another number")
        return pa.Table.from_batches(done)


def batches_of_facts(path: Path, wanted: Sequence[int]) -> Iterator[pa.RecordBatch]:
    """The columns ``wanted`` as text, batch by batch, named by their places."""
    names = [header_of(path)[i] for i in wanted]
    with _opened(path, names) as file:
        for batch in file.iter_batches(_ROWS, columns=names):
            yield pa.record_batch({str(i): _text(batch.column(name)).cast(pa.string()) for i, name in zip(wanted, names, strict=True)})


@contextmanager
def _opened(path: Path, texts: Sequence[str] = ()) -> Iterator[pq.ParquetFile]:
    """A Parquet file whose columns ``texts`` stay the dictionaries that they are in the file, where they are text."""
    try:
        with pq.ParquetFile(path, pre_buffer=False, read_dictionary=texts) as file:
            yield file
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        if isinstance(error, FormatError):
            raise
        raise _error("damaged", path.name, "a complete Parquet file", error) from error


def _number(array: pa.Array, name: str) -> pa.Array:
    """Any kind of number as float64; null stays null."""
    kind = array.type.value_type if pa.types.is_dictionary(array.type) else array.type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind) or pa.types.is_null(kind)):
        raise _error("number", f"column {name}", "numbers", kind)
    return array.cast(pa.float64(), safe=False)


def _text(array: pa.Array) -> pa.Array:
    """Anything flat as a dictionary of text, null as empty text; a whole float as the whole number that it was before a null came in."""
    encoded = array if pa.types.is_dictionary(array.type) else array.dictionary_encode()
    texts = encoded.dictionary
    if pa.types.is_floating(texts.type):
        whole = pc.floor(texts)
        if pc.all(pc.equal(whole, texts), skip_nulls=True).as_py() and pc.all(pc.less(pc.abs(whole), 2.0**53), skip_nulls=True).as_py():
            texts = whole.cast(pa.int64())
    texts = pc.fill_null(texts.cast(pa.string(), safe=False), "")
    texts.validate(full=True)  # Parquet promises UTF-8, and nothing else has looked at the bytes
    indices = encoded.indices.cast(pa.int32())
    if indices.null_count:
        texts = pa.concat_arrays([texts, pa.array([""], pa.string())])
        indices = pc.fill_null(indices, len(texts) - 1)
    return pa.DictionaryArray.from_arrays(indices, texts)


def _plain(array: pa.Array) -> pa.Array | None:
    """An attribute as numbers or text; None where it is neither."""
    kind = array.type
    if pa.types.is_integer(kind) or pa.types.is_float32(kind) or pa.types.is_float64(kind):
        return array
    if pa.types.is_decimal(kind) or pa.types.is_float16(kind):
        return array.cast(pa.float64(), safe=False)
    if pa.types.is_nested(kind) or pa.types.is_null(kind) or _is_binary(kind):
        return None
    if pa.types.is_dictionary(kind) and (pa.types.is_nested(kind.value_type) or _is_binary(kind.value_type)):
        return None
    return _text(array)


def _is_binary(kind: pa.DataType) -> bool:
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind)


def _error(code: str, where: str, expected: str, got: object) -> FormatError:
    return FormatError(f"points.{code}", where=where, expected=expected, got=got, action="Export the table again as CSV or Parquet.")
