"""Why a wafer was called so: the decision rule, step by step with its numbers. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from inspection.scoring.combinations import Reading
from inspection.wafer.taxonomy import UNKNOWN

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from inspection.scoring.bundle import Bundle

NAMED = 3
"""Likeliest classes that are named."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step: what was asked, what was found, and what follows from it."""

    question: str
    found: str
    so: str


def why_called(
    bundle: Bundle, logits: NDArray[np.floating], first: NDArray[np.floating], embedding: NDArray[np.floating], looks: int
) -> list[Step]:
    """The steps that ``bundle`` takes from the outputs of one wafer to its decision; the last one is the decision.

    Parameters
    ----------
    bundle : Bundle
    logits, first : ndarrays of shape (1, k)
        Averaged over the looks; of the first look.
    embedding : ndarray of shape (1, f)
    looks : turns of the wafer that were looked at
    """
    rule, names = bundle.rule, bundle.taxonomy.names
    probabilities = bundle.probabilities(logits)
    shares, order = probabilities[0], np.argsort(-probabilities[0], kind="stable")
    label = names[int(order[0])]
    steps = [_looked(bundle, first, looks)] if len(bundle.turns) > 1 else []
    strange, step = _strange(bundle, embedding, first)
    steps += [step] if step is not None else []
    new, step = _new_combination(bundle, logits)
    steps += [step] if step is not None else []
    steps.append(Step("Which class is likeliest?", ", ".join(f"{names[k]} {_share(shares[k])}" for k in order[:NAMED]), label))
    threshold = rule.thresholds[order[0]]
    passed = bool(shares[order[0]] >= threshold)
    found = f"{label} {_share(shares[order[0]])}, threshold {_share(threshold)}"
    steps.append(Step("Does it reach its threshold?", found, "yes" if passed else "no: a person should look"))
    if rule.least is not None:
        steps.append(_set(rule.set_names(probabilities)[0], shares, rule.least, names, label))
    decision = rule.decide(probabilities, np.array([strange or new]))[0]
    why = "stranger than the limit" if strange else "a combination that is no class" if new else ""
    steps.append(Step("The decision", f"{UNKNOWN} overrules the rest: {why}" if strange or new else "by the steps above", decision))
    return steps


def _looked(bundle: Bundle, first: NDArray[np.floating], looks: int) -> Step:
    if bundle.first_look is None:
        if looks == 1:
            return Step("How often was it looked at?", "once: the network says the same of every turn", "this look counts")
        return Step("How often was it looked at?", f"in {looks} turns, as every wafer", "the mean counts")
    question = "Is the first look sure?"
    if bundle.first_look.sure(first)[0]:
        return Step(question, "one class alone after the first look", "no second look")
    if not bundle.first_look.again(first)[0]:
        return Step(question, "not sure, but others are less so: the budget of looks is for them", "no second look")
    if looks == 1:
        return Step(question, "not sure, but the network says the same of every turn", "no second look")
    return Step(question, f"not sure at the first look: {looks} turns", "the mean of all turns counts")


def _strange(bundle: Bundle, embedding: NDArray[np.floating], first: NDArray[np.floating]) -> tuple[bool, Step | None]:
    if bundle.detector is None:
        return False, None
    score, limit = float(bundle.detector.score(embedding, first)[0]), float(bundle.detector.limit(first)[0])
    strange, looks_like = score > limit, bundle.taxonomy.names[int(first.argmax())]
    found = f"strangeness {score:.4g}, limit of wafers that look like {looks_like} {limit:.4g}"
    return strange, Step("Is it unlike all that was learnt?", found, "yes" if strange else "no")


def _new_combination(bundle: Bundle, logits: NDArray[np.floating]) -> tuple[bool, Step | None]:
    if bundle.new_combination is None:
        return False, None
    reading = Reading(bundle.taxonomy, logits)
    insistence = float(reading.insistence[0])
    new = insistence > bundle.new_combination
    found = f"{reading.names()[0] or 'no pattern'}: log odds {insistence:.2f} against the classes, limit {bundle.new_combination:.2f}"
    return new, Step("Does it show patterns that no class combines?", found, "yes" if new else "no")


def _set(
    held: tuple[str, ...], shares: NDArray[np.floating], least: NDArray[np.floating], names: tuple[str, ...], label: str
) -> Step:  # fmt: skip
    told = ", ".join(f"{n} {_share(shares[names.index(n)])} (usual for it from {_share(least[names.index(n)])})" for n in held)
    if held == (label,):
        return Step("Which classes may it well be?", told, "one alone")
    limit = f"{label} {_share(shares[names.index(label)])}, usual for it from {_share(least[names.index(label)])}"
    found = f"{told}; {limit}" if held and label not in held else told or f"none: {limit}"
    return Step("Which classes may it well be?", found, "not one alone: a person should look")


def _share(value: float) -> str:
    """A share that never claims to be all where it is not: near 1 with two digits of what is missing, so that 99.9888% < 99.9952%."""
    missing = 1.0 - float(value)
    if 0.0 < missing < 0.0005:
        return f"{value:.{min(12, 1 - math.floor(math.log10(100 * missing)))}%}"
    return f"{value:.1%}" if value >= 0.0995 or value == 0 else f"{value:.2%}"
