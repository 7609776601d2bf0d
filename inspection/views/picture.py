"""Wafer pictures for people: RGB, notch down, colours that survive colour blindness and a grey printer.

Points are dots that get darker where they overlap; die maps show passing dies grey, failed dies red and no die blank;
what was not inspected is hatched. Larger pictures have a scale bar.
Nothing here is seen by a model (that is ``views.renderer``). Every call works on its own arrays: safe in many threads.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from inspection.errors import InputError
from inspection.wafer.image_planes import MEAN, fitted, resized
from inspection.wafer.maps import FAIL, PASS, DefectMap, DieMap, ImageMap, InspectionMap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from inspection.wafer.maps import WaferInfo

Colour = tuple[int, int, int]
PAPER: Final[Colour] = (255, 255, 255)
DISC: Final[Colour] = (243, 244, 247)
RIM: Final[Colour] = (120, 128, 140)
GRID: Final[Colour] = (222, 225, 231)
HATCH: Final[Colour] = (196, 200, 208)
PASSED: Final[Colour] = (199, 205, 214)
DEFECT: Final[Colour] = (168, 20, 36)
INK: Final[Colour] = (40, 44, 52)

MARGIN = 1.05
"""Half side of the picture over the wafer's radius."""
_SCALE_BAR_PX = 160  # smaller pictures have no room for a scale bar
_OVERSAMPLED = 2  # drawn at twice the size and averaged down: smooth edges at little cost
_LEAST_DIE_PX = 5  # below it a die grid is a grey wash and is left out
_fonts = threading.local()


def draw(wafer: InspectionMap, size_px: int = 480, title: str | None = None) -> NDArray[np.uint8]:
    """The picture of one wafer; an image is shown as it is, as large as the square allows.

    Parameters
    ----------
    wafer : DefectMap, DieMap or ImageMap
    size_px : side of the square that holds the wafer, at least 16
    title : one line above the wafer (see ``describe``), shortened to fit

    Returns
    -------
    ndarray of shape (size_px [+ title strip], size_px, 3), uint8, RGB

    Raises
    ------
    InputError
        ``size_px`` is below 16.
    """
    if size_px < 16:
        raise InputError(f"Cannot draw a wafer: expected at least 16 pixels, got {size_px}. Ask for a larger picture.")
    if isinstance(wafer, ImageMap):
        picture = _image(wafer, size_px)
        return picture if title is None else np.vstack((text_strip(title, size_px), picture))
    side = size_px * _OVERSAMPLED
    x, y = _axes(wafer.info.radius_um, side)
    canvas = np.full((side, side, 3), PAPER, np.uint8)
    disc = x[None, :] ** 2 + y[:, None] ** 2 <= wafer.info.radius_um**2
    canvas[disc] = DISC
    if isinstance(wafer, DieMap):
        _paint_dies(canvas, wafer, x, y)
        _outline(canvas)
    else:
        _paint_inspected(canvas, wafer, disc, x, y)
        _outline(canvas)
        _paint_points(canvas, wafer, size_px)
    picture = cv2.resize(canvas, (size_px, size_px), interpolation=cv2.INTER_AREA)
    if size_px >= _SCALE_BAR_PX:
        _scale_bar(picture, wafer.info.radius_um)
    if title is None:
        return picture
    return np.vstack((text_strip(title, size_px), picture))


def _image(image: ImageMap, size_px: int) -> NDArray[np.uint8]:
    rows, cols = fitted((image.planes.shape[0], image.planes.shape[1]), size_px)
    top, left = (size_px - rows) // 2, (size_px - cols) // 2
    picture = np.full((size_px, size_px, 3), PAPER, np.uint8)
    picture[top : top + rows, left : left + cols] = resized(image.planes, (rows, cols))[..., MEAN, None]
    return picture


def contact_sheet(wafers: Sequence[InspectionMap], titles: Sequence[str], *, columns: int = 5, size_px: int = 220) -> NDArray[np.uint8]:
    """Many wafers on one sheet, row by row; ``titles`` has one line per wafer ("" for none).

    Raises
    ------
    InputError
        No wafer, or not one title per wafer.
    """
    if not wafers or len(wafers) != len(titles) or columns < 1:
        raise InputError(
            f"Cannot draw a contact sheet: expected at least one wafer, one title per wafer and one column, "
            f"got {len(wafers)} wafers, {len(titles)} titles, {columns} columns. Pass both lists together."
        )
    cells = [draw(wafer, size_px, title) for wafer, title in zip(wafers, titles, strict=True)]
    columns = min(columns, len(cells))
    blank = np.full_like(cells[0], PAPER[0])
    cells += [blank] * (-len(cells) % columns)
    return np.vstack([np.hstack(cells[i : i + columns]) for i in range(0, len(cells), columns)])


