"""The verdict in words, first on the page: what the fab would see, where the model is weak, whether its numbers can be believed. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from inspection.evaluation import wording
from inspection.evaluation.confusion import Rate, confusions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from inspection.augmentation.guard.votes import Votes
    from inspection.evaluation.beside import Baseline
    from inspection.evaluation.evaluation import Evaluation
    from inspection.evaluation.reliability import Calibration

Mark = Literal["good", "note", "bad"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence of the verdict. ``note`` leaves it to the reader, as no limit is known that would make it good or bad."""

    mark: Mark
    topic: str
    text: str


def verdict(
    evaluation: Evaluation,
    calibrated: Calibration,
    votes: Votes | None = None,
    beside: Sequence[Baseline] = (),
    champion: tuple[str, Mapping[str, float]] | None = None,
) -> list[Finding]:
    """The findings, what the fab feels first."""
    found = [_rate("Escapes", "defective", "would go on unseen", evaluation.by_decision.escapes)]
    found.append(_rate("False alarms", "normal", "would raise an alarm", evaluation.by_decision.overkill))
    found += _weakest(evaluation)
    if calibrated.top.count.sum():
        found.append(Finding("good" if calibrated.top.ece <= calibrated.top.chance else "note", "Probabilities", calibrated.text))
    if champion is not None and "macro_f1" in champion[1]:
        found.append(_champion(evaluation, *champion))
    if beside:
        ahead = evaluation.by_label.macro_f1 - max(one.matrix.macro_f1 for one in beside)
        found.append(Finding("note" if ahead >= 0 else "bad", "Baselines", wording.beside(evaluation, beside)))
    if votes is not None:
        mark: Mark = {"clean": "good", "fail": "bad"}.get(votes.call, "note")  # type: ignore[assignment]
        found.append(Finding(mark, "Guard", f"{votes.words[:1].upper()}{votes.words[1:]}."))
    return found


def _rate(topic: str, of: str, what: str, rate: Rate) -> Finding:
    if not rate.trials:
        return Finding("note", topic, f"The test part has no {of} wafers: nothing is known.")
    between = wording.interval(*rate.interval, shares=True)
    return Finding(
        "note", topic, f"{wording.percent(rate.value)} of the {of} wafers {what}: {rate.hits} of {rate.trials} (95 % interval {between})."
    )


def _weakest(evaluation: Evaluation) -> list[Finding]:
    """The class of which the decision finds the smallest share, and what it is lost to."""
    matrix = evaluation.by_decision
    recall = np.where(matrix.support > 0, np.nan_to_num(matrix.recall), np.inf)
    k = int(recall.argmin())
    if not np.isfinite(recall[k]):
        return []
    support = int(matrix.support[k])
    rate = Rate(int(matrix.counts[k, k]), support)
    if rate.hits == support:
        return [Finding("good", "Weakest class", "Every test wafer of every class was named correctly.")]
    lost = next((call, wafers) for name, call, wafers, _ in confusions(matrix, most=matrix.counts.size) if name == matrix.names[k])
    between = wording.interval(*rate.interval, shares=True)
    return [
        Finding(
            "note", "Weakest class",
            f"{matrix.names[k]}: {wording.percent(rate.value)} of {support} wafers were named correctly (95 % interval {between}); "
            f"most often it was called {lost[0]} instead ({lost[1]} of {support - rate.hits}).",
        )
    ]  # fmt: skip


def _champion(evaluation: Evaluation, name: str, theirs: Mapping[str, float]) -> Finding:
    ahead = evaluation.by_label.macro_f1 - theirs["macro_f1"]
    if wording.score(abs(ahead)) == wording.score(0.0):
        return Finding("note", "Champion", f"The macro-F1 is that of {name} ({wording.score(theirs['macro_f1'])}).")
    way = "ahead of" if ahead > 0 else "behind"
    text = f"{wording.score(abs(ahead))} in macro-F1 {way} {name} ({wording.score(theirs['macro_f1'])})."
    low, high = (theirs.get(f"macro_f1_lead_{end}", np.nan) for end in ("low", "high"))
    if not np.isfinite([low, high]).all():
        return Finding("note", "Champion", f"{text} With a single test lot nobody can say whether that is chance.")
    between = wording.interval(low, high, shares=False)
    if low <= 0 <= high:
        return Finding("note", "Champion", f"{text} The lead on the same lots may be {between} (95 % interval): the two may be equal.")
    return Finding("good" if ahead > 0 else "bad", "Champion", f"{text} The lead on the same lots is {between} (95 % interval).")
