"""Who draws what in training: class-specific symmetries and new examples, common nuisances.

A draw goes through four steps, each off unless its parameters say otherwise:

1. *New examples* (``recombination``): a share of a class's draws is made from real signatures; a share of all draws is mixed.
2. The *class's own turn*, by a symmetry that the taxonomy grants it. Points turn, their dies stay.
3. *Nuisances*: one distribution for all classes, Normal included. They have no class argument and a random stream that does not depend on
   the class, so that the same generator gives every class the same thinning, background and jitter.
4. The *common turn*, by a symmetry of all classes: the matrix to render with.

Die maps are lattices: their class's own turn is one of the square and turns the whole map (what it leaves is measured by the guard); any
other angle only where every class has it, and then all classes draw it alike.

How often a class is drawn is the balance's matter (``dataset.balance``); ``multiplicity`` limits of how many different versions of a wafer
its steps 1 and 2 are drawn: itself, and so many copies, the same at every draw. Nuisances are new at every draw, for all classes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from inspection.augmentation.background import fit_backgrounds
from inspection.augmentation.donors import TrainingDonors
from inspection.augmentation.nuisances import disturb_dies, disturb_points
from inspection.augmentation.recombination import Recombination, mix
from inspection.augmentation.turns import draw_turn, rotate_dies, turn_points
from inspection.errors import ParamsError, bounded
from inspection.params import OF_IMAGES
from inspection.wafer.maps import DefectMap
from inspection.wafer.taxonomy import JOIN, generated

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.random import Generator
    from numpy.typing import NDArray

    from inspection.augmentation.background import Background, Backgrounds
    from inspection.augmentation.donors import Donors
    from inspection.params import Augment, Nuisance
    from inspection.wafer.maps import WaferMap
    from inspection.wafer.taxonomy import Symmetry, Taxonomy, WaferClass

SYMMETRY, MIXUP = "symmetry", "mixup"
MIXUP_SPREAD = 0.4
"""Both parameters of the beta law of a mixed wafer's share (Zhang et al., mixup, 2018: 0.1 to 0.4)."""


