"""The reference taxonomy as drawings, and one whole wafer: dominant signature, companions, background, dies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from inspection.simulator import areas, lines, rings
from inspection.simulator.background import background
from inspection.simulator.scene import Points, Scene, Signature

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.random import Generator
    from numpy.typing import NDArray

    from inspection.simulator.difficulty import Difficulty
    from inspection.simulator.products import Product

NORMAL, INCOMPLETE = "Normal", "Incomplete"

DRAWINGS: Mapping[str, Callable[[Scene, Generator], Signature]] = {
    "BasketBall": lines.basket_ball,
    "ClusterBig": areas.cluster_big,
    "ClusterSmall": areas.cluster_small,
    "Donut": rings.donut,
    "Fingerprints": lines.fingerprints,
    "GeoScratch": lines.geo_scratch,
    "Grid": areas.grid,
    "HalfMoon": rings.half_moon,
    "Ring": rings.ring,
    "Slice": rings.sector,
    "ZigZag": lines.zigzag,
}
"""Signatures made of points. Normal is background alone, Incomplete is a matter of dies."""

CLASSES = tuple(sorted((*DRAWINGS, NORMAL, INCOMPLETE)))
COMPANIONS = ("ClusterSmall", "Donut", "GeoScratch", "HalfMoon", "Ring", "Slice")
"""What may come along with another signature."""
BACKGROUND = -1
"""What made a defect that belongs to no signature."""


@dataclass(frozen=True, slots=True, eq=False)
class DrawnWafer:
    """A wafer as it is, before anything is written.

    Attributes
    ----------
    xy_um : ndarray of shape (n, 2)
        All defects, shuffled: their order says nothing about what made them.
    dies : ndarray of shape (m, 2), int32
        Inspected dies.
    signatures : tuple of Signature
        The dominant one first.
    made_by : ndarray of shape (n,), int8
        What made each defect: its place in ``signatures``, or ``BACKGROUND``. In no file: a fab does not know it.
    """

    xy_um: Points
    dies: NDArray[np.int32]
    signatures: tuple[Signature, ...]
    made_by: NDArray[np.int8]


def scene_of(product: Product, difficulty: Difficulty) -> Scene:
    """The scene of a product."""
    return Scene(
        radius_um=product.radius_um,
        pitch_um=product.pitch_um,
        origin_um=product.origin_um,
        difficulty=difficulty,
    )


def draw_wafer(label: str, product: Product, difficulty: Difficulty, rng: Generator) -> DrawnWafer:
    """Draw one wafer of class ``label``.

    ``label`` names the dominant signature; companions have fewer points than it. Only what lies on inspected dies is
    seen.
    """
    scene = scene_of(product, difficulty)
    dies = product.dies
    if difficulty.skipped_dies > 0:
        dies = dies[rng.uniform(size=len(dies)) >= difficulty.skipped_dies * rng.uniform(0, 2)]
    signatures: list[Signature] = []
    if label == INCOMPLETE:
        dies, parameters = areas.inspected_dies(dies, scene, rng)
        signatures.append(Signature(INCOMPLETE, np.empty((0, 2)), parameters))
    elif label != NORMAL:
        dominant = _seen(DRAWINGS[label](scene, rng), product, dies)
        signatures.append(dominant)
        if rng.uniform() < difficulty.companions:
            name = str(rng.choice([c for c in COMPANIONS if c != label]))
            companion = _seen(DRAWINGS[name](scene, rng), product, dies)
            keep = round(len(dominant.xy_um) * rng.uniform(*difficulty.companion_share))
            signatures.append(companion.thinned(keep, rng))
    common = background(scene, rng)
    common = common[product.on_dies(common, dies)]
    xy = np.concatenate([s.xy_um for s in signatures] + [common])
    makers = [*range(len(signatures)), BACKGROUND]
    made_by = np.repeat(np.array(makers, np.int8), [len(s.xy_um) for s in signatures] + [len(common)])
    order = rng.permutation(len(xy))
    return DrawnWafer(xy[order], dies, tuple(signatures), made_by[order])


def inspect_again(wafer: DrawnWafer, product: Product, rng: Generator, capture: float = 0.93) -> DrawnWafer:
    """The same wafer, inspected once more: most defects are caught again, a few micrometres off; a few are new."""
    caught = rng.uniform(size=len(wafer.xy_um)) < capture
    seen = wafer.xy_um[caught]
    moved = seen + rng.normal(0, 4.0, size=seen.shape)
    fresh = rng.uniform(-product.radius_um, product.radius_um, size=(rng.poisson(6.0), 2))
    xy = np.concatenate((moved, fresh))
    made_by = np.concatenate((wafer.made_by[caught], np.full(len(fresh), BACKGROUND, np.int8)))
    kept = product.on_dies(xy, wafer.dies)
    return DrawnWafer(xy[kept], wafer.dies, wafer.signatures, made_by[kept])


def _seen(signature: Signature, product: Product, dies: NDArray[np.int32]) -> Signature:
    kept = signature.xy_um[product.on_dies(signature.xy_um, dies)]
    return Signature(signature.name, kept, signature.parameters)
