"""Where in a gap a threshold belongs: misses and false calls on new lots, by the rule that chooses among thresholds equally good so far.

    python benchmarks/compare_threshold_gap.py [REPEATS]

Nine classes, one of them eight times as common, from far apart to near one another; lots shift their wafers; some scatter has heavy tails.
A logistic regression learns from one set of lots, its temperature and thresholds come from a few wafers of other lots (8, 15 or 40 of a
class), and 8 000 wafers of 400 further lots are called. All rules see the same wafers and cut at the same points of the ROC curve, the ones
nearest to (0, 1). Columns: misses and false calls of each class against the rest; of these, with the decision rule (likeliest class, if it
reaches its threshold), and how many wafers it sent to Review though their likeliest class was right.

Seen with 3 repeats, classes without a mistake on validation (of a margin of .05, which is `thresholds.MARGIN`): 12 934 misses and false
calls, 12 622 by decision, 1 063 right ones sent to Review. Middle of the gap: 13 215, 12 730, 1 517; of its logits 13 915, 13 137, 2 383;
lower end 24 551, 12 758, 832. With mistakes on validation: 412 711, middle 419 747, lower end 431 108.
"""

from __future__ import annotations

import sys
import warnings
from collections import defaultdict
from collections.abc import Callable
from itertools import product

import numpy as np
from numpy.typing import NDArray

from inspection.evaluation.thresholds import NEUTRAL, cuts
from inspection.scoring.calibration import fit_temperature, softmax

CLASSES, NUMBERS, COMMON = 9, 8, 8.0


Rule = Callable[[NDArray, NDArray], NDArray]
"""Ends of gaps to a threshold in each."""


def within(margin: float) -> Rule:
    return lambda low, high: np.clip(NEUTRAL, low + margin * (high - low), high - margin * (high - low))


def odds_against(p: NDArray) -> NDArray:
    p = np.clip(p, 1e-3, 1 - 1e-9)
    return (1 - p) / p


RULES: dict[str, Rule] = {
    "middle": within(0.5),
    "lower end": lambda low, high: np.nextafter(low, 1),  # noqa: ARG005
    "geometric middle": lambda low, high: np.sqrt(np.maximum(low, 1e-3) * high),
    "logit middle": lambda low, high: 1 / (1 + np.sqrt(odds_against(low) * odds_against(high))),
    **{f"nearest to .5, margin {margin}": within(margin) for margin in (0.0, 0.05, 0.1, 0.25)},
}


def fab(rng: np.random.Generator, apart: float, shift: float, heavy: bool) -> Callable[[int, int], tuple[NDArray, NDArray]]:
    """A source of wafers: ``draw(wafers, lots)`` gives class positions and numbers, of lots never seen before."""
    middle = rng.normal(size=(CLASSES, NUMBERS)) * apart / np.sqrt(NUMBERS)
    share = np.array([COMMON] + [1.0] * (CLASSES - 1))

    def draw(wafers: int, lots: int) -> tuple[NDArray, NDArray]:
        truth, lot = rng.choice(CLASSES, wafers, p=share / share.sum()), rng.integers(0, lots, wafers)
        scatter = rng.standard_t(4, (wafers, NUMBERS)) if heavy else rng.normal(size=(wafers, NUMBERS))
        return truth, middle[truth] + rng.normal(0, shift, (lots, NUMBERS))[lot] + scatter

    return draw


def scored(
    rng: np.random.Generator, apart: float, per_class: int, shift: float, heavy: bool
) -> tuple[NDArray, NDArray, NDArray, NDArray] | None:
    """Truth and calibrated probabilities of a validation and a test part; None where training misses a class."""
    from sklearn.linear_model import LogisticRegression

    draw = fab(rng, apart, shift, heavy)
    few = per_class * (CLASSES - 1 + int(COMMON))
    truth, numbers = draw(4 * few, 60)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # not converged: its temperature is fitted next
        model = LogisticRegression(C=100.0, max_iter=300).fit(numbers, truth)
    (seen, of_seen), (new, of_new) = draw(few, 20), draw(8000, 400)
    if len(model.classes_) < CLASSES:
        return None
    logits = model.decision_function(of_seen)
    temperature = fit_temperature(logits, seen)
    return seen, softmax(logits, temperature), new, softmax(model.decision_function(of_new), temperature)


def main(repeats: int) -> None:
    totals: dict[bool, dict[str, NDArray]] = {clean: defaultdict(lambda: np.zeros(4)) for clean in (True, False)}
    settings = product((3.0, 4.5, 6.0, 8.0), (8, 15, 40), (0.3, 0.6), (False, True), range(repeats))
    for i, (apart, per_class, shift, heavy, _) in enumerate(settings):
        parts = scored(np.random.default_rng(i), apart, per_class, shift, heavy)
        if parts is None:
            continue
        seen, of_seen, new, p = parts
        likeliest = p.argmax(axis=1)
        for c in np.flatnonzero(np.bincount(seen, minlength=CLASSES) >= 5):
            among = cuts(of_seen[:, c])
            hits, false_calls = among.sums(seen == c), among.sums(seen != c)
            distance = np.hypot(false_calls / false_calls[-1], 1 - hits / hits[-1])
            equal = np.flatnonzero(distance <= distance.min() + 1e-9)
            positive = new == c
            for name, rule in RULES.items():
                places = rule(among.low[equal], among.high[equal])
                called = p[:, c] >= places[np.abs(places - NEUTRAL).argmin()]
                decided = called & (likeliest == c)
                review = (likeliest == c) & ~called & positive
                found = [(~called & positive).sum(), (called & ~positive).sum(), (decided != positive).sum(), review.sum()]
                totals[bool(distance.min() == 0)][name] += found
    for clean, rows in totals.items():
        print(f"\nclasses {'without' if clean else 'with'} a mistake on validation")
        print(f"{'':28}{'misses':>10}{'false':>10}{'sum':>10}{'decision':>10}{'Review':>10}")
        for name, (miss, false, decision, review) in rows.items():
            print(f"{name:28}{miss:10.0f}{false:10.0f}{miss + false:10.0f}{decision:10.0f}{review:10.0f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 4)