def to_png(picture: NDArray[np.uint8]) -> bytes:
    """RGB ``picture`` (h, w, 3) as the bytes of a PNG file."""
    done, encoded = cv2.imencode(".png", np.ascontiguousarray(picture[..., ::-1]))
    if not done:
        raise InputError(f"Cannot encode a picture as PNG: expected uint8 (h, w, 3), got {picture.dtype} {picture.shape}.")
    return encoded.tobytes()


def describe(info: WaferInfo, label: str | None = None, probability: float | None = None) -> str:
    """The title line of a wafer: lot, wafer, class, odds; what is unknown is left out.

    Examples
    --------
    >>> from inspection.wafer.maps import WaferInfo
    >>> describe(WaferInfo(lot="A12", wafer="07"), "Donut", 0.973)
    'A12 · W07 · Donut 97 %'
    """
    who = [info.lot, f"W{info.wafer.removeprefix('W')}" if info.wafer else ""]
    what = label or ""
    if probability is not None:
        what = f"{what} {odds(probability)}".strip()
    return " · ".join(part for part in (*who, what) if part)


def odds(probability: float) -> str:
    """A probability for people: never "100 %" for what is not certain.

    Examples
    --------
    >>> odds(0.9995), odds(0.5), odds(1.0), odds(0.001)
    ('>99 %', '50 %', '100 %', '<1 %')
    """
    if 0.99 < probability < 1.0:
        return ">99 %"
    if 0.0 < probability < 0.01:
        return "<1 %"
    return f"{probability * 100:.0f} %"


