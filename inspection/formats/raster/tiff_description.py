"""What the description of a TIFF file says that its directory does not: how large a pixel is, and pictures without a page of their own.

Sources: OME model 2016-06 (Pixels), ImageJ's TiffEncoder (its resolution is in pixels per ``unit``; a stack of more than 4 GB has one
page, behind whose pixels those of the other pictures lie), tifffile (``truncated``), TIFF 6.0 (ResolutionUnit).
"""

from __future__ import annotations

import io
import math
import re
import struct
from typing import TYPE_CHECKING

from inspection.formats.raster import tiff_tags as tag
from inspection.formats.raster.scale import um_of

if TYPE_CHECKING:
    from inspection.formats.raster.scale import PixelSize
    from inspection.formats.raster.tiff_tags import Page

_DESCRIPTION_BYTES = 256 * 2**10
"""Of a description: the size of a pixel stands in front, the list of all planes may follow."""
_IMAGEJ = b"ImageJ="
_STACK = re.compile(rb"^images=(\d{1,9})\s*$", re.MULTILINE)
_SHAPED = re.compile(rb'\{"shape": \[((?:\d{1,12}, ){2,9}\d{1,12})\].{0,99}"truncated": true')
_FRACTIONS = {3: "H", 4: "I", 5: "II", 11: "f", 12: "d"}
_INCH_UM, _CM_UM = 25_400.0, 10_000.0
_UNITS: dict[float, float] = {2: _INCH_UM, 3: _CM_UM}
_OF_SCREENS = (72, 75, 90, 96, 100, 120, 144, 150, 180, 192, 200, 220, 240, 250, 300, 350, 360, 400, 600, 720, 1200, 2400)
_AS_WRITTEN = 2e-3
"""96 dots per inch may be written as 38 per cm."""


def pictures_behind(first: Page) -> int:
    """How many pictures the pixels of a file's only page ``first`` are, by what it says; 1 = that one."""
    text = _description(first)
    stack = _STACK.search(text) if text.startswith(_IMAGEJ) else None
    if stack:
        return int(stack[1])
    shape = _SHAPED.match(text)
    values = math.prod(first.number(code, 1) for code in (tag.LENGTH, tag.WIDTH, tag.SAMPLES))
    return math.prod(int(side) for side in shape[1].split(b",")) // max(1, values) if shape else 1


def pixel_size(page: Page, first: Page, shape: tuple[int, int]) -> tuple[PixelSize | None, tuple[str, ...]]:
    """Height and width of a pixel of ``page``, and notes; None = nothing is said.

    Parameters
    ----------
    first : Page
        The file's first page: it has the description.
    shape : (int, int)
        Rows and columns of ``page`` as they are stored.
    """
    text = _description(first)
    if b"<OME" in text or b":OME" in text:
        return _of_ome(text, shape), ()
    width, height = _fraction(page, tag.X_RESOLUTION), _fraction(page, tag.Y_RESOLUTION)
    width, height = width or height, height or width
    if width is None or height is None:
        return None, ()
    if text.startswith(_IMAGEJ):
        lines = text.decode("utf-8", "replace").replace("\\u00B5", "u").splitlines()
        unit = next((line.partition("=")[2] for line in lines if line.startswith("unit=")), "")
        sizes = um_of(1 / height, unit), um_of(1 / width, unit)
        return None if sizes[0] is None or sizes[1] is None else (sizes[0], sizes[1]), ()
    unit_um = _UNITS.get(_fraction(page, tag.RESOLUTION_UNIT) or 2)
    if unit_um is None:
        return None, ()
    dpi = width * _INCH_UM / unit_um
    if any(math.isclose(dpi, usual, rel_tol=_AS_WRITTEN) for usual in _OF_SCREENS):
        return None, (f"its resolution of {dpi:.0f} dpi is one of screens and printers: not taken for the size of a pixel",)
    return (unit_um / height, unit_um / width), ()


def _description(first: Page) -> bytes:
    return first.content(tag.DESCRIPTION, _DESCRIPTION_BYTES)[1].partition(b"\0")[0]


def _fraction(page: Page, code: int) -> float | None:
    """A number above 0; None = there is none."""
    kind, content = page.content(code, 8)
    form = struct.Struct(page.reader.order + _FRACTIONS.get(kind, "II"))
    if kind not in _FRACTIONS or len(content) < form.size:
        return None
    numbers = form.unpack_from(content)
    value = float(numbers[0]) / (float(numbers[1]) or math.inf) if len(numbers) > 1 else float(numbers[0])
    return value if math.isfinite(value) and value > 0 else None


def _of_ome(text: bytes, shape: tuple[int, int]) -> PixelSize | None:
    """Of the picture of this ``shape``; None where the XML names none, or several of different pixels."""
    from defusedxml import DefusedXmlException  # noqa: PLC0415 - only OME-TIFF pays for it
    from defusedxml.ElementTree import ParseError, iterparse  # noqa: PLC0415 - as above

    found: set[PixelSize | None] = set()
    try:
        for _, element in iterparse(io.BytesIO(text), events=("start",), forbid_dtd=True):
            if element.tag.rpartition("}")[2] == "Pixels" and (element.get("SizeY"), element.get("SizeX")) == tuple(map(str, shape)):
                sizes = [_length(element.get(f"PhysicalSize{axis}"), element.get(f"PhysicalSize{axis}Unit", "\u00b5m")) for axis in "YX"]
                found.add(None if sizes[0] is None or sizes[1] is None else (sizes[0], sizes[1]))
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        pass  # cut after so many bytes, or damaged: what stood in front counts
    return found.pop() if len(found) == 1 else None


def _length(value: str | None, unit: str) -> float | None:
    try:
        return um_of(float(value or "nan"), unit)
    except ValueError:
        return None
