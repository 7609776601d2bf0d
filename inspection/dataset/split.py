"""The lot-disjoint, stratified split: training, validation and test parts of a snapshot.

Purpose: no lot on two sides, every class at its share on every side. Pure and deterministic: the same wafers,
parameters and generator state give the same parts, in whatever order the wafers come.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from inspection.dataset.assignment import assign
from inspection.dataset.groups import Groups, border_losses, drop_borders, group
from inspection.errors import InputError, ParamsError, bounded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from inspection.params import Split

TRAIN, VALIDATION, TEST, DROPPED = "train", "validation", "test", "dropped"
PARTS = (TRAIN, VALIDATION, TEST)
_DROP = len(PARTS)


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """A split and what is worth knowing about it.

    Attributes
    ----------
    parts : ndarray of shape (n,), str
        ``train``, ``validation``, ``test`` or ``dropped`` for each wafer.
    groups : int
        Lots, or blocks of rows, that were kept together.
    border_rows : int
        Rows kept clear between parts where a source names no lots: ``params.border_rows``, or 0 after the fallback that
        ``notes`` then tells about.
    group_of : ndarray of shape (n,), intp
        The lot or block of each wafer, 0 to ``groups - 1``; -1 for unlabelled wafers.
    notes : tuple of str
        Sentences for people: what could not be had and why.
    """

    parts: NDArray[np.str_]
    groups: int
    border_rows: int
    group_of: NDArray[np.intp]
    notes: tuple[str, ...] = ()


def plan(
    lots: NDArray[np.str_],
    rows: NDArray[np.integer],
    sources: NDArray[np.str_],
    labels: NDArray[np.integer],
    params: Split,
    rng: np.random.Generator,
    names: Sequence[str] | None = None,
) -> Plan:
    """Split wafers into parts that share no lot.

    Wafers with a lot name stay with their lot, the same name in two sources being one lot. Wafers without one are kept
    together by place: see `inspection.dataset.groups`.

    Parameters
    ----------
    lots : ndarray of shape (n,), str
        Lot names; empty where the source names none.
    rows : ndarray of shape (n,), int
        Place in the source's order, >= 0 where the lot is empty.
    sources : ndarray of shape (n,), str
    labels : ndarray of shape (n,), int
        Class of each wafer; -1 (unlabelled) is ``dropped``.
    params : Split
    rng : numpy.random.Generator
    names : sequence of str, optional
        Class names, by label, for the notes; default: the numbers.

    Returns
    -------
    Plan
        Every class has training examples. A class with at least three groups is in each part unless the other classes
        of those groups, or borders, forbid it (then a note says so).

    Raises
    ------
    ParamsError
        When validation and test leave nothing to train on.
    InputError
        When there are too few lots for the parts asked for, or a wafer has neither a lot nor a row.

    Notes
    -----
    Sources without lot names that are too small for blocks and borders (a few dozen maps in one stretch of rows) are
    split wafer by wafer, and a note says that their lots may be on two sides.
    """
    lots, sources = np.asarray(lots, dtype=np.str_), np.asarray(sources, dtype=np.str_)
    rows, labels = np.asarray(rows), np.asarray(labels)
    shares = np.array([1 - params.validation - params.test, params.validation, params.test])
    _check(lots, rows, labels, shares)
    kept = np.flatnonzero(labels >= 0)
    arrays = lots[kept], rows[kept], sources[kept]
    classes, y = np.unique(labels[kept], return_inverse=True)
    notes: list[str] = []

    border = params.border_rows
    state = rng.bit_generator.state
    groups = group(*arrays, params.block_rows, border)
    found = _parts(groups, rows[kept], y, shares, border_rows=border, rng=rng)
    if _missing(found, shares) and (arrays[0] == "").any() and border > 0:
        # Too few rows for blocks and borders: the only way left, and the caller is told.
        notes.append(
            "Sources without lot names are too small to be cut in blocks of rows with borders: they are split wafer by "
            "wafer, and wafers of one lot may be in two parts. Take measured scores as optimistic."
        )
        border = 0
        rng.bit_generator.state = state
        groups = group(*arrays, params.block_rows, border)
        found = _parts(groups, rows[kept], y, shares, border_rows=border, rng=rng)
    if missing := _missing(found, shares):
        raise InputError(
            f"Cannot split by lot: expected wafers in each part, got none in {', '.join(missing)} "
            f"({len(kept)} labelled wafers in {groups.count} groups that must stay together). Add labelled wafers "
            "of more lots, or set the shares in `split` of params.yaml to 0."
        )
    notes += _absent(found, y, [str(k) if names is None else names[k] for k in classes], shares)
    written = np.array([*PARTS, DROPPED])
    parts = np.full(len(lots), DROPPED, dtype=written.dtype)
    parts[kept] = written[found]
    group_of = np.full(len(labels), -1, dtype=np.intp)
    group_of[kept] = groups.of
    return Plan(parts, groups.count, border, group_of, tuple(notes))


def _check(lots: NDArray, rows: NDArray, labels: NDArray, shares: NDArray[np.float64]) -> None:
    if shares[0] <= 0:
        raise ParamsError(
            f"Cannot split: expected split.validation + split.test below 1, got {1 - shares[0]:.3g} (params.yaml). Lower them."
        )
    lost = np.flatnonzero((lots == "") & (rows < 0))
    if len(lost):
        raise InputError(
            f"Cannot split: expected a lot name or a row >= 0 for each wafer, got neither for {len(lost)} wafers "
            f"(positions {bounded([str(i) for i in lost])}). Give their place in the source as row."
        )
    if not (labels >= 0).any():
        raise InputError(
            f"Cannot split: expected labelled wafers, got none among {len(labels)}. Put a labels.csv beside the files, or only score them."
        )


def _parts(
    groups: Groups,
    rows: NDArray[np.integer],
    y: NDArray[np.integer],
    shares: NDArray[np.float64],
    *,
    border_rows: int,
    rng: np.random.Generator,
) -> NDArray[np.intp]:
    """Part of each wafer as a number, `_DROP` = left out."""
    counts = np.zeros((groups.count, int(y.max()) + 1), dtype=np.int64)
    np.add.at(counts, (groups.of, y), 1)
    totals = counts.sum(axis=0)
    # What a border would lose of each class, summed: few wafers of a rare class weigh as much as many of a common one.
    lost = border_losses(groups, rows, 1.0 / totals[y], border_rows)
    of_group = assign(counts, shares, rng, groups.after, lost)
    # The loss of a wafer counts more in a small part and in a rare class.
    weights_by = 1.0 / np.maximum(shares[:, None] * totals[None, :], 1e-12)

    for _ in range(len(totals) + 1):
        part = of_group[groups.of]
        dropped = drop_borders(part, groups, rows, weights_by[part, y], border_rows)
        found = np.where(dropped, _DROP, part)
        lacking = np.flatnonzero(np.bincount(y[found == 0], minlength=len(totals)) == 0)
        if not len(lacking):
            break
        # Borders took a class's only training examples: its largest run goes to training whole, where it has no border.
        of_group[_run_of(int(np.argmax(counts[:, lacking[0]])), groups)] = 0
    return found


def _run_of(block: int, groups: Groups) -> list[int]:
    """All blocks of the run that ``block`` belongs to."""
    before = {int(b): a for a, b in enumerate(groups.after) if b >= 0}
    while block in before:
        block = before[block]
    run = [block]
    while groups.after[run[-1]] >= 0:
        run.append(int(groups.after[run[-1]]))
    return run


def _missing(found: NDArray[np.intp], shares: NDArray[np.float64]) -> list[str]:
    """Parts that should hold wafers and hold none."""
    return [name for p, name in enumerate(PARTS) if shares[p] > 0 and not (found == p).any()]


def _absent(found: NDArray[np.intp], y: NDArray[np.integer], classes: Sequence[str], shares: NDArray[np.float64]) -> list[str]:
    """One note per part that lacks classes."""
    notes = []
    for p, name in enumerate(PARTS):
        lacks = np.flatnonzero(np.bincount(y[found == p], minlength=len(classes)) == 0)
        if shares[p] > 0 and len(lacks):
            notes.append(f"No {name} wafer of class {bounded([classes[int(k)] for k in lacks])}: too few lots show it.")
    return notes
