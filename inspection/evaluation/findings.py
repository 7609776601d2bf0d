"""All that is found about a judged model besides its scores: sections for the report, numbers for the metrics, labels to correct."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from inspection.evaluation import sections
from inspection.evaluation.confusion import confusion
from inspection.evaluation.curves import operating_points
from inspection.evaluation.label_noise import find_suspicious, label_table
from inspection.evaluation.novelty import cluster_unknowns
from inspection.evaluation.retrieval import retrieve
from inspection.evaluation.scorecard import scorecard
from inspection.evaluation.slices import slices
from inspection.scoring.decision import DecisionRule

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from inspection.evaluation.evaluation import Evaluation, Part
    from inspection.evaluation.fitting import Labelled
    from inspection.evaluation.section import Section
    from inspection.params import Evaluate
    from inspection.scoring.reference import Reference

LABELS = "suspicious_labels.csv"
SLICED = ("product", "layer", "tool", "lot", "defects")
MOST_UNKNOWN = 2_000
"""Unknown wafers that are clustered, at most: more than that is no list of patterns but another fab."""


@dataclass(frozen=True, slots=True, eq=False)
class Findings:
    """``sections`` in the order to show; ``metrics`` by name; ``labels``: a label table (CSV) of the suspicious labels."""

    sections: list[Section]
    metrics: dict[str, float]
    labels: str


def findings(
    judged: Evaluation,
    validation: Part,
    test: Labelled,
    reference: Reference,
    known: tuple[pd.DataFrame, pd.DataFrame],
    params: Evaluate,
    rng: np.random.Generator,
    *,
    turns: int,
) -> Findings:
    """Look for what scores do not say.

    Parameters
    ----------
    judged : Evaluation
    validation : Part
        As it was judged by; its labels are looked at, too.
    test : Labelled
        What the network said of the test wafers.
    reference : Reference
        Labelled wafers of the training part.
    known : columns ``source lot wafer`` and any of ``SLICED`` of the validation and of the test wafers
    params : Evaluate
    rng : numpy Generator
    turns : in which a wafer that is looked at again is seen
    """
    names, p = judged.taxonomy.names, judged.test.probabilities
    similar = retrieve(
        reference, test.seen.embedding, judged.test.truth, p.argmax(axis=1), judged.test.group.astype(str), names,
        bootstrap=params.bootstrap, rng=rng,
    )  # fmt: skip
    half = np.full(len(names), 0.5)
    at_half = DecisionRule(names, half, judged.rule.least).decide(p, judged.test.unknown)
    card = scorecard(judged.by_decision)
    columns = {name: known[1][name].to_numpy() for name in SLICED if name in known[1] and len(known[1][name].unique()) > 1}
    strange = np.flatnonzero(np.array(judged.decisions) == "Unknown")[:MOST_UNKNOWN]
    novelty = cluster_unknowns(test.seen.embedding[strange], reference, seed=int(rng.integers(2**31)))
    parts = (validation, judged.test)
    files = np.concatenate([np.asarray(part.file_sha256) for part in parts])
    indices = np.concatenate([np.asarray(part.index) for part in parts])
    noise = find_suspicious(
        np.concatenate([part.truth for part in parts]),
        np.concatenate([part.probabilities for part in parts]),
        judged.taxonomy,
        files,
        indices,
    )
    sources = [str(source) for table in known for source in table["source"]]
    found = [
        sections.prediction_sets(judged),
        sections.review_tool_scores(
            card,
            operating_points(judged.test.truth, p, judged.thresholds.values, judged.by_decision),
            operating_points(judged.test.truth, p, half, confusion(judged.test.truth, at_half, judged.taxonomy)),
        ),
        sections.areas_under_curves(judged),
        sections.by_slice(
            slices(columns, judged.test.truth, judged.decisions, judged.test.group, judged.taxonomy, bootstrap=params.bootstrap, rng=rng)
            if columns else []
        ),
        sections.unknown_patterns(judged, params.unknown.rate, novelty, strange),
        sections.look_alikes(similar),
        sections.suspicious_labels(noise, len(validation), LABELS, _identities(known, indices)),
        sections.second_looks(judged, test.seen.first, turns, names),
    ]  # fmt: skip
    labels = label_table(noise.suspicions, dict(zip(files.tolist(), sources, strict=True)))
    metrics = similar.metrics() | {key: value for key, value in card.metrics().items() if np.isfinite(value)}
    metrics["suspicious_labels"] = float(len(noise.suspicions))
    return Findings([one for one in found if one is not None], metrics, labels)


def _identities(known: tuple[pd.DataFrame, pd.DataFrame], indices: NDArray) -> list[str]:
    """Lot and wafer, or where there is neither the source and the place in it."""
    columns = [np.concatenate([table[name].to_numpy() for table in known]) for name in ("lot", "wafer", "source")]
    return [f"{lot} {wafer}".strip() or f"{source}, wafer {i}" for lot, wafer, source, i in zip(*columns, indices, strict=True)]
