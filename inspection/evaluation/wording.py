"""The report's sentences: what a number means for the fab, and what it cannot say. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from inspection.errors import bounded
from inspection.views import picture
from inspection.wafer.taxonomy import REVIEW, UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inspection.evaluation.beside import Baseline
    from inspection.evaluation.confusion import Rate
    from inspection.evaluation.evaluation import Evaluation

FEW_WAFERS, FEW_LOTS = 30, 10
"""Below these a class's recall, and any interval over lots, are rough."""


def percent(value: float | None, digits: int = 1) -> str:
    """A share for people; an en dash for what cannot be known."""
    return "–" if value is None or not np.isfinite(value) else f"{value * 100:.{digits}f}\N{NO-BREAK SPACE}%"


def odds(probability: float) -> str:
    """``picture.odds`` that does not break over lines."""
    return picture.odds(probability).replace(" ", "\N{NO-BREAK SPACE}")


def score(value: float | None, digits: int = 3) -> str:
    """A score in [0, 1] for people; an en dash for what cannot be known."""
    return "–" if value is None or not np.isfinite(value) else f"{value:.{digits}f}"


def interval(low: float | None, high: float | None, *, shares: bool) -> str:
    """Both ends of an interval, or that there is none."""
    if low is None or high is None or not (np.isfinite(low) and np.isfinite(high)):
        return "no interval"
    return f"{percent(low)} to {percent(high)}" if shares else f"{score(low)} to {score(high)}"


def summary(evaluation: Evaluation) -> str:
    """The first sentence of the page."""
    right = evaluation.by_decision.accuracy
    unsure = evaluation.by_decision.unknown.hits + evaluation.by_decision.review.hits
    lots = "1 lot" if evaluation.lots == 1 else f"{evaluation.lots} lots"
    origin = " of no known lot" if evaluation.lots == right.trials > 1 else f" from {lots}"
    return (
        f"On {right.trials} labelled wafers{origin} that took no part in training, the model named {right.hits} correctly "
        f"({percent(right.value)}), passed {unsure} on to a person and got {right.trials - right.hits - unsure} wrong."
    )


def cards(evaluation: Evaluation) -> list[dict[str, str]]:
    """Headline numbers: name, value, interval, meaning, and whether they are good when low."""
    decision, low_high = evaluation.by_decision, evaluation.label_interval
    asked = decision.unknown.hits + decision.review.hits
    return [
        *_pattern_cards(evaluation),
        {
            "name": "Macro-F1",
            "value": score(evaluation.by_label.macro_f1),
            "interval": interval(*low_high, shares=False),
            "meaning": "Mean score over all classes, each counting the same however rare it is; 1 is perfect. "
            "Taken from the likeliest class of each wafer.",
        },
        _rate_card(
            "Escapes", decision.escapes, "defective wafers were called normal: these would have gone on unseen.",
            "The test part has no defective wafers.",
        ),
        _rate_card(
            "Overkill", decision.overkill, "normal wafers were called defective: these would have raised a false alarm.",
            "The test part has no normal wafers.",
        ),
        {
            "name": "Asks a person",
            "value": percent(asked / max(decision.unknown.trials, 1)),
            "interval": f"{decision.unknown.hits} {UNKNOWN} · {decision.review.hits} {REVIEW}",
            "meaning": f"{UNKNOWN}: unlike anything in training. {REVIEW}: its class misses its threshold, or it may well be another. "
            "Neither is an escape or overkill.",
        },
    ]  # fmt: skip


def _pattern_cards(evaluation: Evaluation) -> list[dict[str, str]]:
    scores = evaluation.patterns
    if scores is None:
        return []
    return [
        {
            "name": "Exact match",
            "value": percent(scores.exact.value),
            "interval": interval(*scores.exact_interval, shares=True),
            "meaning": f"{scores.exact.hits} of {scores.exact.trials} wafers: every pattern on them was found, and no other. "
            "Taken from the label of each wafer.",
        }
    ]


def _rate_card(name: str, rate: Rate, meaning: str, none: str) -> dict[str, str]:
    return {
        "name": name,
        "value": percent(rate.value),
        "interval": interval(*rate.interval, shares=True),
        "meaning": f"{rate.hits} of {rate.trials} {meaning}" if rate.trials else none,
    }


def lead(value: float) -> str:
    """A difference of scores with its sign; what rounds to nothing has none."""
    return f"{value:+.3f}".replace("-", "\N{MINUS SIGN}") if abs(value) >= 0.0005 else "0.000"


def lead_interval(ends: tuple[float, float]) -> str:
    """Both ends of the interval of a difference, or that there is none."""
    return f"{lead(ends[0])} to {lead(ends[1])}" if np.isfinite(ends).all() else "no interval"


def beside(evaluation: Evaluation, baselines: Sequence[Baseline]) -> str:
    """How the network stands to the best plain classifier; empty where there is none."""
    if not baselines:
        return ""
    best = max(baselines, key=lambda one: one.matrix.macro_f1)
    ahead = evaluation.by_label.macro_f1 - best.matrix.macro_f1
    known = bool(np.isfinite(best.lead).all())
    said = f"the best of them, the {best.name}"
    interval = f" (95 % interval of its lead {lead_interval(best.lead)}, drawn by lots)" if known else ""
    if known and best.lead[0] <= 0 <= best.lead[1]:
        return f"No difference in macro-F1 can be told between the network and {said}{interval}."
    if ahead >= 0:
        return f"The network leads {said}, by {score(ahead)} in macro-F1{interval}."
    return (
        f"The network falls behind {said}, by {score(-ahead)} in macro-F1{interval}: it has not learnt what plain numbers tell. "
        "Train it longer, or on more wafers, before it is trusted."
    )


def limits(evaluation: Evaluation) -> list[str]:
    """What these numbers cannot say, most serious first."""
    names, support = evaluation.taxonomy.names, evaluation.by_label.support
    none = [n for n, s in zip(names, support, strict=True) if s == 0]
    few = [f"{n} ({s})" for n, s in zip(names, support, strict=True) if 0 < s < FEW_WAFERS]
    neutral = [n for n, short in zip(names, evaluation.thresholds.short, strict=True) if short]
    said = []
    if none:
        said.append(f"No test wafers of {bounded(none, 20)}: nothing is known about these classes, and the macro-F1 leaves them out.")
    if few:
        said.append(
            f"Fewer than {FEW_WAFERS} test wafers of {bounded(few, 20)}: a single wafer moves their recall by up to "
            f"{percent(1 / min(s for s in support if s), 0)}. Read their intervals, not their values."
        )
    if evaluation.lots < 2:
        said.append("The test part is a single lot: how results vary from lot to lot is not known, so the macro-F1 has no interval.")
    elif evaluation.lots < FEW_LOTS:
        said.append(f"Only {evaluation.lots} test lots: the interval of the macro-F1 is itself rough.")
    if neutral:
        said.append(
            f"Too few validation wafers to tune a threshold for {bounded(neutral, 20)} "
            f"({evaluation.thresholds.required} of the class needed, and as many of others): it stays at the neutral 0.5."
        )
    if not evaluation.taxonomy.normal:
        said.append("No class counts as normal: escapes and overkill cannot be told.")
    said.append(
        "Intervals of rates and recalls (Wilson, 95 %) take wafers as independent. Wafers of one lot resemble one another, so the truth "
        f"is less certain than they say. The interval of the macro-F1 draws whole lots ({evaluation.bootstrap} resamples) and does not "
        "have this fault."
    )
    said.append("All of this holds for wafers like those in the test part. A new product, layer or tool may do better or worse.")
    return said
