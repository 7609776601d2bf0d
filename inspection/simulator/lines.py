"""Signatures that are lines: scratches, seams, prints.

GeoScratch and ZigZag share one coarse line; only the texture along it differs. Each function draws one signature with
``rng``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from inspection.simulator.scene import Points, Scene, Signature, log_uniform, polar, turned

if TYPE_CHECKING:
    from numpy.random import Generator

SCRATCH_MM = 1_000.0
HANDLER_STEP_DEG, HANDLER_SPREAD_DEG = 45.0, 6.0
"""A robot blade or a cassette moves along few directions: scratches keep near multiples of the step."""
SAGITTA_SHARE = (-0.08, 0.08)
SEAM_POINTS = (110.0, 200.0)
SEAM_TILT_DEG = (-15.0, 15.0)
RIDGE_SPACING_MM = 0.9


def geo_scratch(scene: Scene, rng: Generator) -> Signature:
    """Thin straight or gently curved line."""
    return scratch(scene, rng, "GeoScratch", amplitude_um=0.0, period_um=1.0)


def zigzag(scene: Scene, rng: Generator) -> Signature:
    """The same line, but stick-slip made it zigzag with an amplitude of a millimetre or less."""
    amplitude = log_uniform(rng, scene.difficulty.zigzag_amplitude_mm) * SCRATCH_MM
    period = rng.uniform(*scene.difficulty.zigzag_period_mm) * SCRATCH_MM
    return scratch(scene, rng, "ZigZag", amplitude_um=amplitude, period_um=period)


def scratch(scene: Scene, rng: Generator, name: str, *, amplitude_um: float, period_um: float) -> Signature:
    """A scratch with a triangle wave of ``amplitude_um`` and ``period_um`` across it; 0 = straight.

    The draws from ``rng`` do not depend on the wave: the same generator state gives the same coarse line, point for
    point.
    """
    difficulty = scene.difficulty
    length = rng.uniform(*difficulty.scratch_length_radii) * scene.radius_um
    spacing = rng.uniform(*difficulty.scratch_spacing_mm) * SCRATCH_MM
    roughness = rng.uniform(*difficulty.scratch_roughness_mm) * SCRATCH_MM
    angle = np.radians(HANDLER_STEP_DEG * rng.integers(8) + rng.normal(0, HANDLER_SPREAD_DEG))
    sagitta = rng.uniform(*SAGITTA_SHARE) * length
    centre = scene.within(rng, (0.0, 0.55))
    phase = rng.uniform(0, 2 * np.pi)
    wanted = max(12, round(length / spacing))
    along = (np.arange(wanted) + rng.uniform(-0.5, 0.5, size=wanted)) * (length / wanted) - length / 2
    noise = rng.normal(0, roughness, size=wanted)
    wave = amplitude_um * (2 / np.pi) * np.arcsin(np.sin(2 * np.pi * along / period_um + phase))
    across = sagitta * (1 - (2 * along / length) ** 2) + wave + noise
    parameters = {
        "length_um": length,
        "angle_deg": float(np.degrees(angle)),
        "sagitta_um": sagitta,
        "spacing_um": spacing,
        "roughness_um": roughness,
        "x_um": centre[0],
        "y_um": centre[1],
    }
    if amplitude_um > 0:
        parameters |= {"amplitude_um": amplitude_um, "period_um": period_um}
    return Signature(name, turned(along, across, float(angle), centre), parameters)


def basket_ball(scene: Scene, rng: Generator) -> Signature:
    """Seams of a basketball: two gently bent lines that cross near the centre, and an arc on either side.

    The pads of a brush or of a vacuum chuck leave it; the tilt against the notch is small.
    """
    radius = scene.radius_um
    tilt = np.radians(rng.uniform(*SEAM_TILT_DEG))
    centre = scene.within(rng, scene.difficulty.off_centre_radii)
    share = rng.uniform(*scene.difficulty.arc_share)
    bend = rng.uniform(-0.12, 0.12, size=2)
    gap = rng.uniform(0.42, 0.55)
    wanted = [round(scene.count(rng, SEAM_POINTS) * share) for _ in range(4)]
    width = 0.008 * radius
    seams: list[Points] = []
    for quarter, points, bent in ((0.0, wanted[0], bend[0]), (np.pi / 2, wanted[1], bend[1])):
        along = _stretch(rng, points, share) * radius
        across = bent * radius * (1 - (along / radius) ** 2) + rng.normal(0, width, size=points)
        seams.append(turned(along, across, float(tilt + quarter), centre))
    for side, points in ((-1.0, wanted[2]), (1.0, wanted[3])):
        along = _stretch(rng, points, share) * radius
        # The side seam is nearest to the middle on the equator and leaves it towards the poles.
        across = side * radius * (gap + 0.45 * (along / radius) ** 2) + rng.normal(0, width, size=points)
        seams.append(turned(along, across, float(tilt + np.pi / 2), centre))
    parameters = {"tilt_deg": float(np.degrees(tilt)), "gap_radii": gap, "seam_share": share}
    return Signature("BasketBall", np.concatenate(seams), parameters | {"x_um": centre[0], "y_um": centre[1]})


def fingerprints(scene: Scene, rng: Generator) -> Signature:
    """Whorl of concentric, interrupted, slightly oval ridges of fine pitch: a glove, or slurry dried under a pad."""
    pitch = rng.uniform(*scene.difficulty.whorl_pitch_mm) * SCRATCH_MM
    size = rng.uniform(*scene.difficulty.whorl_radius_mm) * SCRATCH_MM * scene.radius_um / 150_000.0
    oval, turn = rng.uniform(0.6, 0.9), rng.uniform(0, np.pi)
    centre = scene.within(rng, (0.1, 0.6))
    strength = rng.uniform(*scene.difficulty.strength)
    ridges: list[Points] = []
    for radius in np.arange(pitch, size, pitch):
        arc = rng.uniform(0.6, 0.95)
        points = max(3, round(strength * 2 * np.pi * arc * radius / (RIDGE_SPACING_MM * SCRATCH_MM)))
        angle = rng.uniform(0, 2 * np.pi) + 2 * np.pi * arc * (np.arange(points) + rng.uniform(size=points)) / points
        ripple = 0.12 * pitch * np.sin(3 * angle + turn) + rng.normal(0, 0.05 * pitch, size=points)
        own = polar(radius + ripple, angle)
        ridges.append(turned(own[:, 0], own[:, 1] * oval, turn, centre))
    parameters = {"pitch_um": pitch, "size_um": size, "oval": oval, "turn_deg": float(np.degrees(turn))}
    return Signature("Fingerprints", np.concatenate(ridges), parameters | {"x_um": centre[0], "y_um": centre[1]})


def _stretch(rng: Generator, points: int, share: float) -> Points:
    """Places along a seam, from -1 to 1; a seam that is kept by a ``share`` below 1 is a random piece of it."""
    start = rng.uniform(-1.0, 1.0 - 2.0 * share)
    return start + 2.0 * share * rng.uniform(size=points)
