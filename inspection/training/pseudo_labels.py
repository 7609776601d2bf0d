"""Pseudo-labels: which calls on unlabelled wafers are sure enough to be learnt from (Lee 2013). Pure; nothing is read or drawn.

How sure is sure enough is measured on validation, class by class: a network is rarely as right as its probabilities say. What validation
cannot show to be right is not taken at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from inspection.errors import LeakageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from inspection.params import PseudoLabels

UNLABELLED = "unlabelled"
"""The part whose wafers may be taken."""
CLOSED = np.inf


@dataclass(frozen=True, slots=True, eq=False)
class Gate:
    """From which probability on a class is taken to be there (``present``), and up to which not to be (``absent``); both of shape (k,).

    ``CLOSED`` (of ``absent``: minus it) where validation shows no probability from which on the calls are right. One pattern per wafer
    has no use for ``absent``.
    """

    present: NDArray[np.float64]
    absent: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Taken:
    """``rows`` that were taken, their ``labels``, (m,) class indices or (m, k) of 0 and 1, and how many were ``left``, by reason."""

    rows: NDArray[np.intp]
    labels: NDArray[np.int64]
    left: Mapping[str, int]


def gate(probabilities: NDArray[np.floating], truth: NDArray[np.integer], params: PseudoLabels) -> Gate:
    """The gate that validation justifies.

    Parameters
    ----------
    probabilities : ndarray of shape (n, k)
        Of validation wafers: rows that sum to 1, or each class by itself.
    truth : ndarray of shape (n,) or (n, k)
        Class indices, or 0 and 1 for patterns that combine.
    params : params.PseudoLabels
        ``precision`` and ``floor``.
    """
    p = np.asarray(probabilities, np.float64)
    classes = range(p.shape[1])
    if truth.ndim == 1:
        called = p.argmax(axis=1) if len(p) else np.zeros(0, int)
        present = [_lowest(p[called == k, k], truth[called == k] == k, params) for k in classes]
        return Gate(np.array(present), np.full(len(present), -CLOSED))
    present = [_lowest(p[p[:, k] >= 0.5, k], truth[p[:, k] >= 0.5, k] == 1, params) for k in classes]
    absent = [1.0 - _lowest(1.0 - p[p[:, k] < 0.5, k], truth[p[:, k] < 0.5, k] == 0, params) for k in classes]
    return Gate(np.array(present), np.array(absent))


def take(
    probabilities: NDArray[np.floating], parts: NDArray[np.str_], through: Gate, truth: NDArray[np.integer], params: PseudoLabels
) -> Taken:
    """The wafers whose calls pass, the surest of each class first, at most ``cap`` times as many as have its true label.

    Parameters
    ----------
    probabilities : ndarray of shape (n, k)
    parts : ndarray of shape (n,), str
        Part of each wafer; only ``unlabelled`` ones may be taken, whatever the network says of the others.
    through : Gate
    truth : ndarray of shape (t,) or (t, k)
        True labels of the training part, which the cap counts. Of patterns that combine, each combination is a class here; one that has
        no true label counts as if it had one.
    params : params.PseudoLabels
        ``cap``.

    Raises
    ------
    LeakageError
        As many parts as probabilities were expected.
    """
    p = np.asarray(probabilities, np.float64)
    if len(parts) != len(p):
        raise LeakageError(f"Cannot tell which wafers may be taken: expected a part for each of {len(p)}, got {len(parts)}.")
    allowed = np.asarray(parts) == UNLABELLED
    if truth.ndim == 1:
        labels = p.argmax(axis=1) if len(p) else np.zeros(0, np.int64)
        sure = p[np.arange(len(p)), labels]
        passed = sure >= through.present[labels]
        kinds, known = labels[:, None], truth[:, None]
    else:
        labels = (p >= 0.5).astype(np.int64)
        sure = np.where(labels == 1, p, 1.0 - p).min(axis=1, initial=1.0)
        passed = np.where(labels == 1, p >= through.present, p <= through.absent).all(axis=1)
        kinds, known = labels, truth
    found = np.flatnonzero(allowed & passed)
    rows = found
    if params.cap is not None and len(found):
        of = np.unique(np.concatenate((kinds[found], known)), axis=0, return_inverse=True)[1].reshape(-1)
        counts = np.bincount(of[len(found) :], minlength=int(of.max()) + 1)
        order = np.lexsort((found, -sure[found], of[: len(found)]))  # by class, surest first, then by place
        kind = of[: len(found)][order]
        rank = np.arange(len(order)) - np.searchsorted(kind, kind)
        rows = np.sort(found[order[rank < np.floor(params.cap * np.maximum(counts[kind], 1))]])
    left = {
        f"not {UNLABELLED}": int((~allowed).sum()),
        "below the gate": int((allowed & ~passed).sum()),
        "above the cap": len(found) - len(rows),
    }
    return Taken(rows, np.asarray(labels[rows], np.int64), left)


def _lowest(sure: NDArray[np.float64], right: NDArray[np.bool_], params: PseudoLabels) -> float:
    """The lowest of ``sure`` above the floor from which on calls are right as often as asked for; ``CLOSED`` where there is none."""
    sure, right = sure[sure >= params.floor], right[sure >= params.floor]
    order = np.argsort(-sure, kind="stable")
    sure, right = sure[order], right[order]
    share = np.cumsum(right) / np.arange(1, len(right) + 1)
    whole = np.diff(sure, append=-1.0) < 0  # equal ones pass together
    good = np.flatnonzero(whole & (share >= params.precision))
    return float(sure[good[-1]]) if len(good) else CLOSED
