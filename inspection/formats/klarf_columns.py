"""Tokens of a defect list as numbers in one pass, and as named columns once the rows are known."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from inspection.formats.klarf_tokens import text, without_noise, words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from inspection.formats.klarf_images import Layout, Spec

NOT_A_NUMBER = (b"NA", b"N/A", b"NULL")
_NO_NUMBER = re.compile(rb"(?<!\S)(?:NA|N/A|NULL)(?!\S)")
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


@dataclass(frozen=True, slots=True, eq=False)
class Tokens:
    """Tokens of a defect list.

    ``values`` holds NaN where a token is no number; ``texts`` is None where all are numbers or NA. ``ends`` counts the
    tokens up to the end of each part: no row crosses it. ``parts`` is the text itself.
    """

    values: NDArray[np.float64]
    texts: list[str] | None
    ends: tuple[int, ...]
    parts: tuple[bytes, ...]

    @classmethod
    def joined(cls, lists: Sequence[Tokens]) -> Tokens:
        """Tokens of several lists, one after the other."""
        if len(lists) == 1:
            return lists[0]
        texts: list[str] | None = None
        if any(t.texts is not None for t in lists):
            texts = [w for t in lists for w in (t.texts if t.texts is not None else map(repr, t.values.tolist()))]
        before = np.cumsum([0, *(len(t.values) for t in lists)]).tolist()
        ends = tuple(b + e for b, t in zip(before, lists, strict=False) for e in t.ends)
        return cls(np.concatenate([t.values for t in lists]), texts, ends, tuple(p for t in lists for p in t.parts))

    @property
    def lines(self) -> NDArray[np.int64]:
        """Index of the first token of each line that has any."""
        counts = np.array([n for p in self.parts for n in map(_count, p.splitlines()) if n], dtype=np.int64)
        return np.concatenate(([0], np.cumsum(counts)))[: len(counts)]


def numbers(raw: bytes) -> NDArray[np.float64] | None:
    """All tokens as numbers in one pass (NA = NaN), or None where one of them is something else."""
    if not raw.strip():
        return np.empty(0)
    try:
        return np.fromstring(raw, dtype=np.float64, sep=" ")
    except ValueError:
        pass
    if _NO_NUMBER.search(raw) is None:
        return None
    try:
        return np.fromstring(_NO_NUMBER.sub(b"nan", raw), dtype=np.float64, sep=" ")
    except ValueError:
        return None


def tokenise(parts: Sequence[bytes]) -> Tokens:
    """Tokens of the parts of one defect list."""
    bulk = [numbers(p) for p in parts]
    if any(b is None for b in bulk):
        parts = [without_noise(p) for p in parts]
        bulk = [numbers(p) for p in parts]
    texts: list[str] | None = None
    if any(b is None for b in bulk):
        split = [words(p) for p in parts]
        texts = [w for s in split for w in s]
        bulk = [np.array([number(w) for w in s], dtype=np.float64) for s in split]
    arrays = [b for b in bulk if b is not None]
    ends = tuple(int(e) for e in np.cumsum([len(a) for a in arrays]))
    return Tokens(np.concatenate([np.empty(0), *arrays]), texts, ends, tuple(parts))


def number(word: str) -> float:
    """``word`` as a number, NaN where it is none."""
    try:
        return float(word) if "_" not in word else float("nan")
    except ValueError:
        return float("nan")


def columns(tokens: Tokens, spec: Spec, starts: NDArray[np.int64], layout: Layout | None) -> dict[str, NDArray]:
    """One array per column, of shape (rows,); the image list itself is left out.

    Known whole-number columns become int32 (int64 where too large), others float64, NA is NaN; a column with other
    words stays text.
    """
    out: dict[str, NDArray] = {}
    names = spec.names
    list_at = names.index("IMAGELIST") if "IMAGELIST" in names else None
    ends = np.append(starts[1:], len(tokens.values))
    for i, name in enumerate(names):
        if i == list_at:
            continue
        # Columns behind the list are counted from the row's end.
        behind = layout is not None and list_at is not None and i > list_at
        place = ends - (len(names) - i) if behind else starts + i
        values = tokens.values[place]
        if tokens.texts is not None and np.isnan(values).any():
            column = [tokens.texts[p] for p in place.tolist()]
            if any(np.isnan(number(w)) and w.encode() not in (*NOT_A_NUMBER, b"nan") for w in column):
                out[name] = np.array(column, dtype=np.str_)
                continue
        out[name] = whole(values) if name in INTEGER_COLUMNS else values
    return out


def whole(values: NDArray[np.float64]) -> NDArray:
    """``values`` as int32, int64 where too large, or unchanged where one of them is no whole number."""
    if not len(values):
        return values.astype(np.int32)
    if not np.isfinite(values).all() or np.any(values != np.floor(values)):
        return values
    largest = np.abs(values).max()
    return values if largest >= 2**53 else values.astype(np.int32 if largest < 2**31 else np.int64)


def _count(line: bytes) -> int:
    return len(words(line)) if b'"' in line else len(line.split())


def first_odd_line(tokens: Tokens) -> str:
    """The first line with another number of tokens than most lines have, for an error message."""
    lines = [line for part in tokens.parts for line in part.splitlines() if line.strip()]
    if not lines:
        return "no rows"
    counts = [_count(line) for line in lines]
    usual = max(set(counts), key=counts.count)
    odd = next((i for i, n in enumerate(counts) if n != usual), None)
    if odd is None:
        return f"{len(lines)} lines of {usual} tokens"
    return f"{counts[odd]} tokens where most lines have {usual}: `{text(lines[odd].strip())[:80]}`"
