"""Balanced batches: every batch holds the classes in the shares in which they are drawn, not only the epoch as a whole.

A shuffled batch of 64 from a set in which a class has 1 % holds none of it every second time. Here each batch holds its share, rounded
down or up, and the epoch holds it exactly, so that no step of training forgets a rare class.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from inspection.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_WALK, _PLACES, _WITHIN = 1, 2, 3
"""Streams of random numbers that must not be the same."""


def epoch_counts(drawn: NDArray[np.integer], draws: int) -> NDArray[np.int64]:
    """How many of ``draws`` fall to each class, in proportion to ``drawn`` (k,): the largest remainders are rounded up.

    The result sums to ``draws``. A class that is drawn at all gets at least one, as long as there are as many draws as such classes.
    """
    drawn = np.asarray(drawn, np.int64)
    counts = np.zeros(len(drawn), np.int64)
    shared = drawn > 0
    if draws >= shared.sum():
        while (few := shared & (drawn * (draws - counts.sum()) < drawn[shared].sum())).any():  # less than one each: one, the others share
            counts[few] = 1
            shared &= ~few
    left = draws - int(counts.sum())
    exact = left * drawn[shared] / max(int(drawn[shared].sum()), 1)
    whole = np.floor(exact).astype(np.int64)
    whole[np.argsort(whole - exact, kind="stable")[: left - int(whole.sum())]] += 1
    counts[shared] = whole
    return counts


def balanced_order(
    drawn: NDArray[np.integer], labels: NDArray[np.integer], *, steps: int, batch_size: int, seed: int, epoch: int
) -> NDArray[np.intp]:
    """The order in which one epoch walks through the draws, batch after batch.

    Parameters
    ----------
    drawn : ndarray of shape (m,), int
        Positions into ``labels``, those of rare classes several times (``dataset.balance``).
    labels : ndarray of shape (n,), int
        Class of each training wafer, >= 0.
    steps, batch_size : int
        The epoch has ``steps * batch_size`` draws.
    seed, epoch : int

    Returns
    -------
    ndarray of shape (steps * batch_size,), intp
        Positions; batch i is ``[i * batch_size : (i + 1) * batch_size]``. Of each class every batch holds the epoch's number divided by
        ``steps``, rounded down or up, and the epoch's number is its share of ``drawn`` (`epoch_counts`).

    Raises
    ------
    InputError
        When nothing is drawn.

    Notes
    -----
    Each class walks through its own draws in a random order, to the end before it begins anew, and on from where the epoch before
    stopped: after ``ceil(m_c / epoch_counts[c])`` epochs each wafer of class c was seen, and none is a round ahead of another. The order
    depends on the arguments alone, so that any batch of any epoch can be made without those before it.
    """
    if not len(drawn):
        raise InputError("Cannot make balanced batches: expected at least one draw, got none. Pass labelled training wafers.")
    classes = np.asarray(labels)[drawn]
    totals = epoch_counts(np.bincount(classes), steps * batch_size)
    of_batch = _share_out(totals, steps, np.random.default_rng([_PLACES, seed, epoch]))
    walks, batches = [], []
    for kind in np.flatnonzero(totals).tolist():
        begin, length = int(totals[kind]) * epoch, int(totals[kind])
        walks.append(_walk(np.asarray(drawn)[classes == kind], begin, length, [_WALK, seed, kind]))
        batches.append(np.repeat(np.arange(steps), of_batch[:, kind]))
    # Within a batch in no order: with several devices each gets a piece of it.
    anywhere = np.random.default_rng([_WITHIN, seed, epoch]).random(steps * batch_size)
    return np.concatenate(walks)[np.lexsort((anywhere, np.concatenate(batches)))]


def _share_out(totals: NDArray[np.int64], steps: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Numbers of each class in each batch, (steps, k): columns sum to ``totals``, rows to the same, entries differ by at most one.

    What is left after an equal share of each class is laid round and round over the batches, class after class: a class has fewer left
    than there are batches, so none gets two of it, and all get as many in all.
    """
    base, left = np.divmod(totals, steps)
    shared = np.repeat(base[None, :], steps, axis=0)
    kind = np.repeat(np.arange(len(totals)), left)
    np.add.at(shared, (rng.permutation(steps)[np.arange(len(kind)) % steps], kind), 1)
    return shared


def _walk(members: NDArray[np.integer], begin: int, length: int, stream: list[int]) -> NDArray[np.intp]:
    """``length`` of ``members`` from place ``begin`` of an endless row of permutations of them, each made for itself."""
    rounds = range(begin // len(members), -(-(begin + length) // len(members)))
    row = np.concatenate([np.random.default_rng([*stream, r]).permutation(members) for r in rounds])
    skipped = begin - rounds.start * len(members)
    return row[skipped : skipped + length]
