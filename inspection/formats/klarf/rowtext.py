"""The text of a defect list as tokens: all numbers at once, words when they are asked for.

Short lists take NumPy and plain Python; long ones take the compiled loops of `kernel`, which are ten times as fast but take a
second to load, in as many threads as the process has cores. Both give the same values.
"""

from __future__ import annotations

import re
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from inspection.formats.klarf.tokens import text
from inspection.spawned import cores

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

LONG = 1 << 24
"""Bytes whose plain reading takes about as long as loading the compiled loops: from there on, in one list or in all of a process so
far, it pays to load them. Once they are loaded they pay far earlier."""

_LONG_WHEN_LOADED = 1 << 14
_read_plainly: list[int] = []
"""Bytes that this process has read without them."""

_PART = 4 << 20
"""Bytes of one thread's part, at least."""

_MISSING = frozenset(
    (
        *("NA", "N/A", "#N/A", "NULL", "NAN", "-NAN", "NAN(IND)", "-NAN(IND)"),
        *("1.#QNAN", "-1.#QNAN", "1.#SNAN", "-1.#SNAN", "1.#IND", "-1.#IND", "1.#INF", "-1.#INF"),
    )
)
"""How tools, and the C libraries below them, write that nothing was measured."""

_FORTRAN = re.compile(r"[+-]?(?:\d+\.\d*|\.\d+)[Dd][+-]?\d+")
_LONGEST_LINE = 1 << 12
_NEW_LINE = ord("\n")
_KERNEL = "inspection.formats.klarf.kernel"
ENDS = b" \t\n\r\f\v;"
_CELL = re.compile(rb'"[^"]*"|[^\s";]+|;')
_IMAGES = re.compile(rb'(?<![^\s;])Images?\s++[^\s{}";]++\s*+\{(?:[^{}"]++|"[^"]*+")*+\}', re.IGNORECASE)


