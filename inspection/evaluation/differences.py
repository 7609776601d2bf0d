"""Whether the wafers of a slice are called right as often as others of their classes: two tests, of lots and of wafers. Pure.

Both set the mistakes of a slice against the expected ones: each wafer is expected right with the recall of its class in the test part.

``by_lots``: wafers of a lot resemble one another, and what they have in common is no evidence twice. How much they have in common (the
intraclass correlation of their residuals, over all lots) gives the variance of the mistakes of a slice; they are then as many as in a
binomial sample of that variance, the effective sample (Rao & Scott 1992). Normal tails would be too light for rare mistakes. Tried on lots
that differ and slices that do not, 3 of 12 to 150 of 200 lots and slices across lots, mistakes of 2 and 12 %: p <= .05 in .01 to .057 of
the cases, p <= .01 in .001 to .012, p <= .001 in at most .002 of 1 500 to 2 500 cases each.

``by_wafers``: wafers as independent, exactly (Fisher's test, for several tables).

Columns: ``place`` (n,) the slice of each wafer, ``truth`` (n,) its class, ``right`` (n,) whether it was called so, ``lot`` (n,) its lot,
all but ``right`` positions from 0; ``inside`` (s, k) the wafers of each slice and class.

References
----------
J. N. K. Rao, A. J. Scott, "A simple method for the analysis of clustered binary data", Biometrics 48, 1992.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NONE = 1e-9
"""Less than this is none: sums of floats."""


def crossed(a: NDArray[np.integer], b: NDArray[np.integer], rows: int, columns: int, of: NDArray | None = None) -> NDArray[np.float64]:
    """Sums of ``of`` (n,), default 1, by ``a`` and ``b``; shape (rows, columns)."""
    return np.bincount(a * columns + b, of, rows * columns).reshape(rows, columns).astype(np.float64)


def by_lots(
    place: NDArray[np.intp], truth: NDArray[np.integer], right: NDArray[np.bool_], lot: NDArray[np.intp], inside: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Two-sided mid-p-values (s,) with lots as units; 1 where no class is called both right and wrong.

    The variance of the mistakes less the expected ones is that of a score test within classes: the sum of ``v x^2`` over wafers, where
    ``v = r (1 - r)`` for the recall r of the wafer's class and ``x`` is 1 in the slice and 0 outside of it, less the share of the class
    that is in the slice; and for each two wafers of one lot the correlation times ``sqrt(v) x sqrt(v') x'``.
    """
    s, k = inside.shape
    lots, of_class = int(lot.max()) + 1, np.maximum(np.bincount(truth, minlength=k), 1)
    recall = np.bincount(truth, right, k) / of_class
    share, v = inside / of_class, recall * (1 - recall)
    residual, scale = right - recall[truth], np.sqrt(v)[truth]
    pairs = (np.bincount(lot, scale, lots) ** 2).sum() - v[truth].sum()
    alike = (np.bincount(lot, residual, lots) ** 2).sum() - (residual**2).sum()
    correlation = max(0.0, alike / pairs) if pairs > _NONE else 0.0
    alone = (of_class * v * share * (1 - share)).sum(axis=1)
    together = ((crossed(lot, place, lots, s, scale) - crossed(lot, truth, lots, k, scale) @ share.T) ** 2).sum(axis=0)
    variance = alone + correlation * np.maximum(together - alone, 0.0)
    mistakes, expected, wafers = np.bincount(place, ~right, s), inside @ (1 - recall), inside.sum(axis=1)
    found, known = np.ones(s), variance > _NONE
    found[known] = _effective(mistakes[known], expected[known], wafers[known], variance[known])
    return found


def _effective(
    mistakes: NDArray[np.float64], expected: NDArray[np.float64], wafers: NDArray[np.float64], variance: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Two-sided mid-p-value of ``mistakes`` in a binomial sample with the mean ``expected`` and, after scaling, the ``variance``.

    Scaled counts are not whole: the tails are incomplete beta functions, which for whole counts are the binomial ones.
    """
    from scipy.special import betainc  # noqa: PLC0415  (imported when used)

    rate = expected / wafers
    scale = wafers * rate * (1 - rate) / variance
    x, n = mistakes * scale, wafers * scale
    some, all_wrong = x > _NONE, n - x <= _NONE
    at_least = np.where(some, betainc(np.where(some, x, 1.0), n - x + 1, rate), 1.0)
    more = np.where(all_wrong, 0.0, betainc(x + 1, np.where(all_wrong, 1.0, n - x), rate))
    upper = (at_least + more) / 2
    return np.minimum(1.0, 2 * np.minimum(upper, 1 - upper))


def by_wafers(
    place: NDArray[np.intp], truth: NDArray[np.integer], right: NDArray[np.bool_], inside: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Two-sided p-values (s,) with wafers as units: within each class, which of its wafers are right is drawn without regard to the slice.

    The number of hits in a slice is then a sum of hypergeometric numbers, one per class; outcomes that are no likelier than the one seen
    are added up, as in Fisher's test.
    """
    from scipy.stats import hypergeom  # noqa: PLC0415  (imported when used)

    s, k = inside.shape
    wafers, all_hits = np.bincount(truth, minlength=k), np.bincount(truth, right, k)
    hits = np.bincount(place, right, s)
    known: dict[tuple[int, int], NDArray[np.float64]] = {}

    def chances(c: int, size: int) -> NDArray[np.float64]:
        if (c, size) not in known:
            known[c, size] = hypergeom.pmf(np.arange(size + 1), int(wafers[c]), int(all_hits[c]), size)
        return known[c, size]

    found = np.ones(s)
    for i, sizes in enumerate(inside.astype(int)):
        law = np.ones(1)
        for c in np.flatnonzero(sizes):
            law = np.convolve(law, chances(int(c), int(sizes[c])))
        found[i] = min(1.0, law[law <= law[int(hits[i])] * (1 + 1e-7)].sum())
    return found
