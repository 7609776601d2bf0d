"""Wafers that must stay together: the wafers of a lot, or of a stretch of rows where an archive names no lots.

Rows count the wafers of a source in its own order, and a lot is contiguous in it. With lots of at most
``border_rows + 1`` wafers, two rows of one lot are at most ``border_rows`` apart. Hence two rules:

* entries further apart than ``border_rows`` share no lot: a *run* ends there, and nothing is dropped between two runs;
* a long run may be cut in *blocks* if ``border_rows`` rows are dropped around each cut between different parts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

MIN_BLOCKS = 30
"""An archive too small for this many blocks of the asked size is cut in smaller ones."""


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """Which wafers stay together.

    Attributes
    ----------
    of : ndarray of shape (n,), intp
        Group of each wafer, 0 to ``count - 1``. Independent of the wafers' order.
    count : int
    after : ndarray of shape (count,), intp
        The block that continues this block's run (-1: the run ends, or the group is a lot). A border between the two
        costs ``border_rows`` rows when they go to different parts.
    """

    of: NDArray[np.intp]
    count: int
    after: NDArray[np.intp]


def group(
    lots: NDArray[np.str_],
    rows: NDArray[np.integer],
    sources: NDArray[np.str_],
    block_rows: int,
    border_rows: int,
) -> Groups:
    """Group wafers by lot, and those without a lot by blocks of rows of their source.

    Parameters
    ----------
    lots : ndarray of shape (n,), str
        Lot names; empty where the source names none. One name is one lot, whatever the source.
    rows : ndarray of shape (n,), int
        Place in the source; used only where ``lots`` is empty.
    sources : ndarray of shape (n,), str
    block_rows : int
        Entries per block; less where that gives fewer than ``MIN_BLOCKS`` blocks, never below twice the border.
    border_rows : int
        Largest distance in rows between two wafers of one lot; 0 = every wafer is on its own.

    Returns
    -------
    Groups
    """
    of = np.full(len(lots), -1, dtype=np.intp)
    named = lots != ""
    names, of[named] = np.unique(lots[named], return_inverse=True)
    count, after = len(names), [-1] * len(names)
    for source in np.unique(sources[~named]):
        members = np.flatnonzero(~named & (sources == source))
        members = members[np.argsort(rows[members], kind="stable")]
        size = min(block_rows, max(len(members) // MIN_BLOCKS, 2 * border_rows + 2))
        for run in np.split(members, np.flatnonzero(np.diff(rows[members]) > border_rows) + 1):
            blocks = np.split(run, _cuts(rows[run], max(1, round(len(run) / size))))
            for place, block in enumerate(blocks):
                of[block] = count
                after.append(count + 1 if place + 1 < len(blocks) else -1)
                count += 1
    return Groups(of, count, np.asarray(after, dtype=np.intp))


def _cuts(rows: NDArray[np.integer], blocks: int) -> NDArray[np.intp]:
    """Where to cut a run of sorted ``rows`` in about equal ``blocks``; entries of one row are never parted."""
    even = np.linspace(0, len(rows), blocks + 1)[1:-1].astype(np.intp)
    return np.unique(np.searchsorted(rows, rows[even], side="left")) if len(even) else even


def drop_borders(
    parts: NDArray[np.intp],
    groups: Groups,
    rows: NDArray[np.integer],
    weights: NDArray[np.float64],
    border_rows: int,
) -> NDArray[np.bool_]:
    """Which wafers to leave out so that no two parts share a lot: ``border_rows`` rows around each cut between parts.

    The band may lie on either side of the cut: the place that loses the least weight is taken, the middle one where
    several lose as little. Whatever the places, two kept wafers of different parts are more than ``border_rows`` rows
    apart: the cut between them lies in (or at an end of) a band of that many rows, and neither is in it.

    Parameters
    ----------
    parts : ndarray of shape (n,), int
        Part of each wafer; equal within a group.
    groups : Groups
    rows : ndarray of shape (n,), int
    weights : ndarray of shape (n,), float64
        What losing each wafer costs, >= 0.
    border_rows : int

    Returns
    -------
    ndarray of shape (n,), bool
        True = leave out.
    """
    dropped = np.zeros(len(parts), dtype=bool)
    if border_rows == 0:
        return dropped
    members = _members(groups)
    for run in _runs(groups.after):
        entries, _ = _in_order(members, run, rows)
        place, part = rows[entries], parts[entries]
        summed = np.concatenate(([0.0], np.cumsum(weights[entries])))
        for cut in np.flatnonzero(np.diff(part)) + 1:
            first, last, _ = _band(place, summed, int(cut), border_rows)
            dropped[entries[first:last]] = True
    return dropped


def border_losses(groups: Groups, rows: NDArray[np.integer], weights: NDArray[np.float64], border_rows: int) -> NDArray[np.float64]:
    """Weight that a border behind each block would lose, 0 where its run ends; shape (count,)."""
    losses = np.zeros(groups.count)
    if border_rows == 0:
        return losses
    members = _members(groups)
    for run in _runs(groups.after):
        entries, ends = _in_order(members, run, rows)
        summed = np.concatenate(([0.0], np.cumsum(weights[entries])))
        for block, cut in zip(run[:-1], ends[:-1], strict=True):
            losses[block] = _band(rows[entries], summed, int(cut), border_rows)[2]
    return losses


def _band(place: NDArray[np.integer], summed: NDArray[np.float64], cut: int, border_rows: int) -> tuple[int, int, float]:
    """First and last (exclusive) entry of the band around ``cut`` that loses least, and its loss."""
    starts = place[cut] - np.arange(border_rows + 1)
    first, last = np.searchsorted(place, starts), np.searchsorted(place, starts + border_rows)
    losses = summed[last] - summed[first]
    best = np.flatnonzero(losses <= losses.min() + 1e-12)
    chosen = int(best[np.argmin(np.abs(best - border_rows / 2))])
    return int(first[chosen]), int(last[chosen]), float(losses[chosen])


def _members(groups: Groups) -> list[NDArray[np.intp]]:
    """The wafers of each group."""
    sizes = np.bincount(groups.of, minlength=groups.count)
    return np.split(np.argsort(groups.of, kind="stable"), np.cumsum(sizes)[:-1])


def _in_order(members: list[NDArray[np.intp]], run: list[int], rows: NDArray[np.integer]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The wafers of a run by row, and where each of its blocks ends among them."""
    entries = np.concatenate([members[g] for g in run])
    return entries[np.argsort(rows[entries], kind="stable")], np.cumsum([len(members[g]) for g in run])


def _runs(after: NDArray[np.intp]) -> list[list[int]]:
    """The chains of ``after`` with more than one block."""
    runs: list[list[int]] = []
    for start in np.setdiff1d(np.flatnonzero(after >= 0), after):
        run = [int(start)]
        while after[run[-1]] >= 0:
            run.append(int(after[run[-1]]))
        runs.append(run)
    return runs
