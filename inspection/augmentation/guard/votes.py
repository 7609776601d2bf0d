"""Whether a policy alone moves the vote of a trained model: the test that needs the model, after the training.

The same neutral maps (validation normals) go through every class's policy, and the model says of each view how likely each class is. If
what a class's policy leaves in the picture were nothing to the model, its probability of that class would be the same on all of these
views. Two numbers of each class say how far it is not: the area under the curve of that probability (views by the class's own policy
against the others'), under the guard's law; and the *lift*, its mean on views by the own policy over its mean on the others'.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from inspection.augmentation.guard.contract import draw_views, everyone
from inspection.augmentation.guard.probe import Areas, area_alone
from inspection.augmentation.guard.trace import narrowed
from inspection.augmentation.guard.verdict import Call, Interval, judge, overall
from inspection.errors import bounded

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.random import Generator
    from numpy.typing import NDArray

    from inspection.augmentation.guard.contract import View, ViewPolicy
    from inspection.augmentation.guard.neutral import Bases
    from inspection.augmentation.guard.trace import Columns, Told
    from inspection.augmentation.guard.verdict import Limits

    Vote = Callable[[View], NDArray[np.floating]]
    """Views with one leading axis -> probabilities (n, classes) in the order of the policy's classes."""

VIEWS, LOOKS = 1_300, 5
"""Views of the first look, and looks; each next one at twice as many maps, of the classes that are still open (as ``trace``)."""
BOOTSTRAP = 400
LEAST = 1e-9  # a probability below it is as good as none: keeps a lift finite


@dataclass(frozen=True, slots=True)
class ClassVotes:
    """How a class's own policy moves the model's probability of it.

    Attributes
    ----------
    name : the class
    area, call, missing : as of the other tests of the guard
    lift, low, high : mean probability on views by the own policy over that on the others'; 95 % interval by lots
    own, others : the two means
    """

    name: str
    area: Interval
    call: Call
    missing: int
    lift: float
    low: float
    high: float
    own: float
    others: float


@dataclass(frozen=True, slots=True)
class Votes:
    """The outcome: ``bases`` maps were looked at, ``simulated`` of them simulated background."""

    classes: tuple[ClassVotes, ...]
    bases: int
    simulated: int

    @property
    def call(self) -> Call:
        """The worst of the classes' calls."""
        return overall([c.call for c in self.classes])

    @property
    def words(self) -> str:
        """The verdict in a sentence, as the guard's."""
        told = [
            f"{c.name} (x {c.lift:.2f}, {c.low:.2f} to {c.high:.2f}; AUC {c.area.area:.2f})" for c in self.classes if c.call == self.call
        ]
        if self.call == "clean":
            return "pass: no class's policy alone moves the model's vote"
        if self.call == "fail":
            return f"fail: on normal wafers the policy alone raises the model's probability of {bounded(told, 4)}"
        more = f"about {max(c.missing for c in self.classes)} more normal wafers are needed"
        return f"cannot tell whether the policy alone moves the model's vote for {bounded(told, 4)}; {more}"

    def to_dict(self) -> dict[str, Any]:
        """Content of ``votes.json``."""
        return {
            "verdict": "pass" if self.call == "clean" else self.call,
            "words": self.words,
            "base_maps": self.bases,
            "simulated": self.simulated,
            "classes": [asdict(c) for c in self.classes],
        }


