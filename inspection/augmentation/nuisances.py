"""Nuisances in source space: what may happen to any wafer before it is drawn, whatever its class.

Each takes its strength as an argument and knows no class. Those of points leave the inspected dies where they are (`scale` moves both), so
that the edge of the inspected area tells nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from inspection.wafer.die_grid import die_grid
from inspection.wafer.maps import FAIL, PASS, DefectMap, inside_wafer

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    from inspection.augmentation.background import Background
    from inspection.params import Nuisance
    from inspection.wafer.maps import DieMap, WaferMap

_TRIES = 12
"""Rounds in which background is drawn until there is enough; where dies and rings hardly meet, a few points may be missing."""


def disturb_points(wafer: DefectMap, strength: Nuisance, background: Background | None, rng: Generator) -> DefectMap:
    """All nuisances of points; each that is on draws its strength first, whatever the wafer.

    Parameters
    ----------
    wafer : DefectMap
    strength : params.Nuisance
        The largest strengths, or their sigmas.
    background : Background or None
        Of the product; without it, extra background follows the wafer's own count.
    rng : Generator
    """
    if strength.thinning > 0:
        wafer = thin(wafer, rng.uniform(0, strength.thinning), rng)
    if strength.background > 0:
        wafer = add_background(wafer, _extra(wafer, strength.background, background, rng), rng, _rings(background))
    if strength.pitch > 0:
        wafer = scale(wafer, strength.pitch, rng)
    if strength.radial_um > 0 or strength.lateral_um > 0:
        wafer = jitter_polar(wafer, strength.radial_um, strength.lateral_um, rng)
    if strength.point_radial_um > 0 or strength.point_lateral_um > 0:
        part = rng.uniform(0, 1)
        wafer = jitter_points(wafer, part * strength.point_radial_um, part * strength.point_lateral_um, rng)
    if strength.jitter_um > 0:
        wafer = jitter(wafer, strength.jitter_um, rng)
    return wafer


def disturb_dies(wafer: DieMap, strength: Nuisance, background: Background | None, rng: Generator) -> DieMap:
    """All nuisances of die maps, as `disturb_points`."""
    if strength.die_thinning > 0:
        wafer = thin_dies(wafer, rng.uniform(0, strength.die_thinning), rng)
    if strength.die_background > 0:
        wafer = add_failed_dies(wafer, _extra(wafer, strength.die_background, background, rng), rng, _rings(background))
    return wafer


def thin(wafer: DefectMap, share: float, rng: Generator) -> DefectMap:
    """Leave each point out with probability ``share`` (0..1), independently."""
    return with_points(wafer, wafer.xy_um[rng.random(wafer.defects) >= share])


def thin_dies(wafer: DieMap, share: float, rng: Generator) -> DieMap:
    """Let each failed die pass with probability ``share`` (0..1), independently."""
    status = wafer.status.copy()
    status[(status == FAIL) & (rng.random(status.shape, np.float32) < share)] = PASS
    return replace(wafer, status=status)


def add_background(wafer: DefectMap, extra: int, rng: Generator, rings: NDArray[np.float64] | None = None) -> DefectMap:
    """Add ``extra`` points over the wafer's inspected dies (over the disc when none are listed).

    ``rings`` of shape (k,): relative density in k rings of equal area, centre first; None = uniform.
    """
    points = np.zeros((0, 2))
    for attempt in range(_TRIES):
        missing = extra - len(points)
        if missing == 0:
            break
        drawn = _scattered(wafer, 2 * missing + 8, rng)
        share = np.einsum("ij,ij->i", drawn, drawn) / wafer.info.radius_um**2
        kept = share <= 1.0  # dies at the edge reach off the wafer
        if rings is not None and attempt < _TRIES - 1:  # as often as its ring is dense; in the last round whatever is on the wafer
            kept &= rng.random(len(drawn)) * rings.max() < rings[np.minimum((share * len(rings)).astype(np.intp), len(rings) - 1)]
        points = np.concatenate((points, drawn[kept][:missing]))
    return with_points(wafer, np.concatenate((wafer.xy_um, points)))


def add_failed_dies(wafer: DieMap, extra: int, rng: Generator, rings: NDArray[np.float64] | None = None) -> DieMap:
    """Let ``extra`` passing dies fail (all of them where there are no more), chosen by the density of their ring as `add_background`."""
    passing = np.flatnonzero(wafer.status == PASS)
    extra = min(extra, len(passing))
    if extra == 0:
        return wafer
    weights = None
    if rings is not None:
        row, col = np.unravel_index(passing, wafer.status.shape)
        rows, cols = wafer.status.shape
        weights = rings[ring_of(np.column_stack(((2 * col + 1) / cols - 1, (2 * row + 1) / rows - 1)), 1.0, len(rings))]
        weights = weights / weights.sum()
    status = wafer.status.copy()
    status.reshape(-1)[rng.choice(passing, extra, replace=False, p=weights)] = FAIL
    return replace(wafer, status=status)


def ring_of(xy: NDArray[np.float64], radius: float, rings: int) -> NDArray[np.intp]:
    """Ring of equal area that each place lies in, 0 at the centre, the last one for all beyond the edge; shape (n,)."""
    share = np.einsum("ij,ij->i", xy, xy) / (radius * radius)
    return np.minimum((share * rings).astype(np.intp), rings - 1)


def jitter(wafer: DefectMap, sigma_um: float, rng: Generator) -> DefectMap:
    """Move the whole map by one normal offset of ``sigma_um`` along each axis (stage offset): the texture stays as it is."""
    return with_points(wafer, wafer.xy_um + rng.normal(0.0, sigma_um, 2))


def jitter_polar(wafer: DefectMap, radial_um: float, lateral_um: float, rng: Generator) -> DefectMap:
    """Stretch and turn the whole map about its centre; ``radial_um`` and ``lateral_um`` are sigmas of what a point at the edge moves."""
    stretch, angle = rng.normal(0.0, 1.0, 2) * (radial_um, lateral_um) / wafer.info.radius_um
    cos, sin = np.cos(angle), np.sin(angle)
    return with_points(wafer, wafer.xy_um @ np.array([[cos, sin], [-sin, cos]]) * (1.0 + stretch))


def jitter_points(wafer: DefectMap, radial_um: float, lateral_um: float, rng: Generator) -> DefectMap:
    """Move each point for itself, by a normal step of sigma ``radial_um`` along its radius and one of ``lateral_um`` across it."""
    radius = np.hypot(wafer.xy_um[:, 0], wafer.xy_um[:, 1])
    along = wafer.xy_um / np.maximum(radius, 1e-9)[:, None]
    across = np.column_stack((-along[:, 1], along[:, 0]))
    steps = rng.normal(0.0, 1.0, (wafer.defects, 2)) * (radial_um, lateral_um)
    return with_points(wafer, wafer.xy_um + along * steps[:, :1] + across * steps[:, 1:])


def scale(wafer: DefectMap, sigma: float, rng: Generator) -> DefectMap:
    """Scale the die grid and the points on it about the wafer centre, along x and y by 1 + a normal share of ``sigma``: another die pitch.

    Each point keeps its place in its die. What leaves the wafer is left out; the wafer's diameter stays.
    """
    factor = 1.0 + rng.normal(0.0, sigma, 2)
    xy_um = wafer.xy_um * factor
    scaled = with_points(wafer, xy_um[inside_wafer(xy_um, wafer.info.radius_um) | ~inside_wafer(wafer.xy_um, wafer.info.radius_um)])
    if wafer.pitch_um is None or wafer.origin_um is None:
        return scaled
    pitch, origin = wafer.pitch_um * factor, wafer.origin_um * factor
    return replace(scaled, pitch_um=(float(pitch[0]), float(pitch[1])), origin_um=(float(origin[0]), float(origin[1])))


def with_points(wafer: DefectMap, xy_um: NDArray[np.float64]) -> DefectMap:
    """``wafer`` with other points. Attributes belong to the points of the file; a changed set of points has none."""
    return replace(wafer, xy_um=xy_um, attributes={})


def _scattered(wafer: DefectMap, points: int, rng: Generator) -> NDArray[np.float64]:
    """Uniform places on the inspected dies, or on the disc; shape (points, 2)."""
    grid = die_grid(wafer)
    if grid is not None:
        die = grid.dies[rng.integers(0, len(grid.dies), points)].astype(np.float64)
        return (die + rng.random((points, 2))) * grid.pitch_um + grid.origin_um
    radius = wafer.info.radius_um * np.sqrt(rng.random(points))
    angle = rng.random(points) * 2 * np.pi
    return np.column_stack((radius * np.cos(angle), radius * np.sin(angle)))


def _extra(wafer: WaferMap, most: float, background: Background | None, rng: Generator) -> int:
    share = rng.uniform(0, most)
    return int(rng.poisson(share * wafer.defects)) if background is None else background.draw(wafer, share, rng)


def _rings(background: Background | None) -> NDArray[np.float64] | None:
    return None if background is None else background.rings
