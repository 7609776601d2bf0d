"""The few numbers that say what a map holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from inspection.wafer.image_planes import MEAN
from inspection.wafer.maps import DefectMap, ImageMap

if TYPE_CHECKING:
    from inspection.wafer.maps import InspectionMap


def facts_of(wafer: InspectionMap) -> dict[str, Any]:
    """Lot, wafer, number of defects, their mean place and largest distance from the centre (um, wafer frame; None without defects).

    Failed dies count at their centres. Of an image also its size as it is kept, and its mean grey.
    """
    if isinstance(wafer, ImageMap):
        rows, cols, _ = wafer.planes.shape
        none = dict.fromkeys(("mean_x_um", "mean_y_um", "max_radius_um"))
        size = {"rows": rows, "cols": cols, "mean_grey": float(wafer.planes[..., MEAN].mean())}
        return {"lot": wafer.info.lot, "wafer": wafer.info.wafer, "defects": wafer.defects, **none, **size}
    xy_um = wafer.xy_um if isinstance(wafer, DefectMap) else wafer.fail_xy_um
    mean: tuple[float | None, ...] = (None, None)
    radius = None
    if len(xy_um):
        mean = tuple(float(v) for v in xy_um.mean(axis=0))
        radius = float(np.hypot(xy_um[:, 0], xy_um[:, 1]).max())
    return {
        "lot": wafer.info.lot,
        "wafer": wafer.info.wafer,
        "defects": wafer.defects,
        "mean_x_um": mean[0],
        "mean_y_um": mean[1],
        "max_radius_um": radius,
    }
