"""SINF (Simplified INF), the text die map of wafer probers and assembly houses.

A header of ``KEY:value`` lines and one ``RowData:`` line per row of dies, as one looks at the wafer::

    DEVICE: LOT: WAFER: COMMENT:   names
    FNLOC:180      where the flat or notch lies: 0 top, 90 right, 180 bottom, 270 left (also D, L, U, R)
    ROWCT: COLCT:  rows and columns
    BCEQU:01       bin codes that are good, parted by blanks or commas, or 00-0A; 01 where it is empty
    DUTMS:mm XDIES: YDIES:   unit (mm, mil, um) and step of the dies
    DIECT: REFPX: REFPY:     number of dies, place of the reference die; optional
    RowData:__ __ 01 02 @@ FF __   hex cells, with or without blanks between them

Codes that are no die: ``__`` nothing, ``@@`` not inspected, ``FF`` reference, ``FD`` ``FE`` edge. Source of the facts:
the format page of artwork.com; writers in public code agree with its FNLOC. Neither states a wafer size.
"""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING

from inspection.errors import FormatError
from inspection.formats.diemap.cells import Cells, numbered
from inspection.formats.diemap.frame import MAX_MAPS, MAX_ROWS, length_um, mark_of, notch_down, unstated_diameter_mm
from inspection.formats.sizes import check_size
from inspection.wafer.maps import FAIL, NO_DIE, PASS, SourceWafer, WaferInfo

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from inspection.params import Ingest

KEYS = frozenset(
    ("DEVICE", "LOT", "WAFER", "COMMENT", "FNLOC", "ROWCT", "COLCT", "BCEQU", "REFPX", "REFPY", "DUTMS", "DIECT", "XDIES", "YDIES")
)
ROW = "ROWDATA"
GOOD_BINS = "01"
"""What ``BCEQU`` means where it is empty."""
NOT_DIES = ("FF", "FD", "FE")
"""Reference and edge dies; good all the same where ``BCEQU`` lists them."""

_LINE = re.compile(r"\s*(\w[\w #/.()-]{0,30}?)[ \t]*:(.*)", re.DOTALL)
_CELLS = re.compile(r"[\s0-9A-Fa-f_@]*")
_NUMBER = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?)\s*([a-zA-Z\u00b5\u03bc]*)\s*")
_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_FEW = 3

Header = dict[str, str]


def recognises(head: bytes, path: Path) -> bool:  # noqa: ARG001 - the signature that every format shares
    """Whether ``head`` (the first bytes of the file) begins with a SINF key and holds at least three of them."""
    found = [m[1].upper() for line in _text(head).splitlines() if (m := _LINE.match(line))]
    known = [key for key in found if key in KEYS or key == ROW]
    return bool(found) and found[0] in KEYS and (len(set(known)) >= _FEW)


def read(path: Path, limits: Ingest) -> Iterator[SourceWafer]:
    """Die maps of a SINF file, one unless it holds several headers; all are checked before the first is given out.

    Raises
    ------
    FormatError
        ``file.size``; ``sinf.header``: ROWCT or COLCT missing or no whole number; ``sinf.rows``, ``sinf.columns``:
        other than declared; ``sinf.cell``: not a hex code; ``sinf.orientation``: an FNLOC between the quarter turns;
        ``sinf.number``: an XDIES or YDIES that is none; ``sinf.wafers``: more than ``limits.max_wafers``.
    """
    wafers: list[SourceWafer] = []
    header: Header = {}
    rows: list[tuple[int, str]] = []
    check_size(path, limits)
    for number, line in enumerate(_text(path.read_bytes()).splitlines(), 1):
        found = _LINE.match(line)
        key = found[1].upper() if found else ""
        if found and key != ROW and key not in KEYS:
            continue  # a key of the maker's own
        if found and key in KEYS:
            if rows:  # the header of another wafer; what it does not say again still holds
                wafers.append(_wafer(len(wafers), header, rows, limits))
                rows = []
            header[key] = found[2].strip().strip("\x00\x1a")
        elif found and key == ROW:
            rows += [(number, found[2])] if found[2].strip() else []
        elif line.strip(" \t\r\n\x1a\x00") and (_CELLS.fullmatch(line) or not _is_outside(header, rows)):
            rows.append((number, line))
        if len(rows) > MAX_ROWS:
            raise _error("rows", f"line {number}", f"at most {MAX_ROWS} rows", "more")
    wafers.append(_wafer(len(wafers), header, rows, limits))
    yield from wafers


