"""The evaluation of one candidate: thresholds from validation, everything else from the test part. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from inspection.errors import InputError
from inspection.evaluation.confusion import Confusion, Rate, confusion, wilson
from inspection.evaluation.coverage import Coverage, coverage_of
from inspection.evaluation.curves import Areas, Roc, areas, curves
from inspection.evaluation.imbalance import imbalance
from inspection.evaluation.intervals import macro_f1_interval
from inspection.evaluation.patterns import PatternScores, pattern_scores
from inspection.evaluation.reliability import Calibration, calibration
from inspection.evaluation.thresholds import Thresholds, tune
from inspection.scoring.conformal import Inclusion, fit_inclusion
from inspection.scoring.decision import DecisionRule

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from inspection.params import Evaluate
    from inspection.wafer.taxonomy import Taxonomy


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Part:
    """The scored wafers of one part of the split.

    Attributes
    ----------
    truth : ndarray of shape (n,), class positions
    probabilities : ndarray of shape (n, k), calibrated; rows sum to 1
    group : ndarray of shape (n,), the lot of each wafer (or its block, where a source names no lots)
    unknown : ndarray of shape (n,), bool, or None: what the unknown detector flags
    decisions : n names, or None: then the thresholds decide
    shown : ndarray of shape (n, p), bool, or None: the patterns that each label names; None = those of the likeliest class
    file_sha256, index : ndarrays of shape (n,), or None: where each wafer comes from
    strangeness : ndarray of shape (n,), or None: what the unknown detector says
    looks : ndarray of shape (n,), or None: turns of each wafer that were looked at
    """

    truth: NDArray[np.integer]
    probabilities: NDArray[np.floating]
    group: NDArray
    unknown: NDArray[np.bool_] | None = None
    decisions: tuple[str, ...] | None = None
    shown: NDArray[np.bool_] | None = None
    file_sha256: NDArray | None = None
    index: NDArray | None = None
    strangeness: NDArray[np.floating] | None = None
    looks: NDArray[np.integer] | None = None

    def __len__(self) -> int:
        return len(self.truth)

    def check(self, k: int, name: str) -> None:
        """Raise InputError unless every column has one entry per wafer and the probabilities are k shares."""
        n = len(self.truth)
        columns = {"group": self.group, "unknown": self.unknown, "decisions": self.decisions, "index": self.index}
        columns |= {"shown": self.shown, "strangeness": self.strangeness, "looks": self.looks}
        short = [key for key, value in columns.items() if value is not None and len(value) != n]
        p = self.probabilities
        if short or p.shape != (n, k) or not np.isfinite(p).all() or (n and np.abs(p.sum(axis=1) - 1).max() > 1e-3):
            raise InputError(
                f"Cannot evaluate: expected {n} finite rows of {k} probabilities that sum to 1 and columns of that length, "
                f"got {p.shape} and other lengths in {short} ({name} part). Score this part again."
            )


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What the test part said about a candidate.

    ``label`` is the likeliest class, ``decision`` what the rule makes of it (a class, ``Unknown`` or ``Review``); each has its confusion
    matrix and the interval of its macro-F1. ``inclusion``: what belongs to a prediction set; None: too few validation wafers for sets.
    ``patterns``: each pattern alone, where classes combine them.
    """

    taxonomy: Taxonomy
    thresholds: Thresholds
    inclusion: Inclusion | None
    test: Part
    decisions: tuple[str, ...]
    by_label: Confusion
    by_decision: Confusion
    label_interval: tuple[float, float]
    decision_interval: tuple[float, float]
    bootstrap: int
    roc: list[Roc | None] = field(repr=False)
    areas: Areas = field(repr=False)
    patterns: PatternScores | None = None

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The likeliest class of each test wafer."""
        names = self.taxonomy.names
        return tuple(names[k] for k in self.test.probabilities.argmax(axis=1)) if len(self.test) else ()

    @property
    def rule(self) -> DecisionRule:
        """What decided."""
        return DecisionRule(self.taxonomy.names, self.thresholds.values, None if self.inclusion is None else self.inclusion.least)

    @cached_property
    def coverage(self) -> Coverage | None:
        """What the prediction sets hold of the test part; None: too few validation wafers for sets."""
        return None if self.inclusion is None else coverage_of(self.rule.sets(self.test.probabilities), self.test.truth)

    @cached_property
    def calibration(self) -> Calibration:
        """What the probabilities of the test part are worth."""
        return calibration(self.test.truth, self.test.probabilities, self.taxonomy.names)

    @property
    def lots(self) -> int:
        """Lots (or blocks) in the test part."""
        return len(np.unique(self.test.group))

    def metrics(self) -> dict[str, float]:
        """Flat numbers for DVC, MLflow and the gate; what cannot be known is left out, never NaN.

        Without prefix: by the likeliest class (``macro_f1 macro_f1_low macro_f1_high accuracy balanced_accuracy geometric_mean
        index_balanced_accuracy f1_<class> recall_<class> precision_<class> specificity_<class> geometric_mean_<class> iba_<class>
        auc_<class>``). ``decision_...``: the same by decision, but for the last.
        ``ece brier`` of the probabilities (``reliability``); ``average_precision_<class>``, which has ``_low`` and ``_high`` by lots, as
        ``auc_<class>`` has; ``coverage coverage_<class> set_size sets_of_one`` of the prediction sets. ``escape_rate overkill_rate
        unknown_rate review_rate`` are by decision, each but the last two with ``_low`` and ``_high``; ``label_escape_rate
        label_overkill_rate`` are by the likeliest class. Those of ``PatternScores`` where classes combine patterns.
        """
        found: dict[str, float] = {"test_wafers": float(len(self.test)), "test_lots": float(self.lots)}
        found |= _scores(self.by_label, self.label_interval, "")
        found |= _scores(self.by_decision, self.decision_interval, "decision_")
        found |= _rate("escape_rate", self.by_decision.escapes) | _rate("overkill_rate", self.by_decision.overkill)
        found |= {} if self.coverage is None else self.coverage.metrics(self.taxonomy.names)
        found |= {"ece": self.calibration.top.ece, "brier": self.calibration.brier}
        found |= {"unknown_rate": self.by_decision.unknown.value, "review_rate": self.by_decision.review.value}
        found |= {"label_escape_rate": self.by_label.escapes.value, "label_overkill_rate": self.by_label.overkill.value}
        for k, name in enumerate(self.taxonomy.names):
            for key, area, ends in (
                ("auc", self.areas.auc, self.areas.auc_interval),
                ("average_precision", self.areas.average_precision, self.areas.average_precision_interval),
            ):
                found |= {f"{key}_{name}": area[k], f"{key}_{name}_low": ends[k, 0], f"{key}_{name}_high": ends[k, 1]}
        if self.patterns is not None:
            found |= self.patterns.metrics()
        return {key: float(value) for key, value in found.items() if np.isfinite(value)}

    def per_class(self) -> list[dict[str, Any]]:
        """One row per class, by the likeliest class: support, scores, recall's interval, AUC, threshold; None = cannot be known."""
        matrix = self.by_label
        hits = np.diagonal(matrix.counts)
        low, high = wilson(hits, matrix.support)
        return [
            {
                "class": c.name,
                "normal": c.normal,
                "support": int(matrix.support[k]),
                "precision": _known(matrix.precision[k]),
                "recall": _known(matrix.recall[k]),
                "recall_low": _known(low[k]) if matrix.support[k] else None,
                "recall_high": _known(high[k]) if matrix.support[k] else None,
                "f1": _known(matrix.f1[k]),
                "decision_recall": _known(self.by_decision.recall[k]),
                "auc": None if (curve := self.roc[k]) is None else _known(curve.auc),
                "auc_low": _known(self.areas.auc_interval[k, 0]),
                "auc_high": _known(self.areas.auc_interval[k, 1]),
                "average_precision": _known(self.areas.average_precision[k]),
                "validation_auc": _known(self.thresholds.auc[k]),
                "threshold": float(self.thresholds.values[k]),
                "tuned": self.thresholds.tuned[k],
                "status": self.thresholds.status[k],
            }
            for k, c in enumerate(self.taxonomy.classes)
        ]

    def to_json(self) -> dict[str, Any]:
        """Everything but the wafers, as plain JSON."""
        return {
            "classes": list(self.taxonomy.names),
            "metrics": self.metrics(),
            "per_class": self.per_class(),
            "confusion": {"calls": list(self.by_label.calls), "label": self.by_label.counts.tolist(),
                          "decision": self.by_decision.counts.tolist()},
            "bootstrap": self.bootstrap,
        }  # fmt: skip


