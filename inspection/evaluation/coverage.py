"""What prediction sets hold: how often the true class, of each class, and how many classes they name. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from inspection.evaluation.confusion import Rate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Coverage:
    """Of the wafers of one part.

    Attributes
    ----------
    all : wafers whose set holds their class
    by_class : the same of each class
    sizes : ndarray of shape (k + 1,): wafers whose set holds 0, 1, ... k classes
    """

    all: Rate
    by_class: tuple[Rate, ...]
    sizes: NDArray[np.int64]

    @property
    def mean_size(self) -> float:
        """Classes in a set, in the mean; NaN for no wafers."""
        return float(np.average(np.arange(len(self.sizes)), weights=self.sizes)) if self.sizes.sum() else float("nan")

    def metrics(self, names: Sequence[str]) -> dict[str, float]:
        """``coverage coverage_<class> set_size sets_of_one``; NaN where there is nothing to count."""
        found = {"coverage": self.all.value, "set_size": self.mean_size, "sets_of_one": Rate(int(self.sizes[1]), self.all.trials).value}
        return found | {f"coverage_{name}": rate.value for name, rate in zip(names, self.by_class, strict=True)}


def coverage_of(sets: NDArray[np.bool_], truth: NDArray[np.integer]) -> Coverage:
    """Count what ``sets`` (n, k) hold of wafers of the classes ``truth`` (n,)."""
    k = sets.shape[1]
    held = sets[np.arange(len(truth)), truth]
    trials, hits = np.bincount(truth, minlength=k), np.bincount(truth[held], minlength=k)
    by_class = tuple(Rate(h, n) for h, n in zip(hits.tolist(), trials.tolist(), strict=True))
    return Coverage(Rate(int(held.sum()), len(truth)), by_class, np.bincount(sets.sum(axis=1), minlength=k + 1))
