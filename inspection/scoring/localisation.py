"""Where on the wafer a class is seen: the shares of its logit, laid out over the defects that the network looked at.

A global view of 96 px ends in a map of 6 by 6 places of 50 mm each: alone too coarse to point at anything. But in a map of points there is
nothing to see where nothing lies. So the heat of a class is made in three steps:

1. Each place's share of the logit (``models.activation``, exact), less the mean of its shares of the other logits: what speaks for this
   class rather than for any. Shares that speak against it are left out.
2. The shares of the global view, interpolated, are given to the defects there: by the density of defects within a few millimetres. Where
   part of the wafer was not inspected, two more passes (without defects; with everything inspected) say how much of the class hangs on
   the missing part, and so much of the heat goes there.
3. The shares of the detail tiles are added where the tiles were cut: 2.5 mm to a place.

Only the first step is exact; that the second one helps is measured (``benchmarks/bench_localisation.py``), against the density of defects
alone as the peer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from inspection.errors import InputError
from inspection.models.activation import Activations, ClassActivation
from inspection.views.renderer import Window, bin_points, whole_wafer
from inspection.views.tiles import choose_windows, render
from inspection.wafer.maps import DefectMap, ImageMap

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from inspection.models.backend import keras
    from inspection.views.renderer import ViewSpec
    from inspection.wafer.maps import InspectionMap, WaferMap

SPREAD_CELLS = 1.5
"""Sigma of the density of defects and of the tiles' places, in cells (3 mm each on 300 mm): less than the least signature."""
EDGE_SHARE = 0.96
"""What is not inspected beyond this share of the radius is the edge exclusion, which every wafer has."""
_COUNT, _INSPECTED = 0, 2


@dataclass(frozen=True, eq=False)
class Heat:
    """Where a class is seen.

    Attributes
    ----------
    values : ndarray of shape (cells, cells), float32
        Never negative; row 0 at the top. They add up to the part of the logit that has a place and speaks for the class.
    window : Window
        The square of the wafer frame that they cover.
    tile_shares : ndarray of shape (tiles,)
        Each detail tile's share of the logit (negative: it speaks against the class).
    tile_windows : tuple of Window
        Where the tiles that are not empty were cut.
    missing : float
        Part of the heat that lies on what was not inspected, 0 to 1.
    """

    values: NDArray[np.float32]
    window: Window
    tile_shares: NDArray[np.float32]
    tile_windows: tuple[Window, ...]
    missing: float


