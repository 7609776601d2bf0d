"""Which test wafers to show: the worst escapes and false alarms, and of each class some right ones and the surest mistakes. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from inspection.wafer.taxonomy import REVIEW, UNKNOWN

if TYPE_CHECKING:
    from inspection.evaluation.evaluation import Evaluation

Kind = Literal["right", "escape", "overkill", "mistake", "undecided"]


@dataclass(frozen=True, slots=True)
class Exhibit:
    """One wafer of the gallery: its position in the test part, what it is, what it was called, how sure the model was."""

    position: int
    kind: Kind
    truth: str
    decision: str
    likeliest: str
    probability: float


@dataclass(frozen=True, slots=True)
class ClassExhibits:
    """What the gallery shows of one true class, and how many wafers it chose from."""

    name: str
    right: tuple[Exhibit, ...]
    wrong: tuple[Exhibit, ...]
    right_of: int
    wrong_of: int


def choose(evaluation: Evaluation, right: int = 3, wrong: int = 4) -> list[ClassExhibits]:
    """The exhibits of each class with test wafers, in taxonomy order.

    Right: the surest, the least sure and evenly between, so that both a textbook case and the edge of the class are seen.
    Wrong: escapes, overkill, other classes, then ``Unknown`` and ``Review``; within each the most confident first.
    ``probability`` is that of the class the wafer was called; for ``Unknown`` and ``Review`` that of the likeliest class.
    """
    names = evaluation.taxonomy.names
    normal = set(evaluation.taxonomy.normal)
    chosen = []
    for k, name in enumerate(names):
        places = np.flatnonzero(evaluation.test.truth == k)
        if not len(places):
            continue
        exhibits = [_exhibit(evaluation, int(i), name, normal) for i in places]
        hits = sorted((e for e in exhibits if e.kind == "right"), key=lambda e: (-e.probability, e.position))
        misses = sorted((e for e in exhibits if e.kind != "right"), key=_worst_first)
        spread = sorted({round(i) for i in np.linspace(0, len(hits) - 1, min(right, len(hits)))})
        chosen.append(ClassExhibits(name, tuple(hits[i] for i in spread), tuple(misses[:wrong]), len(hits), len(misses)))
    return chosen


def worst(evaluation: Evaluation, kind: Kind, most: int = 7) -> tuple[Exhibit, ...]:
    """Up to ``most`` wafers of all classes that came out as ``kind`` (``escape``, ``overkill``), the most confident first."""
    names, normal = evaluation.taxonomy.names, set(evaluation.taxonomy.normal)
    found = [_exhibit(evaluation, i, names[k], normal) for i, k in enumerate(evaluation.test.truth) if names[k] != evaluation.decisions[i]]
    return tuple(sorted((e for e in found if e.kind == kind), key=_worst_first)[:most])


def _exhibit(evaluation: Evaluation, position: int, truth: str, normal: set[str]) -> Exhibit:
    decision = evaluation.decisions[position]
    probabilities = evaluation.test.probabilities[position]
    likeliest = evaluation.labels[position]
    kind: Kind = "mistake"
    if decision in (UNKNOWN, REVIEW):
        return Exhibit(position, "undecided", truth, decision, likeliest, float(probabilities.max()))
    if decision == truth:
        kind = "right"
    elif decision in normal and truth not in normal:
        kind = "escape"
    elif truth in normal and decision not in normal:
        kind = "overkill"
    return Exhibit(position, kind, truth, decision, likeliest, float(probabilities[evaluation.taxonomy.index(decision)]))


def _worst_first(exhibit: Exhibit) -> tuple[int, float, int]:
    order: dict[Kind, int] = {"escape": 0, "overkill": 1, "mistake": 2, "undecided": 3}
    return order.get(exhibit.kind, 4), -exhibit.probability, exhibit.position
