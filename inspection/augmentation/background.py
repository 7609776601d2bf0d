"""What normal wafers of a product show: how many defects, how they vary from wafer to wafer, clump, and lie about the centre.

Fitted to the training part's normal wafers. Counts are negative binomial: variance = m + excess * m ** 2 about the mean m, which is what a
Poisson count has whose density follows a gamma law over wafers (C. H. Stapper, IBM J. Res. Dev. 27(6), 1983).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from inspection.augmentation.nuisances import ring_of
from inspection.augmentation.signature import largest, places, regions, separate
from inspection.wafer.die_grid import die_grid
from inspection.wafer.maps import FAIL, NO_DIE, DefectMap

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Sequence

    from numpy.random import Generator
    from numpy.typing import NDArray

    from inspection.wafer.maps import WaferMap

RINGS = 8
"""Rings of equal area."""
FEW = 10
"""Normal wafers below which a product's own figures are not trusted, and those of all are taken."""
LOOKED_AT = 64
"""Normal wafers of a product whose clumps and places are measured; spread evenly over them all."""
USUAL = 0.95
"""Share of the normal wafers whose largest region is no larger than the ``clump``."""
SMOOTHING = 20.0
"""Defects that a flat background is worth when the rings are weighed: few real ones bend it little."""
_REMEMBERED = 200_000


@dataclass(frozen=True, slots=True, eq=False)
class Background:
    """The background of a product.

    Attributes
    ----------
    rate : float
        Defects per um**2 of inspected area (points), failed dies per die (die maps).
    excess : float
        >= 0: 1 / shape of the negative binomial, 0 = Poisson.
    clump : int
        Defects of the largest region that its normal wafers usually show.
    rings : ndarray of shape (RINGS,)
        Relative density from the centre out.
    wafers : int
        Normal wafers it was fitted to.
    """

    rate: float
    excess: float
    clump: int
    rings: NDArray[np.float64]
    wafers: int

    def mean(self, wafer: WaferMap) -> float:
        """Defects expected on the inspected area of ``wafer``."""
        return self.rate * room(wafer)

    def most(self, wafer: WaferMap) -> float:
        """Defects that a background hardly ever exceeds: three standard deviations above the mean, and three more for small means."""
        mean = self.mean(wafer)
        return mean + 3.0 * float(np.sqrt(mean + self.excess * mean * mean)) + 3.0

    def draw(self, wafer: WaferMap, share: float, rng: Generator) -> int:
        """A count drawn from the product's negative binomial with ``share`` of its mean."""
        mean = self.mean(wafer) * share
        if self.excess > 0:
            mean *= rng.gamma(1.0 / self.excess, self.excess)
        return int(rng.poisson(mean))


class Backgrounds:
    """The backgrounds of all products; `separate` remembers what it found."""

    def __init__(self, by_product: dict[Hashable, Background]) -> None:
        self._by_product = by_product
        self._separated: Callable[[WaferMap], NDArray[np.int32] | None] = lru_cache(_REMEMBERED)(self._separate)

    def of(self, wafer: WaferMap) -> Background | None:
        """That of the wafer's product, else of all products of its kind; None where no normal wafer of its kind was seen."""
        kind, product = _product(wafer)
        return self._by_product.get((kind, product)) or self._by_product.get((kind, None))

    def separate(self, wafer: WaferMap) -> NDArray[np.int32] | None:
        """`signature.separate` with the wafer's own background; None also where there is none."""
        return self._separated(wafer)

    def _separate(self, wafer: WaferMap) -> NDArray[np.int32] | None:
        background = self.of(wafer)
        return None if background is None else separate(wafer, background)


def fit_backgrounds(normal: Iterable[WaferMap]) -> Backgrounds:
    """Backgrounds of the products of ``normal`` (training part only), and of each kind of map over all products."""
    groups: dict[Hashable, list[WaferMap]] = {}
    for wafer in normal:
        kind, product = _product(wafer)
        groups.setdefault((kind, None), []).append(wafer)
        groups.setdefault((kind, product), []).append(wafer)
    enough = {key: wafers for key, wafers in groups.items() if len(wafers) >= FEW or (isinstance(key, tuple) and key[1] is None)}
    return Backgrounds({key: fit_background(wafers) for key, wafers in enough.items()})


def fit_background(normal: Sequence[WaferMap]) -> Background:
    """The background that ``normal``, at least one wafer, shows; by moments."""
    rooms = np.array([room(w) for w in normal])
    counts = np.array([w.defects for w in normal], float)
    rate = float(counts.sum() / rooms.sum())
    mean = rate * rooms
    unbiased = len(normal) / max(len(normal) - 1, 1)
    excess = unbiased * float(np.sum((counts - mean) ** 2 - mean)) / max(float(np.sum(mean**2)), 1e-12)
    some = [normal[i] for i in np.unique(np.linspace(0, len(normal) - 1, LOOKED_AT).astype(int))]
    clumps = sorted(largest(regions(w, rate * room(w))) for w in some)
    return Background(rate, max(excess, 0.0), clumps[int(np.ceil(USUAL * (len(clumps) - 1)))], _rings(some), len(normal))


def room(wafer: WaferMap) -> float:
    """What a background can fall on: um**2 of inspected area (points), dies (die maps); at least one die."""
    if isinstance(wafer, DefectMap):
        grid = die_grid(wafer)
        return float(np.pi * wafer.info.radius_um**2) if grid is None else len(grid.dies) * grid.pitch_um[0] * grid.pitch_um[1]
    return max(float(np.count_nonzero(wafer.status != NO_DIE)), 1.0)


def _product(wafer: WaferMap) -> tuple[str, Hashable]:
    """Kind of map, and its product; die maps of unnamed products are told apart by their rows and columns."""
    if isinstance(wafer, DefectMap):
        return "points", wafer.info.product or ""
    return "dies", wafer.info.product or wafer.status.shape


def _rings(wafers: Sequence[WaferMap]) -> NDArray[np.float64]:
    """Density of the defects in each ring over that of the inspected area, smoothed towards 1."""
    found, inspected = np.zeros(RINGS), np.zeros(RINGS)
    for wafer in wafers:
        found += _in_rings(wafer, places(wafer))
        area = _in_rings(wafer, _inspected(wafer))
        inspected += area / max(area.sum(), 1)
    share = inspected / max(inspected.sum(), 1e-12)
    weighed = (found + SMOOTHING * share) / (found.sum() + SMOOTHING)
    relative: NDArray[np.float64] = np.divide(weighed, share, out=np.ones(RINGS), where=share > 0)
    return relative


def _in_rings(wafer: WaferMap, xy_um: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.bincount(ring_of(xy_um, wafer.info.radius_um, RINGS), minlength=RINGS).astype(float)


def _inspected(wafer: WaferMap) -> NDArray[np.float64]:
    """Centres of the inspected dies, um; a fine lattice over the disc where none are listed."""
    if isinstance(wafer, DefectMap):
        grid = die_grid(wafer)
        if grid is not None:
            return (grid.dies.astype(np.float64) + 0.5) * grid.pitch_um + grid.origin_um
        side = np.linspace(-1, 1, 64) * wafer.info.radius_um
        lattice = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
        return lattice[np.hypot(*lattice.T) <= wafer.info.radius_um]
    return replace(wafer, status=np.where(wafer.status == NO_DIE, wafer.status, np.uint8(FAIL))).fail_xy_um
