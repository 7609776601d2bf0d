"""Records of the line family of KLARF: where each one begins and ends, without believing any count."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

from inspection.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from inspection.params import Ingest

DEFECT_LIST = "defectlist"
MORE_ROWS = ""
"""Name of a record that starts with a number: further rows of the list before it, behind some other record."""

END_OF_FILE = "endoffile"
_BLANK = b" \t\r\n\f\v\x00\x1a"

_SPACE = re.compile(rb"[\s\x00\x1a]*+")
_WORD = re.compile(rb'[^\s;"]++')
_LAST_ROW = re.compile(rb";(?!\s*+[-+.0-9])")
_ROW_BEHIND = re.compile(rb";\s*+[-+.0-9]")
_BODY = re.compile(rb'((?:[^;"]++|"[^"\r\n]*+")*+);')
_NOISE_NAME = rb"(?:TiffFileName|FILENAME)"
_NOISE = re.compile(_NOISE_NAME + rb'[ \t]++(?:"[^"\r\n]*+"|[^\s;"]++)[ \t]*+;?', re.IGNORECASE)
_NOISE_AT_END = re.compile(rb"(?<!\S)" + _NOISE_NAME + rb'[ \t]++(?:"[^"\r\n]*"|[^\s;"]+)\s*\Z', re.IGNORECASE)
_EMPTY_NOISE = re.compile(_NOISE_NAME + rb"[ \t]*+;", re.IGNORECASE)
_TOKEN = re.compile(rb'"([^"]*)"|([^\s"]+)')


@dataclass(frozen=True, slots=True)
class Record:
    """One record: ``name`` in lower case, byte ranges of its content (several for a defect list), where it begins."""

    name: str
    parts: tuple[tuple[int, int], ...]
    at: int


def load(path: Path, limits: Ingest) -> bytes:
    """Whole content of ``path``, after its size was held against ``limits.max_file_mb``.

    Raises
    ------
    FormatError
        ``file.size``: larger than the limit.
    """
    size = path.stat().st_size
    if size > limits.max_file_bytes:
        raise FormatError(
            "file.size",
            where=path.name,
            expected=f"at most {limits.max_file_mb} MiB",
            got=f"{size / 2**20:.1f} MiB",
            action="Raise ingest.max_file_mb in params.yaml if the file is meant to be that large.",
        )
    return path.read_bytes()


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
    tail = data[-256:] if data[-256:].rstrip(_BLANK) else data.rstrip(_BLANK)
    return END_OF_FILE.encode() in tail.rstrip(_BLANK)[-128:].lower()


def truncated(data: bytes, at: int, expected: str, got: str) -> FormatError:
    """The one error for a file that stops too early."""
    return FormatError(
        "klarf.truncated",
        where=line_of(data, at),
        expected=expected,
        got=got,
        action="The file is cut or still being written: hand it in again when it is complete.",
    )


def text(raw: bytes) -> str:
    """Characters of a header string; Latin-1 where the bytes are not UTF-8, as older tools write."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def words(raw: bytes) -> list[str]:
    """Tokens of a record's content; quotes are taken off and keep the blanks between them."""
    return [text(m[1] if m[1] is not None else m[2]) for m in _TOKEN.finditer(raw)]


def has_noise(data: bytes, begin: int, end: int) -> bool:
    """Whether a range of a file holds a file-name line."""
    # A search for one letter costs a thousandth of the expression, and rows of numbers have none.
    letters = any(data.find(letter, begin, end) >= 0 for letter in (b"F", b"f"))
    return letters and _NOISE.search(data, begin, end) is not None


def without_noise(raw: bytes) -> bytes:
    """Rows without the file-name lines that tools write between them; length and lines stay as they are."""
    return _NOISE.sub(lambda m: b" " * len(m[0]), raw)


def records(data: bytes) -> Iterator[Record]:
    """All records in order, the last one being EndOfFile.

    Raises
    ------
    FormatError
        ``klarf.truncated`` where the content stops before EndOfFile; ``klarf.syntax`` for a stray quote;
        ``klarf.trailing`` for content behind EndOfFile.
    """
    at = 3 if data.startswith(b"\xef\xbb\xbf") else 0
    while True:
        at = _skip(data, at)
        if at == len(data):
            raise truncated(data, at, "EndOfFile as the last record", "the end of the file")
        if data[at : at + 1] == b";":
            at += 1
            continue
        if noise := _NOISE.match(data, at) or _EMPTY_NOISE.match(data, at):
            at = noise.end()
            continue
        word = _WORD.match(data, at)
        if word is None:
            raise FormatError(
                "klarf.syntax",
                where=line_of(data, at),
                expected="the name of a record",
                got=text(data[at : at + 40]),
                action="Export the file again: a quote is missing or one too many.",
            )
        name = text(word[0]).lower()
        if name == END_OF_FILE:
            refuse_trailing(data, word.end())
            yield Record(name, (), at)
            return
        if name == DEFECT_LIST:
            parts, end = _list_parts(data, word.end())
            yield Record(name, parts, at)
        else:
            more = name[0] in "+-.0123456789"
            begin = at if more else word.end()
            body = _BODY.match(data, begin)
            if body is None:
                raise truncated(data, at, f"`;` at the end of record {text(word[0])[:40]}", "none")
            end = body.end()
            yield Record(MORE_ROWS if more else name, (body.span(1),), at)
        at = end


def _skip(data: bytes, at: int) -> int:
    space = _SPACE.match(data, at)
    return at if space is None else space.end()


def refuse_trailing(data: bytes, at: int) -> None:
    """Refuse content behind the EndOfFile that ends at ``at``.

    Raises
    ------
    FormatError
        ``klarf.trailing``.
    """
    rest = data[at:].lstrip(_BLANK)
    rest = rest[1:].strip(_BLANK) if rest.startswith(b";") else rest
    if rest:
        raise FormatError(
            "klarf.trailing",
            where=line_of(data, at),
            expected="nothing behind EndOfFile",
            got=text(rest[:40]),
            action="Two files were joined, or the end is damaged: hand in each file by itself.",
        )


def _list_end(data: bytes, begin: int) -> int:
    """Place of the `;` behind which no further row stands and that no quotes enclose; -1 where there is none."""
    at, quoted = begin, False
    while (semicolon := data.find(b";", at)) >= 0:
        if _ROW_BEHIND.match(data, semicolon) is not None:  # many of them, if each row has its own
            end = _LAST_ROW.search(data, semicolon)
            if end is None:
                return -1
            semicolon = end.start()
        if data.find(b'"', at, semicolon) >= 0 and data.count(b'"', at, semicolon) % 2:
            quoted = not quoted
        if not quoted:
            return semicolon
        at = semicolon + 1
    return -1


def _list_parts(data: bytes, at: int) -> tuple[tuple[tuple[int, int], ...], int]:
    """Byte ranges of the rows of one defect list, and the place behind its `;` (not that of a file-name record)."""
    parts: list[tuple[int, int]] = []
    begin = at
    while True:
        semicolon = _list_end(data, begin)
        if semicolon < 0:
            raise truncated(data, begin, "`;` at the end of DefectList", "none")
        tail_at = max(begin, semicolon - 4096)
        noise = _NOISE_AT_END.search(data[tail_at:semicolon])
        if noise is None:
            parts.append((begin, semicolon))
            return tuple(parts), semicolon + 1
        parts.append((begin, tail_at + noise.start()))
        begin = at = semicolon + 1
        ahead = _skip(data, begin)
        if data[ahead : ahead + 1].isalpha() and not _NOISE.match(data, ahead):
            return tuple(parts), begin
