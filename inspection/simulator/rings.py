"""Signatures that follow the wafer's round shape: spin, edge and chuck faults.

Each function draws one signature with ``rng`` and returns its points and the parameters it was drawn with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from inspection.simulator.scene import Points, Scene, Signature, polar

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.random import Generator

DONUT_RADII = (0.36, 0.64)
RING_RADII = (0.9, 0.965)
MOON_POINTS = SLICE_POINTS = (320.0, 750.0)
BAND_POINTS = (380.0, 850.0)


def donut(scene: Scene, rng: Generator) -> Signature:
    """Band at mid radius: a resist or plating fault of the spinning wafer."""
    return _band("Donut", scene, rng, (rng.uniform(*DONUT_RADII), rng.uniform(*scene.difficulty.donut_width_radii)), freedom=1.0)


def ring(scene: Scene, rng: Generator) -> Signature:
    """Band at the edge: bevel, edge-bead removal or clamp. It stays with the edge, so it is hardly ever off-centre."""
    return _band("Ring", scene, rng, (rng.uniform(*RING_RADII), rng.uniform(*scene.difficulty.ring_width_radii)), freedom=0.1)


def half_moon(scene: Scene, rng: Generator) -> Signature:
    """Crescent along an edge: what a circle of the wafer's size, moved inwards by the depth, leaves uncovered."""
    depth = rng.uniform(*scene.difficulty.crescent_depth_radii)
    direction = rng.uniform(0, 2 * np.pi)
    wanted = scene.count(rng, MOON_POINTS)
    shift = -depth * scene.radius_um * np.array((np.cos(direction), np.sin(direction)))

    def accepts(xy: Points) -> Points:
        beyond = np.hypot(*(xy - shift).T) - scene.radius_um
        # Soft inner border: a spray or a shadow fades.
        return 1.0 / (1.0 + np.exp(-beyond / (0.03 * scene.radius_um)))

    xy = _disc(scene, rng, wanted, accepts)
    return Signature("HalfMoon", xy, {"depth_radii": depth, "direction_deg": float(np.degrees(direction))})


def sector(scene: Scene, rng: Generator) -> Signature:
    """Slice: an angular sector, apex near the centre, as a blocked nozzle or a cold sector of the chuck leaves it."""
    width = np.radians(rng.uniform(*scene.difficulty.sector_deg))
    direction = rng.uniform(0, 2 * np.pi)
    apex = scene.within(rng, scene.difficulty.off_centre_radii)
    inner = rng.uniform(0.0, 1.0 - scene.difficulty.arc_share[0])
    wanted = scene.count(rng, SLICE_POINTS) * (0.35 + 0.65 * width / np.radians(scene.difficulty.sector_deg[1]))
    # Uniform over the area: the square of the radius is uniform.
    radius = scene.radius_um * np.sqrt(rng.uniform(inner * inner, 1.2, size=round(wanted)))
    angle = direction + width * rng.uniform(-0.5, 0.5, size=len(radius))
    parameters = {
        "width_deg": float(np.degrees(width)),
        "direction_deg": float(np.degrees(direction)),
        "inner_radii": inner,
        **_place(apex),
    }
    return Signature("Slice", polar(radius, angle, apex), parameters)


def _band(name: str, scene: Scene, rng: Generator, radii_and_width: tuple[float, float], freedom: float) -> Signature:
    """Band of mean radius and standard deviation ``radii_and_width``; ``freedom`` scales how far its centre moves."""
    radii, width = radii_and_width
    low, high = scene.difficulty.off_centre_radii
    centre = scene.within(rng, (low * freedom, high * freedom))
    share, start = rng.uniform(*scene.difficulty.arc_share), rng.uniform(0, 2 * np.pi)
    wanted = round(scene.count(rng, BAND_POINTS) * share)
    # Cut at two standard deviations: the band has a border.
    offset = np.clip(rng.normal(size=wanted), -2, 2) * width
    angle = start + 2 * np.pi * share * rng.uniform(size=wanted)
    xy = polar(scene.radius_um * (radii + offset), angle, centre)
    parameters = {
        "radius_radii": radii,
        "width_radii": width,
        "arc_share": share,
        "start_deg": float(np.degrees(start)),
        **_place(centre),
    }
    return Signature(name, xy, parameters)


def _disc(scene: Scene, rng: Generator, wanted: int, accepts: Callable[[Points], Points]) -> Points:
    """About ``wanted`` points on the wafer, with the probability density ``accepts(xy)``."""
    # Draw until enough are kept; the acceptance of a crescent is between a tenth and a half.
    kept: list[Points] = []
    for _ in range(40):
        radius = scene.radius_um * np.sqrt(rng.uniform(size=4 * wanted))
        xy = polar(radius, rng.uniform(0, 2 * np.pi, size=len(radius)))
        kept.append(xy[rng.uniform(size=len(xy)) < accepts(xy)])
        if sum(map(len, kept)) >= wanted:
            break
    return np.concatenate(kept)[:wanted]


def _place(centre_um: tuple[float, float]) -> dict[str, float]:
    return {"x_um": centre_um[0], "y_um": centre_um[1]}
