"""Groups of wafers to parts, so that each part holds its share of every class and of the total.

Greedy by the rarest class, then single groups are moved or swapped while that lowers the cost; a few starts, the best
one kept. Pure: counts in, parts out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

ABSENT_IN_TRAINING, ABSENT_ELSEWHERE = 1e6, 1e2
"""Cost of a class without a training example; of one that a part lacks although it has a group for each part."""
MAX_STEPS = 400
"""Improving steps after the greedy pass; each is a look at all moves."""
STARTS = 12
"""Greedy passes, all but the first with the order of a class's groups shaken."""
MAX_SWAPPED = 400
"""Swaps and further starts are tried up to this many groups (swaps grow with the square; many groups need neither)."""


def assign(
    counts: NDArray[np.integer],
    shares: NDArray[np.float64],
    rng: np.random.Generator,
    after: NDArray[np.intp] | None = None,
    border_costs: NDArray[np.float64] | None = None,
) -> NDArray[np.intp]:
    """Choose a part for each group.

    Parameters
    ----------
    counts : ndarray of shape (g, k), int
        Wafers of each class in each group.
    shares : ndarray of shape (p,), float64
        Share of each part, summing to 1; part 0 is the training part. A part of share 0 gets nothing.
    rng : numpy.random.Generator
        Breaks ties; the same state gives the same parts.
    after : ndarray of shape (g,), intp, optional
        The group that continues each group's run, -1 = none.
    border_costs : ndarray of shape (g,), float64, optional
        What a border between parts behind each group costs, in the unit of the cost below; read where ``after`` >= 0.

    Returns
    -------
    ndarray of shape (g,), intp
        Part of each group. Every class has training examples; a class with as many groups as parts is in every part
        unless the other classes of those groups forbid it.

    Notes
    -----
    The cost is, per class of n wafers and for all wafers together (weighted as much as all classes), the sum over parts
    of ``(count / n - share)^2 / share``: a chi-square of the class shares that counts rare and common classes alike.
    """
    held = np.asarray(counts, dtype=np.float64)
    after = np.full(len(counts), -1, dtype=np.intp) if after is None else after
    open_parts = np.flatnonzero(shares > 0)
    borders = _Borders(after, np.zeros(len(counts)) if border_costs is None else border_costs)
    cost = _Cost(held, shares[open_parts])
    best_cost, best = np.inf, np.zeros(len(held), dtype=np.intp)
    for start in range(STARTS if len(counts) <= MAX_SWAPPED else 1):
        parts = _greedy(held, shares[open_parts], rng, shaken=start > 0)
        parts = _improve(parts, held, cost, borders)
        whole = cost.whole(parts, held) + borders.cost(parts)
        if whole < best_cost - 1e-9:
            best_cost, best = whole, parts
    return open_parts[best].astype(np.intp)


class _Cost:
    """The cost of a part's class counts; the whole cost is the sum over parts."""

    def __init__(self, counts: NDArray[np.float64], shares: NDArray[np.float64]) -> None:
        self.totals = counts.sum(axis=0)
        self.present = self.totals > 0
        self.shares = shares
        everywhere = self.present & (np.count_nonzero(counts, axis=0) >= len(shares))
        self.absent = np.where(everywhere, ABSENT_ELSEWHERE, 0.0)[None, :].repeat(len(shares), axis=0)
        self.absent[0] = np.where(self.present, ABSENT_IN_TRAINING, 0.0)

    def of(self, part: int, counts: NDArray[np.float64]) -> NDArray[np.float64]:
        """Cost of ``counts`` (..., k) in ``part``; shape (...)."""
        share = self.shares[part]
        classes = np.maximum(self.present.sum(), 1)
        per_class = (counts / np.maximum(self.totals, 1) - share * self.present) ** 2 / share
        whole = (counts.sum(axis=-1) / np.maximum(self.totals.sum(), 1) - share) ** 2 / share
        return per_class.sum(axis=-1) + classes * whole + ((counts <= 0) * self.absent[part]).sum(axis=-1)

    def whole(self, parts: NDArray[np.intp], counts: NDArray[np.float64]) -> float:
        """Cost of a whole assignment, borders left out."""
        return float(sum(self.of(p, counts[parts == p].sum(axis=0)) for p in range(len(self.shares))))


