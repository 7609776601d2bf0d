"""What every file becomes: defect maps and die maps in the wafer frame, and inspection images, which have no frame.

Wafer frame: micrometres, origin at the wafer centre, x right, y up, notch down.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from numpy.typing import NDArray

NO_DIE, PASS, FAIL = 0, 1, 2
"""Status of a die: not on the wafer or not tested, good, bad."""

DEFAULT_DIAMETER_MM = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WaferInfo:
    """Who a wafer is and where it was seen.

    ``lot`` may be empty where a source names none (then ``dataset.split`` groups by place in the source).
    ``inspected_at`` is UTC. ``diameter_mm`` is positive. ``written_at`` (UTC) is when the tool wrote the file: it orders versions of
    one inspection and is no part of the wafer's identity.
    """

    lot: str = ""
    wafer: str = ""
    slot: int | None = None
    product: str | None = None
    layer: str | None = None
    tool: str | None = None
    chamber: str | None = None
    recipe: str | None = None
    inspected_at: datetime | None = None
    diameter_mm: float = DEFAULT_DIAMETER_MM
    written_at: datetime | None = field(default=None, compare=False)

    @property
    def radius_um(self) -> float:
        """Wafer radius, um."""
        return self.diameter_mm * 500.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DefectMap:
    """A wafer as points.

    Attributes
    ----------
    info : WaferInfo
    xy_um : ndarray of shape (n, 2), float64
        Place of each defect in the wafer frame. ``n`` may be 0.
    pitch_um : (float, float) or None
        Die width and height.
    origin_um : (float, float) or None
        Lower-left corner of die (0, 0) in the wafer frame; with ``pitch_um`` it fixes the die grid.
    dies : ndarray of shape (m, 2), int32, or None
        (x, y) index of each inspected die; None = the whole disc.
    attributes : mapping of str to ndarray of shape (n,)
        Further columns of the source, under the source's own names.
    """

    kind: ClassVar[str] = "points"
    info: WaferInfo
    xy_um: NDArray[np.float64]
    pitch_um: tuple[float, float] | None = None
    origin_um: tuple[float, float] | None = None
    dies: NDArray[np.int32] | None = None
    attributes: Mapping[str, NDArray] = field(default_factory=dict)

    @property
    def defects(self) -> int:
        """Number of defects."""
        return len(self.xy_um)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DieMap:
    """A wafer as one status per die.

    Attributes
    ----------
    info : WaferInfo
    status : ndarray of shape (rows, cols), uint8
        Image frame: row 0 at the top of the wafer. Values ``NO_DIE``, ``PASS``, ``FAIL``.
    pitch_um : (float, float) or None
        Die width and height; None = diameter / cols, diameter / rows.
    """

    kind: ClassVar[str] = "dies"
    info: WaferInfo
    status: NDArray[np.uint8]
    pitch_um: tuple[float, float] | None = None

    @property
    def defects(self) -> int:
        """Number of failed dies."""
        return int(np.count_nonzero(self.status == FAIL))

    @property
    def die_size_um(self) -> tuple[float, float]:
        """Die width and height, um; from the diameter where the source gives no pitch."""
        if self.pitch_um is not None:
            return self.pitch_um
        rows, cols = self.status.shape
        return self.info.diameter_mm * 1000.0 / cols, self.info.diameter_mm * 1000.0 / rows

    @property
    def fail_xy_um(self) -> NDArray[np.float64]:
        """Centres of the failed dies in the wafer frame, of shape (defects, 2), in row order."""
        rows, cols = self.status.shape
        row, col = np.nonzero(self.status == FAIL)
        width, height = self.die_size_um
        return np.column_stack(((col + 0.5 - cols / 2) * width, (rows / 2 - row - 0.5) * height))


WaferMap: TypeAlias = DefectMap | DieMap


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ImageMap:
    """An inspection image: grey pixels, of a place that nobody names. No defect is known in it, so none is counted.

    Attributes
    ----------
    info : WaferInfo
        Lot and wafer where they are known; the diameter says nothing.
    planes : ndarray of shape (rows, cols, 1 or 3), uint8
        Row 0 at the top, 0 is black. One plane: the pixels themselves. Three, where the image was larger than is kept: of the area that
        each pixel stands for, the mean, the brightest and the darkest value, so that no single bright or dark pixel is lost.
    """

    kind: ClassVar[str] = "image"
    info: WaferInfo
    planes: NDArray[np.uint8]

    @property
    def defects(self) -> int:
        """None are counted."""
        return 0


InspectionMap: TypeAlias = WaferMap | ImageMap
"""Whatever lands; only what asks for no defects takes all of them."""


@dataclass(frozen=True, slots=True, eq=False)
class SourceWafer:
    """One wafer of one source file.

    ``index`` counts the wafers of the source from 0. ``row`` is the place in an ordered archive (-1 = same as ``index``). ``label`` is None
    where the source has none. ``notes`` says what was odd but survivable. ``classes`` names the numbers of the map's CLASSNUMBER.
    """

    index: int
    map: InspectionMap
    label: str | None = None
    notes: tuple[str, ...] = ()
    row: int = -1
    classes: Mapping[int, str] = field(default_factory=dict)


def inside_wafer(xy_um: NDArray[np.float64], radius_um: float) -> NDArray[np.bool_]:
    """Which points lie on the wafer (closed disc of ``radius_um``); shape (n,)."""
    return np.einsum("ij,ij->i", xy_um, xy_um) <= radius_um * radius_um
