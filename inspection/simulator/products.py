"""What the fab makes: products with their die grids, and the layers that are inspected."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

EDGE_EXCLUSION_UM = 3_000.0
"""Nothing is inspected nearer to the edge."""
LAYERS = ("GATE", "CONTACT", "METAL1", "METAL2")


@dataclass(frozen=True)
class Product:
    """A product.

    Attributes
    ----------
    name : str
    share : float
        Share of the lots.
    diameter_mm : float
    pitch_um : (float, float)
        Die width and height.
    phase : (float, float)
        Where the wafer centre lies in its die, shares of the pitch from the die's lower-left corner.
    """

    name: str
    share: float
    diameter_mm: float
    pitch_um: tuple[float, float]
    phase: tuple[float, float]

    @property
    def radius_um(self) -> float:
        """Wafer radius, um."""
        return self.diameter_mm * 500.0

    @property
    def origin_um(self) -> tuple[float, float]:
        """Lower-left corner of die (0, 0) in the wafer frame, um."""
        return -self.phase[0] * self.pitch_um[0], -self.phase[1] * self.pitch_um[1]

    @cached_property
    def dies(self) -> NDArray[np.int32]:
        """Index (x, y) of each die with some area inside the edge exclusion, from the top row down; shape (m, 2)."""
        reach = self.radius_um - EDGE_EXCLUSION_UM
        span = int(np.ceil(self.radius_um / min(self.pitch_um))) + 1
        row, column = (a.ravel() for a in np.mgrid[span : -span - 1 : -1, -span : span + 1])
        gaps = []
        for index, pitch, origin in zip((column, row), self.pitch_um, self.origin_um, strict=True):
            low = origin + index * pitch
            # Distance from the wafer centre to the die along this axis; 0 where the centre is beside it.
            gaps.append(np.maximum(np.maximum(low, -(low + pitch)), 0.0))
        # A sliver of less than 2 % of the reach is not worth a die.
        return np.column_stack((column, row))[np.hypot(*gaps) < 0.98 * reach].astype(np.int32)

    def on_dies(self, xy_um: NDArray[np.float64], dies: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Which points lie on one of ``dies`` and inside the edge exclusion; shape (n,)."""
        index = np.floor((xy_um - self.origin_um) / self.pitch_um).astype(np.int64)
        table = np.zeros((512, 512), bool)
        table[tuple((dies + 256).T)] = True
        inside = np.hypot(*xy_um.T) <= self.radius_um - EDGE_EXCLUSION_UM
        return inside & table[tuple(np.clip(index + 256, 0, 511).T)]


PRODUCTS = (
    Product("LOGIC7", 0.5, 300.0, (10_240.0, 8_460.0), (0.5, 0.5)),
    Product("DRAM4", 0.3, 300.0, (7_128.5, 9_310.25), (0.0, 0.5)),
    Product("POWER2", 0.2, 200.0, (4_980.0, 5_240.0), (0.31, 0.0)),
)
