"""Which of a wafer's defects stand out from its product's background, and how they hang together.

Defects that lie close together form regions: failed dies that touch (also at a corner), or points joined by steps so short that the
background alone would hardly make them (single linkage, ``wafer.clusters``). A region larger than normal wafers show is part of a
signature; the rest is background, and must be as many as a background may be. Otherwise the signature is too thin to be told from it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from inspection.wafer.clusters import clusters, threshold_um
from inspection.wafer.maps import FAIL, DefectMap

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from inspection.augmentation.background import Background
    from inspection.wafer.maps import WaferMap

TOUCHING = np.ones((3, 3), bool)


def places(wafer: WaferMap) -> NDArray[np.float64]:
    """Place of each defect in the wafer frame, um, shape (defects, 2): the points, or the centres of the failed dies in row order."""
    return wafer.xy_um if isinstance(wafer, DefectMap) else wafer.fail_xy_um


def regions(wafer: WaferMap, expected: float) -> NDArray[np.int32]:
    """The region of each defect, 1, 2, ...; 0 for a point that is alone.

    Parameters
    ----------
    wafer : DefectMap or DieMap
    expected : float
        Defects that its background would have: they set how near two points must be.
    """
    if isinstance(wafer, DefectMap):
        return clusters(wafer.xy_um, _step_um(wafer, expected), least=2)
    from scipy.ndimage import label  # noqa: PLC0415 - a quarter of a second: only where signatures are looked for

    failed = wafer.status == FAIL
    return np.asarray(label(failed, TOUCHING)[0][failed], np.int32)


def largest(region: NDArray[np.int32]) -> int:
    """Defects of the largest region, 0 without any."""
    return int(np.bincount(region, minlength=1)[1:].max(initial=0))


def separate(wafer: WaferMap, background: Background) -> NDArray[np.int32] | None:
    """The parts of the wafer's signature.

    Parameters
    ----------
    wafer : DefectMap or DieMap
    background : Background
        Of its product.

    Returns
    -------
    ndarray of shape (defects,), int32, or None
        0 for background, 1, 2, ... for the parts. None where nothing stands out, or where what is left are more defects than the
        product's background has: then the signature cannot be told from it.
    """
    region = regions(wafer, background.mean(wafer))
    sizes = np.bincount(region, minlength=1)
    sizes[0] = 0
    large = sizes > background.clump
    if not large.any() or len(region) - int(sizes[large].sum()) > background.most(wafer):
        return None
    numbers = np.where(large, np.cumsum(large), 0).astype(np.int32)
    return numbers[region]


def near(wafer: WaferMap, other: WaferMap, part: NDArray[np.bool_], expected: float) -> NDArray[np.bool_]:
    """Which defects of ``wafer`` lie so near to the defects ``part`` of ``other`` that they would make one region; shape (defects,).

    Both have the same frame. No background lies there on a real wafer: it would have been taken for the signature.
    """
    if isinstance(wafer, DefectMap):
        if not part.any() or not wafer.defects:
            return np.zeros(wafer.defects, bool)
        from scipy.spatial import KDTree  # noqa: PLC0415 - as above

        step_um = _step_um(wafer, expected)
        distance, _ = KDTree(places(other)[part]).query(wafer.xy_um, distance_upper_bound=step_um * (1 + 1e-9))
        return np.asarray(distance <= step_um)
    from scipy.ndimage import binary_dilation  # noqa: PLC0415 - as above

    chosen = np.zeros(wafer.status.shape, bool)
    if not isinstance(other, DefectMap):
        chosen[other.status == FAIL] = part
    return np.asarray(binary_dilation(chosen, TOUCHING)[wafer.status == FAIL])


def _step_um(wafer: DefectMap, expected: float) -> float:
    return threshold_um(max(1, round(expected)), wafer.info.diameter_mm)
