"""All hand-made features of many wafers: one table, one order of columns."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from inspection.models.features import cooccurrence, gradients, granulometry, patterns, radon, regions, spread, zones
from inspection.models.features.planes import planes_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

FAMILIES = (spread, zones, radon, patterns, gradients, cooccurrence, granulometry, regions)
"""Modules with ``NAMES``, ``INVARIANT`` and ``measure(planes) -> (n, len(NAMES)) float32``, in the order of the columns."""
NAMES: tuple[str, ...] = tuple(name for family in FAMILIES for name in family.NAMES)
INVARIANT: frozenset[str] = frozenset(name for family in FAMILIES for name in family.INVARIANT)
"""Columns that no symmetry of the square changes."""
BATCH = 128
"""Wafers worked on at a time: 10 MB."""


def extract(images: NDArray[np.uint8], threads: int = 1, progress: Callable[[int, int], None] | None = None) -> NDArray[np.float32]:
    """Hand-made features of global views.

    Parameters
    ----------
    images : ndarray of shape (n, s, s, 3), uint8
        Views as ``views.renderer`` draws them.
    threads : int
        At least 1; how many does not change the result.
    progress : callable, optional
        Gets (wafers done, wafers).

    Returns
    -------
    ndarray of shape (n, len(NAMES)), float32
        Finite; columns as in `NAMES`. A wafer without defects has zeros in what speaks of its defects.

    Raises
    ------
    InputError
        Another shape or dtype.
    """
    out = np.zeros((len(images), len(NAMES)), np.float32)
    if not len(images):
        planes_of(images)  # refuses what is no view
        return out

    def work(begin: int) -> int:
        planes = planes_of(images[begin : begin + BATCH])
        out[begin : begin + BATCH] = np.concatenate([family.measure(planes) for family in FAMILIES], axis=1)
        return len(planes)

    done = 0
    with ThreadPoolExecutor(threads) as pool:
        for wafers in pool.map(work, range(0, len(images), BATCH)):
            done += wafers
            if progress is not None:
                progress(done, len(images))
    return out
