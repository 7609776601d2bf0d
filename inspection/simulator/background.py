"""What a healthy wafer shows: negative binomial counts, some of them in clumps, more near the edge."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from inspection.simulator.scene import Points, Scene, polar

if TYPE_CHECKING:
    from numpy.random import Generator

EDGE_POWER = 8
"""Radial density is 1 + excess * (r / R) ** EDGE_POWER: flat over most of the wafer, steep at the edge."""


def background(scene: Scene, rng: Generator) -> Points:
    """Draw the background of one wafer.

    The density follows a gamma law over wafers (so counts are negative binomial), a share of the points are offspring
    of clump centres, whose number of offspring is again gamma-Poisson.

    Returns
    -------
    ndarray of shape (n, 2), um
    """
    difficulty = scene.difficulty
    area_cm2 = np.pi * (scene.radius_um * 1e-4) ** 2
    shape = difficulty.background_shape
    mean = area_cm2 * difficulty.background_per_cm2 * rng.gamma(shape, 1.0 / shape)
    single = _scattered(scene, rng, int(rng.poisson(mean * (1 - difficulty.clumped_share))))
    offspring_mean = float(np.mean(difficulty.clump_points))
    parents = _scattered(scene, rng, int(rng.poisson(mean * difficulty.clumped_share / offspring_mean)))
    expected = rng.uniform(*difficulty.clump_points, size=len(parents)) * rng.gamma(2.0, 0.5, size=len(parents))
    spread = rng.uniform(*difficulty.clump_mm, size=len(parents)) * 1_000.0
    offspring = rng.poisson(expected)
    clumped = np.repeat(parents, offspring, axis=0)
    clumped = clumped + rng.normal(size=clumped.shape) * np.repeat(spread, offspring)[:, None]
    return np.concatenate((single, clumped))


def _scattered(scene: Scene, rng: Generator, points: int) -> Points:
    excess = scene.difficulty.edge_excess
    power = EDGE_POWER + 2
    # Mixture: flat disc, and the edge term, whose radius has the distribution function (r/R) ** power.
    edge_weight = (excess / power) / (0.5 + excess / power)
    at_edge = rng.uniform(size=points) < edge_weight
    uniform = rng.uniform(size=points)
    radius = scene.radius_um * uniform ** np.where(at_edge, 1.0 / power, 0.5)
    return polar(radius, rng.uniform(0, 2 * np.pi, size=points))
