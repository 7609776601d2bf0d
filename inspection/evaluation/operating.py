"""The test part in a form small enough to travel with the report, so that a browser can judge any threshold by itself. Pure.

A threshold only ever asks whether a probability reaches it. The page offers the thresholds of ``edges``: a grid, and each class's own
threshold among them. Of a probability it needs to know only the last edge that it reaches: its *code*. Then ``probability >= edge``
exactly where ``code >= place of the edge``, for every edge, so that the browser's counts are the server's: nothing is rounded.
"""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from inspection.errors import InputError
from inspection.evaluation.confusion import column_of
from inspection.wafer.taxonomy import REVIEW

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from inspection.evaluation.evaluation import Evaluation

_TAIL = (1e-6, 1e-5, 1e-4, 5e-4)  # networks are often very sure: finer towards 0 and 1
GRID = np.unique(np.concatenate(([0.0], _TAIL, np.arange(1, 1000) / 1000, 1.0 - np.array(_TAIL), [1.0])))
MOST_CODES = 1_500_000
"""Wafers times classes that the page carries at most (4 MB); above it the page has no slider."""


def edges(threshold: float) -> NDArray[np.float64]:
    """The thresholds that the page offers for a class: ``GRID`` with ``threshold`` in its place, rising, no two alike."""
    return np.union1d(GRID, [threshold])


def codes(probability: NDArray[np.floating], threshold: float) -> NDArray[np.uint16]:
    """Place in ``edges(threshold)`` of the last edge that each probability (n,) reaches.

    ``probability >= edges(threshold)[j]`` exactly where ``codes >= j``.
    """
    return (np.searchsorted(edges(threshold), np.asarray(probability, np.float64), side="right") - 1).astype("<u2")


def ungated(evaluation: Evaluation) -> tuple[str, ...]:
    """What each test wafer would be called if every threshold were 0: by the rule, or as far as decisions that were given tell.

    Of these, a wafer in ``Review`` below the threshold of its likeliest class is taken to be there for that reason alone.
    """
    p = evaluation.test.probabilities
    if evaluation.test.decisions is None:
        free = replace(evaluation.rule, thresholds=np.zeros(p.shape[1]))
        return tuple(free.decide(p, evaluation.test.unknown))
    missed = p.max(axis=1) < evaluation.thresholds.values[p.argmax(axis=1)]
    return tuple(
        label if decision == REVIEW and low else decision
        for decision, label, low in zip(evaluation.decisions, evaluation.labels, missed, strict=True)
    )


def packed(evaluation: Evaluation, calls: Sequence[str], identities: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """What the page computes with, as plain JSON; arrays as base64 of little-endian unsigned integers.

    Parameters
    ----------
    evaluation : Evaluation
    calls : n names, what each wafer would be called with every threshold at 0 (``ungated``)
    identities : n pairs of lot and wafer

    Returns
    -------
    dict
        ``classes normal calls``; ``grid thresholds tuned``; per wafer ``truth decision ungated likeliest`` (columns of the confusion
        matrix), ``said`` (probability of what it was called, of the likeliest class for Unknown and Review, in 1/65535), ``lot`` (place
        in ``lots``) and ``wafers``; ``codes``, class by class (k * n), None where they are too many.

    Raises
    ------
    InputError
        Not one call and one identity per wafer, or calls that do not lead to the decisions at the evaluation's own thresholds.
    """
    test, names = evaluation.test, evaluation.taxonomy.names
    n, k = len(test), len(names)
    if len(calls) != n or len(identities) != n:
        raise InputError(
            f"Cannot pack the test part: expected {n} calls and {n} pairs of lot and wafer, got {len(calls)} and {len(identities)}. "
            "Pass those of the wafers that were judged, in their order."
        )
    decided, free = column_of(evaluation.decisions, names), column_of(calls, names)
    p, wafer, likeliest = np.asarray(test.probabilities, np.float64), np.arange(n), test.probabilities.argmax(axis=1)
    gate = np.append(evaluation.thresholds.values, (0.0, 0.0))[free]
    passed = np.where(free < k, p[wafer, np.minimum(free, k - 1)], 1.0) >= gate
    strange = np.flatnonzero(np.where(passed, free, k + 1) != decided)
    if len(strange):
        i = int(strange[0])
        raise InputError(
            f"Cannot pack the test part: the calls without thresholds do not lead to the decisions for {len(strange)} wafers, the first at "
            f"{i}: expected {evaluation.decisions[i]!r}, got {calls[i]!r}, threshold {gate[i]:.4f}. Take both from the same rule."
        )
    lots, lot = np.unique([one for one, _ in identities], return_inverse=True)
    values = evaluation.thresholds.values.tolist()
    coded = [codes(p[:, c], t) for c, t in enumerate(values)] if n * k <= MOST_CODES else None
    said = p[wafer, np.where(decided < k, np.minimum(decided, k - 1), likeliest)]
    return {
        "classes": list(names),
        "normal": [c.normal for c in evaluation.taxonomy.classes],
        "calls": list(evaluation.by_decision.calls),
        "grid": GRID.tolist(),
        "thresholds": values,
        "tuned": list(evaluation.thresholds.tuned),
        "truth": _base64(test.truth, "<u2"),
        "decision": _base64(decided, "<u2"),
        "ungated": _base64(free, "<u2"),
        "likeliest": _base64(likeliest, "<u2"),
        "said": _base64(np.rint(said * 65535), "<u2"),
        "lot": _base64(lot, "<u4"),
        "lots": lots.tolist(),
        "wafers": [one for _, one in identities],
        "codes": None if coded is None else _base64(np.concatenate(coded), "<u2"),
    }


def _base64(values: NDArray, kind: str) -> str:
    return base64.b64encode(np.asarray(values).astype(kind).tobytes()).decode("ascii")