@dataclass(frozen=True, slots=True, eq=False)
class Tokens:
    """Tokens of a defect list.

    Attributes
    ----------
    values : ndarray of shape (n,), float64
        NaN where a token is no number.
    breaks : ndarray of int64
        Number of tokens before each `;`: no row crosses one.
    raw : buffer
        The text itself.
    long : bool
        Whether the compiled loops read it.
    braces : bool
        Whether `Images n {...}` is one token.
    """

    values: NDArray[np.float64]
    breaks: NDArray[np.int64]
    raw: bytes | memoryview
    long: bool
    braces: bool

    @property
    def ends(self) -> NDArray[np.int64]:
        """``breaks`` and the end of the last token."""
        closed = len(self.breaks) and self.breaks[-1] == len(self.values)
        return self.breaks if closed else np.append(self.breaks, len(self.values))

    def settle(self) -> None:
        """Put in the numbers that the compiled loops left to be looked up."""
        places = np.flatnonzero(np.isnan(self.values))
        self.values[places] = [number(t) for t in self.texts(places)]

    def texts(self, places: NDArray[np.int64]) -> list[str]:
        """Tokens at ``places`` (rising) as they stand, without quotes."""
        if not self.long:
            cells = [c for c in _cells(self.raw, self.braces) if c != b";"]
            return [text(cells[i].strip(b'"')) for i in places.tolist()]
        return [text(bytes(self.raw[a:b])) for a, b in zip(*(s.tolist() for s in self._spans(places)), strict=True)]

    def place(self, token: int) -> int:
        """First byte of a token of a long list."""
        begin = int(self._spans(np.array([token]))[0][0])
        return begin - (begin > 0 and self.raw[begin - 1] == ord('"'))

    def _spans(self, places: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        from inspection.formats.klarf import scan  # noqa: PLC0415 - loads numba

        begins, ends = np.zeros(len(places), np.int64), np.zeros(len(places), np.int64)
        raw = np.frombuffer(self.raw, dtype=np.uint8)
        scan.spans(raw, len(raw), self.braces, places, begins, ends)
        return begins, ends


def tokenise(raw: bytes | memoryview, *, braces: bool = False) -> Tokens:
    """Tokens of the rows of a defect list; `;` separates rows, quotes keep blanks and `;` between them."""
    if not len(raw) or raw[-1] not in ENDS:
        raw = bytes(raw) + b" "
    if is_long(len(raw)):
        return tokenise_long(raw, braces)
    _read_plainly.append(len(raw))
    return _short(bytes(raw), braces)


def is_long(size: int) -> bool:
    """Whether ``size`` bytes are read faster by the compiled loops, the time to load them included."""
    if _KERNEL in sys.modules:
        return size >= _LONG_WHEN_LOADED
    if len(_read_plainly) > 1:
        _read_plainly[:] = [sum(_read_plainly)]
    return size >= _LONG_WHEN_LOADED and size + sum(_read_plainly) >= LONG


def number(word: str) -> float:
    """``word`` as a number, NaN where it is none."""
    try:
        return float(word) if "_" not in word else float("nan")
    except ValueError:
        return float(word.upper().replace("D", "E")) if _FORTRAN.fullmatch(word) else float("nan")


def missing(word: str) -> bool:
    """Whether ``word`` stands where nothing was measured."""
    return word.upper() in _MISSING


def spread(work: Callable[..., Any], parts: Sequence[tuple[Any, ...]]) -> list[Any]:
    """``work(*part)`` of each part, in threads."""
    if len(parts) == 1:
        return [work(*parts[0])]
    with ThreadPoolExecutor(len(parts)) as pool:
        return [f.result() for f in [pool.submit(work, *part) for part in parts]]


def _short(raw: bytes, braces: bool) -> Tokens:
    values = None
    if b'"' not in raw and (not braces or b"{" not in raw):
        plain = raw.replace(b";", b" ").strip()
        try:
            values = np.fromstring(plain, dtype=np.float64, sep=" ") if plain else np.empty(0)
        except ValueError:
            values = None
    if values is not None:
        return Tokens(values, _breaks(raw, len(values)), raw, False, braces)
    cells = _cells(raw, braces)
    solid = np.array([c != b";" for c in cells], dtype=np.bool_)
    numbers = [number(text(c.strip(b'"'))) for c in cells if c != b";"]
    breaks = np.cumsum(solid, dtype=np.int64)[~solid]
    return Tokens(np.array(numbers, dtype=np.float64), breaks, raw, False, braces)


def _cells(raw: bytes | memoryview, braces: bool) -> list[bytes]:
    """All tokens as they stand, and the `;` between them; an image list has no text."""
    raw = bytes(raw)
    return _CELL.findall(_IMAGES.sub(b' "" ', raw) if braces and b"{" in raw else raw)


def _breaks(raw: bytes, size: int) -> NDArray[np.int64]:
    """Number of tokens before each `;` of a text without quotes that has ``size`` tokens."""
    if raw.count(b";") == 1 and not raw.partition(b";")[2].strip():
        return np.array([size], dtype=np.int64)
    chars = np.frombuffer(raw, dtype=np.uint8)
    semicolon = chars == ord(";")
    solid = ~((chars == ord(" ")) | ((chars >= ord("\t")) & (chars <= ord("\r"))) | semicolon)
    begins = np.cumsum(solid & ~np.concatenate(([False], solid[:-1])))
    return begins[semicolon]


def tokenise_long(raw: bytes | memoryview, braces: bool) -> Tokens:
    """As `tokenise`, by the compiled loops."""
    from inspection.formats.klarf import kernel, scan  # noqa: PLC0415 - they load numba

    chars = np.frombuffer(raw, dtype=np.uint8)
    quotes = scan.occurrences(chars, 0, len(chars), scan.QUOTE)
    strings = quotes or (braces and scan.occurrences(chars, 0, len(chars), scan.OPEN))
    parts = [(0, len(chars))] if strings else parts_of(chars)
    # Exact without quotes, else no fewer than there are: memory that is never written is never taken.
    tokens = np.cumsum([0, *(scan.count(chars, a, b) for a, b in parts)])
    semicolons = np.cumsum([0, *(scan.occurrences(chars, a, b, scan.SEMICOLON) for a, b in parts)])
    values = np.empty(tokens[-1] + quotes, dtype=np.float64)
    breaks = np.empty(semicolons[-1], dtype=np.int64)
    work = [(chars, a, b, braces, values[tokens[i] :], breaks[semicolons[i] :]) for i, (a, b) in enumerate(parts)]
    found = spread(kernel.tokenise, work)
    for i in range(1, len(parts)):
        breaks[semicolons[i] : semicolons[i + 1]] += tokens[i]
    last_tokens, last_breaks, _ = found[-1]
    size = int(tokens[-2]) + last_tokens
    made = Tokens(values[:size], breaks[: int(semicolons[-2]) + last_breaks], raw, True, braces)
    if any(inexact for _, _, inexact in found):
        made.settle()
    return made


def parts_of(chars: NDArray[np.uint8]) -> list[tuple[int, int]]:
    """Ranges for as many threads as there are cores, each with a blank or a `;` at its end, at that of a line if one is near."""
    wanted = max(1, min(cores(), len(chars) // _PART))
    cuts = [0, *(line_end(chars, len(chars) * i // wanted) for i in range(1, wanted)), len(chars)]
    return [(a, b) for a, b in pairwise(cuts) if a < b]


def line_end(chars: NDArray[np.uint8], at: int) -> int:
    """Place behind the last line break shortly before ``at``, or else behind the first blank or `;` from there on."""
    begin = max(0, at - _LONGEST_LINE)
    breaks = np.flatnonzero(chars[begin:at] == _NEW_LINE)
    if len(breaks):
        return begin + int(breaks[-1]) + 1
    while at < len(chars) and chars[at] not in ENDS:
        at += 1
    return min(at + 1, len(chars))
