"""The test for traces: the same maps through every class's policy, and which classes' views can be told from the rest.

Looks at growing numbers of base maps, and stops as soon as every class is called. A class that fails is taken out and the rest is
tried again without it: its own trace makes all others differ from "the rest", too.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from inspection.augmentation.guard.contract import draw_views
from inspection.augmentation.guard.probe import cross_fit
from inspection.augmentation.guard.statistics import residual_statistics, statistic_names
from inspection.augmentation.guard.verdict import Call, ClassCall, Limits, judge, overall
from inspection.views.renderer import CHANNELS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.random import Generator
    from numpy.typing import NDArray

    from inspection.augmentation.guard.contract import ViewPolicy
    from inspection.augmentation.guard.neutral import Bases

    Told = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is looked at: base maps of the first look (twice as many each next one), copies of each by each class."""

    maps: int = 400
    looks: int = 3
    copies: int = 1
    folds: int = 5
    permutations: int = 20


@dataclass(frozen=True, slots=True)
class ClassTrace:
    """What was found of one class: its call, and for a failure the statistics that gave it away, strongest first."""

    name: str
    call: ClassCall
    statistics: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TraceTest:
    """The outcome of one test over all classes."""

    name: str
    call: Call
    bases: int
    simulated: int
    looks: int
    classes: tuple[ClassTrace, ...] = field(default_factory=tuple)

    @property
    def failed(self) -> tuple[ClassTrace, ...]:
        """The classes that left a trace, the plainest first."""
        return tuple(sorted((c for c in self.classes if c.call.call == "fail"), key=lambda c: -c.call.matched.area))

    @property
    def missing(self) -> int:
        """Base maps that are missing for a call on every class."""
        return max((c.call.missing for c in self.classes), default=0)


def trace_test(
    name: str, policy: ViewPolicy, bases: Bases, effort: Effort, limits: Limits, rng: Generator, told: Told = lambda *_: None
) -> TraceTest:
    """Try to tell the classes' views of ``bases`` apart; ``told`` gets (done, of, what)."""
    drawn = np.random.default_rng(rng.integers(2**62))
    statistics: NDArray[np.float32] | None = None
    names = policy.classes
    calls: Calls = {}
    look = used = 0
    if len(names) < 2:  # nobody to tell it from
        return TraceTest(name, "clean", 0, 0, 0)
    while look < effort.looks and used < len(bases.maps):
        wanted = min(effort.maps << look, len(bases.maps))
        look += 1
        views = draw_views(policy, bases.maps[used:wanted], effort.copies, drawn, progress=_counting(told, used, wanted, name))
        found = view_statistics(views)
        statistics = found if statistics is None else np.concatenate((statistics, found))
        used = wanted
        calls = step_down(statistics, bases.groups[:used], effort, limits, drawn)
        if len(names) == 2 and all(call.call == "fail" for call, _ in calls.values()):
            calls = _nearer_to_plain(calls, statistics, policy, bases, effort, drawn)
        if overall([call.call for call, _ in calls.values()]) != "cannot tell":
            break
    columns = statistic_names(_channel_names(views.shape[-1]))
    traces = tuple(
        ClassTrace(names[c], call, _telling(probe, columns) if call.call == "fail" else ()) for c, (call, probe) in sorted(calls.items())
    )
    return TraceTest(name, overall([t.call.call for t in traces]), used, max(0, used - bases.real), look, traces)


def view_statistics(views: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Residual statistics of views of shape (bases, classes, copies, side, side, channels): (bases, classes, copies, p)."""
    return residual_statistics(views.reshape(-1, *views.shape[3:])).reshape(*views.shape[:3], -1)


Calls: TypeAlias = "dict[int, tuple[ClassCall, NDArray[np.float64]]]"
"""Class -> its call, and how far each statistic of it is off."""


def step_down(statistics: NDArray[np.float32], groups: NDArray[np.int64], effort: Effort, limits: Limits, rng: Generator) -> Calls:
    """Call every class against the rest; take the plainest failure out and call the others again, until none fails."""
    left = list(range(statistics.shape[1]))
    calls: Calls = {}
    while True:
        found = cross_fit(statistics[:, left], groups, folds=effort.folds, permutations=effort.permutations, rng=rng)
        judged = judge(found, groups, limits)
        calls |= {c: (judged[i], found.effects[:, i]) for i, c in enumerate(left)}
        worst = max(left, key=lambda c: (calls[c][0].call == "fail", calls[c][0].matched.area))
        if calls[worst][0].call != "fail" or len(left) == 2:
            return calls
        left.remove(worst)


def _nearer_to_plain(
    calls: Calls, statistics: NDArray[np.float32], policy: ViewPolicy, bases: Bases, effort: Effort, rng: Generator
) -> Calls:
    """Of two classes that differ, the one whose views differ less from untouched ones is no failure, when that is plain to see."""
    used, _, copies, p = statistics.shape
    plain = residual_statistics(np.stack([policy.plain(base) for base in bases.maps[:used]]))
    untouched = np.broadcast_to(plain[:, None, None], (used, 1, copies, p))
    off = []
    for c in (0, 1):
        pair = np.concatenate((untouched, statistics[:, c : c + 1]), axis=1)
        off.append(cross_fit(pair, bases.groups[:used], folds=effort.folds, permutations=0, rng=rng).matched.by_base[:, 1])
    gap = off[0] - off[1]
    if abs(gap.mean()) < 3 * gap.std() / np.sqrt(used):
        return calls
    innocent = 0 if gap.mean() < 0 else 1
    call, effects = calls[innocent]
    return {**calls, innocent: (replace(call, call="clean"), effects)}


def _telling(effects: NDArray[np.float64], columns: Sequence[str], most: int = 5) -> tuple[str, ...]:
    return tuple(columns[i] for i in np.argsort(-np.abs(effects), kind="stable")[:most])


def _channel_names(channels: int) -> tuple[str, ...]:
    return CHANNELS if channels == len(CHANNELS) else tuple(f"channel {c}" for c in range(channels))


def _counting(told: Told, start: int, of: int, what: str) -> Callable[[int], None]:
    return lambda done: told(start + done, of, what)
