"""The table that lies beside images: ``labels.csv`` with a column ``file`` says which file is of which class, lot, wafer and time.

It names files, and nothing is ever opened by these names: the folder is searched, and what is found is looked up. So a name that leads
out of the folder can do no harm; it is refused all the same, since whoever wrote it meant something else.
"""

from __future__ import annotations

import csv
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from inspection.errors import LabelError
from inspection.formats.identity import LONGEST
from inspection.formats.spreadsheet import from_text, lines_of
from inspection.wafer.taxonomy import REVIEW, UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

FILE, LABEL = "file", "label"
FACTS = {"lot": "lot", "wafer": "wafer", "product": "product", "time": "inspected_at"}
"""Columns that may stand beside, and the key of the sidecar that each becomes."""


def names_files(header: Sequence[str]) -> bool:
    """Whether a header (lower case, without blanks) is that of a table of files."""
    return {FILE, LABEL} <= set(header)


def has_files(path: Path) -> bool:
    """Whether ``path`` is a table of files, by its first line; cheap, False for what is no text."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            return names_files(_lower(next(csv.reader(lines_of(stream)), [])))
    except (OSError, UnicodeDecodeError, csv.Error):
        return False


def rows_of(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Of each row the place, for messages, and what it says by column name (lower case); ``file`` is a clean path inside the folder.

    Raises
    ------
    LabelError
        Not a CSV text, a row that is too short, or whose ``file`` leads out of the folder; a label that is no class (Unknown, Review) or
        longer than any name.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = csv.reader(lines_of(stream))
            header = _lower(next(rows, []))
            for row in rows:
                if not any(cell.strip() for cell in row):
                    continue
                where = f"{path}, line {rows.line_num}"
                if len(row) < len(header):
                    raise LabelError(f"Cannot read a label: expected {len(header)} columns, got {len(row)} ({where}). Correct the row.")
                said = {name: from_text(cell.strip()) for name, cell in zip(header, row, strict=False)}
                said[FILE] = inside(said[FILE], where)
                check_class(said[LABEL], where)
                yield where, said
    except (UnicodeDecodeError, csv.Error) as error:
        raise LabelError(f"Cannot read {path}: expected CSV text in UTF-8, got {error}. Save the table as CSV (UTF-8).") from error


def inside(name: str, where: str) -> str:
    """``name`` with forward slashes and without ``.``.

    Raises
    ------
    LabelError
        It is empty, absolute, has a drive, a ``..`` or a zero byte.
    """
    path = PurePosixPath(name.replace("\\", "/"))
    if not path.parts or path.is_absolute() or ".." in path.parts or "\0" in name or name[1:2] == ":":
        raise LabelError(
            f"Cannot read a label: expected the name of a file in the folder of the table, got {name[:200]!r} ({where}). "
            "Write it as seen from that folder, without .. and without a leading slash."
        )
    return path.as_posix()


def check_class(label: str, where: str) -> str:
    """``label``, if a class may have that name.

    Raises
    ------
    LabelError
        ``Unknown`` and ``Review`` are what a model answers, no class to learn; or it is longer than any name.
    """
    if label in {UNKNOWN, REVIEW} or len(label) > LONGEST:
        raise LabelError(
            f"Cannot learn a class {label[:40]!r}: expected a name of at most {LONGEST} characters that is neither {UNKNOWN} nor {REVIEW}, "
            f"which are answers of a model ({where}). Leave the label empty where the class is not known."
        )
    return label


def _lower(header: Sequence[str]) -> list[str]:
    return [column.strip().lower() for column in header]