@dataclass(frozen=True, eq=False)
class Drawn:
    """One augmented example.

    Attributes
    ----------
    wafer : DefectMap or DieMap
        After the operations in source space.
    turn : ndarray of shape (2, 2), or None
        To render it with; None = as it is.
    label : ndarray of shape (classes,), float32
        >= 0, sums to 1: one-hot, or mixed.
    """

    wafer: WaferMap
    turn: NDArray[np.float64] | None
    label: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Policy:
    """What each class draws; made by `policy_for`.

    Attributes
    ----------
    classes : tuple of str
    symmetries : one frozenset per class
        Whole groups (`taxonomy.generated`).
    common : frozenset
        The symmetries of every class.
    die_symmetries : frozenset
        Those that die maps may use at all.
    nuisance : params.Nuisance
    created : one mapping per class
        Share of the draws that each operation on signatures makes.
    components : one tuple per class
        Class indices of a combination's parts; empty for a single pattern, or where a part is no class of its own.
    multiplicity : one int or None per class
        Augmented copies of each real wafer; None = without limit.
    mixup, survive : float
        As in ``params.Augment``.
    backgrounds : Backgrounds or None
        Of the training part; without them, extra background follows the wafer's own count, and signatures are not found.
    """

    classes: tuple[str, ...]
    symmetries: tuple[frozenset[Symmetry], ...]
    common: frozenset[Symmetry]
    die_symmetries: frozenset[Symmetry]
    nuisance: Nuisance
    created: tuple[Mapping[str, float], ...]
    components: tuple[tuple[int, ...], ...]
    multiplicity: tuple[int | None, ...]
    mixup: float
    survive: float
    backgrounds: Backgrounds | None = None

    def operations(self, label: int) -> tuple[str, ...]:
        """Names of what maps of class ``label`` may meet, for `without`: new examples, symmetry, nuisances (of points and of die maps)."""
        names = [*self.created[label], *([MIXUP] if self.mixup > 0 else [])]
        if self.symmetries[label]:
            names.append(SYMMETRY)
        return (*names, *(name for name, strength in self.nuisance if strength > 0 and name not in OF_IMAGES))

    @property
    def needs_backgrounds(self) -> bool:
        """Whether any step asks what normal wafers show."""
        return any(self.created) or self.nuisance.background > 0 or self.nuisance.die_background > 0

    @property
    def needs_donors(self) -> bool:
        """Whether any step asks for other wafers."""
        return any(self.created) or self.mixup > 0

    def without(self, *names: str) -> Policy:
        """The same policy less the operations ``names``; what is not met anyway may be named.

        Raises
        ------
        ParamsError
            A name that no policy has.
        """
        known = {SYMMETRY, MIXUP, "recombine", "superpose", "mosaic", "union", *type(self.nuisance).model_fields}
        if not known >= set(names):
            raise ParamsError(f"No such operation: expected of {bounded(sorted(known), 40)}, got {bounded(sorted(set(names) - known))}.")
        none: frozenset[Symmetry] = frozenset()
        turns = SYMMETRY not in names
        return replace(
            self,
            symmetries=self.symmetries if turns else tuple(none for _ in self.classes),
            common=self.common if turns else none,
            nuisance=self.nuisance.model_copy(update={name: 0.0 for name in names if name in type(self.nuisance).model_fields}),
            created=tuple({name: share for name, share in own.items() if name not in names} for own in self.created),
            mixup=0.0 if MIXUP in names else self.mixup,
        )

    def draw(self, wafer: WaferMap, label: int, rng: Generator, donors: Donors | None = None, copies: Sequence[int] | None = None) -> Drawn:
        """One augmented example of ``wafer``.

        Parameters
        ----------
        wafer : DefectMap or DieMap
        label : int
            Its class.
        rng : Generator
        donors : Donors, optional
            Without them, no new examples are made.
        copies : sequence of int, optional
            Seed of this wafer's copies, where the class's multiplicity is limited: the same seed, the same copies at every draw. Without
            it, each draw makes a new copy, as often as a copy is due.
        """
        own: Generator | None = np.random.default_rng(int(rng.integers(1 << 63)))  # always drawn: what follows is the same for every class
        limit = self.multiplicity[label]
        if limit is not None and own is not None:
            copy = int(own.integers(limit + 1))
            own = None if copy == 0 else own if copies is None else np.random.default_rng([*copies, copy])
        mixing = bool(rng.random() < self.mixup)
        shares = np.zeros(len(self.classes), np.float32)
        shares[label] = 1.0
        allowed = self.symmetries[label]
        if own is not None and donors is not None:
            wafer = self._created(wafer, label, own, donors)
        if mixing and donors is not None:
            apart = np.random.default_rng(int(rng.integers(1 << 63)))  # for the same reason
            if (partner := donors.other(label, wafer, apart)) is not None:
                share = float(apart.beta(MIXUP_SPREAD, MIXUP_SPREAD))
                wafer = mix(wafer, partner[0], share, apart)
                shares[[label, partner[1]]] = share, 1.0 - share
                allowed &= self.symmetries[partner[1]]
        if isinstance(wafer, DefectMap):
            turn = None if own is None else draw_turn(allowed, own)
            if turn is not None and own is not None:
                wafer = turn_points(wafer, turn, partial(draw_turn, allowed, own))
            wafer = disturb_points(wafer, self.nuisance, self._background(wafer), rng)
            return Drawn(wafer, draw_turn(self.common, rng), shares)
        if "rotation" in self.die_symmetries & self.common:
            wafer = rotate_dies(wafer, float(rng.uniform(0, 2 * np.pi)))
        turn = None if own is None else draw_turn(allowed & self.die_symmetries - {"rotation"}, own)
        return Drawn(disturb_dies(wafer, self.nuisance, self._background(wafer), rng), turn, shares)

    def _background(self, wafer: WaferMap) -> Background | None:
        return None if self.backgrounds is None else self.backgrounds.of(wafer)

    def _created(self, wafer: WaferMap, label: int, own: Generator, donors: Donors) -> WaferMap:
        """A new example, as often as the class's shares say; ``wafer`` itself otherwise, and where none can be made."""
        if not self.created[label] or self.backgrounds is None:
            return wafer
        left = own.random()
        maker = Recombination(self.backgrounds, donors, self.survive)
        for name, share in self.created[label].items():
            left -= share
            if left < 0:
                made = maker.union(self.components[label], wafer, own) if name == "union" else getattr(maker, name)(wafer, label, own)
                return wafer if made is None else made
        return wafer


