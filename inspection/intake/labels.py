"""The label table that a user puts beside the files: ``lot,wafer,label``, ``source,index,label``, or ``file,label`` (`file_table`)."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from inspection.errors import InputNotFoundError, LabelError
from inspection.formats.spreadsheet import from_text, lines_of
from inspection.intake import file_table
from inspection.wafer.taxonomy import unknown_label

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from inspection.wafer.maps import SourceWafer

LABELS_NAME = "labels.csv"
_BY_WAFER, _BY_SOURCE = ("lot", "wafer"), ("source", "index")
Key = tuple[str, str]
"""(lot, wafer) or (source, index as decimal), as in the table."""


@dataclass(frozen=True)
class Labels:
    """Labels by wafer or by place in a source.

    Attributes
    ----------
    by_source : bool
        True: the keys are (source, index); False: (lot, wafer).
    entries : mapping of (str, str) to str or None
        Keys as :func:`key` makes them; None takes a label away.
    path : Path
        Where they were read, for messages.
    """

    by_source: bool
    entries: Mapping[Key, str | None] = field(repr=False)
    path: Path

    def of(self, source: str, wafer: SourceWafer) -> str | None:
        """The label of one wafer of ``source`` (its path inside the landing place); None = not in the table."""
        matched = self.match(source, wafer.index, wafer.map.info.lot, wafer.map.info.wafer)
        return None if matched is None else self.entries[matched]

    def match(self, source: str, index: int, lot: str, wafer: str) -> Key | None:
        """The key of the table that a wafer answers to, or None."""
        if not self.by_source:
            found = key(lot, wafer)
            return found if found in self.entries else None
        # A table may name the file with its folder or without; with it, only that file is meant.
        for name in dict.fromkeys((source, PurePosixPath(source).name)):
            if (name, str(index)) in self.entries:
                return name, str(index)
        return None


def key(lot: str, wafer: str) -> Key:
    """A (lot, wafer) key: blanks around names and leading zeros of a wafer number do not matter.

    Spreadsheets drop leading zeros: ``07`` in the KLARF file comes back as ``7`` in the table.
    """
    wafer = wafer.strip()
    return lot.strip(), (wafer.lstrip("0") or "0") if wafer.isdecimal() else wafer


def beside(source: Path) -> Path | None:
    """``labels.csv`` in ``source`` (a folder) or next to it (a file); None = there is none."""
    candidate = (source if source.is_dir() else source.parent) / LABELS_NAME
    return candidate if candidate.is_file() else None


def read_labels(path: Path, known: Iterable[str]) -> Labels:
    """Read a label table.

    A table of files declares its classes, as an archive does: they need not be known. Else they must be, so that a slip of the pen is
    found. A header names the columns, in any order and case; further columns are ignored. A row with an empty label takes the
    label of that wafer away.

    Parameters
    ----------
    path : Path
        UTF-8 CSV, with or without a byte order mark.
    known : iterable of str
        Class names that may occur in a table of wafers.

    Raises
    ------
    InputNotFoundError
        No such file.
    LabelError
        Not a CSV text, columns missing, an unknown class (the message lists the known ones), an index that is no
        number, or two different labels for one wafer.
    """
    if not path.is_file():
        raise InputNotFoundError(f"No label table: expected a file at {path}. Name an existing labels.csv.")
    names = frozenset(known)
    entries: dict[Key, str | None] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = csv.reader(lines_of(stream))
            header = [column.strip().lower() for column in next(rows, [])]
            if file_table.names_files(header):
                for where, said in file_table.rows_of(path):
                    _enter(entries, (said[file_table.FILE], "0"), said[file_table.LABEL] or None, where)
                return Labels(by_source=True, entries=entries, path=path)
            by_source, places = _columns(header, path)
            for row in rows:
                if not any(cell.strip() for cell in row):
                    continue
                where = f"{path}, line {rows.line_num}"
                if len(row) <= max(places):
                    raise LabelError(f"Cannot read a label: expected {len(header)} columns, got {len(row)} ({where}). Correct the row.")
                first, second, label = (from_text(row[place].strip()) for place in places)
                if label and label not in names:
                    raise unknown_label(label, names, where)
                at = _source_key(first, second, where) if by_source else key(first, second)
                _enter(entries, at, label or None, where)
    except (UnicodeDecodeError, csv.Error) as error:
        raise LabelError(f"Cannot read {path}: expected CSV text in UTF-8, got {error}. Save the table as CSV (UTF-8).") from error
    return Labels(by_source, entries, path)


def _columns(header: list[str], path: Path) -> tuple[bool, tuple[int, int, int]]:
    for by_source, pair in ((False, _BY_WAFER), (True, _BY_SOURCE)):
        if {*pair, "label"} <= set(header):
            return by_source, (header.index(pair[0]), header.index(pair[1]), header.index("label"))
    raise LabelError(
        f"Cannot read {path}: expected the columns lot,wafer,label or source,index,label or file,label, "
        f"got {','.join(header)[:200]!r}. Write one of these headers in the first line."
    )


def _source_key(source: str, index: str, where: str) -> Key:
    if not index.isdecimal():
        raise LabelError(f"Cannot read a label: expected an index counted from 0, got {index!r} ({where}). Correct the row.")
    return PurePosixPath(source.replace("\\", "/")).as_posix(), str(int(index))


def _enter(entries: dict[Key, str | None], at: Key, label: str | None, where: str) -> None:
    if entries.setdefault(at, label) != label:
        raise LabelError(f"Two labels for {at[0]}, {at[1]}: expected one, got {entries[at]} and {label} ({where}). Remove one of the rows.")
