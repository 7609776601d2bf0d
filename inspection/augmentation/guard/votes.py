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
from inspection.augmentation.guard.verdict import Call, Interval, judge, overall
from inspection.errors import bounded

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.random import Generator
    from numpy.typing import NDArray

    from inspection.augmentation.guard.contract import View, ViewPolicy
    from inspection.augmentation.guard.neutral import Bases
    from inspection.augmentation.guard.trace import Told
    from inspection.augmentation.guard.verdict import Limits

    Vote = Callable[[View], NDArray[np.floating]]
    """Views with one leading axis -> probabilities (n, classes) in the order of the policy's classes."""

VIEWS = 1_300
"""Views of the first look; twice as many in all for the second, which follows when the first cannot tell."""
LOOKS = 2
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
    probabilities: NDArray[np.float64] | None = None
    rows: tuple[ClassVotes, ...] = ()
    used = 0
    for wanted in maps_needed(len(names)):
        stop = min(wanted, len(bases.maps))
        if stop == used:
            break
        told(stop, maps_needed(len(names))[-1], "normal wafers: does a policy alone move the vote?")
        views = draw_views(policy, bases.maps[used:stop], everyone(len(names), stop - used), 1, seed, first=used)
        found: NDArray[np.float64] = np.asarray(vote(views.flat()), np.float64).reshape(stop - used, len(names), len(names))
        probabilities = found if probabilities is None else np.concatenate((probabilities, found))
        used = stop
        rows = _judged(names, probabilities, bases.groups[:used], limits, np.random.default_rng(seed))
        if overall([row.call for row in rows]) != "cannot tell":
            break
    return Votes(rows, used, max(0, used - bases.real))


def maps_needed(classes: int) -> list[int]:
    """Base maps of each look, in all."""
    return [max(2, VIEWS * (1 << look) // classes) for look in range(LOOKS)]


def _judged(
    names: tuple[str, ...], probabilities: NDArray[np.float64], groups: NDArray[np.integer], limits: Limits, rng: Generator
) -> tuple[ClassVotes, ...]:
    """Each class; ``probabilities`` of shape (bases, class whose policy made the view, class voted for)."""
    count = len(names)
    own = np.broadcast_to(np.eye(count, dtype=bool), probabilities.shape)
    calls = judge(Areas(area_alone(_log_odds(probabilities), own), np.empty((0, count))), groups, limits)
    mine = probabilities[:, np.arange(count), np.arange(count)]
    theirs = (probabilities.sum(axis=1) - mine) / max(count - 1, 1)
    lots, lot = np.unique(groups, return_inverse=True)
    sums = np.zeros((2, len(lots), count))
    np.add.at(sums[0], lot, mine)
    np.add.at(sums[1], lot, theirs)
    weight = rng.multinomial(len(lots), np.full(len(lots), 1 / len(lots)), size=BOOTSTRAP)
    again = np.maximum(weight @ sums[0], LEAST) / np.maximum(weight @ sums[1], LEAST)
    low, high = np.quantile(again, (0.025, 0.975), axis=0)
    lift = np.maximum(sums[0].sum(axis=0), LEAST) / np.maximum(sums[1].sum(axis=0), LEAST)
    return tuple(
        ClassVotes(name, *calls[c], float(lift[c]), float(low[c]), float(high[c]), float(mine[:, c].mean()), float(theirs[:, c].mean()))
        for c, name in enumerate(names)
    )


def _log_odds(probabilities: NDArray[np.float64]) -> NDArray[np.float32]:
    """Ranks as the probabilities do, also where they lie close to 0 or 1."""
    p = np.clip(probabilities, 1e-12, 1 - 1e-12)
    return np.log(p / (1 - p)).astype(np.float32)