def _is_outside(header: Header, rows: list[tuple[int, str]]) -> bool:
    """Whether a line stands before the first row or behind the last: there a title or an end mark is none of them."""
    return not rows or header.get("ROWCT", "").lstrip("0") == str(len(rows))


def _text(content: bytes) -> str:
    for bom, encoding in _BOMS:
        if content.startswith(bom):
            return content[len(bom) :].decode(encoding, errors="replace")
    return content.decode("latin-1")


def _wafer(index: int, header: Header, rows: list[tuple[int, str]], limits: Ingest) -> SourceWafer:
    if index >= min(limits.max_wafers, MAX_MAPS):
        raise _error("wafers", f"wafer {index}", f"at most {min(limits.max_wafers, MAX_MAPS)} wafers", "more")
    notes: list[str] = []
    mark = mark_of(header.get("FNLOC") or "180", zero="UP")
    if mark is None:
        raise _error("orientation", "FNLOC", "0, 90, 180 or 270", header["FNLOC"])
    if not header.get("FNLOC"):
        notes.append("no FNLOC: the flat or notch is taken to lie DOWN")
    good = _good_bins(header.get("BCEQU", "")) or _good_bins(GOOD_BINS)
    cells = Cells("sinf", _count(header, "ROWCT"), _count(header, "COLCT"), width=2, status=lambda code: _status(code, good), uniform=True)
    for number, text in rows:
        cells.add(text, f"line {number}")
    status = cells.status(f"wafer {index}")
    pitch = _pitch(header, notes)
    diameter = unstated_diameter_mm(status, pitch, notes)
    notes += _counted(header, cells)
    info = WaferInfo(
        lot=header.get("LOT", ""),
        wafer=header.get("WAFER", ""),
        product=header.get("DEVICE") or None,
        diameter_mm=diameter,
    )
    made, turned = notch_down(info, status, pitch, mark)
    return SourceWafer(index=index, map=made, notes=(*notes, *turned))


def _good_bins(text: str) -> set[str]:
    """Codes that are listed one by one, or as ``00-0A``."""
    good: set[str] = set()
    for word in re.split(r"[\s,;]+", text):
        if ends := re.fullmatch(r"([0-9A-Fa-f]{1,4})-([0-9A-Fa-f]{1,4})", word):
            good.update(f"{code:x}" for code in range(int(ends[1], 16), int(ends[2], 16) + 1))
        elif word:
            good.add(numbered(word, 16))
    return good


def _status(code: str, good: set[str]) -> int | None:
    if not code.strip("_@"):
        return NO_DIE
    bin_code = numbered(code, 16)
    if bin_code in good:
        return PASS
    if code.upper() in NOT_DIES:
        return NO_DIE
    return FAIL if re.fullmatch(r"[0-9A-Fa-f]+", code) else None


def _counted(header: Header, cells: Cells) -> list[str]:
    """A note where DIECT is not the number of dies, with or without those that are not inspected or not products."""
    declared = header.get("DIECT", "")
    if not declared.isdecimal() or len(declared) > 9:
        return [f"die count: DIECT is no number, {declared[:40]!r}"] if declared else []
    nothing = sum(n for code, n in cells.counts.items() if not code.strip("_"))
    others = sum(n for code, n in cells.counts.items() if code.strip("_") and (not code.strip("@") or code.upper() in NOT_DIES))
    whole = cells.counts.total() - nothing
    return [] if whole - others <= int(declared) <= whole else [f"die count: DIECT says {int(declared)} dies, the rows hold {whole}"]


def _count(header: Header, key: str) -> int:
    text = header.get(key, "")
    if not re.fullmatch(r"\d{1,9}", text) or not int(text):
        raise _error("header", key, "a whole number above 0", text[:40] or "nothing")
    return int(text)


def _pitch(header: Header, notes: list[str]) -> tuple[float, float] | None:
    sides = [_side(header, key) for key in ("XDIES", "YDIES")]
    if None in sides or 0.0 in sides:
        notes.append("no die size: XDIES and YDIES are not both given")
        return None
    return float(sides[0] or 0), float(sides[1] or 0)


def _side(header: Header, key: str) -> float | None:
    text = header.get(key, "")
    if not text:
        return None
    found = _NUMBER.fullmatch(text)
    side = None if found is None else length_um(float(found[1]), found[2] or header.get("DUTMS") or "mm")
    if side is None or side < 0:
        raise _error("number", key, "a length in DUTMS mm, mil, um, cm or inch", f"{text[:40]} {header.get('DUTMS', '')[:20]}")
    return side


def _error(code: str, where: str, expected: str, got: object) -> FormatError:
    return FormatError(f"sinf.{code}", where=where, expected=expected, got=got, action="Export the map again: its header is damaged.")