def policy_for(taxonomy: Taxonomy, params: Augment, backgrounds: Backgrounds | None = None) -> Policy:
    """The policy of ``params`` for the classes of ``taxonomy``.

    Raises
    ------
    ParamsError
        A symmetry that a class does not have: its own by ``params.classes``, or any angle on die maps that not all classes have.
    """
    groups = tuple(_group(c, params) for c in taxonomy.classes)
    common = frozenset.intersection(*groups)
    if params.symmetries and "rotation" in params.die_symmetries and "rotation" not in common:
        lacking = [c.name for c, group in zip(taxonomy.classes, groups, strict=True) if "rotation" not in group]
        raise ParamsError(
            "Cannot turn die maps by any angle: a turned lattice is seen at a glance, so every class must draw it alike; "
            f"expected the symmetry rotation of all classes, got none for {bounded(lacking)} (augment.die_symmetries). Take rotation out."
        )
    own = [params.classes.get(name) for name in taxonomy.names]
    components = tuple(_components(name, taxonomy.names) for name in taxonomy.names)
    for name, entry, parts in zip(taxonomy.names, own, components, strict=True):
        if entry is not None and entry.union > 0 and not parts:
            raise ParamsError(
                f"Cannot make {name} by union: expected each part of its name among the classes, got {bounded(list(taxonomy.names), 40)} "
                f"(augment.classes.{name}.union). Without its parts nothing would be left of the object: set it to 0."
            )
    return Policy(
        classes=taxonomy.names,
        symmetries=groups,
        common=common,
        die_symmetries=frozenset(params.die_symmetries),
        nuisance=params.nuisance,
        created=tuple({} if entry is None else entry.created for entry in own),
        components=components,
        multiplicity=tuple(params.multiplicity if entry is None or entry.multiplicity is None else entry.multiplicity for entry in own),
        mixup=params.mixup,
        survive=params.survive,
        backgrounds=backgrounds,
    )


def fitted_policy(
    taxonomy: Taxonomy, params: Augment, maps: Sequence[WaferMap], labels: NDArray[np.integer]
) -> tuple[Policy, Donors | None]:
    """`policy_for` with what it needs of the training part: the backgrounds of its products, and donors (None where none are asked for).

    Parameters
    ----------
    taxonomy : Taxonomy
    params : params.Augment
    maps : sequence of n WaferMap
        Of the training part only.
    labels : ndarray of shape (n,), int
        Class indices.
    """
    policy = policy_for(taxonomy, params)
    normal = frozenset(k for k, c in enumerate(taxonomy.classes) if c.normal)
    if policy.needs_backgrounds:
        shown = fit_backgrounds(wafer for wafer, label in zip(maps, labels.tolist(), strict=True) if label in normal)
        policy = replace(policy, backgrounds=shown)
    return policy, TrainingDonors(maps, labels, normal) if policy.needs_donors else None


def _group(of: WaferClass, params: Augment) -> frozenset[Symmetry]:
    """The group that the class draws its turns from."""
    granted, entry = generated(of.symmetries), params.classes.get(of.name)
    wanted = granted if entry is None or entry.symmetries is None else generated(entry.symmetries)
    if not wanted <= granted:
        raise ParamsError(
            f"Cannot augment {of.name}: expected symmetries that keep its label ({', '.join(sorted(granted)) or 'none'}), "
            f"got {', '.join(sorted(wanted - granted))} too (augment.classes.{of.name}.symmetries). Take them out, or correct the taxonomy."
        )
    return wanted if params.symmetries else frozenset()


def _components(name: str, names: Sequence[str]) -> tuple[int, ...]:
    parts = name.split(JOIN)
    return tuple(names.index(p) for p in parts) if len(parts) > 1 and set(parts) <= set(names) else ()
