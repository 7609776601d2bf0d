"""Class balance by drawing wafers of rare classes more than once: training positions only, after the split.

No wafer is ever left out. Under-samplers, which reach the balance by throwing wafers of the large classes away, do not exist here: the
normal wafers are the many ways to look harmless, and what was not shown as harmless raises the alarm. Nor is a wafer invented: a point
between two wafers in a feature space, as SMOTE makes it, is a wafer only where parts of real ones are put together (``augment.classes``).
So the samplers of imbalanced-learn decide *which real wafer* is drawn again, and augmentation makes it another one each time.

==============  ====================================================================================================================
``none``        each wafer once: the classes as they come
``random``      any wafer of a rare class (`RandomOverSampler`)
``borderline``  only those among whose neighbours other classes prevail without being alone (`BorderlineSMOTE`, Han et al. 2005)
``adasyn``      each the more often, the more of its neighbours are of other classes (`ADASYN`, He et al. 2008)
==============  ====================================================================================================================
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from inspection.errors import InputError, ParamsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

NEIGHBOURS = 5
"""Neighbours within the class between which ``borderline`` and ``adasyn`` look; a class needs more wafers than these."""
LOOKS_AT_WAFERS = ("borderline", "adasyn")
"""Samplers that need a table of features to tell which wafers lie near other classes."""


def target_counts(counts: NDArray[np.integer], tempering: float) -> NDArray[np.int64]:
    """How often each class is to be drawn in one epoch.

    Parameters
    ----------
    counts : ndarray of shape (k,), int
        Wafers per class; 0 stays 0.
    tempering : float
        In [0, 1]: 0 = every class as often as the largest, 1 = as they come.

    Returns
    -------
    ndarray of shape (k,), int64
        ``n_max * (n / n_max) ** tempering``, rounded, never below ``n``.
    """
    counts = np.asarray(counts, dtype=np.int64)
    largest = max(int(counts.max(initial=0)), 1)
    drawn = np.rint(largest * (counts / largest) ** tempering).astype(np.int64)
    return np.where(counts > 0, np.maximum(drawn, counts), 0)


def balanced_indices(
    labels: Sequence[int] | NDArray[np.integer],
    tempering: float,
    seed: int,
    sampler: str = "random",
    features: NDArray[np.floating] | None = None,
) -> NDArray[np.intp]:
    """Positions to draw in one epoch, those of rare classes several times.

    Parameters
    ----------
    labels : n int
        Classes of the *training* wafers, >= 0.
    tempering : float
        In [0, 1], see `target_counts`.
    seed : int
        Same seed, same positions.
    sampler : {"none", "random", "borderline", "adasyn"}
        Which wafers of a class are repeated.
    features : ndarray of shape (n, f), optional
        Where each wafer lies among the others, for ``borderline`` and ``adasyn``. Columns count alike: each is scaled to unit variance.

    Returns
    -------
    ndarray of shape (m,), intp
        Positions into ``labels``, m >= n: each of the n at least once (first, in order), then the repeated ones. Each class comes exactly
        as often as `target_counts` says, whatever the sampler: where a class has no border with others, or at most `NEIGHBOURS` wafers,
        any of its wafers are repeated.

    Raises
    ------
    ParamsError
        When ``tempering`` is outside [0, 1], or ``sampler`` is none of these.
    InputError
        When a label is negative, or the features are missing, not finite or not one row per label.
    """
    y = np.asarray(labels)
    if not 0 <= tempering <= 1:
        raise ParamsError(f"Cannot balance: expected balance.tempering in [0, 1], got {tempering} (params.yaml). Correct it.")
    if sampler not in ("none", "random", *LOOKS_AT_WAFERS):
        raise ParamsError(
            f"Cannot balance: expected balance.sampler none, random, borderline or adasyn, got {sampler!r} (params.yaml). Correct it."
        )
    if (y < 0).any():
        raise InputError(
            f"Cannot balance: expected labels >= 0, got {int(y.min())} ({int((y < 0).sum())} of {len(y)} wafers). "
            "Pass labelled training wafers only."
        )
    classes, counts = np.unique(y, return_counts=True)
    if len(classes) < 2 or sampler == "none":  # imbalanced-learn refuses a single class, for which there is nothing to balance
        return np.arange(len(y), dtype=np.intp)
    wanted = dict(zip(classes.tolist(), target_counts(counts, tempering).tolist(), strict=True))
    drawn = _any_again(y, wanted, seed)
    if sampler == "random":
        return drawn
    table = _scaled(features, len(y))
    again = drawn[len(y) :]
    for label in classes.tolist():
        places = np.flatnonzero(y[again] == label)
        near = _near_the_border(sampler, table, y, label, len(places), seed)
        # A sampler may round to fewer or more than it was asked for: the rest stay the random ones, what is too much is left.
        kept = min(len(near), len(places))
        again[places[:kept]] = np.random.default_rng([seed, label]).permutation(near)[:kept]
    return drawn


def _any_again(y: NDArray[np.integer], wanted: dict[int, int], seed: int) -> NDArray[np.intp]:
    from imblearn.over_sampling import RandomOverSampler  # noqa: PLC0415 - it imports scikit-learn: only where used

    sampler = RandomOverSampler(sampling_strategy=wanted, random_state=seed)
    sampler.fit_resample(np.arange(len(y))[:, None], y)
    return np.asarray(sampler.sample_indices_, dtype=np.intp)


def _scaled(features: NDArray[np.floating] | None, wafers: int) -> NDArray[np.float64]:
    if features is None or features.ndim != 2 or len(features) != wafers or not np.isfinite(features).all():
        got = "none" if features is None else f"shape {features.shape}, {int((~np.isfinite(features)).sum())} values not finite"
        raise InputError(
            f"Cannot tell which wafers lie near other classes: expected finite features of shape ({wafers}, f), got {got}. "
            "Compute the hand-made features of the training wafers, or set balance.sampler to random."
        )
    spread = features.std(axis=0, dtype=np.float64)
    return (features - features.mean(axis=0, dtype=np.float64)) / np.where(spread > 0, spread, 1.0)


def _near_the_border(
    sampler: str, table: NDArray[np.float64], y: NDArray[np.integer], label: int, more: int, seed: int
) -> NDArray[np.intp]:
    """About ``more`` positions of class ``label``, repeated as the sampler prefers; none where it has no border."""
    members = np.flatnonzero(y == label)
    if more < 1 or len(members) <= NEIGHBOURS or len(y) <= 2 * NEIGHBOURS:
        return members[:0]
    from imblearn.over_sampling import ADASYN, BorderlineSMOTE  # noqa: PLC0415 - as above

    wanted = {label: len(members) + more}
    if sampler == "borderline":
        border = BorderlineSMOTE(sampling_strategy=wanted, k_neighbors=NEIGHBOURS, m_neighbors=2 * NEIGHBOURS, random_state=seed)
        border.fit_resample(table, y)
        endangered = np.asarray(border.in_danger_indices.get(label, members[:0]), np.intp)
        return np.resize(endangered, more) if len(endangered) else endangered  # each as often as any other, but for one
    try:
        made, _ = ADASYN(sampling_strategy=wanted, n_neighbors=NEIGHBOURS, random_state=seed).fit_resample(table, y)
    except (RuntimeError, ValueError):  # no wafer has a neighbour of another class; or so many have that none comes to half a draw
        return members[:0]
    from sklearn.neighbors import NearestNeighbors  # noqa: PLC0415 - as above

    # Its points lie between two wafers of the class: the nearer one of all is drawn in their place.
    nearest = NearestNeighbors(n_neighbors=1).fit(table[members]).kneighbors(made[len(y) :], return_distance=False)
    return members[nearest[:, 0]]