class _Borders:
    """What borders between parts inside a run cost."""

    def __init__(self, after: NDArray[np.intp], costs: NDArray[np.float64]) -> None:
        self.left = np.flatnonzero(after >= 0)
        self.right = after[self.left]
        self.costs = costs[self.left]

    def cost(self, parts: NDArray[np.intp]) -> float:
        """Cost of all borders."""
        return float(self.costs[parts[self.left] != parts[self.right]].sum())

    def change(self, parts: NDArray[np.intp], n_parts: int) -> NDArray[np.float64]:
        """Change of the cost by moving each group to each part; shape (g, p)."""
        change = np.zeros((len(parts), n_parts))
        for mine, other in ((self.left, self.right), (self.right, self.left)):
            here = parts[mine] != parts[other]
            there = np.arange(n_parts)[None, :] != parts[other][:, None]
            np.add.at(change, mine, (there.astype(float) - here.astype(float)[:, None]) * self.costs[:, None])
        return change

    def touch(self, a: int, b: int) -> bool:
        """Whether a border with a cost lies between two groups."""
        return bool((((self.left == a) & (self.right == b)) | ((self.left == b) & (self.right == a))).any())


def _greedy(counts: NDArray[np.float64], shares: NDArray[np.float64], rng: np.random.Generator, *, shaken: bool) -> NDArray[np.intp]:
    """Rarest class first, its largest groups first, each to the part that lacks most of its share."""
    totals = counts.sum(axis=0)
    have = np.zeros((len(shares), counts.shape[1]))
    parts = np.full(len(counts), -1, dtype=np.intp)
    order = rng.permutation(len(counts))
    shake = rng.uniform(0.25, 1.75, len(counts)) if shaken else np.ones(len(counts))
    for k in np.argsort(totals, kind="stable"):
        mine = order[(counts[order, k] > 0) & (parts[order] < 0)]
        for g in mine[np.argsort(-counts[mine, k] * shake[mine], kind="stable")]:
            lack = 1 - have[:, k] / (shares * totals[k])
            parts[g] = int(np.lexsort((-shares, -np.round(lack, 9)))[0])
            have[parts[g]] += counts[g]
    parts[parts < 0] = 0  # groups without a labelled wafer
    return parts


def _improve(parts: NDArray[np.intp], counts: NDArray[np.float64], cost: _Cost, borders: _Borders) -> NDArray[np.intp]:
    """Take the best move, or where no move helps the best swap, until neither helps."""
    parts = parts.copy()
    n_parts = len(cost.shares)
    have = np.stack([counts[parts == p].sum(axis=0) for p in range(n_parts)])
    for _ in range(MAX_STEPS):
        now = np.array([cost.of(p, have[p]) for p in range(n_parts)])
        gains = _move_gains(parts, counts, have, now, cost) + borders.change(parts, n_parts)
        best = int(np.argmin(gains))
        moved: tuple[tuple[int, int], ...] = ((best // n_parts, best % n_parts),)
        if gains.flat[best] > -1e-9:
            moved = _best_swap(parts, counts, have, cost, borders)
            if not moved:
                break
        for g, to in moved:
            have[parts[g]] -= counts[g]
            have[to] += counts[g]
            parts[g] = to
    return parts


def _move_gains(
    parts: NDArray[np.intp],
    counts: NDArray[np.float64],
    have: NDArray[np.float64],
    now: NDArray[np.float64],
    cost: _Cost,
) -> NDArray[np.float64]:
    """Change of the cost by moving each group to each part; shape (g, p), 0 where it is there already."""
    left = np.empty(len(parts))
    joined = np.empty((len(parts), len(now)))
    for p in range(len(now)):
        mine = parts == p
        left[mine] = cost.of(p, have[p] - counts[mine]) - now[p]
        joined[:, p] = cost.of(p, have[p] + counts) - now[p]
    gains = left[:, None] + joined
    gains[np.arange(len(parts)), parts] = 0.0
    return gains


def _best_swap(
    parts: NDArray[np.intp],
    counts: NDArray[np.float64],
    have: NDArray[np.float64],
    cost: _Cost,
    borders: _Borders,
) -> tuple[tuple[int, int], ...]:
    """The best pair of groups of two parts to swap, as (group, new part) twice; empty where none helps."""
    if len(parts) > MAX_SWAPPED:
        return ()
    now = [cost.of(p, have[p]) for p in range(len(have))]
    change = borders.change(parts, len(now))  # neighbours that swap are counted as if they did not touch
    best = -1e-9
    chosen: tuple[tuple[int, int], ...] = ()
    for p in range(len(now)):
        for q in range(p + 1, len(now)):
            mine, theirs = np.flatnonzero(parts == p), np.flatnonzero(parts == q)
            if not len(mine) or not len(theirs):
                continue
            gained = counts[theirs][None, :, :] - counts[mine][:, None, :]
            gains = cost.of(p, have[p] + gained) + cost.of(q, have[q] - gained) - now[p] - now[q]
            gains = gains + change[mine, q][:, None] + change[theirs, p][None, :]
            at = int(np.argmin(gains))
            if gains.flat[at] < best:
                a, b = int(mine[at // len(theirs)]), int(theirs[at % len(theirs)])
                if borders.touch(a, b):
                    continue  # its gain is not exact; a later step finds another pair
                best, chosen = float(gains.flat[at]), ((a, q), (b, p))
    return chosen
