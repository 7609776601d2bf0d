"""Signatures that fill an area: compact clusters, lattices, and the area that was not inspected."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from inspection.simulator.scene import Scene, Signature, turned

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    from inspection.simulator.difficulty import Range

MM = 1_000.0


def cluster_big(scene: Scene, rng: Generator) -> Signature:
    """Large blob: a hot spot, a splash."""
    return _cluster("ClusterBig", scene, rng, scene.difficulty.big_points, scene.difficulty.big_mm)


def cluster_small(scene: Scene, rng: Generator) -> Signature:
    """Blob of a few millimetres: a flake that broke up."""
    return _cluster("ClusterSmall", scene, rng, scene.difficulty.small_points, scene.difficulty.small_mm)


def grid(scene: Scene, rng: Generator) -> Signature:
    """Lattice at a whole fraction or multiple of the die: a fault of the reticle or the array.

    Only some of its sites are caught, so a fine lattice looks like background until one looks closely.
    """
    wanted = scene.count(rng, scene.difficulty.grid_points)
    pitch = rng.uniform(*scene.difficulty.grid_pitch_mm) * MM
    steps = [_lattice_step(die, pitch) for die in scene.pitch_um]
    phase = rng.uniform(size=2)
    axes = [np.arange(-scene.radius_um, scene.radius_um, step) + step * part for step, part in zip(steps, phase, strict=True)]
    sites = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)
    sites = sites[np.hypot(*sites.T) <= scene.radius_um]
    caught = np.sort(rng.choice(len(sites), size=min(wanted, round(0.95 * len(sites))), replace=False))
    xy = sites[caught] + rng.normal(0, 0.02 * min(steps), size=(len(caught), 2))
    parameters = {"pitch_x_um": steps[0], "pitch_y_um": steps[1], "caught_share": len(caught) / len(sites)}
    return Signature("Grid", xy, parameters)


def inspected_dies(dies: NDArray[np.int32], scene: Scene, rng: Generator) -> tuple[NDArray[np.int32], dict[str, float]]:
    """Dies that an Incomplete inspection reached, and its parameters.

    The stage scans row by row from the top, each second row backwards. Either the scan was aborted, or one swath of
    rows was lost.
    """
    share = rng.uniform(*scene.difficulty.inspected_share)
    aborted = bool(rng.uniform() < 0.6)
    leftwards = rng.integers(2)
    column, row = dies[:, 0], dies[:, 1]
    down = row.max() - row
    backwards = (down + leftwards) % 2 == 1
    order = np.lexsort((np.where(backwards, -column, column), down))
    reached = round(share * len(dies))
    first = 0 if aborted else int(rng.integers(len(dies) - reached + 1))
    # Aborted: the first `reached` dies of the scan. Lost swath: all but a run of the scan that starts at `first`.
    taken = order[:reached] if aborted else np.delete(order, slice(first, first + len(dies) - reached))
    return dies[np.sort(taken)], {"inspected_share": share, "aborted": float(aborted), "leftwards": float(leftwards)}


def _cluster(name: str, scene: Scene, rng: Generator, points: Range, spread_mm: Range) -> Signature:
    wanted = scene.count(rng, points)
    spread = rng.uniform(*spread_mm) * MM
    oval, turn = rng.uniform(0.55, 1.0), rng.uniform(0, np.pi)
    # The wafer is sampled evenly: the square of the distance is uniform.
    centre = scene.within(rng, (0.0, 1.0))
    scale = np.sqrt(np.hypot(*centre) / scene.radius_um) * 0.82 * scene.radius_um / max(np.hypot(*centre), 1.0)
    centre = (centre[0] * scale, centre[1] * scale)
    own = rng.normal(0, spread, size=(wanted, 2))
    xy = turned(own[:, 0], own[:, 1] * oval, turn, centre)
    return Signature(name, xy, {"spread_um": spread, "oval": oval, "x_um": centre[0], "y_um": centre[1]})


def _lattice_step(die_um: float, pitch_um: float) -> float:
    """The whole fraction or multiple of the die nearest to ``pitch_um``."""
    return die_um / round(die_um / pitch_um) if pitch_um < die_um else die_um * round(pitch_um / die_um)
