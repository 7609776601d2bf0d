"""Neutral maps: wafers without a signature, the only ones on which any class's policy may be tried without its pattern in the picture.

Normal wafers of the training part come first. Where they are few, background is simulated on the wafers' own dies: counts as many as the
normal wafers have and as widely spread over wafers (negative binomial for points, beta-binomial for dies), places uniform over what was
inspected.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from inspection.errors import InputError
from inspection.simulator.products import Product
from inspection.wafer.maps import FAIL, NO_DIE, PASS, DefectMap, DieMap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.random import Generator
    from numpy.typing import NDArray

    from inspection.wafer.maps import WaferMap

FEW = 3
"""With fewer normal wafers their spread is not known."""
USUAL_SHAPE = 3.0
"""Shape of the gamma law of the density then: wide, as real background is."""
USUAL_DIES, USUAL_PER_MM2 = 0.05, 0.0015
"""Share of failed dies, and points per square mm of the square around the wafer, when there is no normal wafer at all."""


@dataclass(frozen=True, slots=True, eq=False)
class Bases:
    """Base maps with their lots: ``groups[i]`` is the lot of ``maps[i]``. The first ``real`` of them were seen, the others are drawn."""

    maps: Sequence[WaferMap]
    groups: NDArray[np.int64]
    real: int


def neutral_bases(maps: Sequence[WaferMap], normal: NDArray[np.bool_], lots: NDArray, wanted: int, rng: Generator) -> Bases:
    """At least one and at most ``wanted`` neutral maps in random order, the real ones first.

    Parameters
    ----------
    maps : sequence of WaferMap
        Training wafers of all classes; those that are not normal lend their dies to simulated background.
    normal : ndarray of shape (n,), bool
    lots : ndarray of shape (n,)
        The lot of each map, any values.
    wanted : int

    Raises
    ------
    InputError
        There are no maps at all.
    """
    if not len(maps):
        raise InputError("The guard has nothing to work on: expected training wafers, got none. Run `inspection split` on labelled wafers.")
    chosen = rng.permutation(np.flatnonzero(normal))[:wanted]
    real = [maps[i] for i in chosen]
    _, group = np.unique(lots[chosen], return_inverse=True)
    drawn: list[WaferMap] = []
    if len(real) < wanted:
        dies = _law([m.defects / max(1, int(np.count_nonzero(m.status != NO_DIE))) for m in real if isinstance(m, DieMap)], USUAL_DIES)
        points = _law([m.defects / m.info.diameter_mm**2 for m in real if isinstance(m, DefectMap)], USUAL_PER_MM2)
        for i in rng.integers(0, len(maps), wanted - len(real)):
            template = maps[i]
            mean, shape = dies if isinstance(template, DieMap) else points
            drawn.append(_background(template, mean * rng.gamma(shape, 1 / shape), rng))
    first = int(group.max(initial=-1)) + 1
    return Bases([*real, *drawn], np.concatenate((group, first + np.arange(len(drawn)))).astype(np.int64), len(real))


def product_of(wafer: WaferMap) -> Product:
    """The die grid of a wafer as the simulator takes it; a wafer without one gets dies of a twentieth of its diameter."""
    if isinstance(wafer, DefectMap) and wafer.pitch_um is not None and wafer.origin_um is not None:
        (width, height), (x, y) = wafer.pitch_um, wafer.origin_um
        return Product("base", 1.0, wafer.info.diameter_mm, (width, height), (-x / width, -y / height))
    side = wafer.info.diameter_mm * 1000.0 / 20
    return Product("base", 1.0, wafer.info.diameter_mm, wafer.die_size_um if isinstance(wafer, DieMap) else (side, side), (0.5, 0.5))


def _law(densities: list[float], usual: float) -> tuple[float, float]:
    """Mean and shape of the gamma law of these densities, by moments."""
    if len(densities) < FEW or not any(densities):
        return float(np.mean(densities)) if any(densities) else usual, USUAL_SHAPE
    mean, variance = float(np.mean(densities)), float(np.var(densities, ddof=1))
    return mean, float(np.clip(mean * mean / max(variance, 1e-12), 0.3, 100.0))


def _background(template: WaferMap, density: float, rng: Generator) -> WaferMap:
    """Background alone on the template's dies: ``density`` is the share of failed dies, or the points per square mm of the square."""
    if isinstance(template, DieMap):
        failed = rng.random(template.status.shape) < min(density, 1.0)
        return replace(template, status=np.where(template.status == NO_DIE, NO_DIE, np.where(failed, FAIL, PASS)).astype(np.uint8))
    count = int(rng.poisson(density * template.info.diameter_mm**2))
    radius, angle = template.info.radius_um * np.sqrt(rng.random(count)), rng.random(count) * 2 * np.pi
    xy_um = np.column_stack((radius * np.cos(angle), radius * np.sin(angle)))
    if template.dies is not None and template.pitch_um is not None and template.origin_um is not None:
        xy_um = xy_um[product_of(template).on_dies(xy_um, template.dies)]
    return replace(template, xy_um=xy_um, attributes={})
