"""Prediction sets: the classes that a wafer may well be, so many that the true one is among them as often as promised.

Split conformal prediction for each class by itself (Vovk, Gammerman, Shafer 2005, "Algorithmic learning in a random world", section 4.5;
Sadinle, Lei, Wasserman 2019, "Least ambiguous set-valued classifiers with bounded error levels"): class k is in the set of a wafer when
its probability reaches what all but a share of the validation wafers *of class k* reach. The promise then holds for every class and not
only on average, where normal wafers would keep it for all the others. It holds for wafers that come like those of the validation part:
lots that are unlike one another loosen it, and the report shows the coverage found on the test part.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Inclusion:
    """From which probability on a class belongs to the prediction set.

    Attributes
    ----------
    least : ndarray of shape (k,), in [0, 1]
    own : k flags; False = too few validation wafers of this class: what all such classes together gave
    coverage : the share of each class whose set should hold it
    floor : no class is in a set with less, whatever its validation wafers asked for
    """

    least: NDArray[np.float64]
    own: tuple[bool, ...]
    coverage: float
    floor: float = 0.0


def needed(coverage: float) -> int:
    """Validation wafers that a class needs to have its own quantile: with fewer no threshold above 0 can promise ``coverage``."""
    return int(np.ceil(1.0 / (1.0 - coverage) - 1e-9)) - 1


def pooled(count: NDArray[np.integer], coverage: float) -> NDArray[np.bool_]:
    """Of which classes, k flags, the wafers together say what those with too few of their own share.

    Those of all that have too few; where even these are too few, the smallest of the others are added until they are enough: what is
    nearest to rare, and not the normal wafers, which would speak for all.

    Parameters
    ----------
    count : ndarray of shape (k,): validation wafers of each class
    coverage : in (0, 1)
    """
    flags = count < needed(coverage)
    for c in np.argsort(count, kind="stable"):
        if count[flags].sum() >= needed(coverage):
            break
        flags[c] = True
    return flags


def fit_inclusion(
    probabilities: NDArray[np.floating], truth: NDArray[np.integer], coverage: float, floor: float = 0.0
) -> Inclusion | None:  # fmt: skip
    """Inclusion thresholds from validation wafers.

    Where more of a class's validation wafers are called something else, and surely, than the promise leaves out, mostly by a wrong label,
    the class belongs to every set of every wafer from next to nothing on, and all of them go to a person. ``floor`` ends that; what it
    takes from such a class's coverage, the test part shows. (MixedWM38: .02 sends 2 % of the wafers to a person instead of 16 %, and the
    sets hold the class of 96.7 % as before.)

    Parameters
    ----------
    probabilities : ndarray of shape (n, k), calibrated
    truth : ndarray of shape (n,), class positions
    coverage : in (0, 1)
    floor : in [0, 1), the least probability of a class in a set; 0 = none, and every class keeps the promise

    Returns
    -------
    Inclusion
        Classes with fewer than ``needed`` wafers share one threshold, taken from the wafers of all of them (`pooled`). None where all
        wafers together are too few.
    """
    if len(truth) < needed(coverage):
        return None
    k = probabilities.shape[1]
    true = probabilities[np.arange(len(truth)), truth]
    count = np.bincount(truth, minlength=k)
    enough, together = count >= needed(coverage), _quantile(true[pooled(count, coverage)[truth]], coverage)
    least = [_quantile(true[truth == c], coverage) if enough[c] else together for c in range(k)]
    return Inclusion(np.maximum(least, floor), tuple(enough.tolist()), coverage, floor)


def sets(probabilities: NDArray[np.floating], least: NDArray[np.floating]) -> NDArray[np.bool_]:
    """The prediction set of each wafer, shape (n, k); it may be empty: no class is as likely as its own wafers usually make it."""
    return np.asarray(probabilities) >= least


def _quantile(scores: NDArray[np.floating], coverage: float) -> float:
    """The largest threshold that a new score from the same source reaches with at least ``coverage``; 0 for too few scores."""
    allowed = int(np.floor((1.0 - coverage) * (len(scores) + 1) + 1e-9))
    return float(np.sort(scores)[allowed - 1]) if allowed else 0.0


def upper_limit(scores: NDArray[np.floating], rate: float) -> float:
    """The least limit that a new score from the same source exceeds with at most ``rate``; infinite for too few scores."""
    n = len(scores)
    place = int(np.ceil((1.0 - rate) * (n + 1) - 1e-9))
    return float(np.sort(scores)[place - 1]) if place <= n else float("inf")
