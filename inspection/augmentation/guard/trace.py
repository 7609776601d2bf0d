"""The test for traces: the same maps through every class's policy, and which classes' views can be told from the rest.

Looks at growing numbers of base maps, and stops as soon as every class is called. What was called clean is not drawn again for itself:
some of it stays as the rest that the open classes are told from. A class that fails is taken out and the others are tried again without
it: its own trace makes all others differ from "the rest", too.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from inspection.augmentation.guard.contract import draw_views, everyone, plain_views
from inspection.augmentation.guard.probe import cross_fit
from inspection.augmentation.guard.statistics import statistic_names, view_statistics
from inspection.augmentation.guard.verdict import Call, ClassCall, Limits, between_lots, judge, overall
from inspection.views.renderer import CHANNELS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.random import Generator
    from numpy.typing import NDArray

    from inspection.augmentation.guard.contract import View, ViewPolicy
    from inspection.augmentation.guard.neutral import Bases
    from inspection.wafer.maps import WaferMap

    Told = Callable[[int, int, str], None]

REST = 3
"""Clean classes' views of each base map that the open classes are told from, after the first look."""
_AT_ONCE = 600  # views that are drawn before they are measured: bounds the memory


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is looked at: base maps of the first look (twice as many each next one), copies of each by each class."""

    maps: int = 400
    looks: int = 4
    copies: int = 1
    folds: int = 5
    permutations: int = 6


@dataclass(frozen=True, slots=True)
class ClassTrace:
    """What was found of one class: its call, and for a failure the statistics that gave it away, strongest first.

    ``hidden``: its views differ from others' of the same wafer, although one by one they cannot be told: a better probe might.
    """

    name: str
    call: ClassCall
    statistics: tuple[str, ...] = ()
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class TraceTest:
    """The outcome of one test over all classes.

    ``blocks``: the calls that block registration. ``seed`` is that of its views.
    """

    name: str
    bases: int
    simulated: int
    looks: int
    classes: tuple[ClassTrace, ...] = field(default_factory=tuple)
    blocks: tuple[Call, ...] = ("fail", "cannot tell")
    seed: int = 0

    @property
    def call(self) -> Call:
        """The worst of the classes' calls."""
        return overall([c.call.call for c in self.classes])

    @property
    def blocking(self) -> Call:
        """The worst call that blocks registration; clean when none does."""
        return overall([c.call.call for c in self.classes if c.call.call in self.blocks])

    @property
    def failed(self) -> tuple[ClassTrace, ...]:
        """The classes that left a trace, the plainest first."""
        return tuple(sorted((c for c in self.classes if c.call.call == "fail"), key=lambda c: -c.call.matched))

    @property
    def missing(self) -> int:
        """Base maps that are missing for a call on every class."""
        return max((c.call.missing for c in self.classes), default=0)


def trace_test(
    name: str, policy: ViewPolicy, bases: Bases, effort: Effort, limits: Limits, rng: Generator, told: Told = lambda *_: None
) -> TraceTest:
    """Try to tell the classes' views of ``bases`` apart.

    Parameters
    ----------
    limits : Limits
        ``trials`` counts the tests; classes and looks are added here.
    told : callable
        Gets (done, of, what).
    """
    seed, names = int(rng.integers(2**62)), policy.classes
    if len(names) < 2:  # nobody to tell it from
        return TraceTest(name, 0, 0, 0, seed=seed)
    limits = replace(limits, trials=limits.trials * len(names) * effort.looks)
    columns: Columns = tuple(range(len(names)))
    labels: NDArray[np.integer] = everyone(len(names), len(bases.maps))
    statistics: NDArray[np.float32] | None = None
    calls: Calls = {}
    look = used = 0
    while look < effort.looks and used < len(bases.maps):
        wanted = min(effort.maps << look, len(bases.maps))
        look += 1
        found = draw_statistics(policy, bases.maps[used:wanted], labels[used:wanted], effort.copies, seed, used, (told, wanted, name))
        statistics = found if statistics is None else np.concatenate((statistics, found))
        used = wanted
        calls |= step_down(statistics, columns, bases.groups[:used], effort, limits, rng)
        if len(names) == 2 and all(one.call.call == "fail" for one in calls.values()):
            calls = _nearer_to_plain(calls, statistics, policy, bases, effort, rng)
        if overall([one.call.call for one in calls.values()]) != "cannot tell":
            break
        statistics, columns, labels = narrowed(statistics, columns, labels, {c: one.call.call for c, one in calls.items()})
    sample = policy.plain(bases.maps[0])
    told_by = statistic_names(_channel_names(sample.image.shape[-1]), tiles=bool(len(sample.tiles)))
    traces = tuple(
        ClassTrace(names[c], one.call, _telling(one.effects, told_by) if one.call.call == "fail" else (), one.hidden)
        for c, one in sorted(calls.items())
    )
    return TraceTest(name, used, max(0, used - bases.real), look, traces, seed=seed)