def policy_votes(policy: ViewPolicy, bases: Bases, vote: Vote, limits: Limits, seed: int, told: Told = lambda *_: None) -> Votes:
    """Let the model vote on views of ``bases`` by every class's policy.

    Parameters
    ----------
    bases : Bases
        Neutral maps in random order; ``maps_needed`` says how many may be looked at.
    vote : callable
    limits : Limits
    """
    names = policy.classes
    limits = replace(limits, trials=limits.trials * LOOKS * len(names))
    columns: Columns = tuple(range(len(names)))
    labels: NDArray[np.integer] = everyone(len(names), len(bases.maps))
    probabilities = np.empty((0, len(names), 1, len(names)))
    rows: dict[int, ClassVotes] = {}
    most = min(maps_needed(len(names))[-1], len(bases.maps))
    for wanted in maps_needed(len(names)):
        used, stop = len(probabilities), min(wanted, most)
        if stop == used:
            break
        told(stop, most, "normal wafers: does a policy alone move the vote?")
        views = draw_views(policy, bases.maps[used:stop], labels[used:stop], 1, seed, first=used)
        found = np.asarray(vote(views.flat()), np.float64).reshape(stop - used, labels.shape[1], 1, len(names))
        probabilities = np.concatenate((probabilities, found))
        rows |= _step_down(names, columns, probabilities[:, :, 0], bases.groups[:stop], limits, seed)
        calls: dict[int, Call] = {c: row.call for c, row in rows.items()}
        if overall(list(calls.values())) != "cannot tell":
            break
        probabilities, columns, labels = narrowed(probabilities, columns, labels, calls)
    return Votes(tuple(rows[c] for c in sorted(rows)), stop, max(0, stop - bases.real))


def maps_needed(classes: int) -> list[int]:
    """Base maps of each look, in all."""
    return [max(2, VIEWS * (1 << look) // classes) for look in range(LOOKS)]


def _step_down(
    names: Sequence[str],
    columns: Columns,
    probabilities: NDArray[np.float64],
    groups: NDArray[np.integer],
    limits: Limits,
    seed: int,
) -> dict[int, ClassVotes]:
    """Judge every class; take the plainest failure out and judge the others without its views, until none fails (as ``trace``)."""
    left = list(range(len(columns)))
    rows: dict[int, ClassVotes] = {}
    while True:
        own = {c: i for i, k in enumerate(left) if (c := columns[k]) is not None}
        rows |= _judged(names, own, probabilities[:, left], groups, limits, np.random.default_rng(seed))
        failed = [(rows[c].area.area, k) for k in left if (c := columns[k]) is not None and rows[c].call == "fail"]
        if not failed or len(left) == 2:
            return rows
        left.remove(max(failed)[1])


def _judged(
    names: Sequence[str],
    own: dict[int, int],
    probabilities: NDArray[np.float64],
    groups: NDArray[np.integer],
    limits: Limits,
    rng: Generator,
) -> dict[int, ClassVotes]:
    """Each class of ``own``, which says its column; ``probabilities`` of shape (bases, columns, class voted for)."""
    labels, at = list(own), list(own.values())
    scores = _log_odds(probabilities[:, :, labels])
    whose = np.broadcast_to(np.arange(scores.shape[1])[:, None] == np.array(at), scores.shape)
    calls = judge(Areas(area_alone(scores, whose), np.empty((0, len(at)))), groups, limits)
    mine = probabilities[:, at, labels]
    theirs = (probabilities[:, :, labels].sum(axis=1) - mine) / max(scores.shape[1] - 1, 1)
    lots, lot = np.unique(groups, return_inverse=True)
    sums = np.zeros((2, len(lots), len(at)))
    np.add.at(sums[0], lot, mine)
    np.add.at(sums[1], lot, theirs)
    weight = rng.multinomial(len(lots), np.full(len(lots), 1 / len(lots)), size=BOOTSTRAP)
    again = np.maximum(weight @ sums[0], LEAST) / np.maximum(weight @ sums[1], LEAST)
    low, high = np.quantile(again, (0.025, 0.975), axis=0)
    lift = np.maximum(sums[0].sum(axis=0), LEAST) / np.maximum(sums[1].sum(axis=0), LEAST)
    means = mine.mean(axis=0), theirs.mean(axis=0)
    numbers = np.column_stack((lift, low, high, *means)).tolist()
    return {c: ClassVotes(names[c], *calls[i], *numbers[i]) for i, c in enumerate(labels)}


def _log_odds(probabilities: NDArray[np.float64]) -> NDArray[np.float32]:
    """Ranks as the probabilities do, also where they lie close to 0 or 1."""
    p = np.clip(probabilities, 1e-12, 1 - 1e-12)
    return np.log(p / (1 - p)).astype(np.float32)
