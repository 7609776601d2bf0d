"""A heat map over the picture of a wafer: where a class is seen, and still what lies there.

Blue over the red of the defects: two colours that every kind of colour blindness tells apart, and darker is hotter in grey, too. The heat
is multiplied on, so that no defect is painted over; the hot part has an outline, the hottest place a ring.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from inspection.errors import InputError
from inspection.views.picture import MARGIN, PAPER, Colour, draw, text_strip

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from inspection.views.renderer import Window
    from inspection.wafer.maps import WaferMap

HOT: Final[Colour] = (86, 160, 222)
"""The hottest place on white paper."""
OUTLINE: Final[Colour] = (0, 72, 140)
_FINER = 2  # the outline is found at twice the size and drawn smooth
_ROOMY_PX = 300  # narrower pictures have no room for the whole legend
_LEAST_ISLAND = 1 / 60  # side of the least part that is outlined, of the picture's: 5 mm on 300 mm


def draw_heat(
    wafer: WaferMap, heat: NDArray[np.floating], window: Window, *, level: float, size_px: int = 480, title: str | None = None
) -> NDArray[np.uint8]:
    """The picture of ``wafer`` (`picture.draw`) with ``heat`` over it, and a strip below that says what the colour means.

    Parameters
    ----------
    wafer : DefectMap or DieMap
    heat : ndarray of shape (rows, cols)
        Over ``window``, row 0 at the top; what is not positive leaves the picture as it is.
    window : Window
        The square of the wafer frame that the heat covers.
    level : float
        What is at least this share of the hottest place is outlined (``evaluation.regions.LEVEL``).
    size_px, title
        As `picture.draw` takes them.

    Returns
    -------
    ndarray of shape (title strip + size_px + strip, size_px, 3), uint8, RGB

    Raises
    ------
    InputError
        Heat that is no map of finite numbers; and what `picture.draw` raises.
    """
    if heat.ndim != 2 or not heat.size or not np.isfinite(heat).all():
        raise InputError(
            f"Cannot draw heat: expected finite numbers of shape (rows, cols), got shape {heat.shape}, "
            f"{int((~np.isfinite(heat)).sum())} of them no number. Check what made the map."
        )
    picture = draw(wafer, size_px, title)
    top = float(heat.max())
    if top > 0:
        wafer_part = picture[-size_px:]
        share = _over_picture(heat / top, window, wafer.info.radius_um, size_px)
        wafer_part[...] = _tinted(wafer_part, share)
        _outlined(wafer_part, _over_picture(heat / top, window, wafer.info.radius_um, size_px * _FINER), level)
        row, col = np.unravel_index(int(share.argmax()), share.shape)
        _ringed(wafer_part, (int(col), int(row)))
    return np.vstack((picture, _scale_strip(size_px, level, shown=top > 0)))


def _over_picture(share: NDArray[np.floating], window: Window, radius_um: float, size_px: int) -> NDArray[np.float32]:
    """``share`` (rows, cols), interpolated at the picture's pixels; 0 outside its window."""
    reach = MARGIN * radius_um
    along = (np.arange(size_px, dtype=np.float32) + 0.5) * (2 * reach / size_px) - reach
    col = (along - window.left_um) * (share.shape[1] / window.side_um) - 0.5
    row = (window.top_um + along) * (share.shape[0] / window.side_um) - 0.5  # downwards y is -along
    cols, rows = np.meshgrid(col.astype(np.float32), row.astype(np.float32))
    positive = np.clip(share, 0.0, 1.0).astype(np.float32)
    fine = cv2.remap(positive, cols, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
    return fine * (np.hypot(along[:, None], along[None, :]) <= radius_um)  # nothing is seen beside the wafer


def _tinted(picture: NDArray[np.uint8], share: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Multiplied by white (0) to ``HOT`` (1); the root, because a few clots are far hotter than the signature around them."""
    tint = 1.0 - np.sqrt(share)[..., None] * (1.0 - np.array(HOT, np.float32) / 255)
    return np.rint(picture * tint).astype(np.uint8)


def _outlined(picture: NDArray[np.uint8], share: NDArray[np.float32], level: float) -> None:
    contours, _ = cv2.findContours((share >= level).astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    least = (len(share) * _LEAST_ISLAND) ** 2
    shift = 4  # cv2's fixed-point fraction bits
    # The centre of pixel i of the finer map is (i + 0.5) / finer - 0.5 of the picture's.
    paths = [np.rint(((c + 0.5) / _FINER - 0.5) * 2**shift).astype(np.int32) for c in contours if cv2.contourArea(c) >= least]
    cv2.polylines(picture, paths, isClosed=True, color=OUTLINE, thickness=1, lineType=cv2.LINE_AA, shift=shift)


def _ringed(picture: NDArray[np.uint8], at: tuple[int, int]) -> None:
    radius = max(4, len(picture) // 40)
    cv2.circle(picture, at, radius, PAPER, 4, cv2.LINE_AA)  # a pale rim: seen on dark defects, too
    cv2.circle(picture, at, radius, OUTLINE, 2, cv2.LINE_AA)


def _scale_strip(width: int, level: float, *, shown: bool) -> NDArray[np.uint8]:
    """What the colour means."""
    if not shown:
        return text_strip("nothing on this wafer speaks for the class", width)
    text = f"≥ {level:.0%} of the peak" if width < _ROOMY_PX else f"evidence · outlined: ≥ {level:.0%} of the peak"
    strip = text_strip(text, width, indent=width // 6)
    bar = _tinted(np.full((len(strip) // 2, width // 8, 3), 255, np.uint8), np.linspace(0, 1, width // 8, dtype=np.float32)[None, :])
    place = len(strip) // 4
    strip[place : place + len(bar), 6 : 6 + bar.shape[1]] = bar
    return strip
