"""Class balance by drawing wafers of rare classes more than once: training positions only, after the split."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from inspection.errors import InputError, ParamsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


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


def balanced_indices(labels: Sequence[int] | NDArray[np.integer], tempering: float, seed: int) -> NDArray[np.intp]:
    """Positions to draw in one epoch, those of rare classes several times.

    Parameters
    ----------
    labels : n int
        Classes of the *training* wafers, >= 0.
    tempering : float
        In [0, 1], see `target_counts`.
    seed : int
        Same seed, same positions.

    Returns
    -------
    ndarray of shape (m,), intp
        Positions into ``labels``, m >= n: each of the n at least once (first, in order), then the repeated ones.

    Raises
    ------
    ParamsError
        When ``tempering`` is outside [0, 1].
    InputError
        When a label is negative.
    """
    y = np.asarray(labels)
    if not 0 <= tempering <= 1:
        raise ParamsError(f"Cannot balance: expected balance.tempering in [0, 1], got {tempering} (params.yaml). Correct it.")
    if (y < 0).any():
        raise InputError(
            f"Cannot balance: expected labels >= 0, got {int(y.min())} ({int((y < 0).sum())} of {len(y)} wafers). "
            "Pass labelled training wafers only."
        )
    classes, counts = np.unique(y, return_counts=True)
    if len(classes) < 2:  # imbalanced-learn refuses a single class, for which there is nothing to balance
        return np.arange(len(y), dtype=np.intp)
    from imblearn.over_sampling import RandomOverSampler  # noqa: PLC0415 - it imports scikit-learn: only where used

    wanted = dict(zip(classes.tolist(), target_counts(counts, tempering).tolist(), strict=True))
    sampler = RandomOverSampler(sampling_strategy=wanted, random_state=seed)
    sampler.fit_resample(np.arange(len(y))[:, None], y)
    return np.asarray(sampler.sample_indices_, dtype=np.intp)
