"""Which operation leaves the trace: each is left out in turn, for all classes alike, and the class is tried again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from inspection.augmentation.guard.contract import NOTHING
from inspection.augmentation.guard.probe import cross_fit
from inspection.augmentation.guard.trace import draw_statistics, rest_of

if TYPE_CHECKING:
    from numpy.random import Generator

    from inspection.augmentation.guard.contract import ViewPolicy
    from inspection.augmentation.guard.neutral import Bases
    from inspection.augmentation.guard.trace import Effort, Told, TraceTest

FEWEST, MOST = 120, 800
"""Base maps for one attempt."""


@dataclass(frozen=True, slots=True)
class Blame:
    """What a trace is put down to.

    Attributes
    ----------
    operations : names; several when only all of them together take the trace away, none when it stays without any of them
    area : matched area under the curve with all operations, on the maps of this search
    areas : area with each operation left out
    bare : area with all of them left out
    """

    operations: tuple[str, ...]
    area: float
    areas: dict[str, float]
    bare: float

    @property
    def words(self) -> str:
        """For a message."""
        return " and ".join(self.operations) or "none of its operations (it stays when all are left out)"


def blame_failures(
    policy: ViewPolicy, test: TraceTest, bases: Bases, effort: Effort, rng: Generator, told: Told = lambda *_: None
) -> dict[str, Blame]:
    """What each class that failed ``test`` is put down to, by the class's name; ``bases`` as the test had them."""
    failed = {trace.name: trace.call.matched for trace in test.failed}
    innocent = [c for c, name in enumerate(policy.classes) if name not in failed]
    found = {}
    for name, area in failed.items():
        label = policy.classes.index(name)
        others = innocent or [c for c in range(len(policy.classes)) if c != label]
        found[name] = blame(policy, label, others, area, bases, effort, rng, told)
    return found


def blame(
    policy: ViewPolicy, label: int, others: list[int], area: float, bases: Bases, effort: Effort, rng: Generator, told: Told
) -> Blame:
    """Find the operation of class ``label`` whose absence takes its trace away.

    Parameters
    ----------
    others : labels of the classes to tell it from: those that left no trace of their own
    area : the matched area that the test found: the smaller, the more maps are looked at
    """
    seed = int(rng.integers(2**62))
    wanted = int(np.clip((1.8 / max(area - 0.5, 0.01)) ** 2, FEWEST, MOST))
    maps, groups = bases.maps[:wanted], bases.groups[:wanted]
    labels = np.hstack((np.full((len(maps), 1), label), rest_of(others, len(maps))))

    def area_without(names: frozenset[str]) -> float:
        told(0, 0, f"{policy.classes[label]} without {', '.join(sorted(names)) or 'nothing'}")
        statistics = draw_statistics(policy, maps, labels, 1, seed, without=names)
        found = cross_fit(statistics, groups, folds=effort.folds, permutations=0, rng=np.random.default_rng(seed))
        return float(found.matched[:, 0].mean())

    operations = policy.operations(label)
    whole = area_without(NOTHING)
    areas = {name: area_without(frozenset({name})) for name in operations}
    bare = area_without(frozenset(operations)) if len(operations) > 1 else next(iter(areas.values()), whole)
    # Without the guilty one nothing is left of the trace but the noise of this search.
    noise = 3 * 0.45 / np.sqrt(len(maps))
    gone = 0.5 + max((whole - 0.5) / 3, min(noise, (whole - 0.5) / 2))
    guilty = [name for name in operations if areas[name] < gone]
    if guilty:
        return Blame((min(guilty, key=areas.__getitem__),), whole, areas, bare)
    return Blame(tuple(operations) if bare < gone else (), whole, areas, bare)
