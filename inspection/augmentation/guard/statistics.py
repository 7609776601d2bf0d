"""Residual statistics of rendered views: what an operation leaves behind in the pixels, whatever pattern the wafer shows.

They are many and general on purpose: values, their divisors, steps between neighbours, curvature, which level meets which, blocks,
zones, moments, spectrum, components, agreement of the channels. A trace that nobody thought of disturbs some of them.
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
_PAIRED = ("both empty", "only the first", "only the second", "mean difference")
_COMPONENTS = ("components", "single pixels", "largest component")
_AT_ONCE = 256  # images of one task: bounds the memory of their spectra
_THREADS = 2


def statistic_names(channels: tuple[str, ...]) -> tuple[str, ...]:
    """Names of the columns of :func:`residual_statistics` for pictures with these channels."""
    from inspection.augmentation.guard import pixels  # noqa: PLC0415  (loads numba)

    bands = [f"spectrum from {ring} {sector}" for ring in _RINGS for sector in _SECTORS]
    single = [f"{c}: {what}" for c in channels for what in (*pixels.NAMES, *bands)]
    pieces = [f"{channels[_pieces_of(len(channels))]}: {what}" for what in _COMPONENTS]
    pairs = [f"{a} and {b}: {what}" for a, b in combinations(channels, 2) for what in _PAIRED]
    return (*single, *pieces, *pairs)


def residual_statistics(views: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The statistics of each view.

    Parameters
    ----------
    views : ndarray of shape (n, side, side, channels), uint8

    Returns
    -------
    ndarray of shape (n, p), float32
        Columns as :func:`statistic_names`; finite, in units of their own.
    """
    from inspection.augmentation.guard import pixels  # noqa: PLC0415  (loads numba)

    n, side, _, channels = views.shape
    own, bands = len(pixels.NAMES), len(_RINGS) * len(_SECTORS)
    width = own + bands
    pairs = list(combinations(range(channels), 2))
    found = np.zeros((n, channels * width + len(_COMPONENTS) + len(pairs) * len(_PAIRED)), np.float32)
    zone = pixels.zones(side)
    pieces = channels * width

    def fill(start: int) -> None:
        stop = min(start + _AT_ONCE, n)
        part = slice(start, stop)
        for k in range(start, stop):
            smoothed = cv2.medianBlur(views[k], 3).reshape(side, side, channels)
            for c in range(channels):
                out = found[k, c * width : c * width + own]
                pixels.count_pixels(np.ascontiguousarray(views[k, :, :, c]), np.ascontiguousarray(smoothed[:, :, c]), zone, out)
            found[k, pieces : pieces + len(_COMPONENTS)] = _components(views[k, :, :, _pieces_of(channels)])
        power = _spectrum(views[part])
        for c in range(channels):
            found[part, c * width + own : (c + 1) * width] = power[:, c]
        for i, (a, b) in enumerate(pairs):
            at = pieces + len(_COMPONENTS) + i * len(_PAIRED)
            found[part, at : at + len(_PAIRED)] = _agreement(views[part, :, :, a], views[part, :, :, b])

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


def _spectrum(views: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Logarithm of the power in each band and sector, shape (n, channels, bands)."""
    from scipy import fft  # noqa: PLC0415  (imported when used)

    n, side, _, channels = views.shape
    images = np.ascontiguousarray(views.transpose(0, 3, 1, 2), np.float32).reshape(n * channels, side, side)
    power = np.abs(fft.rfft2(images)) ** 2
    band, size = _bands(side)
    summed = power.reshape(n * channels, -1) @ band
    logs: NDArray[np.float32] = np.log1p(summed / size).reshape(n, channels, -1)
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


def _agreement(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> NDArray[np.float64]:
    """How two channels agree, shape (n, len(_PAIRED)); inputs of shape (n, side, side)."""
    full_a, full_b = a > 0, b > 0
    difference = np.abs(a.astype(np.int16) - b).mean(axis=(1, 2))
    shares = [(~full_a & ~full_b), (full_a & ~full_b), (~full_a & full_b)]
    return np.column_stack([s.mean(axis=(1, 2)) for s in shares] + [difference])
