"""Which axes of a zarr array are the rows and the columns of its picture, and how large a pixel is: by their names.

Sources: OME-Zarr 0.4 and 0.5 (axes, coordinateTransformations), zarr v3 core (dimension_names), xarray (``_ARRAY_DIMENSIONS``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from inspection.errors import FormatError
from inspection.formats.raster.scale import um_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from inspection.formats.raster.scale import PixelSize

_ROWS = frozenset(("y", "row", "rows"))
_COLUMNS = frozenset(("x", "col", "cols", "column", "columns"))


@dataclass(frozen=True, slots=True)
class Axes:
    """The axis of the rows and that of the columns; all others have one place.

    ``pixel_um`` is the size of a pixel along the first and the second of the two in the array's order; None = the store does not say.
    """

    rows: int
    columns: int
    pixel_um: PixelSize | None = None

    @property
    def transposed(self) -> bool:
        """Whether the columns come first: the array holds the transposed picture."""
        return self.columns < self.rows


def axes_of(shape: tuple[int, ...], picture: Any, names: Sequence[Any] | None, path: Path) -> Axes:
    """The axes of an array.

    Parameters
    ----------
    picture : mapping, optional
        The entry of the OME ``multiscales`` that names the array as its level 0.
    names : sequence of str or None, optional
        What the array itself calls its axes.

    Raises
    ------
    FormatError
        ``raster.axes``: names that leave open what is a row, or contradict each other; ``raster.channels``: another axis has more than
        one place.
    """
    said = picture.get("axes") if isinstance(picture, dict) else None
    axes = said if isinstance(said, list) else []
    if said is not None and len(axes) != len(shape):
        raise _unclear(path, f"{len(shape)} axes of the picture", f"{said!r:.80}")
    by_ome = _named([axis.get("name") if isinstance(axis, dict) else axis for axis in axes], path)
    by_array = _named(names or [], path)
    if by_ome and by_array and by_ome != by_array:
        raise _unclear(path, f"the names that the picture's metadata gives its axes, {axes!r:.80}", f"{names!r:.80}")
    rows, columns = by_ome or by_array or _by_place(shape)
    if any(side != 1 for axis, side in enumerate(shape) if axis not in {rows, columns}):
        raise FormatError(
            "raster.channels",
            where=path.name,
            expected="rows and columns, every other axis of length 1",
            got=" x ".join(map(str, shape)),
            action="Write one array per wafer and channel.",
        )
    return Axes(rows, columns, _pixel_um(picture, axes, *sorted((rows, columns))) if by_ome else None)


def _named(names: Sequence[Any], path: Path) -> tuple[int, int] | None:
    """Where the rows and the columns lie; None = the names say nothing of either."""
    words = [name.strip().lower() if isinstance(name, str) else "" for name in names]
    rows = [axis for axis, word in enumerate(words) if word in _ROWS]
    columns = [axis for axis, word in enumerate(words) if word in _COLUMNS]
    if not rows and not columns:
        return None
    if len(rows) != 1 or len(columns) != 1:
        raise _unclear(path, "one axis named y and one named x, or none", f"{list(names)!r:.80}")
    return rows[0], columns[0]


def _by_place(shape: tuple[int, ...]) -> tuple[int, int]:
    """Without names the rows come before the columns: the last two axes, or the only two of more than one place."""
    long = [axis for axis, side in enumerate(shape) if side > 1]
    last = len(shape) - 2, len(shape) - 1
    if set(long) <= set(last):
        return last
    if len(long) == 2:
        return long[0], long[1]
    return (0, 1) if set(long) <= {0, 1} else last


def _pixel_um(picture: Any, axes: list[Any], first: int, second: int) -> PixelSize | None:
    """Of level 0: its own transformations, then those of the whole picture; None = no unit, or no numbers."""
    try:
        transforms = [*picture["datasets"][0].get("coordinateTransformations", []), *(picture.get("coordinateTransformations") or [])]
        sides = []
        for axis in (first, second):
            steps = [float(one["scale"][axis]) for one in transforms if one["type"] == "scale"]
            sides.append(um_of(math.prod(steps), axes[axis]["unit"]) if steps else None)
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError):
        return None
    one, other = sides
    return None if one is None or other is None else (one, other)


def _unclear(path: Path, expected: str, got: str) -> FormatError:
    return FormatError(
        "raster.axes",
        where=path.name,
        expected=expected,
        got=got,
        action="Name the axes of the array and of the picture alike: y for its rows, x for its columns.",
    )
