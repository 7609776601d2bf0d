"""Classifiers that stand beside the network: a random forest and a support vector machine on any table of numbers.

The table is the hand-made features (``models.features``) or the network's ``embedding`` layer. They are fitted on training wafers only, as
these are: no augmentation, no drawing of rare classes; ``class_weight="balanced"`` in both instead. The support vector machine chooses
the width of its kernel on validation wafers. The same arguments give the same classifier, whatever the number of cores.

They are reported, not served, and so never saved: nothing here is written to a file.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from inspection.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Table = NDArray[np.float32]

PENALTY = 10.0
"""C of the support vector machine."""
SCALES = (0.06, 0.25, 1.0)
"""Widths of its kernel that are tried: gamma = scale / columns; 1 is scikit-learn's own, too narrow where many columns say the same."""
TRIAL_ROWS = 2_000
"""Training wafers, and validation wafers, that a width is tried on."""


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A fitted classifier.

    Attributes
    ----------
    predict : table (m, f) -> classes (m,)
    rows : training wafers it was fitted on
    settings : what it was fitted with, in words
    """

    predict: Callable[[Table], NDArray[np.int64]]
    rows: int
    settings: str


def fit_forest(table: Table, labels: NDArray[np.integer], *, trees: int, seed: int, workers: int = 1) -> Fitted:
    """A random forest of ``trees`` trees (Breiman 2001).

    Parameters
    ----------
    table : ndarray of shape (n, f), finite
    labels : ndarray of shape (n,), at least two classes
    trees, seed : int
    workers : int
        Threads that grow trees; the result does not depend on it.

    Raises
    ------
    InputError
        A table that does not fit its labels, or a single class.
    """
    _check(table, labels)
    from sklearn.ensemble import RandomForestClassifier  # noqa: PLC0415 - a second: only where used

    forest = RandomForestClassifier(trees, class_weight="balanced", n_jobs=workers, random_state=seed)
    forest.fit(table, labels)
    # Threads add the votes of the trees in any order, and the last bit of their sum would decide a tie.
    forest.set_params(n_jobs=1)
    return Fitted(partial(_predicted, forest), len(table), f"{trees} trees")


def fit_svm(
    table: Table,
    labels: NDArray[np.integer],
    trial: tuple[Table, NDArray[np.integer]],
    *,
    rows: int,
    seed: int,
) -> Fitted:
    """A support vector machine with a Gaussian kernel on standardised columns (Cortes and Vapnik 1995).

    Its cost grows with the square of the wafers, so it sees at most ``rows`` of them: `stratified`.

    Parameters
    ----------
    table : ndarray of shape (n, f), finite
    labels : ndarray of shape (n,), at least two classes
    trial : (table, labels) of validation wafers, possibly none
        Chooses among `SCALES` by macro-F1, each fitted on at most `TRIAL_ROWS`; the middle one where there are none, or on a tie.
    rows, seed : int

    Raises
    ------
    InputError
        A table that does not fit its labels, or a single class.
    """
    _check(table, labels)
    rng = np.random.default_rng(seed)
    chosen = stratified(labels, rows, rng)
    small = stratified(labels, min(rows, TRIAL_ROWS), rng)
    judged = stratified(trial[1], TRIAL_ROWS, rng)
    scale = _best_scale((table[small], labels[small]), (trial[0][judged], trial[1][judged]))
    machine = _machine(scale, table.shape[1]).fit(table[chosen], labels[chosen])
    return Fitted(partial(_predicted, machine), len(chosen), f"C {PENALTY:g}, gamma {scale:g} / {table.shape[1]}")


def stratified(labels: NDArray[np.integer], most: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """At most ``most`` rising positions, each class at its share, but at least two of a class while there is room.

    Parameters
    ----------
    labels : ndarray of shape (n,)
    most : int
        At least 1. All positions where n is not larger.
    """
    if len(labels) <= most:
        return np.arange(len(labels))
    _, of = np.unique(labels, return_inverse=True)
    counts = np.bincount(of)
    # Position of each wafer in its class, in random order, over the size of the class: the smallest shares are taken.
    order = rng.permutation(len(labels))
    rank = np.empty(len(labels), np.int64)
    for k in range(len(counts)):
        rank[order[of[order] == k]] = np.arange(counts[k])
    share = np.where(rank < 2, -1.0, (rank + 0.5) / counts[of])
    return np.sort(np.lexsort((rank, share))[:most])


def _best_scale(fitted: tuple[Table, NDArray[np.integer]], judged: tuple[Table, NDArray[np.integer]]) -> float:
    middle = SCALES[len(SCALES) // 2]
    if not len(judged[1]):
        return middle
    from sklearn.metrics import f1_score  # noqa: PLC0415 - as above

    present = np.unique(judged[1])
    scores = {}
    for scale in SCALES:
        called = _predicted(_machine(scale, fitted[0].shape[1]).fit(*fitted), judged[0])
        scores[scale] = round(float(f1_score(judged[1], called, labels=present, average="macro", zero_division=0)), 6)
    return max(SCALES, key=lambda scale: (scores[scale], scale == middle))


def _machine(scale: float, columns: int) -> Any:
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415 - as above
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415 - as above
    from sklearn.svm import SVC  # noqa: PLC0415 - as above

    return make_pipeline(StandardScaler(), SVC(C=PENALTY, gamma=scale / columns, class_weight="balanced", cache_size=500))


def _predicted(model: Any, rows: Table) -> NDArray[np.int64]:
    return model.predict(rows).astype(np.int64) if len(rows) else np.zeros(0, np.int64)


def _check(table: Table, labels: NDArray[np.integer]) -> None:
    classes = len(np.unique(labels))
    if table.ndim != 2 or len(table) != len(labels) or classes < 2 or not np.isfinite(table).all():
        raise InputError(
            f"Cannot fit a baseline: expected a finite table of {len(labels)} rows and labels of at least two classes, got a table of "
            f"shape {table.shape} and {classes} classes. Add labelled wafers of another class, or set "
            "`baselines.enabled` to false in params.yaml."
        )
