"""Small tables of the report: the candidate beside a champion, label beside decision, the balance of the classes. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from inspection.evaluation import wording
from inspection.evaluation.imbalance import imbalance

if TYPE_CHECKING:
    from collections.abc import Mapping

    from inspection.evaluation.evaluation import Evaluation

COMPARED = {
    "macro_f1": ("Macro-F1", True),
    "decision_macro_f1": ("Macro-F1 by decision", True),
    "balanced_accuracy": ("Balanced accuracy", True),
    "geometric_mean": ("Geometric mean of the recalls", True),
    "index_balanced_accuracy": ("Index of balanced accuracy", True),
    "accuracy": ("Accuracy", True),
    "escape_rate": ("Escape rate", False),
    "overkill_rate": ("Overkill rate", False),
}
"""Metrics set beside those of the champion: their names, and whether more is better."""


def comparison(evaluation: Evaluation, theirs: Mapping[str, float]) -> list[dict[str, Any]]:
    """The candidate beside a champion, row by row, for the numbers both have: ``name ours theirs better``."""
    ours = evaluation.metrics()
    return [
        {"name": name, "ours": ours[key], "theirs": theirs[key], "better": (ours[key] - theirs[key]) * (1 if high else -1)}
        for key, (name, high) in COMPARED.items()
        if key in ours and key in theirs
    ]


def agreement(evaluation: Evaluation) -> list[tuple[str, str, str]]:
    """The same scores from the likeliest class and from the decision."""
    metrics = evaluation.metrics()
    rows = [
        ("Macro-F1", evaluation.by_label.macro_f1, evaluation.by_decision.macro_f1),
        ("Balanced accuracy", evaluation.by_label.balanced_accuracy, evaluation.by_decision.balanced_accuracy),
        ("Accuracy", evaluation.by_label.accuracy.value, evaluation.by_decision.accuracy.value),
        ("Escape rate", evaluation.by_label.escapes.value, evaluation.by_decision.escapes.value),
        ("Overkill rate", evaluation.by_label.overkill.value, evaluation.by_decision.overkill.value),
        ("Geometric mean of the recalls", metrics.get("geometric_mean"), metrics.get("decision_geometric_mean")),
        ("Index of balanced accuracy", metrics.get("index_balanced_accuracy"), metrics.get("decision_index_balanced_accuracy")),
    ]
    return [(name, wording.score(label), wording.score(decision)) for name, label, decision in rows]


def balance(evaluation: Evaluation) -> list[tuple[str, int, list[str]]]:
    """imbalanced-learn's report by the likeliest class: name, wafers, and precision to index of balanced accuracy."""
    matrix = evaluation.by_label
    found = imbalance(matrix)
    columns = (
        matrix.precision, matrix.recall, found.specificity, matrix.f1, found.geometric_mean, found.index_balanced_accuracy,
    )  # fmt: skip
    scores = np.stack(columns, axis=1)
    return [
        (name, int(wafers), [wording.score(value) for value in row])
        for name, wafers, row in zip(matrix.names, matrix.support, scores, strict=True)
    ]
