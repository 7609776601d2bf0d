"""Beside the network: plain classifiers on hand-made features and on the network's embedding, judged on the same test wafers.

They say what the network is worth: what it adds to a forest on numbers that engineers thought of, and whether its last layer makes the best
of its embedding. They learn from the training part alone and are judged by their likeliest class, as the network is in the row above them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from inspection.evaluation.confusion import confusion
from inspection.evaluation.intervals import macro_f1_interval, macro_f1_lead_interval
from inspection.models.baselines import fit_forest, fit_svm

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from inspection.evaluation.confusion import Confusion
    from inspection.evaluation.evaluation import Evaluation
    from inspection.models.baselines import Fitted
    from inspection.params import Baselines

METHODS = {"forest": "random forest", "svm": "support vector machine"}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Source:
    """What a classifier sees of each wafer, as tables of numbers with one row per wafer; ``test`` in the order of the judged part.

    ``key`` is part of the metrics' names, ``name`` is for people.
    """

    key: str
    name: str
    train: NDArray[np.float32]
    train_labels: NDArray[np.integer]
    validation: NDArray[np.float32]
    validation_labels: NDArray[np.integer]
    test: NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Baseline:
    """One classifier, judged.

    ``interval`` is that of its macro-F1, ``lead`` that of the network's macro-F1 less its own; both by lots, NaN for a single lot.
    ``rows`` are the training wafers it learnt from.
    """

    key: str
    name: str
    matrix: Confusion
    interval: tuple[float, float]
    lead: tuple[float, float]
    rows: int
    settings: str

    def metrics(self) -> dict[str, float]:
        """``baseline_<key>_...``: ``macro_f1`` and its ``_low`` and ``_high``, ``escape_rate overkill_rate recall_<class>``; never NaN."""
        found = {
            "macro_f1": self.matrix.macro_f1,
            "macro_f1_low": self.interval[0],
            "macro_f1_high": self.interval[1],
            "escape_rate": self.matrix.escapes.value,
            "overkill_rate": self.matrix.overkill.value,
            **{f"recall_{name}": value for name, value in zip(self.matrix.names, self.matrix.recall, strict=True)},
        }
        return {f"baseline_{self.key}_{name}": float(value) for name, value in found.items() if np.isfinite(value)}


def stand_beside(
    judged: Evaluation,
    sources: Sequence[Source],
    params: Baselines,
    *,
    seed: int,
    workers: int = 1,
    progress: Callable[[int, int, str], None] | None = None,
) -> list[Baseline]:
    """Fit a forest and a support vector machine on each source and judge them on the network's test wafers.

    Parameters
    ----------
    judged : Evaluation
        Of the network; its taxonomy, test part and number of resamples are used.
    sources : sequence of Source
    params : Baselines
    seed : int
        Same seed, same rows, whatever ``workers``.
    progress : callable, optional
        Gets (classifiers done, classifiers, what is fitted now).

    Returns
    -------
    list of Baseline
        In the order of the sources, forest first; none for a source whose training wafers are all of one class.
    """
    found = []
    for number, source in enumerate(sources):
        if len(np.unique(source.train_labels)) < 2:
            continue
        for place, method in enumerate(METHODS):
            if progress is not None:
                progress(len(METHODS) * number + place, len(METHODS) * len(sources), f"{METHODS[method]} on {source.name}")
            fitted = _fitted(method, source, params, seed, workers)
            found.append(_judged(judged, f"{source.key}_{method}", f"{METHODS[method]} on {source.name}", fitted, source.test, seed))
    return found


def rows(judged: Evaluation, baselines: Sequence[Baseline]) -> list[dict[str, Any]]:
    """The table for people, the network first: ``name macro_f1 interval ahead lead escapes overkill rows recalls best``.

    ``ahead`` is the network's macro-F1 less that of the row, ``recalls`` has one entry per class, ``best`` says of each of them whether it
    is the highest of rows that differ.
    """
    listed: list[dict[str, Any]] = [_row("The network", judged.by_label, judged.label_interval)]
    for one in baselines:
        ahead = judged.by_label.macro_f1 - one.matrix.macro_f1
        listed.append(
            {**_row(one.name, one.matrix, one.interval), "ahead": ahead, "lead": one.lead, "rows": one.rows, "settings": one.settings}
        )
    recalls = np.array([row["recalls"] for row in listed])
    # A class without test wafers is NaN in every row, and no comparison with NaN holds: none is best.
    best = (recalls == recalls.max(axis=0)) & (recalls > recalls.min(axis=0))
    for row, flags in zip(listed, best.tolist(), strict=True):
        row["best"] = flags
    return listed


def _row(name: str, matrix: Confusion, interval: tuple[float, float]) -> dict[str, Any]:
    return {
        "name": name[:1].upper() + name[1:],
        "macro_f1": matrix.macro_f1,
        "interval": interval,
        "ahead": None,
        "lead": (None, None),
        "escapes": matrix.escapes.value,
        "overkill": matrix.overkill.value,
        "rows": None,
        "settings": "",
        "recalls": matrix.recall.tolist(),
    }


def _fitted(method: str, source: Source, params: Baselines, seed: int, workers: int) -> Fitted:
    if method == "forest":
        return fit_forest(source.train, source.train_labels, trees=params.trees, seed=seed, workers=workers)
    trial = source.validation, source.validation_labels
    return fit_svm(source.train, source.train_labels, trial, rows=params.svm_rows, seed=seed)


def _judged(judged: Evaluation, key: str, name: str, fitted: Fitted, table: NDArray[np.float32], seed: int) -> Baseline:
    taxonomy, test = judged.taxonomy, judged.test
    called = [taxonomy.names[k] for k in fitted.predict(table)]
    who = test.group, taxonomy.names
    return Baseline(
        key=key,
        name=name,
        matrix=confusion(test.truth, called, taxonomy),
        interval=macro_f1_interval(test.truth, called, *who, bootstrap=judged.bootstrap, rng=np.random.default_rng(seed)),
        lead=macro_f1_lead_interval(test.truth, judged.labels, called, *who, bootstrap=judged.bootstrap, rng=np.random.default_rng(seed)),
        rows=fitted.rows,
        settings=fitted.settings,
    )
