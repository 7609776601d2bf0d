"""The one renderer: from a map in the wafer frame to the uint8 picture that a model sees.

Channels (``CHANNELS``), each 0..255:

0. *count*: points: ``log1p(n)`` scaled so that 1 023 defects in a pixel are white; dies: failed area over pixel area.
1. *occupancy*: 255 where at least one defect lies in the pixel (points) or a failed die touches it (dies).
2. *inspected*: share of the pixel that was inspected (points: 0 or 255; "no die" and "not tested" are 0).

No defect is lost: a count above zero is never coded as 0, and points beyond the edge (stage tolerance) fall into the border pixels.
An *image* (`ViewSpec.kind`) has no defects to count: its channels are the mean, the brightest and the darkest grey below each pixel
(`wafer.image_planes`), its longer side fills the view, and what is left over is black.
Everything is quantised here, once, so that training and serving see the same numbers.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from inspection.wafer.die_grid import die_grid
from inspection.wafer.image_planes import fitted, resized
from inspection.wafer.maps import FAIL, NO_DIE, DefectMap, DieMap, ImageMap, InspectionMap, WaferMap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

CHANNELS = ("count", "occupancy", "inspected")
COUNT_WHITE = 1_023
"""Defects in one pixel that make the count channel white."""
_COUNT_SCALE = 255.0 / np.log1p(COUNT_WHITE)


@dataclass(frozen=True, slots=True)
class ViewSpec:
    """Sizes of a model's input: a global view and at most ``tiles`` detail tiles of ``tile_mm`` side; and what is drawn on it."""

    size_px: int
    tiles: int = 0
    tile_px: int = 32
    tile_mm: float = 30.0
    kind: Literal["map", "image"] = "map"

    def to_dict(self) -> dict[str, Any]:
        """Plain mapping for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Window:
    """A square of the wafer frame: upper-left corner ``(left_um, top_um)`` (y up), side ``side_um``."""

    left_um: float
    top_um: float
    side_um: float


def whole_wafer(wafer: WaferMap) -> Window:
    """The square that encloses the wafer."""
    radius = wafer.info.radius_um
    return Window(-radius, radius, 2 * radius)


def turn_matrix(angle_rad: float = 0.0, *, mirrored: bool = False) -> NDArray[np.float64]:
    """Orthogonal (2, 2) matrix: first mirror x -> -x when ``mirrored``, then turn counter-clockwise by ``angle_rad``."""
    cos, sin = np.cos(angle_rad), np.sin(angle_rad)
    matrix = np.array([[cos, -sin], [sin, cos]])
    if mirrored:
        matrix[:, 0] = -matrix[:, 0]
    return matrix


def render_global(wafer: InspectionMap, size_px: int, turn: NDArray[np.float64] | None = None) -> NDArray[np.uint8]:
    """The whole wafer, or the whole image, as a picture of shape (size_px, size_px, 3).

    Parameters
    ----------
    wafer : DefectMap, DieMap or ImageMap
    size_px : int
    turn : ndarray of shape (2, 2), optional
        Orthogonal matrix applied to the wafer before it is drawn. A die map or an image takes only the eight symmetries of the square.

    Raises
    ------
    ValueError
        A die map or an image with a turn that is no symmetry of the square.
    """
    if isinstance(wafer, ImageMap):
        return _render_image(wafer, size_px, turn)
    if isinstance(wafer, DieMap):
        return _render_dies(wafer, size_px, turn)
    return render_points(wafer, whole_wafer(wafer), size_px, turn, clip=True)


def render_points(
    wafer: DefectMap,
    window: Window,
    size_px: int,
    turn: NDArray[np.float64] | None = None,
    *,
    clip: bool = False,
) -> NDArray[np.uint8]:
    """The points in ``window`` binned into an image of shape (size_px, size_px, 3); ``clip`` draws outer points on the border."""
    return draw_windows(wafer, [window], size_px, turn, clip=clip)[0]


def draw_windows(
    wafer: DefectMap, windows: Sequence[Window], size_px: int, turn: NDArray[np.float64] | None = None, *, clip: bool = False
) -> NDArray[np.uint8]:
    """`render_points` of each of the ``windows``, which are all of one size: shape (windows, size_px, size_px, 3)."""
    from inspection.views.kernels import draw  # noqa: PLC0415 - loads numba

    images = np.empty((len(windows), size_px, size_px, len(CHANNELS)), np.uint8)
    if not windows:
        return images
    grid = die_grid(wafer)
    back = _UNTURNED if turn is None else np.asarray(turn, np.float64)  # the dies turn with the wafer: pixels are turned back
    looked_up = (back, *_NO_DIES) if grid is None else (back, grid.origin_um, grid.pitch_um, grid.low, grid.table)
    xy_um = np.ascontiguousarray(wafer.xy_um if turn is None else wafer.xy_um @ turn.T, np.float64)
    corners_um = np.array([(w.left_um, w.top_um) for w in windows], np.float64)
    draw(xy_um, corners_um, float(windows[0].side_um), clip, _CODES, wafer.info.radius_um, grid is not None, looked_up, images)
    return images


def bin_points(xy_um: NDArray[np.float64], window: Window, size_px: int, *, clip: bool = False) -> NDArray[np.int64]:
    """Number of points in each pixel, shape (size_px, size_px), row 0 at the top.

    A point on the border of two pixels belongs to the right and lower one. ``clip`` puts points outside the window in its border
    pixels, otherwise they are left out.
    """
    from inspection.views.kernels import count_points  # noqa: PLC0415 - loads numba

    count = np.zeros((size_px, size_px), np.int64)
    count_points(np.ascontiguousarray(xy_um, np.float64), window.left_um, window.top_um, size_px / window.side_um, clip, count)
    return count


def code_count(count: NDArray[np.integer]) -> NDArray[np.uint8]:
    """Counts as 0..255 on a log scale; monotone, and at least 1 for any count above zero."""
    return np.minimum(np.rint(np.log1p(count) * _COUNT_SCALE), 255).astype(np.uint8)


_CODES = code_count(np.arange(COUNT_WHITE + 1))
_UNTURNED = np.eye(2)
_NO_DIES = ((0.0, 0.0), (1.0, 1.0), (0, 0), np.zeros((1, 1), bool))


def _render_dies(wafer: DieMap, size_px: int, turn: NDArray[np.float64] | None) -> NDArray[np.uint8]:
    status = wafer.status if turn is None else turn_dies(wafer.status, turn)
    rows, cols = _cover(status.shape[0], size_px), _cover(status.shape[1], size_px)
    failed = rows @ (status == FAIL).astype(np.float32) @ cols.T
    tested = rows @ (status != NO_DIE).astype(np.float32) @ cols.T
    image = np.empty((size_px, size_px, 3), np.uint8)
    # Rounded up, less a float tolerance: a failed die that covers a sliver of a pixel must not vanish.
    image[..., 0] = np.clip(np.ceil(failed * 255 - 1e-3), 0, 255)
    image[..., 1] = np.where(failed > 1e-6, 255, 0)
    image[..., 2] = np.clip(np.rint(tested * 255), 0, 255)
    return image


def _render_image(image: ImageMap, size_px: int, turn: NDArray[np.float64] | None) -> NDArray[np.uint8]:
    rows, cols = fitted((image.planes.shape[0], image.planes.shape[1]), size_px)
    top, left = (size_px - rows) // 2, (size_px - cols) // 2
    view = np.zeros((size_px, size_px, len(CHANNELS)), np.uint8)
    view[top : top + rows, left : left + cols] = resized(image.planes, (rows, cols))
    return view if turn is None else turn_dies(view, turn)


@lru_cache(maxsize=1024)
def _cover(dies: int, size_px: int) -> NDArray[np.float32]:
    """Share of pixel i that die j covers, along one axis: shape (size_px, dies), rows sum to 1."""
    edge = np.linspace(0, dies, size_px + 1)
    die = np.arange(dies)
    overlap = np.minimum(edge[1:, None], die[None, :] + 1) - np.maximum(edge[:-1, None], die[None, :])
    return (np.clip(overlap, 0, None) * (size_px / dies)).astype(np.float32)


def turn_dies(status: NDArray[np.uint8], turn: NDArray[np.float64]) -> NDArray[np.uint8]:
    """A die map turned by one of the eight symmetries of the square.

    Raises
    ------
    ValueError
        Any other matrix: a lattice turned by another angle is no lattice.
    """
    whole = np.rint(turn).astype(int)
    if np.abs(turn - whole).max() > 1e-9:
        raise ValueError(f"A die map can be turned by quarter turns and flips only, got the matrix {turn.tolist()}.")
    if whole[0, 0] * whole[1, 1] - whole[0, 1] * whole[1, 0] < 0:  # a mirror: x -> -x first, then the turn
        status, whole = status[:, ::-1], whole * np.array([[-1, 1]])
    quarter_turns = {(1, 0): 0, (0, 1): 1, (-1, 0): 2, (0, -1): 3}[int(whole[0, 0]), int(whole[1, 0])]
    return np.rot90(status, quarter_turns)  # rot90 is counter-clockwise in the image frame, as in the wafer frame
