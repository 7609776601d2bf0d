"""A linear probe that tries to tell from statistics of the picture which class's policy made it.

Each base map has gone through the classes' policies equally often. The probe scores each *picture by itself*, as a network does, and its
score is compared with those of all other views: the area under the curve (AUC) of the verdict. Wafers differ from one another, which
hides a trace from a probe as it does from a network.

Beside it stands the *matched* area: the score compared with the other classes' views of the same wafer only, which takes the wafers'
differences out. No network can do that, so it convicts nobody; it is the sharper tool for finding which operation left a trace, and where
a better probe should look (``trace``).

**Why both are fair to symmetries.** When a class turns and the others do not, and the turned background is as likely as the background
itself, the two views of a wafer can be exchanged, so that *any* score of one picture is the higher one just as often: the area under
the curve is one half. A score that also looked at the base map would see the turn, and flag what no network can see.

**Null.** The class labels of the views of a base map are permuted within it, which keeps everything else: the folds, the copies, the fit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.random import Generator
    from numpy.typing import NDArray

RIDGE = 0.1
"""Share of each statistic's variance that is added to it: keeps the fit calm where statistics say the same."""
_FAR = 8.0  # standard deviations beyond which a statistic counts no further


@dataclass(frozen=True, slots=True, eq=False)
class Areas:
    """Areas under the curve of each class against the rest.

    Attributes
    ----------
    by_base : ndarray of shape (bases, classes)
        What each base map adds: the mean is the area, the spread between lots its error.
    null : ndarray of shape (permutations, classes)
        Areas with permuted labels; none where a probe was fitted on other maps than it is tried on.
    """

    by_base: NDArray[np.float64]
    null: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class ProbeResult:
    """What the probe found: areas, matched areas by base map of shape (bases, classes), and effects of shape (p, classes).

    An effect says how far a statistic is off, in its spread within base maps.
    """

    alone: Areas
    matched: NDArray[np.float64]
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

    Notes
    -----
    Both probes take the difference of means within base maps through the inverse of a covariance (linear discriminant analysis): the
    matched one through that within base maps, the other through that of all views.
    """
    bases, classes, copies, p = statistics.shape
    rows = statistics.reshape(bases, classes * copies, p)
    fold = assign_folds(groups, folds, rng)
    signs = _signs(bases, classes, copies, permutations, rng)
    areas = np.empty((bases, signs.shape[2]))
    overall, _ = _in_units(rows, rows - rows.mean(axis=(0, 1)))
    for f, score in _scores(overall, signs, fold):
        areas[fold == f] = area_alone(score, signs[fold == f] > 0)
    alone = Areas(areas[:, :classes], areas[:, classes:].mean(axis=0).reshape(permutations, classes))
    (within, varying), own = _in_units(rows, rows - rows.mean(axis=1, keepdims=True)), signs[:, :, :classes]
    matched = np.empty((bases, classes))
    for f, score in _scores(within, own, fold):
        matched[fold == f] = area_matched(score, own[fold == f] > 0)
    effects = np.zeros((p, classes))
    effects[varying] = within.reshape(-1, within.shape[2]).T @ own.reshape(-1, classes) / (bases * copies)
    return ProbeResult(alone, matched, effects)


def _scores(x: NDArray[np.float32], signs: NDArray[np.float32], fold: NDArray[np.int64]) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Each fold with the scores (bases of it, views, columns) of a probe that was fitted on the others."""
    p, count = x.shape[2], int(fold.max()) + 1
    target = signs - signs.mean(axis=1, keepdims=True)
    grams, sums = [], []
    for f in range(count):
        inside = x[fold == f].reshape(-1, p)
        grams.append(inside.T @ inside)
        sums.append(inside.T @ target[fold == f].reshape(len(inside), -1))
    gram, total = np.sum(grams, axis=0), np.sum(sums, axis=0)
    for f in range(count):
        inner = (gram - grams[f]).astype(np.float64)
        inner[np.diag_indices(p)] += RIDGE * np.diag(inner) + 1e-3
        weight = np.linalg.solve(inner, (total - sums[f]).astype(np.float64))
        yield f, x[fold == f] @ weight.astype(np.float32)


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


def _in_units(rows: NDArray[np.float32], x: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """The deviations ``x`` of ``rows`` in units of their spread, and which of the statistics vary at all: only these are left.

    Labels play no part.
    """
    spread = np.sqrt((x * x).mean(axis=(0, 1)))
    noise = spread <= 1e-6 * (1 + np.abs(rows).mean(axis=(0, 1)))  # float noise is no spread
    varying = ~noise
    varying[:1] |= noise.all()  # views that are all alike: one column of zeros
    x = x[:, :, varying] / np.where(noise, np.inf, spread)[varying]
    return np.clip(x, -_FAR, _FAR, out=x), varying


def _signs(bases: int, classes: int, copies: int, permutations: int, rng: Generator) -> NDArray[np.float32]:
    """Whether a view is one of class c: first as it is, then permuted within base maps; (bases, classes * copies, columns)."""
    label = np.repeat(np.arange(classes), copies)
    drawn = np.argsort(rng.random((bases, permutations, len(label))), axis=2)
    permuted = np.concatenate([np.broadcast_to(label, (bases, 1, len(label))), label[drawn]], axis=1)
    one_hot = permuted[..., None] == np.arange(classes)  # (bases, 1 + permutations, each, classes)
    return one_hot.transpose(0, 2, 1, 3).reshape(bases, len(label), -1).astype(np.float32)


def _rounded(scores: NDArray[np.float32]) -> NDArray[np.float64]:
    """Equal views must tie: a product of matrices rounds equal rows differently."""
    whole: NDArray[np.float64] = np.rint(scores * (1e4 / (scores.std(axis=(0, 1)) + 1e-12)))
    return whole


def area_matched(scores: NDArray[np.float32], own: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Area within each base map, shape (bases, columns); inputs of shape (bases, views, columns), ``own``: whether of the class."""
    from scipy.stats import rankdata  # noqa: PLC0415  (imported when used)

    mine, each = own.sum(axis=1), scores.shape[1]
    ranks = rankdata(_rounded(scores), axis=1)
    area: NDArray[np.float64] = ((ranks * own).sum(axis=1) - mine * (mine + 1) / 2) / (mine * (each - mine))
    return area


def area_alone(scores: NDArray[np.float32], own: NDArray[np.bool_]) -> NDArray[np.float64]:
    """What each base map adds to the area over all views of these base maps, shape (bases, columns): DeLong's placements, by base map.

    References
    ----------
    N. A. Obuchowski, "Nonparametric analysis of clustered ROC curve data", Biometrics 53, 1997.
    """
    bases, each, columns = scores.shape
    flat, mine = _rounded(scores).reshape(-1, columns), own.reshape(-1, columns)
    base = np.repeat(np.arange(bases), each)
    found = np.empty((bases, columns))
    for c in range(columns):
        ours, theirs = flat[mine[:, c], c], flat[~mine[:, c], c]
        above, below = _share_below(ours, theirs), 1 - _share_below(theirs, ours)
        area = above.mean()
        off = np.bincount(base[mine[:, c]], above - area, bases) / len(ours)
        off += np.bincount(base[~mine[:, c]], below - area, bases) / len(theirs)
        found[:, c] = area + bases * off
    return found


def _share_below(values: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of each value the share of ``others`` that lie below it; those that tie count half."""
    ordered = np.sort(others)
    share: NDArray[np.float64] = (np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")) / (2 * len(others))
    return share