def evaluate(validation: Part, test: Part, taxonomy: Taxonomy, params: Evaluate, rng: np.random.Generator) -> Evaluation:
    """Tune thresholds on ``validation`` and judge ``test`` with them.

    Parameters
    ----------
    validation, test : Part
        Scored with the same candidate, temperature applied. ``test.decisions`` are used where given.
    taxonomy : Taxonomy, in the order of the probability columns
    params : Evaluate
    rng : numpy Generator, for the bootstrap

    Returns
    -------
    Evaluation

    Raises
    ------
    InputError
        A part whose columns do not fit, or an empty test part.
    """
    validation.check(len(taxonomy), "validation")
    test.check(len(taxonomy), "test")
    if not len(test):
        raise InputError(
            "Cannot evaluate: expected at least one test wafer, got none. Add labelled lots, or raise `split.test` in params.yaml."
        )
    normal = [c.normal for c in taxonomy.classes]
    thresholds = tune(validation.truth, validation.probabilities, params.min_positives, params.threshold, normal)
    inclusion = fit_inclusion(validation.probabilities, validation.truth, params.coverage, params.set_floor)
    names = taxonomy.names
    rule = DecisionRule(names, thresholds.values, None if inclusion is None else inclusion.least)
    labels = tuple(names[k] for k in test.probabilities.argmax(axis=1))
    decisions = test.decisions
    if decisions is None:
        decisions = tuple(rule.decide(test.probabilities, test.unknown))
    intervals = [
        macro_f1_interval(test.truth, called, test.group, names, bootstrap=params.bootstrap, rng=rng) for called in (labels, decisions)
    ]
    return Evaluation(
        taxonomy, thresholds, inclusion, test, decisions,
        confusion(test.truth, labels, taxonomy), confusion(test.truth, decisions, taxonomy),
        intervals[0], intervals[1], params.bootstrap, curves(test.truth, test.probabilities),
        areas(test.truth, test.probabilities, test.group, bootstrap=params.bootstrap, rng=rng),
        _patterns(test, taxonomy, params.bootstrap, rng) if taxonomy.combines else None,
    )  # fmt: skip


def _patterns(test: Part, taxonomy: Taxonomy, bootstrap: int, rng: np.random.Generator) -> PatternScores:
    membership = np.array(taxonomy.membership(), bool)
    shown = membership[test.probabilities.argmax(axis=1)] if test.shown is None else test.shown
    return pattern_scores(membership[test.truth], shown, test.group, taxonomy.patterns, bootstrap=bootstrap, rng=rng)


def _scores(matrix: Confusion, interval: tuple[float, float], prefix: str) -> dict[str, float]:
    found = {"macro_f1": matrix.macro_f1, "macro_f1_low": interval[0], "macro_f1_high": interval[1]}
    found |= {"accuracy": matrix.accuracy.value, "balanced_accuracy": matrix.balanced_accuracy}
    columns = {"f1": matrix.f1, "recall": matrix.recall, "precision": matrix.precision}
    found |= {f"{key}_{n}": float(v) for key, values in columns.items() for n, v in zip(matrix.names, values, strict=True)}
    found |= imbalance(matrix).metrics(matrix.names)
    return {prefix + key: value for key, value in found.items()}


def _rate(name: str, rate: Rate) -> dict[str, float]:
    low, high = rate.interval
    return {name: rate.value, f"{name}_low": low, f"{name}_high": high}


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
