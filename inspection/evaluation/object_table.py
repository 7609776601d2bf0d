"""The table of objects in an image: where each lies and what it is, ``row,col,label`` as CSV, read as a truth and written as an answer.

What comes in was written by anybody: by a spreadsheet (with a byte order mark), by a program, or by somebody who means harm. It is held
against a size before it is read, so that neither a huge table nor one of millions of columns fills the memory.
"""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

import numpy as np

from inspection.aside import write_text
from inspection.errors import FormatError, InputError, InputNotFoundError, bounded
from inspection.formats.spreadsheet import as_text, from_text, lines_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from inspection.evaluation.counting import Counted

COLUMNS = ("row", "col", "label")
MOST_BYTES = 64 * 2**20
"""Of a table: more than two million objects."""
_SHOWN = 60


def read_objects(file: Path, names: Sequence[str]) -> tuple[NDArray[np.float64], list[str]]:
    """Centres (m, 2), row and column in pixels, and their classes.

    Parameters
    ----------
    file : Path
        UTF-8 CSV, with or without a byte order mark. Further columns are ignored.
    names : the classes that an object may be of

    Raises
    ------
    InputNotFoundError, InputError
        No such file; one of more than ``MOST_BYTES``.
    FormatError
        No CSV text, other columns, a place that is no number, a class that is none of ``names``.
    """
    if not file.is_file():
        raise InputNotFoundError(f"No such file: expected the true objects at {file}. Check the path.")
    size = file.stat().st_size
    if size > MOST_BYTES:
        raise InputError(
            f"Cannot read the true objects: expected a table of at most {MOST_BYTES / 2**20:.0f} MiB, got {size / 2**20:,.0f} MiB "
            f"({file}). Keep the columns row,col,label only, or count the image in parts."
        )
    centres, labels = [], []
    try:
        with file.open(newline="", encoding="utf-8-sig") as opened:
            rows = csv.DictReader(lines_of(opened))
            _check_header(rows.fieldnames or (), file)
            for row in rows:
                place, label = _object(row, f"{file.name}, line {rows.line_num}", names)
                centres.append(place)
                labels.append(label)
    except (UnicodeDecodeError, csv.Error) as error:
        raise FormatError(
            "truth.text", where=file.name, expected="CSV text in UTF-8", got=error, action="Save the table as CSV (UTF-8)."
        ) from error  # fmt: skip
    return np.array(centres, np.float64).reshape(-1, 2), labels


def check_places(centres: NDArray[np.float64], shape: tuple[int, int], margin_px: float) -> None:
    """Refuse centres (m, 2) off an image of ``shape`` (rows, cols): a truth of another image, or with rows and columns exchanged.

    An object that the border cuts may have its centre up to ``margin_px`` beyond it.

    Raises
    ------
    FormatError
        The first of them.
    """
    off = np.flatnonzero(((centres < -margin_px) | (centres > np.array(shape) + margin_px)).any(axis=1))
    if len(off):
        row, col = centres[off[0]]
        raise FormatError(
            "truth.place", where=f"object {off[0] + 1}; {len(off)} of {len(centres)} lie off it",
            expected=f"a place on the image of {shape[0]} rows x {shape[1]} columns", got=f"row {row:g}, col {col:g}",
            action="Rows count from the top and columns from the left, in pixels of this image.",
        )  # fmt: skip


def write_objects(file: Path, found: Counted) -> None:
    """Every object that was counted, with its ``probability``; `read_objects` takes the table as a truth."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow((*COLUMNS, "probability"))
    for (row, col), k, score in zip(found.centres, found.classes, found.scores, strict=True):
        writer.writerow((f"{row:g}", f"{col:g}", as_text(found.names[k]), f"{score:.4f}"))
    write_text(file, text.getvalue())


def _check_header(header: Sequence[str], file: Path) -> None:
    if not set(COLUMNS) <= set(header):
        shown = bounded([name[:_SHOWN] for name in header]) or "an empty file"
        advice = "Name the columns so in the first line, with commas between them."
        raise FormatError("truth.columns", where=file.name, expected=",".join(COLUMNS), got=shown, action=advice)


def _object(row: Mapping[str, Any], where: str, names: Sequence[str]) -> tuple[tuple[float, float], str]:
    try:
        place = float(row["row"]), float(row["col"])
    except (TypeError, ValueError) as error:
        got = f"{str(row['row'])[:_SHOWN]!r}, {str(row['col'])[:_SHOWN]!r}"
        raise FormatError(
            "truth.number", where=where, expected="row and col in pixels", got=got, action="Write both as numbers, with a decimal point."
        ) from error  # fmt: skip
    label = from_text(row["label"] or "")
    if label not in names or not np.isfinite(place).all():
        raise FormatError(
            "truth.label", where=where, expected=f"a finite place and one of {bounded(list(names))}",
            got=f"{place}, {label[:_SHOWN]!r}",
            action="Name the classes as the model does, and leave the background out.",
        )  # fmt: skip
    return place, label
