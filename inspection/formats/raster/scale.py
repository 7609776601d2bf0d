"""How large a pixel is by what a raster file itself says, and whether that is believed.

Many programs write a resolution of the screen or the printer into every file, and microscopes that of one field of view: a pixel size is
believed only where it makes the raster as large as a wafer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

from inspection.formats.diemap.frame import NOMINAL_MM, length_um
from inspection.wafer.maps import DEFAULT_DIAMETER_MM

PixelSize: TypeAlias = tuple[float, float]
"""Height and width of a pixel, um: along the rows' axis (y) and along the columns' (x)."""

EXTENT_MM = (47.0, 530.0)
"""From the 51 mm wafer, cut a little, to the 450 mm one with a rim of its chuck."""
SQUARE = 0.01
"""Most by which the sides of a pixel may differ, as a share: a wafer would be drawn out by 3 mm."""
AGREES = 0.01
_BELOW, _ABOVE = 0.97, 1.10
"""A raster of a wafer cuts little of its edge, and shows little beyond it."""
_LARGE = {"m": 1e6, "meter": 1e6, "metre": 1e6, "angstrom": 1e-4, "\u00c5": 1e-4, "\u212b": 1e-4, "pm": 1e-6, "picometer": 1e-6}


@dataclass(frozen=True, slots=True)
class Scale:
    """What is taken; ``known``: somebody gives ``pixel_um``, else the wafer is taken to fill the raster."""

    pixel_um: float
    diameter_mm: float
    known: bool
    notes: tuple[str, ...]


def um_of(value: float, unit: object) -> float | None:
    """``value`` of ``unit`` (of OME, ImageJ or TIFF) in um, above 0; None where it is no such length."""
    if not isinstance(unit, str) or not math.isfinite(value) or value <= 0:
        return None
    factor = _LARGE.get(unit.strip()) or _LARGE.get(unit.strip().lower())
    length = value * factor if factor else length_um(value, unit)
    return length if length and math.isfinite(length) else None


def extent_mm(pixel_um: PixelSize, shape: tuple[int, int]) -> float:
    """The longer side of a raster of ``shape``."""
    return max(side * pixel / 1e3 for side, pixel in zip(shape, pixel_um, strict=True))


def is_of_wafer(pixel_um: PixelSize, shape: tuple[int, int]) -> bool:
    """Whether a raster of ``shape`` is as large as a wafer."""
    return EXTENT_MM[0] <= extent_mm(pixel_um, shape) <= EXTENT_MM[1]


def is_square(pixel_um: PixelSize) -> bool:
    """Whether the two sides agree, to `SQUARE`."""
    return max(pixel_um) <= (1 + SQUARE) * min(pixel_um)


def _diameter_mm(pixel_um: PixelSize, shape: tuple[int, int]) -> float:
    """Of the wafer that a raster of ``shape`` shows: the nominal one that it cuts a little, or shows a rim around; else its own extent."""
    extent = extent_mm(pixel_um, shape)
    return next((nominal for nominal in NOMINAL_MM if _BELOW * nominal <= extent <= _ABOVE * nominal), extent)


def scale_of(shape: tuple[int, int], by_file: PixelSize | None, by_sidecar: float | None, stated_mm: float | None) -> Scale:
    """Pixel size and diameter of a raster of ``shape``.

    Parameters
    ----------
    by_file : (float, float), optional
        What the file says; square where it is believed.
    by_sidecar : float, optional
        What the sidecar says: it counts.
    stated_mm : float, optional
        The diameter by the sidecar.
    """
    believed = by_file if by_file and is_of_wafer(by_file, shape) else None
    if by_sidecar is not None:
        differs = [side for side in believed or () if not 1 - AGREES <= side / by_sidecar <= 1 + AGREES]
        said = [f"the sidecar's pixel_um of {by_sidecar:.6g} counts: the file itself says {side:.6g}" for side in differs[:1]]
        return Scale(by_sidecar, stated_mm or DEFAULT_DIAMETER_MM, known=True, notes=tuple(said))
    if believed:
        pixel, diameter = math.sqrt(believed[0] * believed[1]), stated_mm or _diameter_mm(believed, shape)
        return Scale(pixel, diameter, known=True, notes=(f"by the file itself a pixel is {pixel:.6g} um, and the wafer {diameter:.6g} mm",))
    diameter = stated_mm or DEFAULT_DIAMETER_MM
    pixel = diameter * 1e3 / max(shape)
    notes = [f"no pixel_um: the wafer of {diameter:.6g} mm is taken to fill the raster ({pixel:.3f} um)"]
    if by_file:
        extent = extent_mm(by_file, shape)
        notes.insert(0, f"a raster of {extent:.4g} mm shows no wafer: the file's pixels of {by_file[1]:.6g} um are not believed")
    return Scale(pixel, diameter, known=False, notes=tuple(notes))