class Localiser:
    """Says where a network sees a class. Not for several threads at once.

    Parameters
    ----------
    network : keras.Model
        One that `ClassActivation` takes.
    spec : ViewSpec
        Its views.
    patterns : bool
        Places are asked for by pattern, not by class (``models.head``).

    Raises
    ------
    ParamsError
        `ClassActivation`'s: a network without exact shares.
    """

    def __init__(self, network: keras.Model, spec: ViewSpec, *, patterns: bool = False) -> None:
        self.spec, self._patterns = spec, patterns
        self._activation = ClassActivation(network, patterns=patterns)

    def heat(self, wafer: InspectionMap, k: int) -> Heat:
        """Where class (or pattern) number ``k`` is seen on ``wafer``.

        Raises
        ------
        InputError
            An inspection image: it has no wafer to point at. `ClassActivation` says where on the image.
        """
        if isinstance(wafer, ImageMap):
            raise InputError(
                "No place on the wafer: expected a defect map or a die map, got an inspection image, whose place nobody knows. "
                "Ask inspection.models.activation.ClassActivation for places on the image."
            )
        image, tiles = render(wafer, self.spec)
        found = self._activation(image[None], tiles[None])
        window, cells = whole_wafer(wafer), self.spec.size_px
        coarse = np.clip(self._for_class(found.image, k)[0], 0.0, None)
        fine = cv2.resize(coarse, (cells, cells), interpolation=cv2.INTER_LINEAR)
        values = _laid_out(fine, _density(wafer, image, window), float(coarse.sum()))
        missing = _not_inspected(wafer, image)
        hangs = self._hangs_on_missing(image, tiles, missing, found, k) if missing.any() else 0.0
        if hangs > 0:
            values = (1 - hangs) * values + _laid_out(fine, missing.astype(np.float32), hangs * float(coarse.sum()))
        windows: tuple[Window, ...] = ()
        shares = np.zeros(0, np.float32)
        if found.tiles.shape[1] and isinstance(wafer, DefectMap):
            by_tile = self._for_class(found.tiles, k)[0]
            shares = by_tile.sum(axis=(1, 2))
            windows = tuple(choose_windows(wafer.xy_um, wafer, self.spec.tiles, self.spec.tile_mm))
            values = values + (1 - hangs) * _painted(by_tile, windows, window, cells)
        total = float(values.sum())
        on_missing = float(values[missing].sum()) / total if total > 0 else 0.0
        return Heat(values.astype(np.float32), window, shares, windows, on_missing)

    def _for_class(self, shares: NDArray[np.float32], k: int) -> NDArray[np.float32]:
        """Shares (..., classes) that speak for ``k`` rather than for the others; a pattern is there or not, whatever the others."""
        own = shares[..., k]
        others = shares.shape[-1] - 1
        return own if self._patterns or others == 0 else own - (shares.sum(axis=-1) - own) / others

    def _hangs_on_missing(
        self, image: NDArray[np.uint8], tiles: NDArray[np.uint8], missing: NDArray[np.bool_], found: Activations, k: int
    ) -> float:
        """How much of the class hangs on ``missing`` and not on the defects, 0 to 1: by what goes when the one or the other does."""
        whole, empty = image.copy(), image.copy()
        whole[missing, _INSPECTED] = 255
        empty[..., :_INSPECTED] = 0
        changed = self._activation(np.stack((whole, empty)), np.stack((tiles, np.zeros_like(tiles))))
        lost = np.clip(self._for_class(found.logits, k) - self._for_class(changed.logits, k), 0.0, None)
        return float(lost[0] / lost.sum()) if lost.sum() > 0 else 0.0


def _density(wafer: WaferMap, image: NDArray[np.uint8], window: Window) -> NDArray[np.float32]:
    """Defects (of a die map: failed area) about each cell."""
    if isinstance(wafer, DefectMap):
        seen = bin_points(wafer.xy_um, window, len(image), clip=True).astype(np.float32)
    else:
        seen = (image[..., _COUNT] / 255).astype(np.float32)
    return cv2.GaussianBlur(seen, (0, 0), SPREAD_CELLS, borderType=cv2.BORDER_CONSTANT)


def _not_inspected(wafer: WaferMap, image: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Cells on the wafer that nobody looked at; none of a die map, whose empty places may have no die."""
    size = len(image)
    if not isinstance(wafer, DefectMap):
        return np.zeros((size, size), bool)
    along = (np.arange(size) + 0.5) / size * 2 - 1
    return (np.hypot(along[:, None], along[None, :]) < EDGE_SHARE) & (image[..., _INSPECTED] == 0)


def _laid_out(shares: NDArray[np.float32], over: NDArray[np.float32], total: float) -> NDArray[np.float32]:
    """``total``, laid out by the product of both."""
    product = shares * over
    whole = float(product.sum())
    return product * (total / whole) if whole > 0 else np.zeros_like(product)


def _painted(by_tile: NDArray[np.float32], windows: tuple[Window, ...], whole: Window, cells: int) -> NDArray[np.float32]:
    """Shares (tiles, rows, cols) where the tiles lie on the wafer, shape (cells, cells); what speaks against the class is left out."""
    painted = np.zeros((cells, cells), np.float32)
    for shares, tile in zip(by_tile, windows, strict=False):  # the tiles after the last window are empty
        along = (np.arange(len(shares)) + 0.5) * (tile.side_um / len(shares))
        col = np.floor((tile.left_um + along - whole.left_um) * (cells / whole.side_um)).astype(int)
        row = np.floor((whole.top_um - tile.top_um + along) * (cells / whole.side_um)).astype(int)
        at = np.meshgrid(np.clip(row, 0, cells - 1), np.clip(col, 0, cells - 1), indexing="ij")
        np.add.at(painted, (at[0], at[1]), shares)
    return np.clip(cv2.GaussianBlur(painted, (0, 0), SPREAD_CELLS, borderType=cv2.BORDER_REPLICATE), 0.0, None)
