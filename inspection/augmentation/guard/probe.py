"""A linear probe that tries to tell from statistics of the picture which class's policy made it.

**What it sees.** Each base map has gone through every class's policy equally often. The probe scores each *picture alone*; only the
comparison is made within a base map: of two views of the same wafer, does the one that class c's policy made score higher? That
takes the differences between wafers, which are far larger than a trace, out of the count.

**Why that is fair to symmetries.** When a class turns and the others do not, and the turned background is as likely as the background
itself, the two views of a wafer can be exchanged, so that *any* score of one picture is the higher one just as often: the area under
the curve is one half. A score that also looked at the base map would see the turn, and flag what no network can see.

**Null.** The class labels of the views of a base map are permuted within it, which keeps everything else: the folds, the copies, the fit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

RIDGE = 0.03
"""Share of each statistic's variance that is added to it: keeps the fit calm where statistics say the same."""
_FAR = 8.0  # standard deviations beyond which a statistic counts no further


@dataclass(frozen=True, slots=True, eq=False)
class ProbeResult:
    """What a probe found.

    Attributes
    ----------
    areas : ndarray of shape (bases, classes)
        Share of the pairs (own view, other class's view) of a base map in which the own one scores higher; ties count half.
    null : ndarray of shape (permutations, classes)
        Mean over the base maps with permuted labels.
    pooled : ndarray of shape (classes,)
        Area under the curve over all views at once: what can be told without comparing views of one wafer.
    effects : ndarray of shape (p, classes)
        How far each statistic of the class's views lies from the base maps' means, in its standard deviations.
    """

    areas: NDArray[np.float64]
    null: NDArray[np.float64]
    pooled: NDArray[np.float64]
    effects: NDArray[np.float64]


def cross_fit(
    statistics: NDArray[np.float32], groups: NDArray[np.integer], *, folds: int, permutations: int, rng: Generator
) -> ProbeResult:
    """Fit on all folds but one, score that one.

    Parameters
    ----------
    statistics : ndarray of shape (bases, classes, copies, p)
    groups : ndarray of shape (bases,), int
        The lot of each base map; a lot lies in one fold.
    folds : int, 2 or more
        No more than there are lots are made.
    permutations : int
    rng : Generator
        Draws the folds and the permutations.
    """
    bases, classes, copies, p = statistics.shape
    each = classes * copies
    raw, x = _within_bases(statistics.reshape(bases, each, p))
    fold = assign_folds(groups, folds, rng)
    signs = _signs(bases, classes, copies, permutations, rng)

    grams, sums = [], []
    for f in range(fold.max() + 1):
        inside = x[fold == f].reshape(-1, p)
        grams.append(inside.T @ inside)
        sums.append(inside.T @ signs[fold == f].reshape(len(inside), -1))
    gram, total = np.sum(grams, axis=0), np.sum(sums, axis=0)
    areas = np.empty((bases, signs.shape[2]))
    alone = np.empty((bases, each, classes), np.float32)
    for f in range(fold.max() + 1):
        inner = (gram - grams[f]).astype(np.float64)
        inner[np.diag_indices(p)] += RIDGE * np.diag(inner) + 1e-3
        weight = np.linalg.solve(inner, (total - sums[f]).astype(np.float64))
        areas[fold == f] = _areas(x[fold == f] @ weight.astype(np.float32), signs[fold == f])
        alone[fold == f] = raw[fold == f] @ weight[:, :classes].astype(np.float32)
    label = np.repeat(np.arange(classes), copies)
    return ProbeResult(
        areas=areas[:, :classes],
        null=areas[:, classes:].mean(axis=0).reshape(permutations, classes),
        pooled=np.array([_pooled(alone[:, label == c, c], alone[:, label != c, c]) for c in range(classes)]),
        effects=total[:, :classes].astype(np.float64) / (bases * copies),
    )


def assign_folds(groups: NDArray[np.integer], folds: int, rng: Generator) -> NDArray[np.int64]:
    """Fold of each base map, shape (bases,): whole lots, the largest first into the emptiest fold, ties by chance."""
    lots, lot, size = np.unique(groups, return_inverse=True, return_counts=True)
    count = min(folds, len(lots))
    order = rng.permutation(len(lots))
    order = order[np.argsort(-size[order], kind="stable")]
    filled, fold = np.zeros(count), np.empty(len(lots), np.int64)
    for k in order:
        fold[k] = np.argmin(filled)
        filled[fold[k]] += size[k]
    return fold[lot]


def _within_bases(rows: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The statistics in units of their spread within base maps, and the same less their base map's mean; labels play no part."""
    middle = rows.mean(axis=(0, 1))
    x = rows - rows.mean(axis=1, keepdims=True)
    spread = np.sqrt((x * x).mean(axis=(0, 1)))
    constant = spread <= 1e-6 * (1 + np.abs(middle))  # float noise is no spread
    spread[constant] = np.inf
    x /= spread
    return (rows - middle) / spread, np.clip(x, -_FAR, _FAR, out=x)


def _signs(bases: int, classes: int, copies: int, permutations: int, rng: Generator) -> NDArray[np.float32]:
    """Whether a view is one of class c: first as it is, then permuted within base maps; (bases, classes * copies, columns)."""
    label = np.repeat(np.arange(classes), copies)
    drawn = np.argsort(rng.random((bases, permutations, len(label))), axis=2)
    permuted = np.concatenate([np.broadcast_to(label, (bases, 1, len(label))), label[drawn]], axis=1)
    one_hot = permuted[..., None] == np.arange(classes)  # (bases, 1 + permutations, each, classes)
    return one_hot.transpose(0, 2, 1, 3).reshape(bases, len(label), -1).astype(np.float32)


def _areas(scores: NDArray[np.float32], signs: NDArray[np.float32]) -> NDArray[np.float64]:
    """Area under the curve within each base map, shape (bases, columns)."""
    from scipy.stats import rankdata  # noqa: PLC0415  (imported when used)

    each = scores.shape[1]
    # Equal views must tie: a product of matrices rounds equal rows differently.
    unit = scores.std(axis=(0, 1)) + 1e-12
    ranks = rankdata(np.rint(scores * (1e4 / unit)), axis=1)
    own = signs.sum(axis=1)
    area: NDArray[np.float64] = ((ranks * signs).sum(axis=1) - own * (own + 1) / 2) / (own * (each - own))
    return area


def _pooled(own: NDArray[np.float32], others: NDArray[np.float32]) -> float:
    """Area under the curve of ``own`` against ``others``, any shapes."""
    from scipy.stats import rankdata  # noqa: PLC0415  (imported when used)

    ranks = rankdata(np.concatenate((own.ravel(), others.ravel())))
    area = ranks[: own.size].sum() - own.size * (own.size + 1) / 2
    return float(area / (own.size * others.size))
