"""Who was called what: counts, shares, per-class scores, escapes and overkill, each with an interval. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from inspection.errors import InputError, LabelError, bounded
from inspection.wafer.taxonomy import REVIEW, UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from inspection.wafer.taxonomy import Taxonomy

Z95 = 1.959963984540054
"""Two-sided 95 % quantile of the normal distribution."""


@dataclass(frozen=True, slots=True)
class Rate:
    """``hits`` of ``trials`` with its 95 % Wilson interval; all NaN where there was nothing to count."""

    hits: int
    trials: int

    @property
    def value(self) -> float:
        """Share in [0, 1]; NaN for no trials."""
        return self.hits / self.trials if self.trials else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        """95 % Wilson interval; (NaN, NaN) for no trials."""
        if not self.trials:
            return float("nan"), float("nan")
        low, high = wilson(self.hits, self.trials)
        return float(low), float(high)

    def row(self) -> dict[str, float | int | None]:
        """As plain JSON: ``hits trials value low high``; None for no trials."""
        low, high = self.interval
        shares = {"value": self.value, "low": low, "high": high}
        return {"hits": self.hits, "trials": self.trials} | {key: value if self.trials else None for key, value in shares.items()}


@dataclass(frozen=True, slots=True, eq=False)
class Confusion:
    """A confusion matrix: row = truth, column = what the wafer was called.

    Attributes
    ----------
    names : k class names
    normal : k flags, which of them count as normal
    counts : ndarray of shape (k, k + 2), int64
        Columns: the k classes, then ``Unknown``, then ``Review``.
    """

    names: tuple[str, ...]
    normal: tuple[bool, ...]
    counts: NDArray[np.int64]

    @property
    def calls(self) -> tuple[str, ...]:
        """Names of the columns."""
        return (*self.names, UNKNOWN, REVIEW)

    @property
    def support(self) -> NDArray[np.int64]:
        """Wafers of each class, shape (k,)."""
        return self.counts.sum(axis=1)

    @property
    def shares(self) -> NDArray[np.float64]:
        """Row-normalised counts: the share of a class that was called so; rows of classes without wafers are NaN."""
        support = self.support[:, None]
        return np.divide(self.counts, support, out=np.full(self.counts.shape, np.nan), where=support > 0)

    @property
    def share_intervals(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """95 % Wilson interval of each of ``shares``: low and high, each of shape (k, k + 2); rows of classes without wafers are NaN."""
        support = np.broadcast_to(self.support[:, None], self.counts.shape)
        low, high = wilson(self.counts, support)
        return np.where(support > 0, low, np.nan), np.where(support > 0, high, np.nan)

    @property
    def precision(self) -> NDArray[np.float64]:
        """Share of the wafers called so that are so, shape (k,); NaN where none was called so."""
        return per_class(self.counts)[0]

    @property
    def recall(self) -> NDArray[np.float64]:
        """Share of a class that was called so, shape (k,); NaN for a class without wafers."""
        return per_class(self.counts)[1]

    @property
    def f1(self) -> NDArray[np.float64]:
        """Harmonic mean of precision and recall, shape (k,); 0 where no wafer was hit, NaN for a class without wafers."""
        return per_class(self.counts)[2]

    @property
    def macro_f1(self) -> float:
        """Mean F1 of the classes that have wafers; NaN when none has."""
        return float(macro_f1(self.counts))

    @property
    def balanced_accuracy(self) -> float:
        """Mean recall of the classes that have wafers; NaN when none has."""
        known = self.recall[self.support > 0]
        return float(known.mean()) if len(known) else float("nan")

    @property
    def accuracy(self) -> Rate:
        """Wafers called what they are; ``Unknown`` and ``Review`` count as not."""
        return Rate(int(np.trace(self.counts)), int(self.counts.sum()))

    @property
    def escapes(self) -> Rate:
        """Defective wafers called normal, of all defective wafers."""
        normal = np.array(self.normal, bool)
        defective = self.counts[~normal]
        return Rate(int(defective[:, :-2][:, normal].sum()), int(defective.sum()))

    @property
    def overkill(self) -> Rate:
        """Normal wafers called defective, of all normal wafers; ``Unknown`` and ``Review`` are neither."""
        normal = np.array(self.normal, bool)
        return Rate(int(self.counts[normal][:, :-2][:, ~normal].sum()), int(self.counts[normal].sum()))

    @property
    def escapes_by_class(self) -> tuple[Rate, ...]:
        """For each defect class, its wafers called normal, of all its wafers; they add up to ``escapes``. A normal class has none of 0."""
        normal = np.array(self.normal, bool)
        called_normal = self.counts[:, :-2][:, normal].sum(axis=1)
        return tuple(
            Rate(0, 0) if is_normal else Rate(int(hits), int(wafers))
            for is_normal, hits, wafers in zip(normal, called_normal, self.support, strict=True)
        )

    @property
    def overkill_by_class(self) -> tuple[Rate, ...]:
        """For each defect class, normal wafers called so, of all normal; they add up to ``overkill``. A normal class has none of 0."""
        normal = np.array(self.normal, bool)
        called = self.counts[normal].sum(axis=0)[:-2]
        wafers = int(self.counts[normal].sum())
        return tuple(Rate(0, 0) if is_normal else Rate(int(hits), wafers) for is_normal, hits in zip(normal, called, strict=True))

    @property
    def unknown(self) -> Rate:
        """Wafers decided ``Unknown``, of all."""
        return Rate(int(self.counts[:, -2].sum()), int(self.counts.sum()))

    @property
    def review(self) -> Rate:
        """Wafers decided ``Review``, of all."""
        return Rate(int(self.counts[:, -1].sum()), int(self.counts.sum()))


def confusion(truth: NDArray[np.integer], called: Sequence[str], taxonomy: Taxonomy) -> Confusion:
    """Count who was called what.

    Parameters
    ----------
    truth : ndarray of shape (n,), position of each wafer's class in ``taxonomy``
    called : n names: a class, ``Unknown`` or ``Review``

    Raises
    ------
    InputError
        Not one call per wafer, or a truth outside the taxonomy.
    LabelError
        A call that is neither a class nor ``Unknown`` nor ``Review``.
    """
    columns = column_of(called, taxonomy.names)
    k = len(taxonomy)
    if len(truth) != len(columns) or (len(truth) and not (truth.min() >= 0 and truth.max() < k)):
        raise InputError(
            f"Cannot count a confusion matrix: expected {len(columns)} classes in 0..{k - 1}, got {len(truth)} "
            f"from {truth.min(initial=0)} to {truth.max(initial=0)}. Pass the truth of the wafers that were called."
        )
    counts = np.bincount(truth * (k + 2) + columns, minlength=k * (k + 2)).reshape(k, k + 2)
    return Confusion(taxonomy.names, tuple(c.normal for c in taxonomy.classes), counts.astype(np.int64))


def confusions(matrix: Confusion, most: int = 15) -> list[tuple[str, str, int, float]]:
    """The most frequent mistakes: class, what it was called, wafers, their share of the class; most wafers first."""
    wrong = matrix.counts.copy()
    np.fill_diagonal(wrong, 0)
    places = np.argsort(-wrong, axis=None, kind="stable")[:most]
    found = [np.unravel_index(place, wrong.shape) for place in places.tolist()]
    shares, calls = matrix.shares, matrix.calls
    return [(matrix.names[i], calls[j], int(wrong[i, j]), float(shares[i, j])) for i, j in found if wrong[i, j]]


def column_of(called: Sequence[str], names: Sequence[str]) -> NDArray[np.int64]:
    """Column of each call in a confusion matrix, shape (n,).

    Raises
    ------
    LabelError
        A call that is neither a class nor ``Unknown`` nor ``Review``.
    """
    columns = {name: i for i, name in enumerate((*names, UNKNOWN, REVIEW))}
    strange = sorted(set(called) - set(columns))
    if strange:
        raise LabelError(
            f"Unknown call: expected one of {bounded(list(columns), 40)}, got {bounded(strange)}. Score with the same taxonomy."
        )
    return np.array([columns[name] for name in called], np.int64)


def per_class(counts: NDArray[np.number]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Precision, recall and F1, each of shape (..., k), of confusion counts (..., k, k + 2) or (..., k, k)."""
    k = counts.shape[-2]
    hit = np.einsum("...ii->...i", counts[..., :k]).astype(np.float64)
    support, called = counts.sum(axis=-1), counts[..., :k].sum(axis=-2)

    def share(of: NDArray[np.number], hits: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.divide(hits, of, out=np.full(hit.shape, np.nan), where=of > 0)

    f1 = share(support + called, 2.0 * hit)
    return share(called, hit), share(support, hit), np.where(support > 0, f1, np.nan)


def macro_f1(counts: NDArray[np.number]) -> NDArray[np.float64]:
    """Mean F1 over the classes with wafers, shape (...), of confusion counts (..., k, k + 2); NaN where there is none."""
    f1 = per_class(counts)[2]
    known = ~np.isnan(f1)
    classes = known.sum(axis=-1)
    total = np.where(known, f1, 0.0).sum(axis=-1)
    return np.divide(total, classes, out=np.full(np.shape(total), np.nan), where=classes > 0)


def wilson(hits: ArrayLike, trials: ArrayLike, z: float = Z95) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Wilson score interval of a share, elementwise; (0, 1) where there were no trials: nothing is known.

    References
    ----------
    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22, 1927.
    """
    n = np.asarray(trials, np.float64)
    p = np.divide(np.asarray(hits, np.float64), n, out=np.full(n.shape, 0.5), where=n > 0)
    safe = np.maximum(n, 1.0)
    middle = p + z * z / (2 * safe)
    half = z * np.sqrt(p * (1 - p) / safe + z * z / (4 * safe * safe))
    scale = 1 + z * z / safe
    low = np.where((n > 0) & (p > 0), np.clip((middle - half) / scale, 0, 1), 0.0)
    high = np.where((n > 0) & (p < 1), np.clip((middle + half) / scale, 0, 1), 1.0)
    return low, high
