"""The rows of a text table of points as one Arrow table.

Comma, semicolon, tab or bar between the cells; quotes, a byte order mark, comment lines that begin with ``#``; with any delimiter but the
comma the decimals may be marked by a comma. The bulk parse is pyarrow's. What it refuses is read again with care: comment lines between the
rows, line breaks in quotes, Latin-1.
"""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from inspection.formats.points.columns import FACTS
from inspection.formats.points.rows import first_fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from inspection.formats.points.dialect import Dialect

TEXT = pa.dictionary(pa.int32(), pa.string())
_BLOCK = 1 << 20


def read_table(path: Path, dialect: Dialect) -> tuple[pa.Table, Dialect]:
    """All rows as a table whose columns are named by their places in the header, and the dialect that they were read in.

    Numbers of known meaning are float64, facts dictionaries of text; an attribute is int64, float64 or text, null where it is empty all
    over.

    Raises
    ------
    FormatError
        ``points.row`` or ``points.number``, with the line: a row of another length than the header, or words where numbers belong.
    """
    tried = [dialect]
    if dialect.delimiter != ",":
        tried.append(replace(dialect, decimal="." if dialect.decimal == "," else ","))
    for one in tried:
        try:
            with pa.OSFile(str(path)) as file:
                file.seek(one.start)
                table = _parse(file, one)
            if not _has_comment(table):
                return _texts_again(table, one, lambda: pa.OSFile(str(path)), one.start), one
        except (pa.ArrowInvalid, pa.ArrowKeyError, UnicodeError):
            continue
    return _read_with_care(path, tried)


def _read_with_care(path: Path, tried: list[Dialect]) -> tuple[pa.Table, Dialect]:
    content = path.read_bytes()[tried[0].start :]
    notes = tried[0].notes
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        content = content.decode("latin-1").encode()
        notes = (*notes, "not UTF-8: read as Latin-1")
    content = _without_comments(content)
    for one in tried:
        try:
            table = _parse(pa.BufferReader(content), one, breaks=True)
            return _texts_again(table, one, lambda: pa.BufferReader(content), 0), replace(one, notes=notes)
        except (pa.ArrowInvalid, pa.ArrowKeyError):
            continue
    raise first_fault(path, tried[0])


def _parse(file: pa.NativeFile, dialect: Dialect, texts: Sequence[int] = (), *, breaks: bool = False) -> pa.Table:
    """The rows; only the columns ``texts``, as text, where some are given. Without ``breaks``, line breaks in quotes may be refused."""
    columns = dialect.columns
    names = [str(i) for i in range(len(columns.names))]
    kinds = {str(i): pa.string() for i in texts} or (
        {str(columns.at[m]): pa.float64() for m in columns.numbers}
        | {str(columns.at[m]): TEXT for m in columns.at if m in FACTS and m != "diameter"}
    )
    wanted = [str(i) for i in texts] or [n for n, name in zip(names, columns.names, strict=True) if name or n in kinds]
    try:
        return pacsv.read_csv(
            file,
            read_options=pacsv.ReadOptions(column_names=names, block_size=_BLOCK),
            parse_options=pacsv.ParseOptions(delimiter=dialect.delimiter, newlines_in_values=breaks),
            convert_options=pacsv.ConvertOptions(column_types=kinds, include_columns=wanted, decimal_point=dialect.decimal),
        )
    except pa.ArrowInvalid as error:
        if "Empty CSV file" not in str(error):
            raise
        return pa.table({n: pa.array([], kinds.get(n, pa.null())) for n in wanted})


def _texts_again(table: pa.Table, dialect: Dialect, opened: Callable[[], pa.NativeFile], start: int) -> pa.Table:
    """``table`` with its dates, times and truth values as they were written: pyarrow takes them for more than text."""
    odd = [i for i, f in enumerate(table.schema) if not _is_plain(f.type)]
    if not odd:
        return table
    with opened() as file:
        file.seek(start)
        texts = _parse(file, dialect, [int(table.column_names[i]) for i in odd], breaks=start == 0)
    for i in odd:
        name = table.column_names[i]
        table = table.set_column(i, name, texts.column(name))
    return table


def _is_plain(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_string(kind) or kind in {TEXT, pa.null()}


def _has_comment(table: pa.Table) -> bool:
    """Whether a comment line was taken for a row: where its first cell is a number, the parse itself refused it."""
    if not table.num_columns or table.column_names[0] != "0":
        return False
    first = table.column(0)
    chunks = [c.dictionary if first.type == TEXT else c for c in first.chunks]
    return first.type in {TEXT, pa.string()} and any(pc.any(pc.starts_with(c, "#")).as_py() for c in chunks)


def _without_comments(content: bytes) -> bytes:
    """``content`` less its blank lines and those that begin with ``#``, outside quotes."""
    out, quoted = io.BytesIO(), False
    for line in content.splitlines(keepends=True):
        if quoted or (line.strip() and not line.lstrip().startswith(b"#")):
            out.write(line)
            quoted ^= line.count(b'"') % 2 == 1
    return out.getvalue()


def batches_of_facts(path: Path, dialect: Dialect, wanted: Sequence[int]) -> Iterator[pa.RecordBatch]:
    """The columns ``wanted`` as text, batch by batch: what is needed to count the rows of each wafer in little memory."""
    names = [str(i) for i in range(len(dialect.columns.names))]
    chosen = [str(i) for i in wanted]
    with pa.OSFile(str(path)) as file:
        file.seek(dialect.start)
        yield from pacsv.open_csv(
            file,
            read_options=pacsv.ReadOptions(column_names=names, block_size=_BLOCK),
            parse_options=pacsv.ParseOptions(delimiter=dialect.delimiter, newlines_in_values=True, invalid_row_handler=lambda _: "skip"),
            convert_options=pacsv.ConvertOptions(column_types=dict.fromkeys(chosen, pa.string()), include_columns=chosen),
        )
