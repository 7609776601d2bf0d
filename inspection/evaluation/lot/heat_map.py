"""A stacked map as a picture: one dark hue over the wafer, so that it reads the same in grey and to the colour-blind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from inspection.views.picture import MARGIN, draw
from inspection.wafer.failed_dies import as_defects
from inspection.wafer.maps import DefectMap, DieMap

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from inspection.evaluation.lot.stacking import Stack
    from inspection.wafer.maps import WaferMap

RAMP = ((255, 255, 255), (253, 224, 180), (240, 150, 90), (190, 60, 50), (92, 12, 36))
"""Colours from nothing to the most, evenly spaced; each darker than the one before."""
TOP_QUANTILE = 0.998
"""The scale ends here: a single hot cell does not wash out all others."""


def top_of(stack: Stack) -> float:
    """The value at the dark end of the scale; positive."""
    known = stack.values[np.isfinite(stack.values)]
    top = float(np.quantile(known, TOP_QUANTILE)) if len(known) else 0.0
    if top <= 0.0:
        top = float(known.max(initial=0.0))
    return top or 1.0


def colours(values: NDArray[np.float64], top: float) -> NDArray[np.uint8]:
    """RGB of values of any shape, 0 to ``top``; NaN is white."""
    at = np.clip(np.nan_to_num(values / top), 0.0, 1.0) * (len(RAMP) - 1)
    ramp = np.array(RAMP, np.float64)
    return np.stack([np.interp(at, np.arange(len(RAMP)), ramp[:, channel]) for channel in range(3)], axis=-1).round().astype(np.uint8)


def draw_stack(stack: Stack, like: WaferMap, size_px: int = 640) -> NDArray[np.uint8]:
    """The stack over the wafer ``like``: its rim, notch and dies stay visible under the colours.

    Returns
    -------
    ndarray of shape (size_px, size_px, 3), uint8, RGB
    """
    bare = as_defects(like) if isinstance(like, DieMap) else like
    ground = draw(
        DefectMap(info=bare.info, xy_um=np.zeros((0, 2)), pitch_um=bare.pitch_um, origin_um=bare.origin_um, dies=bare.dies), size_px
    )
    reach_um = MARGIN * like.info.radius_um
    along = (np.arange(size_px) + 0.5) * (2 * reach_um / size_px) - reach_um
    rows, cols = stack.values.shape
    col = np.floor(along / stack.cell_um[0] + cols / 2).astype(np.int64)
    row = np.floor(rows / 2 + along / stack.cell_um[1]).astype(np.int64)  # down the picture
    framed = np.full((rows + 2, cols + 2), np.nan)
    framed[1:-1, 1:-1] = stack.values
    seen = framed[np.clip(row + 1, 0, rows + 1)[:, None], np.clip(col + 1, 0, cols + 1)[None, :]]
    heat = colours(seen, top_of(stack))
    return (ground.astype(np.uint16) * heat // 255).astype(np.uint8)
