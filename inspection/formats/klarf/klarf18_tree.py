"""The nested Record, Field and List of KLARF 1.8 as a tree; big data blocks stay byte ranges until they are wanted."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from inspection.errors import FormatError
from inspection.formats.klarf.rowtext import is_long
from inspection.formats.klarf.tokens import END_OF_FILE, line_of, refuse_trailing, text, truncated

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_TOKEN = re.compile(rb'\s*+("[^"]*+"|[{};,]|[^\s{};,"]++)')
_BLOCK = re.compile(rb'((?:[^{}"]++|"[^"]*+"|\{(?:[^{}"]++|"[^"]*+")*+\})*+)\}')
_END = re.compile(rb"\s*+EndOfFile\s*+;?[\s\x00\x1a]*+\Z", re.IGNORECASE)
_CELL = re.compile(rb'"([^"]*)"|([^\s";]+)')
_DEEPEST = 16


@dataclass(frozen=True, slots=True)
class Table:
    """A List: ``columns`` as (type, NAME), ``width`` and ``rows`` their declared counts, ``data`` the byte range between the braces."""

    columns: tuple[tuple[str, str], ...]
    width: str
    rows: str
    data: tuple[int, int]
    at: int


@dataclass(slots=True)
class Node:
    """A Record: ``kind`` in lower case (``lotrecord``), its name, and what it holds by lower-case name; a List may come several times."""

    kind: str
    name: str
    at: int
    fields: dict[str, list[str]] = field(default_factory=dict)
    lists: dict[str, list[Table]] = field(default_factory=dict)
    records: list[Node] = field(default_factory=list)

    def all(self, kind: str) -> list[Node]:
        """Direct records of one kind."""
        return [r for r in self.records if r.kind == kind]

    def tables(self, name: str) -> list[Table]:
        """Direct lists of one name."""
        return self.lists.get(name, [])


def parse(data: bytes) -> Node:
    """The file's root record.

    Raises
    ------
    FormatError
        ``klarf.truncated``: the content stops before EndOfFile; ``klarf.trailing``: there is more behind it; ``klarf.syntax``: a
        token that the grammar forbids.
    """
    reader = _Reader(data)
    root = reader.record(0)
    if _END.match(data, reader.at) is None:
        rest = data[reader.at :].strip()
        if rest[: len(END_OF_FILE)].lower() == END_OF_FILE.encode():
            refuse_trailing(data, data.index(rest[:1], reader.at) + len(END_OF_FILE))
        if not rest or b"endoffile".startswith(rest[:9].lower()):
            raise truncated(data, len(data), "EndOfFile as the last record", text(rest[:40]) or "the end of the file")
        raise reader.wrong("EndOfFile", text(rest[:40]))
    return root


def cells(data: bytes, tables: Iterable[Table]) -> Iterator[list[str]]:
    """Rows of small tables as text."""
    for table in tables:
        for row in re.findall(rb'(?:[^;"]++|"[^"]*+")++', data[slice(*table.data)]):
            found = [text(m[1] if m[1] is not None else m[2]) for m in _CELL.finditer(row)]
            if found:
                yield found


class _Reader:
    """A cursor over the bytes; every step either moves on or raises."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 3 if data.startswith(b"\xef\xbb\xbf") else 0

    def wrong(self, expected: str, got: str) -> FormatError:
        return FormatError(
            "klarf.syntax",
            where=line_of(self.data, self.at),
            expected=expected,
            got=got[:60],
            action="Export the file again: its nesting is damaged.",
        )

    def token(self) -> bytes:
        match = _TOKEN.match(self.data, self.at)
        if match is None:
            if self.data[self.at :].strip().startswith(b'"'):
                raise truncated(self.data, self.at, "a closing quote", "none")
            raise truncated(self.data, self.at, "EndOfFile as the last record", "the end of the file")
        self.at = match.end()
        return match[1]

    def word(self) -> str:
        return text(self.token()).strip('"')

    def expect(self, wanted: bytes) -> None:
        got = self.token()
        if got.lower() != wanted:
            raise self.wrong(f"`{text(wanted)}`", text(got))

    def record(self, depth: int) -> Node:
        if depth == 0:
            self.expect(b"record")
        if depth > _DEEPEST:
            raise self.wrong(f"records nested at most {_DEEPEST} deep", "more")
        begin = self.at
        node = Node(self.word().lower(), "", begin)
        token = self.token()
        if token != b"{":
            node.name = text(token).strip('"')
            self.expect(b"{")
        while (token := self.token().lower()) != b"}":
            if token == b"record":
                node.records.append(self.record(depth + 1))
            elif token == b"field":
                self._field(node)
            elif token == b"list":
                node.lists.setdefault(self.word().lower(), []).append(self._table())
            elif token != b";":
                raise self.wrong("Record, Field, List or `}`", text(token))
        return node

    def _field(self, node: Node) -> None:
        name = self.word().lower()
        token = self.token()
        if token != b"{":
            self.expect(b"{")
        values = []
        while (token := self.token()) != b"}":
            if token in (b"{", b";"):
                raise self.wrong("values of a Field up to `}`", text(token))
            if token != b",":
                values.append(text(token).strip('"'))
        node.fields[name] = values

    def _table(self) -> Table:
        begin = self.at
        self.expect(b"{")
        columns: list[tuple[str, str]] = []
        width, rows, span = "0", "0", (self.at, self.at)
        while (token := self.token().lower()) != b"}":
            if token == b"columns":
                width = self.word()
                columns = self._columns()
            elif token == b"data":
                rows = self.word()
                self.expect(b"{")
                span = (self.at, self._block_end())
                self.at = span[1] + 1
            elif token != b";":
                raise self.wrong("Columns, Data or `}`", text(token))
        return Table(tuple(columns), width, rows, span, begin)

    def _block_end(self) -> int:
        """Place of the brace that closes a data block; in a long one with image lists by the compiled loop."""
        end = self.data.find(b"}", self.at)
        nested = self.data.find(b"{", self.at, end) >= 0 or self.data.find(b'"', self.at, end) >= 0
        if end >= 0 and nested:
            end = self._nested_block_end()
        if end < 0:
            raise truncated(self.data, self.at, "`}` at the end of Data", "none")
        return end

    def _nested_block_end(self) -> int:
        if not is_long(len(self.data) - self.at):
            block = _BLOCK.match(self.data, self.at)
            return -1 if block is None else block.end() - 1
        from inspection.formats.klarf import scan  # noqa: PLC0415 - loads numba

        end: int = scan.block_end(np.frombuffer(self.data, dtype=np.uint8), self.at, len(self.data))
        return end if end < len(self.data) else -1

    def _columns(self) -> list[tuple[str, str]]:
        self.expect(b"{")
        columns: list[tuple[str, str]] = []
        pair: list[str] = []
        while True:
            token = self.token()
            if token in (b",", b"}"):
                if len(pair) == 2:
                    columns.append((pair[0].lower(), pair[1].upper()))
                elif pair or token == b",":
                    raise self.wrong("a type and a name per column", " ".join(pair))
                pair = []
                if token == b"}":
                    return columns
            elif token in (b"{", b";"):
                raise self.wrong("`,` or `}` after a column", text(token))
            else:
                pair.append(text(token).strip('"'))
