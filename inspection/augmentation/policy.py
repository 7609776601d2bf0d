"""Which symmetries and nuisances a wafer may meet in training: class-specific symmetries, common nuisances.

A symmetry keeps the label by the taxonomy and may differ from class to class. What all classes share turns the whole picture; what is
one class's own turns its points only. Turned dies would give the class away: without noise in them, the edge of the inspected area shows
any turn but a half, and a served wafer is never turned. A nuisance has one distribution for all classes, Normal
included: it has no class argument here, so a class-specific nuisance cannot be written down.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from inspection.augmentation.operations import add_background, jitter, thin, turn_points
from inspection.views.renderer import turn_matrix
from inspection.wafer.maps import DefectMap, WaferMap

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    from inspection.params import Augment
    from inspection.wafer.taxonomy import Symmetry, Taxonomy


@dataclass(frozen=True, slots=True)
class Policy:
    """What each class draws.

    ``symmetries[k]`` belongs to class k, ``common`` to every class; die maps draw only those of their class in ``die_symmetries`` too.
    """

    symmetries: tuple[frozenset[Symmetry], ...]
    common: frozenset[Symmetry]
    die_symmetries: frozenset[Symmetry]
    thinning: float
    background: float
    jitter_um: float

    def draw(self, wafer: WaferMap, label: int, rng: Generator) -> tuple[WaferMap, NDArray[np.float64] | None]:
        """One augmented wafer: the map after nuisances and its class's own turn, and the turn to render it with (None = as it is)."""
        allowed = self.symmetries[label]
        if isinstance(wafer, DefectMap):
            # Every nuisance draws its strength first: one distribution, whatever the class.
            if self.thinning > 0:
                wafer = thin(wafer, rng.uniform(0, self.thinning), rng)
            if self.background > 0:
                wafer = add_background(wafer, rng.uniform(0, self.background), rng)
            if self.jitter_um > 0:
                wafer = jitter(wafer, self.jitter_um, rng)
            own = draw_turn(allowed, rng)
            return wafer if own is None else turn_points(wafer, own), draw_turn(self.common, rng)
        return wafer, draw_turn(allowed & self.die_symmetries, rng)


def policy_for(taxonomy: Taxonomy, params: Augment) -> Policy:
    """The policy of ``params`` for the classes of ``taxonomy``."""
    none: frozenset[Symmetry] = frozenset()
    return Policy(
        symmetries=tuple(c.symmetries if params.symmetries else none for c in taxonomy.classes),
        common=frozenset.intersection(*(c.symmetries for c in taxonomy.classes)) if params.symmetries else none,
        die_symmetries=frozenset(params.die_symmetries) - {"rotation"},
        thinning=params.nuisance.thinning,
        background=params.nuisance.background,
        jitter_um=params.nuisance.jitter_um,
    )


def draw_turn(allowed: frozenset[Symmetry], rng: Generator) -> NDArray[np.float64] | None:
    """A turn drawn uniformly from the group that ``allowed`` generates; None for the identity."""
    mirrored = bool("flip" in allowed and rng.random() < 0.5)
    if "rotation" in allowed:
        angle = rng.uniform(0, 2 * np.pi)
    elif "quarter_turn" in allowed:
        angle = rng.integers(0, 4) * np.pi / 2
    elif "half_turn" in allowed:
        angle = rng.integers(0, 2) * np.pi
    else:
        angle = 0.0
    return None if angle == 0.0 and not mirrored else turn_matrix(float(angle), mirrored=mirrored)


def common_turns(taxonomy: Taxonomy) -> list[NDArray[np.float64]]:
    """The symmetries of the square that keep every class's label: what test-time augmentation may average over."""
    shared = frozenset.intersection(*(c.symmetries for c in taxonomy.classes))
    steps = 4 if shared & {"rotation", "quarter_turn"} else 2 if "half_turn" in shared else 1
    mirrors = (False, True) if "flip" in shared else (False,)
    return [turn_matrix(k * 2 * np.pi / steps, mirrored=m) for m in mirrors for k in range(steps)]
