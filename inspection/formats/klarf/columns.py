"""Rows of a defect list as named columns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from inspection.errors import FormatError
from inspection.formats.klarf.rowtext import missing, number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from inspection.formats.klarf.images import RowForm
    from inspection.formats.klarf.rowtext import Tokens
    from inspection.params import Ingest

INTEGER_COLUMNS = frozenset(
    [
        "DEFECTID",
        "XINDEX",
        "YINDEX",
        "CLASSNUMBER",
        "TEST",
        "CLUSTERNUMBER",
        "ROUGHBINNUMBER",
        "FINEBINNUMBER",
        "REVIEWSAMPLE",
        "IMAGECOUNT",
        "SAMPLEBINNUMBER",
        "CHANNELID",
        "MANSEMCLASS",
        "AUTOSEMCLASS",
        "AUTOONSEMCLASS",
        "MICROSIGCLASS",
        "MACROSIGCLASS",
        "ADDERFLAG",
        "AUTOOFFSEMCLASS",
        "AUTOOFFOPTADC",
        "FACLASS",
        "INTENSITY",
        "MACROSIGID",
        "REGIONID",
        "REPEATER",
        "EVENTTYPE",
        "EBRLINE",
        "POLARITY",
        "MANOPTCLASS",
        "DBCLASS",
        "DBGROUP",
        "CAREAREAGROUPCODE",
        "NUISANCE",
        "CHIP_KILLER",
    ]
)


_MOST_TEXT = 128 << 20
"""Bytes that a column of texts may take beside twice those of its list: all its cells are as wide as the longest."""


@dataclass(frozen=True, slots=True)
class Columns:
    """What the columns of a list are.

    Attributes
    ----------
    places : mapping of str to int
        Place of each column in its row; a negative one counts from the row's end.
    whole, texts : collection of str
        Columns of whole numbers (int32, int64 where too large, float64 where one is NaN or a fraction), and of text. All others
        are float64, NaN where nothing was measured; a column with other words stays text.
    units : mapping of str to float
        By what a column is divided.
    """

    places: Mapping[str, int]
    whole: frozenset[str] = INTEGER_COLUMNS
    texts: frozenset[str] = frozenset()
    units: Mapping[str, float] = field(default_factory=dict)
    absent: str = ""
    """A further word for what is missing."""

    def take(self, tokens: Tokens, starts: NDArray[np.int64]) -> dict[str, NDArray]:
        """One array of shape (rows,) per column; ``starts`` of shape (rows + 1,) is each row's first token, and their end."""
        out: dict[str, NDArray] = {}
        for name, place in self.places.items():
            at = (starts[:-1] if place >= 0 else starts[1:]) + place
            column = None if name in self.texts else tokens.values[at]
            if column is None or np.isnan(column).any():
                column = self._with_words(tokens, at, column)
            if column.dtype.kind == "f":
                column = whole_numbers(column) if name in self.whole else column / self.units.get(name, 1.0)
            out[name] = column
        return out

    def stream(self, raw: bytes | memoryview, form: RowForm, most: int, *, braces: bool = False) -> dict[str, NDArray] | None:
        """As `take`, of a long list that has no words and no more than ``most`` rows of one ``form``; None where it is another one."""
        from inspection.formats.klarf import stream as klarf_stream  # noqa: PLC0415 - loads numba

        if any(name in self.texts for name in self.places):
            return None
        wanted = {n: klarf_stream.Column(p, n in self.whole, self.units.get(n, 1.0)) for n, p in self.places.items()}
        return klarf_stream.stream(raw, form, wanted, most, braces=braces)

    def _with_words(self, tokens: Tokens, at: NDArray[np.int64], column: NDArray[np.float64] | None) -> NDArray:
        """A column that holds other than numbers: NaN where nothing was measured, and text as a whole where a word means something."""
        if column is not None:
            odd = np.flatnonzero(np.isnan(column))
            words = tokens.texts(at[odd])
            numbers = {w: number(w) for w in set(words)}
            if all(not np.isnan(v) or missing(w) or w == self.absent for w, v in numbers.items()):
                column[odd] = [numbers[w] for w in words]
                return column
        words = tokens.texts(at)
        longest, most = max(map(len, words), default=0), _MOST_TEXT + 2 * len(tokens.raw)
        if longest * len(words) * 4 > most:
            raise FormatError(
                "klarf.text",
                where=f"the texts of {len(words)} defects",
                expected=f"at most {most // (4 * len(words))} characters in each, for {most / 2**20:.0f} MiB together",
                got=f"{longest} characters",
                action="Export the list without its column of long texts.",
            )
        return np.array(words, dtype=np.str_)


def whole_numbers(values: NDArray[np.float64]) -> NDArray:
    """``values`` as int32, int64 where too large, or unchanged where one of them is no whole number."""
    if not len(values):
        return values.astype(np.int32)
    if not np.isfinite(values).all() or np.any(values != np.floor(values)):
        return values
    largest = np.abs(values).max()
    return values if largest >= 2**53 else values.astype(np.int32 if largest < 2**31 else np.int64)


def length(columns: Mapping[str, NDArray]) -> int:
    """Number of rows."""
    return max(map(len, columns.values()), default=0)


def none() -> dict[str, NDArray]:
    """The columns of a wafer that has no list."""
    return {name: np.empty(0) for name in ("XINDEX", "YINDEX", "XREL", "YREL")}


def concatenated(parts: Sequence[Mapping[str, NDArray]]) -> dict[str, NDArray]:
    """The columns of several lists, one after the other; a column that not all lists with rows have is left out."""
    parts = [part for part in parts if length(part)] or list(parts[:1])
    if len(parts) < 2:
        return dict(parts[0]) if parts else none()
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0] if all(name in part for part in parts)}


def check_count(defects: int, limits: Ingest, where: str) -> None:
    """Hold the number of defects of a wafer against ``limits.max_defects``.

    Raises
    ------
    FormatError
        ``klarf.defects``.
    """
    if defects > limits.max_defects:
        raise FormatError(
            "klarf.defects",
            where=where,
            expected=f"at most {limits.max_defects} defects",
            got=defects,
            action="Raise ingest.max_defects in params.yaml if the wafer is meant to hold that many.",
        )
