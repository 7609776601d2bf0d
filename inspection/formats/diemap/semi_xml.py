"""SEMI's XML die maps (G85, E142): elements read safely, one after the other, and what both say alike.

Names of elements and attributes are compared without namespace and in lower case: makers differ in both. defusedxml
refuses document types, entities and references to outside; nothing is fetched or expanded.
"""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, iterparse

from inspection.errors import FormatError
from inspection.formats.diemap.cells import Cells, numbered, pieces
from inspection.formats.sizes import check_size
from inspection.wafer.maps import FAIL, NO_DIE, PASS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path
    from xml.etree.ElementTree import Element

    import numpy as np
    from numpy.typing import NDArray

    from inspection.params import Ingest

Attributes = dict[str, str]

MAX_DEPTH = 64
_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_PROLOG = re.compile(r"<\?.*?\?>|<!--.*?-->", re.DOTALL)
_ROOT = re.compile(r"<(?:[\w.-]{1,60}:)?([A-Za-z_][\w.-]{0,60})[\s/>]")

_TYPES = {"asc": (1, None), "dec": (3, 10), "hex": (2, 16), "int": (4, 16)}
"""Characters of a bin code and base of its number, by the first letters of BinType: ASCII, Decimal, HexaDecimal, Integer2."""
_DECIMAL_NULL = 3
_MAX_BINS = 2**17
"""Twice what Integer2 can tell apart."""


def root_name(head: bytes) -> tuple[str, str]:
    """Name of the first element in lower case without its prefix, and ``head`` as text; empty where it is no XML."""
    text = next((head[len(b) :].decode(e, errors="replace") for b, e in _BOMS if head.startswith(b)), None)
    if text is None:
        text = head.decode("utf-16-le" if head[1:2] == b"\0" else "utf-16-be" if head[:1] == b"\0" else "latin-1", errors="replace")
    if not text.lstrip().startswith("<"):
        return "", ""
    found = _ROOT.search(_PROLOG.sub("", text))
    return (found[1].lower() if found else ""), text


def elements(path: Path, limits: Ingest, area: str) -> Iterator[tuple[str, Element]]:
    """``("start" or "end", element)`` of every element, in the order of the file.

    An element that has ended is emptied once the caller is done with it, so that memory stays that of one element. Its
    text is there at its end only.

    Raises
    ------
    FormatError
        ``file.size``; ``AREA.damaged``: no well-formed XML, or one that ends early; ``AREA.unsafe``: a document type, an
        entity or an outside reference; ``AREA.depth``: elements in elements beyond any map's need.
    """
    check_size(path, limits)
    open_elements: list[Element] = []
    with path.open("rb") as file:
        # Some writers begin with an empty line, which XML does not allow before its declaration.
        begin = file.read(64)
        file.seek(len(begin) - len(begin.lstrip(b" \t\r\n")))
        try:
            for event, element in iterparse(file, ("start", "end"), forbid_dtd=True):
                if event == "start":
                    open_elements.append(element)
                    if len(open_elements) > MAX_DEPTH:
                        raise fault(area, "depth", path.name, f"at most {MAX_DEPTH} elements in each other", "more")
                    yield event, element
                    continue
                yield event, element
                open_elements.pop()
                element.clear()
                if open_elements:
                    open_elements[-1].remove(element)  # the first of its children: those before it are gone
        except DefusedXmlException as error:
            raise fault(area, "unsafe", path.name, "XML without document type and entities", f"{type(error).__name__}") from error
        except (ParseError, LookupError, UnicodeError, ValueError) as error:
            if isinstance(error, FormatError):
                raise
            raise fault(area, "damaged", path.name, "complete, well-formed XML", f"{error}") from error


def local(element: Element) -> str:
    """Name of an element without namespace, in lower case."""
    return str(element.tag).rpartition("}")[2].lower()


def attributes(element: Element) -> Attributes:
    """Attributes by name without namespace, in lower case."""
    return {key.rpartition("}")[2].lower(): value for key, value in element.attrib.items()}


def fault(area: str, code: str, where: str, expected: str, got: object) -> FormatError:
    """The error of a map that its own header contradicts."""
    action = "Export the map again: the file contradicts itself or is cut."
    return FormatError(f"{area}.{code}", where=where, expected=expected, got=got, action=action)


