"""What a signature is drawn on (the wafer, its dies, the setting), and what drawing it gives."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    from inspection.simulator.difficulty import Difficulty, Range

Points: TypeAlias = "NDArray[np.float64]"

REFERENCE_RADIUS_UM = 150_000.0
"""Counts of points are given for a 300 mm wafer and scale with the radius."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A wafer of ``radius_um`` with its die grid (lower-left corner of die (0, 0) at ``origin_um``) and the setting."""

    radius_um: float
    pitch_um: tuple[float, float]
    origin_um: tuple[float, float]
    difficulty: Difficulty

    def count(self, rng: Generator, points: Range) -> int:
        """Number of points of a signature: drawn from ``points``, times the setting's strength and the wafer's size."""
        size = self.radius_um / REFERENCE_RADIUS_UM
        return max(3, round(rng.uniform(*points) * rng.uniform(*self.difficulty.strength) * size))

    def within(self, rng: Generator, radii: Range) -> tuple[float, float]:
        """A place whose distance from the centre lies in ``radii`` (shares of the radius), any direction; um."""
        radius, angle = rng.uniform(*radii) * self.radius_um, rng.uniform(0, 2 * np.pi)
        return radius * np.cos(angle), radius * np.sin(angle)


@dataclass(frozen=True, slots=True, eq=False)
class Signature:
    """A drawn signature.

    Attributes
    ----------
    name : str
        Class of the reference taxonomy.
    xy_um : ndarray of shape (n, 2)
        Points in the wafer frame; some may lie off the wafer (what is not inspected is cut later).
    parameters : dict of str to float
        What it was drawn with, for the truth table.
    """

    name: str
    xy_um: Points
    parameters: dict[str, float]

    def thinned(self, keep: int, rng: Generator) -> Signature:
        """At most ``keep`` of the points, chosen at random, in their order."""
        if keep >= len(self.xy_um):
            return self
        chosen = np.sort(rng.choice(len(self.xy_um), size=keep, replace=False))
        return replace(self, xy_um=self.xy_um[chosen])


def polar(radius_um: Points, angle: Points, centre_um: tuple[float, float] = (0.0, 0.0)) -> Points:
    """Points at polar coordinates about ``centre_um``; shape (n, 2)."""
    return np.column_stack((centre_um[0] + radius_um * np.cos(angle), centre_um[1] + radius_um * np.sin(angle)))


def turned(along: Points, across: Points, angle: float, centre_um: tuple[float, float]) -> Points:
    """Points of a line's own frame (along, across) turned by ``angle`` and put at ``centre_um``; shape (n, 2)."""
    cos, sin = np.cos(angle), np.sin(angle)
    return np.column_stack((centre_um[0] + along * cos - across * sin, centre_um[1] + along * sin + across * cos))


def log_uniform(rng: Generator, bounds: Range) -> float:
    """A number whose logarithm is uniform in ``bounds``."""
    return float(np.exp(rng.uniform(np.log(bounds[0]), np.log(bounds[1]))))
