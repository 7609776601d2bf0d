"""The second probe: a small network on the pictures themselves, for classes on which the linear one is inconclusive.

Inconclusive are a class that it cannot call, and one whose views differ from others' of the same wafer although one by one they cannot be
told: there is something that a better probe may find. The network learns on one half of the lots and is tried on the other, so that its
interval is that between lots. It can only convict: one that has learnt nothing would clear any class.

The network itself is a callable of whoever calls the guard, who may use Keras.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from inspection.augmentation.guard.contract import View, draw_views
from inspection.augmentation.guard.probe import Areas, area_alone, assign_folds
from inspection.augmentation.guard.trace import rest_of
from inspection.augmentation.guard.verdict import judge

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    from inspection.augmentation.guard.contract import ViewPolicy
    from inspection.augmentation.guard.neutral import Bases
    from inspection.augmentation.guard.trace import Told, TraceTest
    from inspection.augmentation.guard.verdict import Limits

VIEWS = 3_000
"""Views that the network is shown at most, half of them to learn from: bounds its time."""
FEWEST_LOTS = 8


class Network(Protocol):
    """Learns to tell views apart, and tries."""

    def __call__(self, views: View, labels: NDArray[np.int64], tried: View, seed: int) -> NDArray[np.float32]:
        """Scores of ``tried`` for each of the labels 0, 1, ..., shape (n, labels): the higher, the more like it."""
        ...


def ask_network(
    network: Network, policy: ViewPolicy, test: TraceTest, bases: Bases, limits: Limits, rng: Generator, told: Told
) -> TraceTest:
    """``test`` with what the network saw of the classes on which the linear probe was inconclusive."""
    asked = [policy.classes.index(t.name) for t in test.classes if t.call.call == "cannot tell" or t.hidden]
    used = np.arange(test.bases)
    if not asked or test.call == "fail" or len(np.unique(bases.groups[used])) < FEWEST_LOTS:
        return test
    told(0, 0, f"{test.name}: a small network looks at {len(asked)} of {len(policy.classes)} classes")
    rest = rest_of([c for c in range(len(policy.classes)) if c not in asked], test.bases)
    labels = np.hstack((np.broadcast_to(asked, (test.bases, len(asked))), rest))
    used = used[: max(2, VIEWS // labels.shape[1])]
    drawn = draw_views(policy, bases.maps[: len(used)], labels[used], 1, test.seed)
    fold = assign_folds(bases.groups[used], 2, rng)
    target = np.broadcast_to(np.minimum(np.arange(labels.shape[1]), len(asked)), labels[used].shape)  # the rest is one label

    def half(which: int) -> View:
        return View(drawn.image[fold == which], drawn.tiles[fold == which]).flat()

    scores = network(half(0), target[fold == 0].ravel(), half(1), int(rng.integers(2**31)))
    tried = np.flatnonzero(fold == 1)
    own = target[tried][:, :, None] == np.arange(len(asked))
    areas = area_alone(scores.reshape(len(tried), labels.shape[1], -1)[:, :, : len(asked)], own)
    limits = replace(limits, trials=limits.trials * len(policy.classes))
    seen = dict(zip(asked, judge(Areas(areas, np.empty((0, len(asked)))), bases.groups[used[tried]], limits), strict=True))
    classes = []
    for trace in test.classes:
        interval, call, _ = seen.get(policy.classes.index(trace.name), (None, None, None))
        judged = replace(trace.call, network=interval)
        if call == "fail":
            judged = replace(judged, call="fail", missing=0)
            trace = replace(trace, statistics=("what the small network saw",))  # noqa: PLW2901  (the same class)
        classes.append(replace(trace, call=judged))
    return replace(test, classes=tuple(classes))