def diemap_of(
    area: str, where: str, bins: Bins, rows: Sequence[str], shape: tuple[int | None, int | None]
) -> tuple[NDArray[np.uint8], list[str]]:
    """Status of every cell of ``rows``, of shape (rows, columns), and notes.

    Parameters
    ----------
    rows : sequence of str
        Text of the elements that hold them: one row each, or all in one.
    shape : (int or None, int or None)
        Rows and columns as declared; None = not declared.

    Raises
    ------
    FormatError
        As `Cells`.
    """
    spaced = bins.spaced
    cells = Cells(area, *shape, width=bins.width, status=bins.status, spaced=spaced)
    # As many elements as rows: each is one, on however many lines it stands.
    apart = spaced and len(rows) != shape[0]
    lines = (line for row in rows for line in pieces(row, shape[1], bins.width)) if apart else iter(rows)
    for number, line in enumerate(lines, 1):
        cells.add(line, f"{where}, row {number}")
    return cells.status(where), bins.notes(cells.counts)


def slot_of(text: str) -> int | None:
    """A slot of a cassette; None = no whole number."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None


def whole(found: Attributes, name: str, area: str, where: str) -> int | None:
    """A whole number above 0; None = not given.

    Raises
    ------
    FormatError
        ``AREA.header``: it is none.
    """
    text = found.get(name, "").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and int(text)):
        raise fault(area, "header", where, f"{name}: a whole number above 0", text)
    return int(text)


class Bins:
    """What the bin codes of one map mean.

    ``bin_type`` is ASCII, Decimal, HexaDecimal or Integer2 in any case; ASCII codes are compared as they stand, the
    others as numbers. BinQuality Pass and Fail decide; any other quality (Null, Skip, Reference, Edge, Ugly, ...) is a
    place without a tested die.
    """

    def __init__(self, bin_type: str, null_bin: str | None) -> None:
        self._null_text = null_bin or ""
        kind = bin_type.strip().lower()[:3]
        if not kind and len(self._null_text) == _DECIMAL_NULL and self._null_text.isdecimal():
            kind = "dec"
        self._width, self._base = _TYPES.get(kind, _TYPES["asc"])
        self._null = None if null_bin is None else self.key(null_bin)
        self._quality: dict[str, str] = {}
        self._declared: dict[str, int] = {}

    @property
    def width(self) -> int:
        """Characters of a code: as long as the null bin is, else by the type."""
        return len(self._null_text) or self._width

    @property
    def spaced(self) -> bool:
        """Whether blanks part the codes: not where a blank is itself one."""
        codes = [self._null_text or "x", *self._quality]
        return all(code.strip() for code in codes)

    def key(self, code: str) -> str:
        """A code in the one spelling it is compared in."""
        return code if self._base is None else numbered(code, self._base)

    def define(self, found: Attributes) -> None:
        """Take up a ``Bin`` or ``BinDefinition``; a later one without a quality does not undo an earlier."""
        code, quality = found.get("bincode"), found.get("binquality", "").strip().lower()
        if code is None or len(self._quality) > _MAX_BINS:  # a bin that is not taken up is refused where a die has it
            return
        key = self.key(code)
        if quality or key not in self._quality:
            self._quality[key] = quality
        count = found.get("bincount", "").strip()
        if count.isdecimal() and len(count) < 12:
            self._declared[key] = int(count)

    def status(self, code: str) -> int | None:
        """Status of a die with this code; None = the file does not define it."""
        key = self.key(code)
        if key == self._null:
            return NO_DIE
        if self._quality and key not in self._quality:
            return None
        if not any(self._quality.values()):  # no bin says what it means: bin 1 is the good one by custom
            return PASS if key.lstrip("0") == "1" else FAIL
        quality = self._quality[key]
        if quality.startswith(("pass", "good")) or quality == "p":
            return PASS
        return FAIL if quality.startswith(("fail", "bad", "reject")) or quality in {"", "f"} else NO_DIE

    def notes(self, counts: Mapping[str, int]) -> list[str]:
        """Where the map holds another number of a bin's dies than its definition says."""
        held: dict[str, int] = {}
        for code, count in counts.items():
            held[self.key(code)] = held.get(self.key(code), 0) + count
        odd = [f"{k}: {n} said, {held.get(k, 0)} held" for k, n in self._declared.items() if n != held.get(k, 0) and k != self._null]
        notes = [f"bin counts differ: {', '.join(odd[:5])}"] if odd else []
        if not any(self._quality.values()):
            notes.append("no bin has a quality: bin 1 is taken as pass, any other as fail")
        return notes
