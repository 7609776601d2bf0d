"""Records of the line family of KLARF: where each one begins and ends, without believing any count."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from inspection.errors import FormatError
from inspection.formats.klarf.tokens import END_OF_FILE, NOISE, NOISE_NAME, line_of, refuse_trailing, text, truncated

if TYPE_CHECKING:
    from collections.abc import Iterator

DEFECT_LIST = "defectlist"
MORE_ROWS = ""
"""Name of a record that starts with a number: further rows of the list before it, behind some other record."""

_SPACE = re.compile(rb"[\s\x00\x1a]*+")
_WORD = re.compile(rb'[^\s;"]++')
_LAST_ROW = re.compile(rb";(?!\s*+[-+.0-9])")
_ROW_BEHIND = re.compile(rb";\s*+[-+.0-9]")
_NOISE_AT_END = re.compile(rb"(?<!\S)" + NOISE_NAME + rb'[ \t]++(?:"[^"\r\n]*"|[^;"\r\n]*\.[A-Z]\w{0,4}|[^\s;"]+)\s*\Z', re.IGNORECASE)
_EMPTY_NOISE = re.compile(NOISE_NAME + rb"[ \t]*+;", re.IGNORECASE)
_CLASSES = "classlookup"
"""Names of classes are cut to a length that leaves them without their last quote."""

_TAIL = 4096
"""So far before its `;` a list is looked through for a name that begins a line."""

_NAMES = (
    rb"FileVersion|FileTimestamp|ResultTimestamp|TiffSpec|InspectionStationID|SampleType|SampleSize|ResultsID|LotID|DeviceID|SetupID|StepID"
    rb"|WaferID|Slot|SlotID|SampleOrientationMarkType|OrientationMarkLocation|InspectionOrientation|OrientationInstructions?"
    rb"|CoordinatesMirrored|CoordinatesCentered|DiePitch|DieOrigin|SampleCenterLocation|ClassLookup|RemovedDieList|SampleDieMap"
    rb"|InspectionTest|SampleTestPlan|SampleTestReferencePlan|InspectedAreaOrigin|InspectedArea|AreaPerTest|TestParametersSpec"
    rb"|TestParametersList|DefectClusterSpec|DefectClusterSetup|ClusterClassificationList|CustomWaferList|ProcessEquipmentIDList"
    rb"|DefectRecordSpec|WaferStatus|LotStatus"
)
_LISTS = rb"DefectList|SummarySpec|SummaryList|EndOfFile"
KNOWN = re.compile(rb"(?:" + _NAMES + rb"|" + _LISTS + rb"|TiffFileName)(?![\w.])", re.IGNORECASE)
"""Names that records are known to have."""


@dataclass(frozen=True, slots=True)
class _Stop:
    """Names that end the record before them where they begin a line, if that lacks its `;` or a quote."""

    line: re.Pattern[bytes]
    body: re.Pattern[bytes]

    @classmethod
    def at(cls, *names: bytes) -> _Stop:
        name = rb"(?:" + rb"|".join(names) + rb")(?=[\s;]|\Z)"
        body = rb'(?:[^;"\r\n]++|"[^"\r\n]*+"|[\r\n]++[ \t]*+(?!' + name + rb"))*+"
        return cls(re.compile(rb"[\r\n]++[ \t]*+" + name, re.IGNORECASE), re.compile(body, re.IGNORECASE))

    def end(self, data: bytes, begin: int, *, quotes: bool) -> tuple[int, int]:
        """End of a record's content, and the place behind its `;`: the same place where another record begins; -1 where nothing ends it.

        ``quotes``: they must be closed.
        """
        body = self.body.match(data, begin)
        at = begin if body is None else body.end()
        if data[at : at + 1] == b";":
            return at, at + 1
        line = None if quotes and data[at : at + 1] == b'"' else self.line.search(data, at)
        return (-1, -1) if line is None else (line.start(), line.start())


# Columns may have the name of a record, and file names stand between the rows of a list.
_STOP = _Stop.at(_NAMES, _LISTS, rb"TiffFileName")
_STOP_BEHIND_SPEC = _Stop.at(_LISTS, rb"TiffFileName")
_STOP_BEHIND_ROWS = _Stop.at(_NAMES, _LISTS)


@dataclass(frozen=True, slots=True)
class Record:
    """One record: ``name`` in lower case, byte ranges of its content (several for a defect list), where it begins.

    ``closed``: it ends with its `;`, and not where the next one begins.
    """

    name: str
    parts: tuple[tuple[int, int], ...]
    at: int
    closed: bool = True


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
        if noise := NOISE.match(data, at) or _EMPTY_NOISE.match(data, at):
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
        name = text(word[0]).lower().rstrip(":") or ":"
        if name == END_OF_FILE:
            refuse_trailing(data, word.end())
            yield Record(name, (), at)
            return
        if name == DEFECT_LIST:
            parts, end, closed = _list_parts(data, word.end())
            yield Record(name, parts, at, closed)
        else:
            more = name[0] in "+-.0123456789"
            begin = at if more else word.end()
            stop = _STOP_BEHIND_ROWS if more else _STOP_BEHIND_SPEC if name.endswith("spec") else _STOP
            body, end = stop.end(data, begin, quotes=name != _CLASSES)
            if end < 0:
                raise truncated(data, at, f"`;` at the end of record {text(word[0])[:40]}", "none")
            yield Record(MORE_ROWS if more else name, ((begin, body),), at, body < end)
        at = end


def _skip(data: bytes, at: int) -> int:
    space = _SPACE.match(data, at)
    return at if space is None else space.end()


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


def _list_parts(data: bytes, at: int) -> tuple[tuple[tuple[int, int], ...], int, bool]:
    """Byte ranges of the rows of one defect list, the place behind its `;` (not that of a file-name record), and whether it has one."""
    parts: list[tuple[int, int]] = []
    begin = at
    while True:
        semicolon = _list_end(data, begin)
        if semicolon < 0:
            raise truncated(data, begin, "`;` at the end of DefectList", "none")
        tail_at = max(begin, semicolon - _TAIL)
        noise = _NOISE_AT_END.search(data[tail_at:semicolon])
        if noise is None:
            following = _STOP_BEHIND_ROWS.line.search(data, tail_at, semicolon)
            end = semicolon if following is None else following.start()
            parts.append((begin, end))
            return tuple(parts), end + (following is None), following is None
        parts.append((begin, tail_at + noise.start()))
        begin = at = semicolon + 1
        ahead = _skip(data, begin)
        if data[ahead : ahead + 1].isalpha() and not NOISE.match(data, ahead):
            return tuple(parts), begin, True