def _axes(radius_um: float, side: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Wafer-frame x of each column and y of each row, um."""
    along = (np.arange(side, dtype=np.float64) + 0.5) * (2 * MARGIN * radius_um / side) - MARGIN * radius_um
    return along, -along


def _paint_dies(canvas: NDArray[np.uint8], wafer: DieMap, x: NDArray[np.float64], y: NDArray[np.float64]) -> None:
    rows, cols = wafer.status.shape
    width, height = wafer.die_size_um
    col, row = np.floor(x / width + cols / 2).astype(int), np.floor(rows / 2 - y / height).astype(int)
    framed = np.zeros((rows + 2, cols + 2), np.uint8)  # one empty die all around
    framed[1:-1, 1:-1] = wafer.status
    status = framed[np.clip(row + 1, 0, rows + 1)[:, None], np.clip(col + 1, 0, cols + 1)[None, :]]
    canvas[status == PASS] = PASSED
    canvas[status == FAIL] = DEFECT
    if (x[1] - x[0]) * _LEAST_DIE_PX * _OVERSAMPLED <= min(width, height):
        streets = _streets(row)[:, None] | _streets(col)[None, :]
        canvas[streets & (status > 0)] = DISC


def _paint_inspected(
    canvas: NDArray[np.uint8], wafer: DefectMap, disc: NDArray[np.bool_], x: NDArray[np.float64], y: NDArray[np.float64]
) -> None:
    """The die grid, faint, and a hatch over what was not inspected."""
    if wafer.pitch_um is None or wafer.origin_um is None:
        return
    col = np.floor((x - wafer.origin_um[0]) / wafer.pitch_um[0]).astype(np.int64)
    row = np.floor((y - wafer.origin_um[1]) / wafer.pitch_um[1]).astype(np.int64)
    if (x[1] - x[0]) * _LEAST_DIE_PX * _OVERSAMPLED <= min(wafer.pitch_um):
        canvas[(_streets(row)[:, None] | _streets(col)[None, :]) & disc] = GRID
    if wafer.dies is None or not len(wafer.dies):
        return
    low = wafer.dies.min(axis=0)
    listed = np.zeros(wafer.dies.max(axis=0) - low + 3, bool)  # one unlisted die all around
    listed[wafer.dies[:, 0] - low[0] + 1, wafer.dies[:, 1] - low[1] + 1] = True
    in_col, in_row = (np.clip(i - first + 1, 0, n - 1) for i, first, n in zip((col, row), low, listed.shape, strict=True))
    missing = disc & ~listed[in_col[None, :], in_row[:, None]]
    stripe = 6 * _OVERSAMPLED
    place = np.arange(len(x))
    canvas[missing] = PAPER
    canvas[missing & ((place[None, :] + place[:, None]) % stripe < stripe // 4)] = HATCH


def _streets(index: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Where the die index changes along an axis: one line of pixels per street."""
    change = np.zeros(len(index), bool)
    change[1:] = index[1:] != index[:-1]
    return change


def _paint_points(canvas: NDArray[np.uint8], wafer: DefectMap, size_px: int) -> None:
    """Dots of one colour; where they overlap, 1 - (1 - a)^n of it shows through."""
    if not wafer.defects:
        return
    side = len(canvas)
    reach_um = MARGIN * wafer.info.radius_um
    place = np.floor((wafer.xy_um * (1.0, -1.0) + reach_um) * (side / (2 * reach_um)))
    place = np.clip(np.nan_to_num(place), 0, side - 1).astype(np.int64)
    count = np.bincount(place[:, 1] * side + place[:, 0], minlength=side * side).reshape(side, side).astype(np.float32)
    # Few defects: bold dots that cannot be overlooked. Many: small, light ones, so that density stays visible.
    crowd = np.clip(np.log10(wafer.defects) / 4.0, 0.0, 1.0)  # 0 for one defect, 1 from ten thousand on
    radius = max(1.3, (3.6 - 2.4 * crowd) * _OVERSAMPLED * (size_px / 480) ** 0.6)  # small pictures keep visible dots
    opacity = (0.95 - 0.35 * crowd) * min(1.0, 20_000 / wafer.defects) ** 0.5
    overlap = cv2.filter2D(count, cv2.CV_32F, _dot(radius), borderType=cv2.BORDER_CONSTANT)
    touched = overlap > 0.0
    alpha = 1.0 - np.exp(np.log1p(-opacity) * overlap[touched])[:, None]
    under = canvas[touched].astype(np.float32)
    canvas[touched] = np.rint(under + (np.array(DEFECT, np.float32) - under) * alpha).astype(np.uint8)


def _dot(radius: float) -> NDArray[np.float32]:
    """A disc of ``radius`` pixels with a soft rim; the centre counts 1."""
    reach = int(np.ceil(radius))
    along = np.arange(-reach, reach + 1)
    return np.clip(radius + 0.5 - np.hypot(along[:, None], along[None, :]), 0.0, 1.0).astype(np.float32)


def _outline(canvas: NDArray[np.uint8]) -> None:
    """The wafer's rim and its notch, at the bottom."""
    side = len(canvas)
    centre, radius = (side - 1) / 2, side / (2 * MARGIN)
    shift = 4  # cv2's fixed-point fraction bits
    middle = (round(centre * 2**shift),) * 2
    cv2.circle(canvas, middle, round(radius * 2**shift), RIM, _OVERSAMPLED, cv2.LINE_AA, shift)
    wide, deep = radius * 0.028, radius * 0.05
    notch = np.array([[-wide, radius + 2], [0, radius - deep], [wide, radius + 2]]) + centre
    cut = np.rint(notch * 2**shift).astype(np.int32)
    cv2.fillPoly(canvas, [cut], PAPER, cv2.LINE_AA, shift)
    cv2.polylines(canvas, [cut], isClosed=False, color=RIM, thickness=_OVERSAMPLED, lineType=cv2.LINE_AA, shift=shift)


def scale_mm(diameter_mm: float) -> float:
    """Length of the scale bar: 1, 2 or 5 times a power of ten, at most a fifth of the wafer.

    Examples
    --------
    >>> scale_mm(300), scale_mm(200), scale_mm(150), scale_mm(51)
    (50.0, 20.0, 20.0, 10.0)
    """
    longest = diameter_mm / 5
    power = 10.0 ** np.floor(np.log10(longest))
    return float(power * max(step for step in (1, 2, 5) if step * power <= longest))


def _scale_bar(picture: NDArray[np.uint8], radius_um: float) -> None:
    """A bar and its length in the lower left corner, where no wafer is."""
    size_px = len(picture)
    length = scale_mm(radius_um / 500.0)
    long_px = round(length * 1000.0 * size_px / (2 * MARGIN * radius_um))
    text, size = f"{length:g} mm", max(11, round(size_px / 26))
    low, left = size_px - max(3, size_px // 60), max(2, size_px // 80)
    thick = max(1, size_px // 160)
    picture[low - thick : low, left : left + long_px] = INK
    picture[low - 3 * thick : low, [left, left + long_px - 1]] = INK
    cv2.putText(picture, text, (left, low - 3 * thick - 2), INK, _font(), size, 400)


def _font() -> cv2.FontFace:
    """The thread's own: a face keeps state."""
    font = getattr(_fonts, "face", None)
    if font is None:
        font = _fonts.face = cv2.FontFace("sans")
    return font


def text_strip(text: str, width: int, indent: int = 6) -> NDArray[np.uint8]:
    """One line of text on a strip as wide as a picture, from pixel ``indent`` on, shortened to fit."""
    size = max(10, min(20, round(width / 24)))
    strip = np.full((round(size * 1.9), width, 3), PAPER, np.uint8)
    font = _font()
    while text and cv2.getTextSize((width, size), text, (0, 0), font, size, 400)[2] > width - indent - 6:
        text = text[:-2].rstrip(" ·…") + "…" if len(text) > 2 else ""
    if text:
        cv2.putText(strip, text, (indent, round(size * 1.35)), INK, font, size, 400)
    return strip
