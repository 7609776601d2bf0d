"""Rows of bin codes as text: cut into cells, and each code given its status. SINF, SEMI G85 and E142 share it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from inspection.errors import FormatError
from inspection.formats.diemap.frame import MAX_CELLS, MAX_ROWS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

_WIDEST = 8
"""Most characters of a bin code."""


class Cells:
    """The cells of one map, row after row.

    Parameters
    ----------
    code : str
        Area of the error codes (``sinf``).
    rows, columns : int or None
        As the file declares them; nothing is taken on trust but what the rows themselves bear out. None = not declared.
    width : int
        Characters of a bin code where nothing else says it.
    spaced : bool
        Whether blanks part the cells. False: a blank may itself be a bin code.
    uniform : bool
        Whether all cells are equally wide, at least ``width``: then a row that was cut within its last cell is found out.
    status : callable (code) -> int or None
        What a bin code means; None = it means nothing, and the file is refused.
    """

    def __init__(
        self,
        code: str,
        rows: int | None,
        columns: int | None,
        *,
        width: int,
        status: Callable[[str], int | None],
        spaced: bool = True,
        uniform: bool = False,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._area, self._rows, self._columns, self._width, self._spaced, self._uniform = code, rows, columns, width, spaced, uniform
        self._status_of = status
        self._known: dict[bytes, int] = {}
        self._lines: list[NDArray[np.uint8]] = []

    def add(self, text: str, where: str) -> None:
        """The next row.

        Raises
        ------
        FormatError
            ``AREA.columns``: not as many cells as declared, or as the row before; ``AREA.rows``: more rows than
            declared; ``AREA.cell``: a bin code without a meaning; ``AREA.cells``: too many of them.
        """
        cells = self._split(text, where)
        if self._uniform and not self._fits(cells):
            raise self._error("columns", where, f"cells of {self._width} characters", repr(text[-20:]))
        if self._columns is None:
            self._columns = len(cells)
        if len(cells) != self._columns or not len(cells):
            raise self._error("columns", where, f"{self._columns} cells", len(cells))
        if self._rows is not None and len(self._lines) >= self._rows:
            raise self._error("rows", where, f"{self._rows} rows", "more")
        if len(self._lines) >= MAX_ROWS or (len(self._lines) + 1) * len(cells) > MAX_CELLS:
            raise self._error("cells", where, f"at most {MAX_ROWS} rows and {MAX_CELLS} cells", "more")
        codes, inverse, counts = np.unique(cells, return_inverse=True, return_counts=True)
        meaning = np.array([self._meaning(c, where) for c in codes.tolist()], np.uint8)
        for one, count in zip(codes.tolist(), counts.tolist(), strict=True):
            self.counts[one.decode("latin-1")] += count
        self._lines.append(meaning[inverse])

    def status(self, where: str) -> NDArray[np.uint8]:
        """The map, of shape (rows, columns).

        Raises
        ------
        FormatError
            ``AREA.rows``: not as many rows as declared, or none.
        """
        expected = self._rows if self._rows is not None else "at least one"
        if not self._lines or (self._rows is not None and len(self._lines) != self._rows):
            raise self._error("rows", where, f"{expected} rows", len(self._lines))
        return np.stack(self._lines)

    def _fits(self, cells: NDArray[np.bytes_]) -> bool:
        """Whether all cells are as wide as those of the first row, which may be wider than is usual."""
        if not self._lines:
            self._width = max(self._width, cells.dtype.itemsize)
        return bool(np.all(np.char.str_len(cells) == self._width))

    def _meaning(self, code: bytes, where: str) -> int:
        if code not in self._known:
            found = self._status_of(code.decode("latin-1"))
            if found is None:
                raise self._error("cell", where, "a bin code that the file defines", repr(code.decode("latin-1")))
            self._known[code] = found
        return self._known[code]

    def _split(self, text: str, where: str) -> NDArray[np.bytes_]:
        # A NUL at the end of a code would be lost to NumPy.
        if not text.isascii() or "\0" in text:
            raise self._error("cell", where, "bin codes of ASCII characters", repr(text[:40]))
        row = text.encode("ascii")
        if self._spaced:
            tokens = row.split()
            if len(tokens) > 1 and (len(tokens) == self._columns or self._columns is None):
                if max(map(len, tokens)) > _WIDEST:
                    raise self._error("cell", where, f"bin codes of at most {_WIDEST} characters", repr(text[:40]))
                return np.array(tokens)
            if len(tokens) > 1 and {len(token) for token in tokens} == {self._width}:
                # Joined they could fill the columns as longer codes, and be read as another map.
                raise self._error("columns", where, f"{self._columns} cells", len(tokens))
            row = b"".join(tokens)
        else:
            row = row.strip(b"\r\n\t")
        width = self._width
        if self._columns and len(row) != width * self._columns and len(row) % self._columns == 0:
            width = len(row) // self._columns
        if not 1 <= width <= _WIDEST or len(row) % width:
            raise self._error("columns", where, f"{self._columns or 'whole'} cells of {self._width} characters", f"{len(row)} characters")
        return np.frombuffer(row, dtype=f"S{width}")

    def _error(self, code: str, where: str, expected: str, got: object) -> FormatError:
        return FormatError(
            f"{self._area}.{code}",
            where=where,
            expected=expected,
            got=got,
            action="Export the map again: its rows are not what its header says.",
        )


def numbered(text: str, base: int) -> str:
    """A bin code in one spelling: ``01``, ``1`` and ``001`` are the same bin. What is no number stays as it is."""
    word = text.strip()
    try:
        return f"{int(word, base):x}" if word.isalnum() else word
    except ValueError:
        return word.upper()


def pieces(text: str, columns: int | None, width: int) -> Iterator[str]:
    """Rows of an element that may hold them all: one a line, or back to back where ``columns`` cells of ``width`` are known."""
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) == 1 and columns and width and not any(c.isspace() for c in lines[0].strip()):
        whole = lines[0].strip()
        size = columns * width
        if len(whole) > size and len(whole) % size == 0:
            lines = [whole[i : i + size] for i in range(0, len(whole), size)]
    yield from lines