def draw_statistics(
    policy: ViewPolicy,
    maps: Sequence[WaferMap],
    labels: NDArray[np.integer],
    copies: int,
    seed: int,
    first: int = 0,
    progress: tuple[Told, int, str] | None = None,
    without: frozenset[str] = frozenset(),
) -> NDArray[np.float32]:
    """Residual statistics of the views of :func:`contract.draw_views`, shape (bases, columns, copies, p), a few views at a time."""
    step = max(1, _AT_ONCE // (labels.shape[1] * copies))
    found = []
    for start in range(0, len(maps), step):
        part = slice(start, start + step)
        found.append(measure(draw_views(policy, maps[part], labels[part], copies, seed, first=first + start, without=without)))
        if progress is not None:
            told, of, what = progress
            told(first + min(start + step, len(maps)), of, what)
    return np.concatenate(found)


def measure(views: View) -> NDArray[np.float32]:
    """Residual statistics of views with the leading axes (bases, columns, copies)."""
    return view_statistics(*views.flat()).reshape(*views.image.shape[:3], -1)


@dataclass(frozen=True, slots=True, eq=False)
class Called:
    """A class's call, how far each statistic of it is off, and whether something of it is hidden (see ``ClassTrace``)."""

    call: ClassCall
    effects: NDArray[np.float64]
    hidden: bool = False


Calls: TypeAlias = "dict[int, Called]"
Columns: TypeAlias = "tuple[int | None, ...]"
"""The class of each column; None for a view of some clean class."""


def step_down(
    statistics: NDArray[np.float32], columns: Columns, groups: NDArray[np.integer], effort: Effort, limits: Limits, rng: Generator
) -> Calls:
    """Call every class against the other columns; take the plainest failure out and call the others again, until none fails."""
    left = list(range(len(columns)))
    calls: Calls = {}
    while True:
        found = cross_fit(statistics[:, left], groups, folds=effort.folds, permutations=effort.permutations, rng=rng)
        least = found.matched.mean(axis=0) - 3 * between_lots(found.matched, groups)
        for i, (interval, call, missing) in enumerate(judge(found.alone, groups, limits)):
            label = columns[left[i]]
            if label is not None:
                matched = float(found.matched[:, i].mean())
                hidden = call == "clean" and bool(least[i] > limits.bound)
                calls[label] = Called(ClassCall(interval, matched, call, missing), found.effects[:, i], hidden)
        failed = [(calls[c].call.matched, k) for k in left if (c := columns[k]) is not None and calls[c].call.call == "fail"]
        if not failed or len(left) == 2:
            return calls
        left.remove(max(failed)[1])


def narrowed(
    found: NDArray[Any], columns: Columns, labels: NDArray[np.integer], calls: dict[int, Call]
) -> tuple[NDArray[Any], Columns, NDArray[np.integer]]:
    """What the next look draws: the open classes and some of the rest, with what was found of these views already.

    Parameters
    ----------
    found : ndarray of shape (bases so far, columns, copies, p)
    columns : the class of each column
    labels : ndarray of shape (all bases, columns)
    calls : of each class

    Returns
    -------
    ``found``, ``columns`` and ``labels`` of the columns that are left
    """
    still = [i for i, c in enumerate(columns) if c is None or calls[c] == "cannot tell"]
    if None in columns:
        return found[:, still], tuple(columns[i] for i in still), labels[:, still]
    picked = rest_of([c for c, call in calls.items() if call == "clean"], len(labels))
    chosen = np.hstack((labels[:, still], picked))
    at = chosen[: len(found), :, None, None]  # so far a column is a class
    return np.take_along_axis(found, at, axis=1), (*(columns[i] for i in still), *[None] * picked.shape[1]), chosen


def rest_of(classes: Sequence[int], bases: int) -> NDArray[np.int64]:
    """At most ``REST`` of ``classes`` for each base map, each as often as any: shape (bases, columns)."""
    count = min(REST, len(classes))
    turn = np.arange(bases)[:, None] * count + np.arange(count)
    return np.asarray(classes, np.int64)[turn % max(len(classes), 1)] if count else np.empty((bases, 0), np.int64)


def _nearer_to_plain(
    calls: Calls, statistics: NDArray[np.float32], policy: ViewPolicy, bases: Bases, effort: Effort, rng: Generator
) -> Calls:
    """Of two classes that differ, the one whose views differ less from untouched ones is no failure, when that is plain to see."""
    used, _, copies, p = statistics.shape
    untouched = np.broadcast_to(measure(plain_views(policy, bases.maps[:used])), (used, 1, copies, p))
    off = []
    for c in (0, 1):
        pair = np.concatenate((untouched, statistics[:, c : c + 1]), axis=1)
        off.append(cross_fit(pair, bases.groups[:used], folds=effort.folds, permutations=0, rng=rng).matched[:, 1])
    gap = off[0] - off[1]
    if abs(gap.mean()) < 3 * gap.std() / np.sqrt(used):
        return calls
    innocent = 0 if gap.mean() < 0 else 1
    return {**calls, innocent: replace(calls[innocent], call=replace(calls[innocent].call, call="clean"))}


def _telling(effects: NDArray[np.float64], columns: Sequence[str], most: int = 5) -> tuple[str, ...]:
    return tuple(columns[i] for i in np.argsort(-np.abs(effects), kind="stable")[:most])


def _channel_names(channels: int) -> tuple[str, ...]:
    return CHANNELS if channels == len(CHANNELS) else tuple(f"channel {c}" for c in range(channels))
