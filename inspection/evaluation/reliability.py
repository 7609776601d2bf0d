"""Whether a probability means what it says: of the wafers of which the model said 80 %, are 80 % so? Pure.

The reliability diagram sets what was said against what came true, in bins of about equally many wafers. Two numbers go with it: the
expected calibration error (ECE), the mean distance between the two, and the Brier score, the mean squared distance of the probabilities
from 0 and 1. An ECE is never 0 by chance alone; ``chance`` says how large it gets where every probability is true.

References
----------
G. W. Brier, "Verification of forecasts expressed in terms of probability", Monthly Weather Review 78, 1950.
K. Nguyen, B. O'Connor, "Posterior calibration and exploratory analysis for natural language processing models", EMNLP 2015
(bins of equal counts). J. Bröcker, L. A. Smith, "Increasing the reliability of reliability diagrams", Weather and Forecasting 22, 2007
(what chance alone does).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from inspection.errors import InputError
from inspection.evaluation.confusion import wilson
from inspection.evaluation.wording import percent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

BINS = 15
RESAMPLES = 200
"""Draws of outcomes that every probability is true of, for ``chance``."""


@dataclass(frozen=True, slots=True, eq=False)
class Reliability:
    """What was said against what came true, for one event ("the likeliest class is right", or "the wafer is of class c").

    Attributes
    ----------
    name : the event, for people
    confidence : ndarray of shape (b,), mean probability of each bin, rising
    accuracy : ndarray of shape (b,), share of the bin's wafers of which the event is true
    count : ndarray of shape (b,), wafers in each bin, none empty
    ece : mean of |accuracy - confidence|, bins weighted by their wafers; in [0, 1]; NaN without wafers
    brier : mean of (probability - outcome)^2; in [0, 1]; NaN without wafers
    chance : 95 % of draws of as many wafers, with outcomes of which every probability is true, have an ECE up to this
    """

    name: str
    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    count: NDArray[np.int64]
    ece: float
    brier: float
    chance: float

    @property
    def interval(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """95 % Wilson interval of each bin's accuracy, two arrays of shape (b,)."""
        return wilson(np.rint(self.accuracy * self.count), self.count)

    @property
    def bias(self) -> float:
        """Mean probability less the share that came true: above 0 the model promises too much. NaN without wafers."""
        wafers = self.count.sum()
        return float(((self.confidence - self.accuracy) * self.count).sum() / wafers) if wafers else float("nan")


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """The calibration of a model.

    Attributes
    ----------
    top : the likeliest class's probability against whether it is right
    classes : each class's probability against whether the wafer is of it
    brier : multi-class Brier score: mean over wafers of the squared distance of all probabilities from the truth, in [0, 2]
    """

    top: Reliability
    classes: tuple[Reliability, ...]
    brier: float

    @property
    def text(self) -> str:
        """What it comes to, in words."""
        top = self.top
        if not top.count.sum():
            return "No wafers: nothing is known about the probabilities."
        said = float((top.confidence * top.count).sum() / top.count.sum())
        right = said - top.bias
        found = f"The likeliest class is given {percent(said)} on average, and is right on {percent(right)} of {top.count.sum()} wafers."
        if top.ece <= top.chance:
            return (
                f"{found} The probabilities can be taken at their word: they are off by {percent(top.ece)} on average (ECE), and up to "
                f"{percent(top.chance)} would be chance alone."
            )
        # Where bins err on both sides, the mean is near 0 though the probabilities are wrong: then no direction is named.
        way = "" if abs(top.bias) < top.ece / 2 else ", too sure of itself" if top.bias > 0 else ", not sure enough of itself"
        found += f" The probabilities are off by {percent(top.ece)} on average (ECE){way}; "
        return found + f"chance alone would make it up to {percent(top.chance)}."


def calibration(
    truth: NDArray[np.integer], probabilities: NDArray[np.floating], names: Sequence[str], *, bins: int = BINS, seed: int = 0
) -> Calibration:
    """The calibration of ``probabilities``.

    Parameters
    ----------
    truth : ndarray of shape (n,), class positions
    probabilities : ndarray of shape (n, k), in [0, 1], rows sum to 1
    names : k class names
    bins : at least 1; fewer are used where many wafers share one probability
    seed : for ``chance``

    Raises
    ------
    InputError
        Shapes that do not fit, or ``bins`` below 1.
    """
    p = np.asarray(probabilities, np.float64)
    if p.shape != (len(truth), len(names)) or bins < 1:
        raise InputError(
            f"Cannot judge the calibration: expected probabilities of shape {(len(truth), len(names))} and at least one bin, "
            f"got {p.shape} and {bins} bins. Pass one row per wafer, one column per class."
        )
    rng = np.random.default_rng(seed)
    is_so = np.asarray(truth)[:, None] == np.arange(len(names))
    right = p.argmax(axis=1) == truth if len(p) else np.zeros(0, bool)
    highest = p.max(axis=1) if len(p) else np.zeros(0)
    classes = tuple(reliability(p[:, k], is_so[:, k], name, bins=bins, rng=rng) for k, name in enumerate(names))
    brier = float(((p - is_so) ** 2).sum(axis=1).mean()) if len(p) else float("nan")
    return Calibration(reliability(highest, right, "likeliest class", bins=bins, rng=rng), classes, brier)


def reliability(
    probability: NDArray[np.floating], outcome: NDArray[np.bool_], name: str, *, bins: int = BINS, rng: np.random.Generator
) -> Reliability:
    """What was said, ``probability`` (n,), against what came true, ``outcome`` (n,).

    Bins hold about equally many wafers; wafers of one probability share a bin, so that their order does not matter.
    """
    said = np.asarray(probability, np.float64)
    n = len(said)
    if not n:
        none = np.zeros(0)
        return Reliability(name, none, none, np.zeros(0, np.int64), float("nan"), float("nan"), float("nan"))
    order = np.argsort(said, kind="stable")
    said, came = said[order], np.asarray(outcome, np.float64)[order]
    place = np.searchsorted(said, said, side="left") * min(bins, n) // n  # by the first of equal probabilities
    start = np.flatnonzero(np.diff(place, prepend=-1))
    count = np.diff(np.append(start, n))
    promised = np.add.reduceat(said, start)
    drawn = rng.random((RESAMPLES, n)) < said
    by_chance = np.abs(np.add.reduceat(drawn.astype(np.float64), start, axis=1) - promised).sum(axis=1) / n
    return Reliability(
        name=name,
        confidence=promised / count,
        accuracy=np.add.reduceat(came, start) / count,
        count=count,
        ece=float(np.abs(np.add.reduceat(came, start) - promised).sum() / n),
        brier=float(((said - came) ** 2).mean()),
        chance=float(np.quantile(by_chance, 0.95)),
    )
