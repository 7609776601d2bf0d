"""Residual statistics of rendered views: what an operation leaves behind in the pixels, whatever pattern the wafer shows.

They are many and general on purpose: values, their divisors, steps between neighbours, curvature, which level meets which, blocks, lines,
zones, moments, mirror images, spectrum, components, agreement of the channels. A trace that nobody thought of disturbs some of them.
None of them knows an operation: what is found by a statistic made for it is found in no other disguise.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import combinations
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_RINGS = (0.05, 0.12, 0.25, 0.38, 0.55)
"""Inner ends of the spectrum's bands, cycles per pixel; the last one holds the corners of the spectrum."""
_SECTORS = ("along rows", "along columns", "diagonal")
_COMPONENTS = ("components", "single pixels", "largest component")
_AT_ONCE = 8  # images of one task: their spectra stay in the cache, which makes them twice as fast
_THREADS = 2
TILES = 3
"""Detail tiles of a view that are measured: the fullest, and others evenly among the rest."""


def statistic_names(channels: tuple[str, ...], *, tiles: bool = False) -> tuple[str, ...]:
    """Names of the columns of :func:`view_statistics` for pictures with these channels, with detail tiles or without."""
    from inspection.augmentation.guard import layout, pixels  # noqa: PLC0415  (load numba)

    bands = [f"spectrum from {ring} {sector}" for ring in _RINGS for sector in _SECTORS]
    single = [f"{c}: {what}" for c in channels for what in (*pixels.NAMES, *layout.NAMES, *bands)]
    pieces = [f"{channels[_pieces_of(len(channels))]}: {what}" for what in _COMPONENTS]
    pairs = [f"{a} and {b}: {what}" for a, b in combinations(channels, 2) for what in layout.PAIRED]
    names = (*single, *pieces, *pairs)
    return (*names, *(f"tiles, {name}" for name in names), "tiles that are filled") if tiles else names


def view_statistics(images: NDArray[np.uint8], tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The statistics of each view: of its global image, then the mean of those of its detail tiles.

    Parameters
    ----------
    images : ndarray of shape (n, side, side, channels), uint8
    tiles : ndarray of shape (n, k, tile side, tile side, channels), uint8
        Zero after the last tile of a view; k = 0 where there are none at all.

    Returns
    -------
    ndarray of shape (n, p), float32
        Columns as :func:`statistic_names`; finite, in units of their own.
    """
    whole = residual_statistics(images)
    if not tiles.shape[1]:
        return whole
    part = tiles[:, :: max(1, tiles.shape[1] // TILES)][:, :TILES]
    filled = part.any(axis=(2, 3, 4))
    found = np.zeros((*filled.shape, whole.shape[1]), np.float32)
    found[filled] = residual_statistics(part[filled])
    count = filled.sum(axis=1, keepdims=True)
    return np.hstack((whole, found.sum(axis=1) / np.maximum(count, 1), count.astype(np.float32)), dtype=np.float32)


def residual_statistics(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The statistics of each image of shape (side, side, channels): shape (n, p), float32."""
    from inspection.augmentation.guard import layout, pixels  # noqa: PLC0415  (load numba)

    n, side, _, channels = images.shape
    own, laid, bands = len(pixels.NAMES), len(layout.NAMES), len(_RINGS) * len(_SECTORS)
    width = own + laid + bands
    pairs = list(combinations(range(channels), 2))
    pieces = channels * width
    found = np.zeros((n, pieces + len(_COMPONENTS) + len(pairs) * len(layout.PAIRED)), np.float32)
    zone = layout.zones(side)

    def fill(start: int) -> None:
        stop = min(start + _AT_ONCE, n)
        power = _spectrum(images[start:stop])
        for k in range(start, stop):
            smoothed = cv2.medianBlur(images[k], 3).reshape(side, side, channels)
            apart = np.ascontiguousarray(images[k].transpose(2, 0, 1))
            row = found[k]
            for c in range(channels):
                out = row[c * width : (c + 1) * width]
                pixels.count_pixels(apart[c], np.ascontiguousarray(smoothed[:, :, c]), out[:own])
                layout.measure_layout(apart[c], zone, out[own : own + laid])
                out[own + laid :] = power[k - start, c]
            row[pieces : pieces + len(_COMPONENTS)] = _components(apart[_pieces_of(channels)])
            for i, (a, b) in enumerate(pairs):
                at = pieces + len(_COMPONENTS) + i * len(layout.PAIRED)
                layout.compare_channels(apart[a], apart[b], row[at : at + len(layout.PAIRED)])

    with ThreadPoolExecutor(_THREADS) as pool:  # the loops are compiled and let go of the interpreter
        list(pool.map(fill, range(0, n, _AT_ONCE)))
    return found


def _pieces_of(channels: int) -> int:
    """The channel whose components are counted: the occupancy of a rendered wafer, the only one of a grey picture."""
    return min(1, channels - 1)


def _components(channel: NDArray[np.uint8]) -> tuple[float, float, float]:
    """Number of components of non-empty pixels, of those of one pixel, and the share of the picture in the largest."""
    count, _, stats, _ = cv2.connectedComponentsWithStats((channel > 0).view(np.uint8), connectivity=8, ltype=cv2.CV_16U)
    area = stats[1:count, cv2.CC_STAT_AREA]
    return (np.log1p(len(area)), np.log1p(np.count_nonzero(area == 1)), area.max() / channel.size) if len(area) else (0.0, 0.0, 0.0)


def _spectrum(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Logarithm of the power in each band and sector, shape (n, channels, bands)."""
    from scipy import fft  # noqa: PLC0415  (imported when used)

    n, side, _, channels = images.shape
    waves = fft.rfft2(np.ascontiguousarray(images.transpose(0, 3, 1, 2), np.float32)).reshape(n * channels, -1)
    power = waves.real**2 + waves.imag**2
    band, size = _bands(side)
    logs: NDArray[np.float32] = np.log1p(power @ band / size).reshape(n, channels, -1)
    return logs


@lru_cache(maxsize=8)
def _bands(side: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Which coefficient of the half spectrum lies in which band and sector: (coefficients, bands) 0 or 1, and each band's size."""
    fy, fx = np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None, :]
    ring = np.digitize(np.hypot(fx, fy), _RINGS) - 1
    angle = np.arctan2(np.abs(fy), fx)
    sector = np.where(angle < np.pi / 8, 0, np.where(angle > 3 * np.pi / 8, 1, 2))
    place = np.where(ring >= 0, ring * len(_SECTORS) + sector, -1).ravel()
    band = (place[:, None] == np.arange(len(_RINGS) * len(_SECTORS))).astype(np.float32)
    return band, np.maximum(band.sum(axis=0), 1)
