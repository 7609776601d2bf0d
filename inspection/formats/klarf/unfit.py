"""Why the text of a defect list fits no rows: the first row that is wrong, and what is wrong with it, for the error."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from inspection.errors import FormatError
from inspection.formats.klarf.images import RowForm, first_misfit, tokens_of
from inspection.formats.klarf.tokens import line_of, text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from inspection.formats.klarf.images import Spec
    from inspection.formats.klarf.rowtext import Tokens

    Parts = Sequence[tuple[int, int]]


def unfit(data: bytes, spec: Spec, tokens: Tokens, parts: Parts, at: int) -> FormatError:
    """The error for a list of ``tokens`` between the ``parts`` of a file that fits no layout of ``spec``; its record begins at ``at``."""
    return FormatError(
        "klarf.rows",
        where=f"DefectList at {line_of(data, at)}",
        expected=f"rows of the {len(spec.names)} columns of DefectRecordSpec{_images(spec)}",
        got=_first_fault(data, spec, tokens, parts),
        action="The list is cut or damaged: hand the file in again when it is complete.",
    )


def _images(spec: Spec) -> str:
    if "IMAGELIST" not in spec.names:
        return ""
    return f", where IMAGECOUNT n has an IMAGELIST of: n and n times {spec.per_image} tokens; or these alone; or, if n is 0, nothing"


def _first_fault(data: bytes, spec: Spec, tokens: Tokens, parts: Parts) -> str:
    """The first row that is wrong, by the layout that has most lines right; where no line is a row, by the likeliest layout."""
    lines = [(a, b, count) for a, b in _lines(data, parts) if (count := tokens_of(data[a:b]))]
    if not lines or not len(tokens.values):
        return "no rows"
    sizes = np.array([count for _, _, count in lines])
    begins = np.concatenate(([0], np.cumsum(sizes)[:-1]))
    forms = [RowForm.of(spec, layout) for layout in spec.layouts]
    right = [_right(form, tokens.values, begins, sizes) for form in forms]
    best = int(np.argmax([np.count_nonzero(lines_right) for lines_right in right]))
    if right[best].all():
        return "image lists written in another way than those of the lists before"
    if right[best].any():
        row = line = int(right[best].argmin())
        begin, size = int(begins[line]), int(sizes[line])
    else:
        row, begin = first_misfit(tokens, forms[best])
        line = int(np.searchsorted(begins, begin, side="right")) - 1
        size = len(tokens.values) - begin
    why = _why(spec, forms[best], tokens.values[begin : begin + size], whole=bool(right[best].any()))
    a, b, _ = lines[line]
    return f"row {row + 1} at {line_of(data, a)}: {why}: `{text(data[a:b].strip())[:80]}`"


def _right(form: RowForm, values: NDArray[np.float64], begins: NDArray[np.int64], sizes: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which lines are one row of ``form`` each."""
    long_enough = (sizes >= form.least) & (begins + form.least <= len(values))  # a part cut in a token counts words that have no value
    at, width = begins[long_enough], np.float64(form.at + form.tail)
    right = np.ones(len(at), dtype=np.bool_)
    for column in form.aligned:
        cells = values[at + column]
        right &= (cells == np.floor(cells)) | np.isnan(cells)
    if form.per_image:
        own = np.append(values, np.nan)[at + form.at]  # behind the last token where the last row has no list
        images = values[at + form.count_at] if form.count_at >= 0 else own
        counted = form.own_count & ~(form.zero_left_out & (images == 0))
        right &= ~counted | (own == images)
        width = width + counted + form.per_image * images
    out = long_enough.copy()
    out[long_enough] = right & (sizes[long_enough] == width)
    return out


def _why(spec: Spec, form: RowForm, row: NDArray[np.float64], *, whole: bool) -> str:
    """What is wrong with a row that begins ``row``, which is all of it where it is ``whole``."""
    if len(row) < form.least or (whole and not form.per_image and len(row) != form.least):
        return f"{len(row)} of {'at least ' if form.per_image else ''}{form.least} tokens"
    for column in form.aligned:
        if row[column] != np.floor(row[column]):
            return f"{spec.names[column]} is {row[column]:g}, no whole number"
    if not form.per_image:
        return "its columns are not those of the other rows"
    images = row[form.count_at if form.count_at >= 0 else form.at]
    counted = form.own_count and not (form.zero_left_out and images == 0)
    if not (images >= 0 and images == np.floor(images)):
        return f"IMAGECOUNT is {images:g}"
    if counted and row[form.at] != images:
        return f"IMAGECOUNT is {images:g}, its IMAGELIST says {row[form.at]:g}"
    listed = len(row) - form.at - form.tail - counted
    return f"IMAGECOUNT is {images:g}, its IMAGELIST has {listed if whole else f'at most {listed}'} of {form.per_image * images:g} tokens"


def _lines(data: bytes, parts: Parts) -> list[tuple[int, int]]:
    """Byte ranges of the lines of some parts of a file."""
    out = []
    for begin, end in parts:
        at = begin
        for line in data[begin:end].splitlines(keepends=True):
            out.append((at, at + len(line)))
            at += len(line)
    return out
