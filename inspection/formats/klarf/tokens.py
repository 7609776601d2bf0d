"""The text of a KLARF file: its size held, its end looked for, its lines counted, its words and the file names between its rows."""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import TYPE_CHECKING

from inspection.errors import FormatError
from inspection.formats.sizes import check_size

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from inspection.params import Ingest

END_OF_FILE = "endoffile"
BLANK = b" \t\r\n\f\v\x00\x1a"

NOISE_NAME = rb"(?:TiffFileName|FILENAME)"
_FILE_WITH_BLANKS = rb'[^;"\r\n]*\.[A-Z]\w{0,4}(?=[ \t]*+[;\r\n])'
NOISE = re.compile(NOISE_NAME + rb'[ \t]++(?:"[^"\r\n]*+"|' + _FILE_WITH_BLANKS + rb'|[^\s;"]++)[ \t]*+;?', re.IGNORECASE)
_LONGEST_LINE, _MOST_COMMAS = 4096, 10_000
_DECIMAL_POINT = re.compile(
    rb'"[^"\r\n]*+"|(?:TiffSpec|FileVersion|TiffFileName)\s[^;]*+|(?<![^\s;])([-+]?\d*\.\d+(?:E[-+]?\d+)?)(?![^\s;])', re.IGNORECASE
)
_DECIMAL_COMMA = re.compile(rb'"[^"\r\n]*+"|(?<![^\s;])([-+]?\d*),(?=\d++(?:E[-+]?\d++)?(?![^\s;]))', re.IGNORECASE)
_NO_OTHER_COMMA = re.compile(rb"(?:[\s;]++|[^\s;,]++(?![^\s;])|[-+]?\d*+,\d++(?:E[-+]?\d++)?(?![^\s;]))*+", re.IGNORECASE)
_BLOCK, _POINT = 1 << 16, ord(".")
_TOKEN = re.compile(rb'"([^"\r\n]*)(?:"|(?=[\r\n]|\Z))|([^\s"]+)')


def load(path: Path, limits: Ingest) -> bytes:
    """Whole content of ``path``, after its size was held against ``limits.max_file_mb``.

    The text is kept until the last wafer is made, as wafers and image layouts depend on what stands far behind them; it is never copied,
    save where decimal commas or file names stand between its numbers. So a file takes its own size and one to four times the arrays
    that it gives (five with a column of texts), and one whose text does not fit in memory is refused, ``file.memory``. It is read and
    not mapped: mapped pages count as resident all the same.

    Raises
    ------
    FormatError
        ``file.size``: larger than the limit; ``klarf.truncated``: no EndOfFile.
    """
    check_size(path, limits)
    data = path.read_bytes()
    if not has_end(data):
        raise truncated(data, len(data), "EndOfFile in the last 128 bytes", "none")
    return data


def with_points(data: bytes) -> tuple[bytes, list[str]]:
    """``data`` with points for the decimal commas of a tool that writes in its country's way, and a note if there were some.

    No comma has a meaning of its own outside quotes, but beside numbers with points one is damage and stays. Length and lines stay as
    they are.
    """
    if not _has_decimal_comma(data) or any(m[1] for m in _DECIMAL_POINT.finditer(data)):
        return data, []
    made = bytearray(data)
    for begin, end in _blocks(data):
        # A list of numbers has no other commas: all at once, in a third of the time.
        if data.find(b'"', begin, end) < 0 and _NO_OTHER_COMMA.fullmatch(data, begin, end):
            made[begin:end] = data[begin:end].replace(b",", b".")
            continue
        for comma in _DECIMAL_COMMA.finditer(data, begin, end):
            if comma[1] is not None:
                made[comma.end() - 1] = _POINT
    return bytes(made), ["decimal commas: read as points"]


