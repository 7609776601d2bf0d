"""How hard the fab is: every number that decides it, in two frozen sets.

Ranges are (low, high). Lengths end in ``_mm``, shares of the wafer radius in ``_radii``, angles in ``_deg``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Range: TypeAlias = tuple[float, float]
Setting = Literal["easy", "hard"]

HARD_VERSION = 1
"""Version of ``HARD``. The set is frozen: a change of any of its numbers is a new version, and never a softer one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difficulty:
    """Numbers of one setting.

    Attributes
    ----------
    strength : Range
        Multiplies the number of points of every signature.
    arc_share : Range
        Share of the full angle that a ring-like signature or a seam keeps (1 = closed).
    off_centre_radii : Range
        Distance of a ring-like signature's centre from the wafer's.
    companions : float
        Probability that a wafer carries a further signature, weaker than the one that gives the label.
    companion_share : Range
        Points of the companion as a share of the points of the dominant signature.
    background_per_cm2 : float
        Mean density of the background.
    background_shape : float
        Shape of the gamma law that the density follows over wafers: counts are negative binomial; small = wide.
    clumped_share : float
        Share of the background that falls in clumps.
    clump_points, clump_mm : Range
        Mean offspring and spread of a clump. A ClusterSmall of little strength looks like one: that makes it hard.
    edge_excess : float
        Background density at the edge over that at the centre, minus one.
    skipped_dies : float
        Share of single dies left out of the plan of any wafer.
    small_points, small_mm, big_points, big_mm : Range
        Points and spread (standard deviation) of ClusterSmall and ClusterBig.
    scratch_length_radii, scratch_spacing_mm, scratch_roughness_mm : Range
        Common to GeoScratch and ZigZag: length, distance between points, lateral noise.
    zigzag_amplitude_mm, zigzag_period_mm : Range
        Texture of ZigZag, the only thing that tells it from GeoScratch. Logarithmic in the amplitude. Below half a
        pixel it is gone.
    grid_pitch_mm, grid_points : Range
        Pitch (rounded to a whole fraction or multiple of the die) and points of Grid.
    whorl_pitch_mm, whorl_radius_mm : Range
        Distance between ridges and size of Fingerprints.
    ring_width_radii, donut_width_radii : Range
        Standard deviation across the band.
    crescent_depth_radii : Range
        Depth of HalfMoon, from the edge inwards.
    sector_deg : Range
        Opening angle of Slice.
    inspected_share : Range
        Share of the dies that an Incomplete wafer was inspected on.
    """

    name: Setting
    strength: Range
    arc_share: Range
    off_centre_radii: Range
    companions: float
    companion_share: Range
    background_per_cm2: float
    background_shape: float
    clumped_share: float
    clump_points: Range
    clump_mm: Range
    edge_excess: float
    skipped_dies: float
    small_points: Range
    small_mm: Range
    big_points: Range
    big_mm: Range
    scratch_length_radii: Range
    scratch_spacing_mm: Range
    scratch_roughness_mm: Range
    zigzag_amplitude_mm: Range
    zigzag_period_mm: Range
    grid_pitch_mm: Range
    grid_points: Range
    whorl_pitch_mm: Range
    whorl_radius_mm: Range
    ring_width_radii: Range
    donut_width_radii: Range
    crescent_depth_radii: Range
    sector_deg: Range
    inspected_share: Range


EASY = Difficulty(
    name="easy",
    strength=(0.9, 1.3),
    arc_share=(0.95, 1.0),
    off_centre_radii=(0.0, 0.04),
    companions=0.0,
    companion_share=(0.0, 0.0),
    background_per_cm2=0.18,
    background_shape=6.0,
    clumped_share=0.1,
    clump_points=(2.0, 4.0),
    clump_mm=(2.0, 6.0),
    edge_excess=0.8,
    skipped_dies=0.0,
    small_points=(60.0, 140.0),
    small_mm=(1.5, 3.5),
    big_points=(350.0, 700.0),
    big_mm=(13.0, 24.0),
    scratch_length_radii=(0.7, 1.4),
    scratch_spacing_mm=(0.25, 0.5),
    scratch_roughness_mm=(0.03, 0.12),
    zigzag_amplitude_mm=(1.6, 3.0),
    zigzag_period_mm=(5.0, 9.0),
    grid_pitch_mm=(6.5, 12.0),
    grid_points=(500.0, 900.0),
    whorl_pitch_mm=(3.5, 5.0),
    whorl_radius_mm=(26.0, 45.0),
    ring_width_radii=(0.012, 0.025),
    donut_width_radii=(0.03, 0.06),
    crescent_depth_radii=(0.45, 0.9),
    sector_deg=(22.0, 50.0),
    inspected_share=(0.3, 0.75),
)

HARD = Difficulty(
    name="hard",
    strength=(0.3, 0.9),
    arc_share=(0.45, 1.0),
    off_centre_radii=(0.0, 0.14),
    companions=0.25,
    companion_share=(0.15, 0.5),
    background_per_cm2=0.34,
    background_shape=2.5,
    clumped_share=0.3,
    clump_points=(2.0, 6.0),
    clump_mm=(3.0, 9.0),
    edge_excess=1.5,
    skipped_dies=0.01,
    small_points=(50.0, 145.0),
    small_mm=(1.0, 2.8),
    big_points=(220.0, 600.0),
    big_mm=(6.5, 22.0),
    scratch_length_radii=(0.35, 1.2),
    scratch_spacing_mm=(0.3, 0.7),
    scratch_roughness_mm=(0.04, 0.2),
    zigzag_amplitude_mm=(1.1, 3.2),
    zigzag_period_mm=(4.5, 9.0),
    grid_pitch_mm=(2.0, 7.0),
    grid_points=(900.0, 1700.0),
    whorl_pitch_mm=(2.0, 4.0),
    whorl_radius_mm=(16.0, 38.0),
    ring_width_radii=(0.012, 0.04),
    donut_width_radii=(0.03, 0.1),
    crescent_depth_radii=(0.2, 0.6),
    sector_deg=(9.0, 35.0),
    inspected_share=(0.65, 0.94),
)

SETTINGS: dict[str, Difficulty] = {"easy": EASY, "hard": HARD}
