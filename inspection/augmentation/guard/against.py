"""Real examples of a class against augmented ones: whether a picture can be told to be augmented.

Asked in two ways, each within one class, on its own training wafers:

*As served against as trained*: the untouched wafer against what the network is trained on. Nuisances are meant to be seen, and a strong one
is told honestly; all classes meet the same, so that it says nothing of the class. Reported, and blocks nothing.

*New examples against real ones*: both meet the class's turns and the nuisances, and one is recombined, superposed, united or a mosaic as
often as the policy says. Only this class has them, so that a seam in them is a mark of the class: a failure blocks. That too few wafers
tell nothing does not: rare classes are what new examples are for, and the planted signatures try the same operations on as many maps as
are needed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from inspection.augmentation.guard.contract import NOTHING, everyone
from inspection.augmentation.guard.probe import cross_fit
from inspection.augmentation.guard.trace import ClassTrace, TraceTest, draw_statistics
from inspection.augmentation.guard.verdict import ClassCall, Interval, judge

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.random import Generator

    from inspection.augmentation.guard.contract import View, ViewPolicy
    from inspection.augmentation.guard.neutral import Bases
    from inspection.augmentation.guard.trace import Effort, Told
    from inspection.augmentation.guard.verdict import Limits
    from inspection.wafer.maps import WaferMap

SERVED, CREATED = "as served against as trained", "new examples against real ones"
FEWEST = 20
"""Wafers of a class below which nothing is tried."""
PERMUTATIONS = 20


@dataclass(frozen=True)
class Pair:
    """One class of a policy as two: its real wafers, untouched or without the operations ``created``, and all that the policy does."""

    policy: ViewPolicy
    label: int
    created: frozenset[str]

    @property
    def classes(self) -> tuple[str, ...]:
        """The two sides."""
        return ("real", "augmented")

    def operations(self, label: int) -> tuple[str, ...]:
        """What the augmented side may be blamed on."""
        return tuple(sorted(self.created)) if label else ()

    def view(self, base: WaferMap, label: int, rng: Generator, without: frozenset[str] = NOTHING) -> View:
        """As of the policy, for its own class."""
        if not label and not self.created:
            return self.policy.plain(base)
        return self.policy.view(base, self.label, rng, without if label else without | self.created)

    def plain(self, base: WaferMap) -> View:
        """As of the policy."""
        return self.policy.plain(base)


def against_test(
    name: str, pairs: Mapping[int, Pair], real: Mapping[int, Bases], effort: Effort, limits: Limits, rng: Generator, told: Told
) -> TraceTest:
    """Try each pair on the real wafers of its class; of the outcome only a failure of ``CREATED`` blocks."""
    seed = int(rng.integers(2**62))
    limits = replace(limits, trials=limits.trials * max(1, len(pairs)))
    traces = []
    for done, (label, pair) in enumerate(pairs.items(), 1):
        bases = real[label]
        call = ClassCall(Interval(0.5, 0.0, 1.0, 1.0), 0.5, "cannot tell", max(1, FEWEST - len(bases.maps)))
        if len(bases.maps) >= FEWEST and len(np.unique(bases.groups)) > 1:
            statistics = draw_statistics(pair, bases.maps, everyone(2, len(bases.maps)), effort.copies, seed)
            found = cross_fit(statistics, bases.groups, folds=effort.folds, permutations=PERMUTATIONS, rng=rng)
            interval, told_apart, missing = judge(found.alone, bases.groups, limits)[1]
            call = ClassCall(interval, float(found.matched[:, 1].mean()), told_apart, missing)
        traces.append(ClassTrace(pair.policy.classes[label], call))
        told(done, len(pairs), name)
    most = max((len(real[label].maps) for label in pairs), default=0)
    return TraceTest(name, most, 0, 1, tuple(traces), blocks=("fail",) if name == CREATED else (), seed=seed)