def _blocks(data: bytes) -> Iterator[tuple[int, int]]:
    """Ranges of ``data`` that end with a line, which no quotes cross; all of it where it has but one line."""
    newline = b"\n" if b"\n" in data else b"\r"
    begin = 0
    while begin < len(data):
        end = data.find(newline, begin + _BLOCK) + 1 or len(data)
        yield begin, end
        begin = end


def _has_decimal_comma(data: bytes) -> bool:
    # Comma by comma: most files have a few in their names, and the expression would take longer for all the rest than reading it does.
    at, looked = data.find(b","), 0
    while at >= 0 and looked < _MOST_COMMAS:
        if data[at - 1 : at].isdigit() and data[at + 1 : at + 2].isdigit():
            looked += 1
            before = data[max(0, at - _LONGEST_LINE) : at]
            if not before[max(before.rfind(b"\n"), before.rfind(b"\r")) + 1 :].count(b'"') % 2:
                return True
        at = data.find(b",", at + 1)
    return False


def line_of(data: bytes, at: int) -> str:
    """Where byte ``at`` is, for people."""
    return Lines(data).of(at)


class Lines:
    """Line numbers of many places of one file: each count goes on from the nearest place asked before."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._newline = b"\n" if b"\n" in data else b"\r"
        self._at, self._line = [0], [1]

    def of(self, at: int) -> str:
        """Where byte ``at`` is, for people."""
        i = bisect_right(self._at, at) - 1
        line = self._line[i] + self._data.count(self._newline, self._at[i], at)
        if self._at[i] < at:
            self._at.insert(i + 1, at)
            self._line.insert(i + 1, line)
        return f"line {line}"


def has_end(data: bytes) -> bool:
    """Whether the last 128 bytes, blanks behind it left out, say EndOfFile: a file still being written has none yet."""
    tail = data[-256:] if data[-256:].rstrip(BLANK) else data.rstrip(BLANK)
    return END_OF_FILE.encode() in tail.rstrip(BLANK)[-128:].lower()


def truncated(data: bytes, at: int, expected: str, got: str) -> FormatError:
    """The one error for a file that stops too early."""
    return FormatError(
        "klarf.truncated",
        where=line_of(data, at),
        expected=expected,
        got=got,
        action="The file is cut or still being written: hand it in again when it is complete.",
    )


def wrong_version(where: str, expected: str, got: str) -> FormatError:
    """The one error for a version that nobody has read."""
    return FormatError("klarf.version", where=where, expected=expected, got=got, action="Let the tool export KLARF 1.2 or 1.8.")


def refuse_trailing(data: bytes, at: int) -> None:
    """Refuse content behind the EndOfFile that ends at ``at``.

    Raises
    ------
    FormatError
        ``klarf.trailing``.
    """
    rest = data[at:].strip(BLANK + b";")
    if rest:
        raise FormatError(
            "klarf.trailing",
            where=line_of(data, at),
            expected="nothing behind EndOfFile",
            got=text(rest[:40]),
            action="Two files were joined, or the end is damaged: hand in each file by itself.",
        )


def text(raw: bytes) -> str:
    """Characters of a header string; Latin-1 where the bytes are not UTF-8, as older tools write."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def words(raw: bytes) -> list[str]:
    """Tokens of a record's content; quotes are taken off and keep the blanks between them. A line's end closes them."""
    return [text(m[1] if m[1] is not None else m[2]) for m in _TOKEN.finditer(raw)]


def has_noise(data: bytes, begin: int, end: int) -> bool:
    """Whether a range of a file holds a file-name line."""
    # A search for one letter costs a thousandth of the expression, and rows of numbers have none.
    letters = any(data.find(letter, begin, end) >= 0 for letter in (b"F", b"f"))
    return letters and NOISE.search(data, begin, end) is not None


def without_noise(raw: bytes) -> bytes:
    """Rows without the file-name lines that tools write between them; length and lines stay as they are."""
    return NOISE.sub(lambda m: b" " * len(m[0]), raw)
